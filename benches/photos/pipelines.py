"""Photos per second from files of twelve megapixels to embeddings of MobileCLIP2-S0: clippie-rs beside Pillow with ONNX Runtime
and torchvision's decoder with OpenVINO, in turns, on the same processors.

    python benches/rivals/export.py target/rivals 1,4,8 mobileclip2-s0
    python benches/photos/pipelines.py --weights mobileclip2-s0.clippie [--weights mobileclip2-s0-int8.clippie]

200 JPEG files of four kinds are made in target/photos: of libjpeg-turbo and of FFmpeg, which must be installed, 4:2:0 and 4:2:2.
The folder of models has the image tower for ONNX Runtime, for 1, 4 and 8 images. clippie-rs is timed as a whole
process, the others without their start: from the first file to the last embedding. Each rival has several settings, of which a
trial finds the fastest.

``exact`` is the decoding to all pixels, ``reduced`` to a quarter of the sides (``--fast-decode``; Pillow's ``draft`` for twice
the size of the tower's input, which is the same reduction). torchvision has no such decoder.
"""

import argparse
import itertools
import json
import os
import queue
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
WORK = ROOT / "target" / "photos" / "pipelines"
PICTURES = 25
SIDE = 256
# Rivals: how photos are read, and what runs the model.
RIVALS = {
    "exact": [("pillow", "onnxruntime"), ("pillow", "openvino"), ("torchvision", "openvino")],
    "reduced": [("draft", "onnxruntime"), ("draft", "openvino")],
}
# Processes, threads of each that read photos, threads of the model, photos in a pass. With the same number of threads of both
# kinds and one photo, each thread does everything for its photos.
SETTINGS = [(1, 2, 1, 1), (1, 2, 1, 4), (1, 2, 2, 8), (2, 1, 1, 1), (2, 1, 1, 4)]


