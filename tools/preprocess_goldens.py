"""Write goldens of resize, crop and normalisation: open_clip's evaluation transform on generated photos.

    python tools/preprocess_goldens.py                          # rewrites tests/goldens/preprocess/pixels.json
    python tools/preprocess_goldens.py --random 3000 --out F    # a larger set of random cases, not kept

Needs open_clip_torch, torchvision and Pillow 13. The photos are not stored: both sides generate them from a
hash of the coordinates (`photo` here, `photo` in tests/preprocess.rs). The expected floats are stored as
SHA-256 of their little-endian bytes, those of a few small cases in full. To check a larger set:

    CLIPPIE_PREPROCESS_GOLDENS=F cargo test --release --test preprocess pixels
"""

import argparse
import hashlib
import json
import pathlib
import random

import numpy as np
import open_clip
import PIL
import torch
import torchvision
from PIL import Image

HERE = pathlib.Path(__file__).resolve().parent
OUT = HERE.parent / "tests" / "goldens" / "preprocess" / "pixels.json"

STATS = {
    "openai": (open_clip.OPENAI_DATASET_MEAN, open_clip.OPENAI_DATASET_STD),
    "none": ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
    "half": ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
}
PATTERNS = ["noise", "extremes", "smooth", "edges", "photo"]


def mix(x, y, c, seed):
    """Hash coordinates to 32 bits."""
    v = x * np.uint32(0x9E3779B1) ^ y * np.uint32(0x85EBCA77) ^ c * np.uint32(0xC2B2AE3D)
    v = v ^ np.uint32(seed * 0x27D4EB2F & 0xFFFFFFFF)
    v = (v ^ v >> np.uint32(15)) * np.uint32(0x2C1B3C6D)
    v = (v ^ v >> np.uint32(12)) * np.uint32(0x297A2D39)
    return v ^ v >> np.uint32(15)


