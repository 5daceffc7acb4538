"""Write small AVIF files of every kind, and Pillow's pixels for them.

    python tools/avif_files.py    # rewrites tests/goldens/preprocess/avif/ and avif.json

Needs Pillow with AVIF (libavif 1.4, libyuv), and avifenc of Debian 12 (libavif 0.11 with aom 3.6, rav1e 0.5, SVT-AV1 1.4).
avif.json holds for each file width, height and SHA-256 of the pixels of
`ImageOps.exif_transpose(Image.open(f)).convert("RGB")`: Pillow reports the rotation in the file as an orientation.
"""

import hashlib
import json
import pathlib
import subprocess
import tempfile

import numpy as np
import PIL
from PIL import Image, ImageDraw, ImageOps, features

HERE = pathlib.Path(__file__).resolve().parent
GOLDENS = HERE.parent / "tests" / "goldens" / "preprocess"
FILES = GOLDENS / "avif"
PHOTOS = HERE.parent / "examples" / "photos"


def photo(width, height, name="cat"):
    return Image.open(PHOTOS / f"{name}.jpg").convert("RGB").resize((width, height), Image.LANCZOS)


def drawn(width, height):
    """Flat colours and repeated shapes, for palettes and copies."""
    image = Image.new("RGB", (width, height), (250, 250, 240))
    draw = ImageDraw.Draw(image)
    for index in range(12):
        left, top = 37 * index % width, 23 * index % height
        draw.rectangle([left, top, left + 15, top + 8], fill=(index * 20, 255 - index * 15, 80))
    for top in range(4, height, 16):
        for left in range(0, width, 40):
            draw.text((left, top), "copies", fill=(0, 0, 0))
    return image


def rgba(width, height):
    image = photo(width, height)
    alpha = np.add.outer(np.arange(height) * 5, np.arange(width) * 4) % 256
    image.putalpha(Image.fromarray(alpha.astype(np.uint8)))
    return image


# Options of avifenc.
def q(level):
    return ["--min", str(level), "--max", str(level)]


def aom(**options):
    return [word for key, value in options.items() for word in ("-a", f"{key.replace('_', '-')}={value}")]


