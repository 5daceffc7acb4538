"""Time `clippie-rs search` from process start to its result, in a library of many photos, and rclip beside it.

    python benches/scan/search.py MODEL.clippie                    100,000 photos, vectors of random numbers
    python benches/scan/search.py MODEL.clippie --rclip PYTHON --rclip-text textual.onnx --rclip-vocab VOCAB

MODEL.clippie gives vectors of 512, for example MobileCLIP2-S0. Each search has another sentence, so that no kept text
embedding serves it; files are warm after the first call. Memory is the largest `RssAnon` of the process (what it has
for itself), polled in every second call, which is not timed. The files are tiny JPEGs, all different, that `search`
does not open.

PYTHON is the interpreter of an environment with rclip 3.3; `textual.onnx` a text tower of its form (ViT-B-32-256 of
open_clip with any weights: `torch.onnx.export` of `encode_text`, inputs [batch, 77] of int64), VOCAB
open_clip's `bpe_simple_vocab_16e6.txt.gz`. Its database is filled by its own `rclip.db`, and it runs with
`--no-indexing`.
"""

import argparse
import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np

ROOT = Path(__file__).resolve().parent.parent.parent
DIM = 512

FILL = """
import os, sys, numpy as np
from rclip.db import DB
vectors, folder = np.load(sys.argv[1], mmap_mode="r"), sys.argv[2]
db = DB(os.environ["RCLIP_DATADIR"] + "/db.sqlite3")
for row, vector in enumerate(vectors):
    path = f"{folder}/{row // 1000:03d}/{row % 1000:03d}.jpg"
    data = os.stat(path)
    image = dict(filepath=path, modified_at=data.st_mtime, size=data.st_size, vector=vector.tobytes(), hash=None)
    db.upsert_image(image, commit=False)
db.commit()
"""


def write_photos(folder, rows):
    """Write one JPEG with a different comment for each row."""
    from PIL import Image

    picture = io.BytesIO()
    Image.new("RGB", (8, 8), (90, 120, 60)).save(picture, "jpeg")
    head, rest = picture.getvalue()[:2], picture.getvalue()[2:]
    for row in range(rows):
        path = folder / f"{row // 1000:03d}" / f"{row % 1000:03d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        comment = f"{row:08d}".encode()
        path.write_bytes(head + b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment + rest)


def anonymous(process):
    """The largest `RssAnon` of a process until it ends, in MB."""
    most = 0
    while process.poll() is None:
        try:
            lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
        except OSError:
            break
        most = max([most, *(int(line.split()[1]) for line in lines if line.startswith("RssAnon"))])
    process.wait()
    return most / 1024


def measure(name, command, environment, calls):
    """Time calls of `command`; it is given a new sentence each time."""
    times, most = [], 0.0
    for call in range(2 * calls + 1):
        start = perf_counter()
        sentence = f"a red star over the sea, number {call} of {os.getpid()}"
        process = subprocess.Popen([*command, sentence], env=environment, stdout=subprocess.DEVNULL)
        if call % 2:
            most = max(most, anonymous(process))
        elif process.wait() == 0 and call:
            times.append((perf_counter() - start) * 1e3)
        if process.returncode != 0:
            sys.exit(f"{name} ended with exit code {process.returncode}")
    print(f"{name}: {median(times):.0f} ms ({min(times):.0f} to {max(times):.0f}), {most:.1f} MB of its own")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--calls", type=int, default=8, help="timed calls of each program; default: 8")
    parser.add_argument("--binary", type=Path, default=ROOT / "target" / "release" / "clippie-rs")
    parser.add_argument("--rclip", type=Path, help="Python interpreter with rclip")
    parser.add_argument("--rclip-text", type=Path, help="text tower for rclip, ONNX")
    parser.add_argument("--rclip-vocab", type=Path, help="vocabulary for rclip")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work) / "photos"
        write_photos(folder, options.rows)
        vectors = np.random.default_rng(1).standard_normal((options.rows, DIM), dtype=np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        np.save(Path(work) / "vectors.npy", vectors)
        paths = (f"{folder}/{row // 1000:03d}/{row % 1000:03d}.jpg" for row in range(options.rows))
        lines = [json.dumps({"path": path}) + "\n" for path in paths]
        (Path(work) / "paths.jsonl").write_text("".join(lines))
        library = ["--library", f"{work}/library.sqlite", "-m", options.model]
        files = [f"{work}/vectors.npy", f"{work}/paths.jsonl"]
        subprocess.run([options.binary, "import-vectors", *library, "--root", folder, *files], check=True)
        measure("clippie-rs", [options.binary, "search", *library, "-n", "3"], os.environ, options.calls)
        if options.rclip:
            data = Path(work) / "rclip"
            model = data / "ViT-B-32-256-datacomp_s34b_b86k"
            model.mkdir(parents=True)
            shutil.copy(options.rclip_text, model / "textual.onnx")
            # Never run: queries are texts.
            shutil.copy(options.rclip_text, model / "visual.onnx")
            (data / "tokenizer").mkdir()
            shutil.copy(options.rclip_vocab, data / "tokenizer")
            environment = os.environ | {"RCLIP_DATADIR": str(data)}
            subprocess.run([options.rclip, "-c", FILL, f"{work}/vectors.npy", folder], env=environment, check=True)
            os.chdir(folder)
            measure("rclip", [options.rclip, "-m", "rclip.main", "--no-indexing", "-t", "3"], environment, options.calls)
    return 0


if __name__ == "__main__":
    sys.exit(main())