def photo(width, height, pattern, seed):
    """Return the generated photo, [height, width, 3] bytes."""
    y, x, c = np.meshgrid(
        np.arange(height, dtype=np.uint32), np.arange(width, dtype=np.uint32), np.arange(3, dtype=np.uint32), indexing="ij"
    )
    if pattern == "noise":
        v = mix(x, y, c, seed) >> np.uint32(24)
    elif pattern == "extremes":
        v = (mix(x, y, c, seed) >> np.uint32(31)) * np.uint32(255)
    elif pattern == "edges":
        v = (mix(x // np.uint32(7), y // np.uint32(5), c, seed) >> np.uint32(31)) * np.uint32(255)
    else:
        t = (x * (c + np.uint32(3)) + y * (np.uint32(5) - c) + np.uint32(seed)) % np.uint32(510)
        v = np.minimum(t, np.uint32(510) - t)
        if pattern == "photo":
            v = v - v // np.uint32(8) + (mix(x, y, c, seed) >> np.uint32(27))
    return v.astype(np.uint8)


def expected(case):
    width, height, size, resize, interpolation, stats, pattern, seed = case
    mean, std = STATS[stats]
    transform = open_clip.image_transform(
        size, is_train=False, mean=mean, std=std, resize_mode=resize, interpolation=interpolation
    )
    image = Image.fromarray(photo(width, height, pattern, seed))
    tensor = transform(image)
    assert tensor.shape == (3, size, size) and tensor.dtype == torch.float32
    return tensor.numpy().astype("<f4")


def kept_cases():
    """Return sizes at every boundary of the geometry and of the pass order, with the other parameters in turn."""
    sizes = {  # side of the square -> photos
        224: [(1, 1), (1, 2), (2, 1), (1, 300), (300, 1), (2, 250), (250, 3), (224, 224), (225, 224), (224, 225),
              (223, 224), (224, 223), (448, 448), (449, 448), (448, 896), (448, 897), (449, 899), (300, 601),
              (300, 600), (300, 599), (640, 480), (480, 640), (333, 500), (480, 641), (641, 480), (1000, 447),
              (1280, 720), (720, 1280), (500, 1500), (500, 1499), (30, 3100), (3100, 30), (30, 2900), (10, 1010),
              (10, 990), (1600, 1200), (1100, 1900), (224, 10000), (10000, 224), (224, 449), (224, 448), (224, 447),
              (227, 224), (224, 229), (231, 224), (224, 226), (228, 224), (100, 60), (60, 100), (100, 230)],
        64: [(64, 64), (64, 65), (64, 66), (64, 67), (67, 64), (64, 69), (69, 64), (64, 71), (71, 64), (73, 64),
             (128, 128), (129, 257), (257, 129), (100, 201), (100, 202), (100, 203), (101, 203), (3, 400), (400, 3),
             (65, 64), (65, 130), (65, 131), (66, 133), (5000, 70), (70, 5000), (17, 19), (63, 65)],
        32: [(32, 32), (33, 33), (31, 31), (1, 1000), (1000, 1), (5, 1700), (1700, 5), (8, 8), (8, 64), (64, 8),
             (97, 33), (33, 97), (320, 240), (240, 320), (95, 195)],
        256: [(256, 256), (300, 200), (200, 300), (512, 1025), (1025, 512), (1920, 1080), (640, 427), (427, 640)],
        336: [(336, 336), (700, 500), (500, 1100), (335, 337), (1200, 337), (50, 40)],
        7: [(1, 1), (3, 2), (100, 100), (7, 100), (100, 7), (7, 8), (8, 7), (13, 29), (640, 480)],
        1: [(1, 1), (1, 9), (9, 1), (50, 60), (60, 50), (37, 200)],
    }
    cases, turn = [], 0
    for size, photos in sizes.items():
        for width, height in photos:
            for resize in ("shortest", "squash"):
                for interpolation in ("bicubic", "bilinear"):
                    stats = list(STATS)[turn % 3]
                    pattern = PATTERNS[turn % 5]
                    cases.append((width, height, size, resize, interpolation, stats, pattern, turn))
                    turn += 1
    return cases


def random_cases(count, seed):
    """Return random sizes, dense where the pass order and the crop change."""
    rng = random.Random(seed)
    cases = []
    for i in range(count):
        size = rng.choice([1, 5, 16, 32, 33, 64, 100, 224, 256, 336])
        kind = rng.randrange(6)
        if kind == 0:
            width, height = rng.randint(1, 1500), rng.randint(1, 1500)
        elif kind == 1:  # nearly square
            width, height = size + rng.randint(0, 12), size + rng.randint(0, 12)
        elif kind == 2:  # around twice as tall as wide
            width = rng.randint(1, 900)
            height = max(1, 2 * width + rng.randint(-4, 4))
        elif kind == 3:  # around the bound of the pass order when squashed
            width = rng.randint(1, 900)
            height = max(1, size + 2 * (width - size) + rng.randint(-3, 3))
        elif kind == 4:  # extreme
            width, height = rng.randint(1, 12), rng.randint(1, 4000)
        else:
            height, width = rng.randint(1, 12), rng.randint(1, 4000)
        resize = rng.choice(["shortest", "squash"])
        if resize == "shortest" and max(width, height) * size * size // min(width, height) > 60_000_000:
            resize = "squash"
        cases.append((width, height, size, resize, rng.choice(["bicubic", "bilinear"]), rng.choice(list(STATS)),
                      rng.choice(PATTERNS), i))
    return cases


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--random", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=pathlib.Path, default=OUT)
    args = parser.parse_args()
    torch.set_num_threads(1)

    cases = random_cases(args.random, args.seed) if args.random else kept_cases()
    rows = [list(case) + [hashlib.sha256(expected(case).tobytes()).hexdigest()] for case in cases]
    full = []
    for case in [(9, 7, 4, "shortest", "bicubic", "openai", "noise", 1), (5, 13, 4, "shortest", "bilinear", "none", "noise", 2),
                 (3, 2, 3, "squash", "bicubic", "half", "extremes", 3)]:
        full.append({"case": list(case), "bits": expected(case).view("<u4").flatten().tolist()})
    made_by = f"tools/preprocess_goldens.py, open_clip {open_clip.__version__}, torchvision {torchvision.__version__}, Pillow {PIL.__version__}"
    with open(args.out, "w") as out:
        out.write('{\n"made_by": ' + json.dumps(made_by) + ',\n"cases": [\n')
        out.write(",\n".join(json.dumps(row) for row in rows))
        out.write('\n],\n"full": [\n' + ",\n".join(json.dumps(item) for item in full) + "\n]\n}\n")
    print(f"{len(rows)} cases, {args.out.stat().st_size} bytes")


main()
