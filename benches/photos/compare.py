"""Time the decoding of JPEG photos of twelve megapixels by clippie-rs and by Pillow (libjpeg-turbo), in turns.

    python compare.py [--turns 5] [--rounds 5] [--isa avx2]

One thread; milliseconds of the fastest call of each turn, medians over the turns. ``whole`` is the decoding to RGB,
``reduced`` to what a tower of 224 pixels needs at least twice (Pillow's ``draft``), ``tower`` the decoding together with
the resize to the input of the tower, which only the exact path of clippie-rs is timed for.
"""

import argparse
import io
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy
from PIL import Image, features

ROOT = Path(__file__).resolve().parents[2]
WORK = ROOT / "target" / "photos"
SIZE = (4000, 3000)
KINDS = {
    "4:2:0": {"subsampling": 2},
    "4:2:2": {"subsampling": 1},
    "4:4:4": {"subsampling": 0},
    "4:2:0 progressive": {"subsampling": 2, "progressive": True},
    "grey": {},
}


def picture() -> Image.Image:
    """Shades, edges and texture over half of the picture, with the grain of a camera: 2.2 bits a pixel at quality 90."""
    values = numpy.random.default_rng(7)

    def smooth(cells: int) -> numpy.ndarray:
        small = (values.random((cells * 3 // 4, cells, 3)) * 255).astype(numpy.uint8)
        return numpy.asarray(Image.fromarray(small).resize(SIZE, Image.Resampling.BICUBIC), numpy.float32)

    pixels = 0.5 * smooth(8) + 0.3 * smooth(60) + 0.2 * smooth(500)
    texture = smooth(1500).mean(-1, keepdims=True) - 127
    pixels += (smooth(12)[..., :1] > 130) * texture * 0.5
    pixels += values.normal(0, 2.5, (SIZE[1], SIZE[0], 1)) + values.normal(0, 1, (SIZE[1], SIZE[0], 3))
    return Image.fromarray(pixels.clip(0, 255).astype(numpy.uint8))


def photos() -> dict[str, Path]:
    WORK.mkdir(parents=True, exist_ok=True)
    paths = {kind: WORK / f"{kind.replace(':', '').replace(' ', '-')}.jpg" for kind in KINDS}
    if not all(path.exists() for path in paths.values()):
        whole = picture()
        for kind, path in paths.items():
            (whole.convert("L") if kind == "grey" else whole).save(path, quality=90, **KINDS[kind])
    return paths


def pillow(data: bytes, rounds: int, draft: bool) -> float:
    best = float("inf")
    for _ in range(rounds):
        start = time.perf_counter()
        photo = Image.open(io.BytesIO(data))
        if draft:
            photo.draft(photo.mode, (448, 448))
        photo.load()
        best = min(best, time.perf_counter() - start)
    return best * 1e3


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--isa", help="instruction set of clippie-rs; the best by default")
    args = parser.parse_args()
    paths = photos()
    environment = os.environ | ({"CLIPPIE_ISA": args.isa} if args.isa else {})
    bench = ["cargo", "bench", "-q", "--bench", "photos", "--no-default-features", "--features", "decode", "--"]
    print(f"Pillow {Image.__version__}, libjpeg-turbo {features.version('libjpeg_turbo')}", file=sys.stderr)
    columns = ("whole", "Pillow's", "reduced", "Pillow's", "tower")
    times: dict[str, list[list[float]]] = {kind: [[] for _ in columns] for kind in paths}
    for _ in range(args.turns):
        for kind, path in paths.items():
            command = [*bench, str(args.rounds), str(path)]
            run = subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True, text=True)
            whole, reduced, tower = map(float, run.stdout.split("\t")[1:])
            data = path.read_bytes()
            row = whole, pillow(data, args.rounds, False), reduced, pillow(data, args.rounds, True), tower
            for column, value in zip(times[kind], row, strict=True):
                column.append(value)
    print("| photo | " + " | ".join(columns) + " |")
    print("|---" * (len(columns) + 1) + "|")
    for kind, values in times.items():
        print(f"| {kind} | " + " | ".join(f"{statistics.median(column):.1f}" for column in values) + " |")


if __name__ == "__main__":
    main()