def files() -> list[Path]:
    """The photos, made if they are missing."""
    import numpy
    from PIL import Image

    from compare import SIZE

    WORK.mkdir(parents=True, exist_ok=True)
    names = [
        WORK / f"{number:02}{'m' if mirrored else ''}-{encoder}-{sampling}.jpg"
        for number in range(PICTURES)
        for mirrored in (False, True)
        for encoder in ("turbo", "ffmpeg")
        for sampling in (420, 422)
    ]
    for number in range(PICTURES):
        if all(path.exists() for path in names if path.name.startswith(f"{number:02}")):
            continue
        values = numpy.random.default_rng(number)

        def smooth(cells: int, values=values) -> numpy.ndarray:
            small = (values.random((cells * 3 // 4, cells, 3)) * 255).astype(numpy.uint8)
            return numpy.asarray(Image.fromarray(small).resize(SIZE, Image.Resampling.BICUBIC), numpy.float32)

        pixels = 0.5 * smooth(8) + 0.3 * smooth(60) + 0.2 * smooth(500)
        pixels += values.normal(0, 2.5, (SIZE[1], SIZE[0], 1)).astype(numpy.float32)
        whole = Image.fromarray(pixels.clip(0, 255).astype(numpy.uint8))
        for mirrored in (False, True):
            picture = whole.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if mirrored else whole
            for sampling in (420, 422):
                stem = WORK / f"{number:02}{'m' if mirrored else ''}"
                picture.save(f"{stem}-turbo-{sampling}.jpg", quality=90, subsampling={420: 2, 422: 1}[sampling])
                command = ["ffmpeg", "-v", "error", "-y", "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{SIZE[0]}x{SIZE[1]}"]
                command += ["-i", "-", "-pix_fmt", f"yuvj{sampling}p", "-q:v", "3", f"{stem}-ffmpeg-{sampling}.jpg"]
                subprocess.run(command, input=picture.tobytes(), check=True)
    return sorted(names)


def reader(kind: str):
    """A function from a path to the tower's input, ``float32 [3, 256, 256]``, as open_clip's transform makes it."""
    import numpy

    if kind == "torchvision":
        import torch
        from torchvision.io import ImageReadMode, decode_jpeg, read_file
        from torchvision.transforms.v2 import functional as transforms

        torch.set_num_threads(1)

        def read(path):
            pixels = decode_jpeg(read_file(path), mode=ImageReadMode.RGB)
            pixels = transforms.center_crop(transforms.resize(pixels, [SIDE], antialias=True), [SIDE, SIDE])
            return pixels.numpy().astype(numpy.float32) / 255

        return read

    from PIL import Image

    def read(path):
        image = Image.open(path)
        if kind == "draft":
            image.draft("RGB", (2 * SIDE, 2 * SIDE))
        image = image.convert("RGB")
        scale = SIDE / min(image.size)
        width, height = (round(scale * side) for side in image.size)
        image = image.resize((width, height), Image.Resampling.BILINEAR)
        left, top = (width - SIDE) // 2, (height - SIDE) // 2
        pixels = numpy.asarray(image.crop((left, top, left + SIDE, top + SIDE)))
        return pixels.transpose(2, 0, 1).astype(numpy.float32) / 255

    return read


def runner(kind: str, model: str, threads: int, callers: int):
    """A function from ``[N, 3, 256, 256]`` to embeddings, which several threads may call."""
    if kind == "onnxruntime":
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        name = session.get_inputs()[0].name
        return lambda pixels: session.run(None, {name: pixels})[0]

    import openvino

    core = openvino.Core()
    settings = {"NUM_STREAMS": callers, "INFERENCE_NUM_THREADS": threads * callers, "INFERENCE_PRECISION_HINT": "f32"}
    compiled = core.compile_model(core.read_model(model), "CPU", settings)
    local = threading.local()

    def run(pixels):
        if not hasattr(local, "request"):
            local.request = compiled.create_infer_request()
        return local.request.infer([pixels])[0].copy()

    return run


def work(kind: str, engine: str, model: str, readers: int, threads: int, batch: int) -> None:
    """Answer lines of paths with the seconds that all of them took and the first embedding."""
    import numpy

    read = reader(kind)
    alone = threads == 1 and readers > 1
    model_run = runner(engine, model, threads, readers if alone else 1)

    def run(images: list):
        """The embeddings of at most a pass of images; the graph has a fixed number, of which some may be no one's."""
        pixels = numpy.zeros((batch, *images[0].shape), numpy.float32)
        pixels[: len(images)] = images
        return model_run(pixels)[: len(images)]

    def whole(paths: list[str]) -> list:
        """Everything in each thread."""
        chunks = [paths[at : at + batch] for at in range(0, len(paths), batch)]
        waiting, rows = iter(list(enumerate(chunks))), [None] * len(chunks)
        lock = threading.Lock()

        def one():
            while True:
                with lock:
                    place, chunk = next(waiting, (None, None))
                if chunk is None:
                    return
                rows[place] = run([read(path) for path in chunk])

        at_work = [threading.Thread(target=one) for _ in range(readers)]
        for thread in at_work:
            thread.start()
        for thread in at_work:
            thread.join()
        return rows

    def pipelined(paths: list[str]) -> list:
        """Photos are read while the model runs."""
        from concurrent.futures import ThreadPoolExecutor

        ready: queue.Queue = queue.Queue(4)
        with ThreadPoolExecutor(readers) as pool:

            def feed():
                ahead = []
                for path in itertools.chain(paths, [None] * 2 * readers):
                    ahead.append(pool.submit(read, path) if path else None)
                    if len(ahead) > 2 * readers:
                        ready.put(ahead.pop(0).result())
                ready.put(None)

            feeder = threading.Thread(target=feed)
            feeder.start()
            rows, waiting = [], []
            while (pixels := ready.get()) is not None:
                waiting.append(pixels)
                if len(waiting) == batch:
                    rows.append(run(waiting))
                    waiting = []
            if waiting:
                rows.append(run(waiting))
            feeder.join()
        return rows

    embed = pipelined if threads > 1 else whole
    print("ready", flush=True)
    for line in sys.stdin:
        paths = json.loads(line)
        started = time.perf_counter()
        rows = numpy.concatenate(embed(paths))
        seconds = time.perf_counter() - started
        assert len(rows) == len(paths)
        first = rows[0] / numpy.linalg.norm(rows[0])
        print(json.dumps({"seconds": seconds, "first": first.tolist()}), flush=True)


class Rival:
    """One or more processes that do the same."""

    def __init__(self, kind: str, engine: str, model: str, setting: tuple):
        processes, *rest = setting
        command = [sys.executable, __file__, "--work", kind, engine, f"{model}/image-{setting[3]}.onnx", *map(str, rest)]
        pipe = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        self.processes = [subprocess.Popen(command, **pipe) for _ in range(processes)]
        for process in self.processes:
            assert process.stdout.readline() == "ready\n"

    def turn(self, paths: list[str]) -> tuple[float, list[float]]:
        """Seconds and the embedding of the first photo."""
        started = time.perf_counter()
        for place, process in enumerate(self.processes):
            process.stdin.write(json.dumps(paths[place :: len(self.processes)]) + "\n")
            process.stdin.flush()
        answers = [json.loads(process.stdout.readline()) for process in self.processes]
        return time.perf_counter() - started, answers[0]["first"]

    def close(self) -> None:
        for process in self.processes:
            process.stdin.close()
            process.wait()


def clippie(command: str, weights: str, reduced: bool, paths: list[str]) -> tuple[float, list[float]]:
    """As Rival.turn, with the process' start and end."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out.jsonl"
        call = [command, "encode", "-q", "-m", weights, "--files-from", "-", "-o", str(out)]
        call += ["--fast-decode"] if reduced else []
        started = time.perf_counter()
        subprocess.run(call, input="\n".join(paths), text=True, check=True)
        seconds = time.perf_counter() - started
        lines = out.read_text().splitlines()
        assert len(lines) == len(paths)
        return seconds, json.loads(lines[0])["embedding"]


def cosine(a: list[float], b: list[float]) -> float:
    return sum(x * y for x, y in zip(a, b)) / (sum(x * x for x in a) * sum(y * y for y in b)) ** 0.5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", default=str(ROOT / "target" / "rivals" / "mobileclip2-s0"), help="of benches/rivals")
    parser.add_argument("--weights", action="append", required=True, help="of the same model; several precisions in turns")
    parser.add_argument("--command", default=str(ROOT / "target" / "release" / "clippie-rs"))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--photos", type=int, default=200)
    parser.add_argument("--only-make", action="store_true", help="make the photos and end")
    chosen = parser.parse_args()
    paths = [str(path) for path in files()]
    if chosen.only_make:
        return
    paths = paths[:: max(1, len(paths) // chosen.photos)][: chosen.photos]
    # Once, so that all are in memory.
    megabytes = sum(len(Path(path).read_bytes()) for path in paths) / 1e6
    print(f"{len(paths)} photos, {megabytes:.0f} MB, {os.cpu_count()} processors")
    for way, rivals in RIVALS.items():
        fastest = {}
        for kind, engine in rivals:
            tried = {}
            for setting in SETTINGS:
                rival = Rival(kind, engine, chosen.models, setting)
                rival.turn(paths[:8])
                tried[setting] = 16 / rival.turn(paths[:16])[0]
                rival.close()
            best = max(tried, key=tried.get)
            fastest[f"{kind}, {engine}"] = Rival(kind, engine, chosen.models, best)
            print(f"  {way}: {kind}, {engine}: " + ", ".join(f"{rate:.1f} with {s}" for s, rate in tried.items()), flush=True)
        ours = {f"clippie-rs, {Path(weights).stem}": weights for weights in chosen.weights}
        rates: dict[str, list[float]] = {name: [] for name in [*ours, *fastest]}
        firsts = {}
        for number in range(chosen.rounds):
            order = list(rates)[:: -1 if number % 2 else 1]
            for name in order:
                if name in ours:
                    seconds, firsts[name] = clippie(chosen.command, ours[name], way == "reduced", paths)
                else:
                    seconds, firsts[name] = fastest[name].turn(paths)
                rates[name].append(len(paths) / seconds)
                print(f"  {way}, turn {number + 1}: {name}: {rates[name][-1]:.2f} photos/s", flush=True)
        for rival in fastest.values():
            rival.close()
        reference = firsts["pillow, onnxruntime" if way == "exact" else "draft, onnxruntime"]
        medians = {name: statistics.median(of) for name, of in rates.items()}
        best = max(medians[name] for name in fastest)
        for name, rate in medians.items():
            times = f", {rate / best:.2f} times the fastest rival" if name in ours else ""
            print(f"{way}: {name}: {rate:.2f} photos/s, cosine of the first {cosine(firsts[name], reference):.6f}{times}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--work"]:
        kind, engine, model, *numbers = sys.argv[2:]
        work(kind, engine, model, *map(int, numbers))
    else:
        main()