def files():
    small, odd, wide = photo(48, 32), photo(53, 39, "coffee"), photo(150, 70, "temple")
    screen = drawn(128, 112)
    for chroma in ("420", "422", "444", "400"):
        for depth in ("8", "10", "12"):
            yield f"{chroma}-{depth}", odd, ["-y", chroma, "-d", depth, *q(30)]
        yield f"{chroma}-limited", small, ["-y", chroma, "-r", "limited", *q(20)]
        yield f"{chroma}-fine", photo(40, 28), ["-y", chroma, *q(4)]
    yield "lossless", photo(20, 16), ["-l"]
    yield "lossless-420", photo(24, 16), ["-l", "-y", "420", "--cicp", "1/13/6"]
    yield "coarse", wide, q(60)
    for name, matrix in (("bt709", "1/13/1"), ("bt2020", "9/16/9"), ("unspecified", "2/2/2"), ("fcc", "1/13/4"), ("ycgco", "1/13/8")):
        yield name, small, ["--cicp", matrix, "-y", "444" if name == "ycgco" else "420", *q(35)]
    yield "bt709-limited", small, ["--cicp", "1/13/1", "-y", "420", "-r", "limited", *q(35)]
    for side in ((1, 1), (3, 5), (17, 33), (2, 9), (65, 63)):
        yield f"{side[0]}x{side[1]}", photo(*side), ["-y", "420", *q(30)]
    # With more than eight bits and transparency Pillow is a level away: libavif then has another conversion.
    yield "alpha", rgba(40, 30), ["-y", "420", *q(35)]
    yield "alpha-444", rgba(41, 31), ["-y", "444", *q(40)]
    yield "screen", screen, ["-y", "420", *q(56), *aom(tune_content="screen", enable_intrabc=1, enable_palette=1)]
    yield "screen-444", screen, ["-y", "444", *q(56), *aom(tune_content="screen", enable_intrabc=1, enable_palette=1)]
    yield "screen-10", drawn(80, 64), ["-y", "420", "-d", "10", *q(40), *aom(tune_content="screen", enable_palette=1)]
    for test, chroma in ((1, "420"), (5, "444"), (10, "422"), (14, "400")):
        yield f"grain-{test}", photo(70, 50), ["-y", chroma, *q(50), *aom(film_grain_test=test)]
    yield "grain-deep", photo(70, 50), ["-y", "420", "-d", "10", *q(50), *aom(film_grain_test=8)]
    yield "matrices", wide, ["-y", "420", *q(40), *aom(enable_qm=1, qm_min=2, qm_max=9)]
    yield "tiles", photo(140, 134), ["-y", "420", "--tilerowslog2", "1", "--tilecolslog2", "1", *q(58)]
    yield "superblocks", photo(140, 134), ["-y", "444", *q(58), *aom(sb_size=128)]
    yield "deltas", photo(140, 134, "temple"), ["-y", "420", *q(58), *aom(deltaq_mode=3, delta_lf_mode=1)]
    yield "segments", photo(140, 134, "temple"), ["-y", "420", *q(58), *aom(aq_mode=1)]
    yield "no-filters", wide, ["-y", "420", *q(52), *aom(enable_cdef=0, enable_restoration=0)]
    yield "few-tools", wide, ["-y", "420", *q(50), *aom(enable_tx64=0, enable_rect_tx=0, reduced_tx_type_set=1, enable_filter_intra=0)]
    yield "rav1e", photo(80, 60), ["-c", "rav1e", "-y", "420", *q(45)]
    yield "rav1e-10", photo(80, 60), ["-c", "rav1e", "-y", "444", "-d", "10", *q(45)]
    yield "svt", photo(80, 64), ["-c", "svt", "-y", "420", *q(45)]
    yield "grid", photo(128, 144), ["-y", "420", "--grid", "2x2", *q(55)]
    yield "grid-444", photo(140, 132), ["-y", "444", "--grid", "2x2", *q(58)]
    for turns in (1, 2, 3):
        yield f"turned-{turns}", odd, ["-y", "420", "--irot", str(turns), *q(45)]
    yield "mirrored-0", odd, ["-y", "420", "--imir", "0", *q(45)]
    yield "mirrored-1", odd, ["-y", "422", "--irot", "1", "--imir", "1", *q(45)]


def main():
    FILES.mkdir(exist_ok=True)
    for old in FILES.glob("*.avif"):
        old.unlink()
    goldens = []
    with tempfile.TemporaryDirectory() as folder:
        for name, image, options in files():
            source, path = f"{folder}/{name}.png", FILES / f"{name}.avif"
            Image.fromarray(np.asarray(image)).save(source)
            command = ["avifenc", "-s", "6", "--ignore-exif", *options, source, str(path)]
            done = subprocess.run(command, capture_output=True, text=True)
            if done.returncode != 0:
                print(name, "is not written:", done.stdout[-200:], done.stderr[-200:])
                path.unlink(missing_ok=True)
                continue
            pixels = ImageOps.exif_transpose(Image.open(path)).convert("RGB")
            digest = hashlib.sha256(pixels.tobytes()).hexdigest()
            goldens.append([path.name, *pixels.size, digest])
            if path.stat().st_size > 2048:
                print(path.name, path.stat().st_size, "bytes")
    lines = ",\n".join(f"  {json.dumps(golden)}" for golden in sorted(goldens))
    versions = f'"pillow": "{PIL.__version__}",\n"libavif": "{features.version("avif")}"'
    (GOLDENS / "avif.json").write_text(f'{{\n{versions},\n"files": [\n{lines}\n]\n}}\n')


main()
