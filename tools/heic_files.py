"""Write small HEIC files of every kind, and libheif's pixels for them.

    python tools/heic_files.py    # rewrites tests/goldens/preprocess/heic/ and heic.json

Needs Pillow, pillow-heif (libheif 1.23 with x265 and libde265) and, as a second encoder, the command heif-enc of Debian
12 (libheif 1.15 with x265 3.5). heic.json holds for each file width, height and SHA-256 of the pixels of
`Image.open(f).convert("RGB")`, which applies the rotation in the file; of EXIF, which the tests read, the date.
"""

import hashlib
import json
import pathlib
import subprocess
import tempfile

import numpy as np
import pillow_heif
from PIL import Image

HERE = pathlib.Path(__file__).resolve().parent
GOLDENS = HERE.parent / "tests" / "goldens" / "preprocess"
FILES = GOLDENS / "heic"
PHOTOS = HERE.parent / "examples" / "photos"

pillow_heif.register_heif_opener()


def photo(width, height, name="cat"):
    return Image.open(PHOTOS / f"{name}.jpg").convert("RGB").resize((width, height), Image.LANCZOS)


def bare(image):
    """Drop EXIF, whose orientation pillow-heif would write as a rotation."""
    return Image.fromarray(np.asarray(image))


def rgba(width, height):
    image = photo(width, height)
    alpha = np.add.outer(np.arange(height) * 5, np.arange(width) * 4) % 256
    image.putalpha(Image.fromarray(alpha.astype(np.uint8)))
    return image


def save(name, image, **options):
    pillow_heif.from_pillow(image).save(FILES / f"{name}.heic", **{"quality": 60, **options})


def deep(name, bits, width, height, **options):
    """Write a file of 10 or 12 bits."""
    levels = np.asarray(photo(width, height)).astype(np.int64) * 257
    levels = np.minimum(levels + np.random.default_rng(1).integers(0, 200, levels.shape), 65535).astype(np.uint16)
    pillow_heif.options.SAVE_HDR_TO_12_BIT = bits == 12
    heif = pillow_heif.from_bytes(mode="RGB;16", size=(width, height), data=levels.tobytes())
    heif.save(FILES / f"{name}.heic", quality=60, **options)


def oriented(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010F] = "Maker"
    exif[0x8769] = {0x9003: "2024:05:01 12:30:59", 0x9011: "+02:00"}
    exif[0x8825] = {1: "N", 2: (48.0, 8.0, 15.0), 3: "E", 4: (11.0, 34.0, 30.0)}
    return exif.tobytes()


def pillow_files():
    for chroma in (420, 422, 444):
        for quality in (15, 85):
            save(f"{chroma}-q{quality}", bare(photo(66, 44)), quality=quality, chroma=chroma)
        save(f"{chroma}-odd", bare(photo(47, 31)), chroma=chroma)
        save(f"{chroma}-limited", bare(photo(40, 30)), chroma=chroma, full_range_flag=0)
        deep(f"{chroma}-10", 10, 40, 30, chroma=chroma)
    deep("420-12", 12, 40, 30)
    deep("444-12", 12, 40, 30, chroma=444)
    deep("10-grid", 10, 150, 90, tile_size=64)
    save("lossless", bare(photo(40, 30)), quality=-1, chroma=444, matrix_coefficients=0)
    save("lossless-420", bare(photo(40, 30)), quality=-1)
    save("bt709", bare(photo(40, 30)), matrix_coefficients=1, color_primaries=1)
    save("bt709-limited", bare(photo(40, 30)), matrix_coefficients=1, color_primaries=1, full_range_flag=0)
    save("bt2020", bare(photo(40, 30)), matrix_coefficients=9, color_primaries=9)
    save("no-nclx", bare(photo(40, 30)), save_nclx_profile=False)
    save("alpha", rgba(40, 30))
    save("alpha-444", rgba(41, 31), chroma=444)
    save("grey", bare(photo(40, 30).convert("L")))
    save("thumbnail", bare(photo(160, 120)), thumbnails=[64])
    save("grid", bare(photo(200, 140)), tile_size=64)
    save("grid-444", bare(photo(150, 97)), tile_size=64, chroma=444)
    for orientation in range(1, 9):
        save(f"orientation-{orientation}", bare(photo(48, 32)), exif=oriented(orientation))
        save(f"orientation-grid-{orientation}", bare(photo(144, 82)), exif=oriented(orientation), tile_size=64, quality=20)
    save("orientation-422", bare(photo(48, 33)), exif=oriented(6), chroma=422)


def debian_files():
    with tempfile.TemporaryDirectory() as folder:
        even, odd = f"{folder}/even.png", f"{folder}/odd.png"
        bare(photo(64, 48, "coffee")).save(even)
        bare(photo(53, 39, "coffee")).save(odd)
        files = {
            "enc-420": [even, "-p", "chroma=420"],
            "enc-422-odd": [odd, "-p", "chroma=422"],
            "enc-444-odd": [odd, "-p", "chroma=444"],
            "enc-lossless": [odd, "-L", "-p", "chroma=444", "--matrix_coefficients", "0"],
            "enc-ctu16": [even, "-p", "x265:ctu=16"],
            "enc-tools": [even, "-p", "x265:preset=veryslow", "-p", "x265:tskip=1", "-p", "x265:amp=1"],
            "enc-no-filters": [even, "-p", "x265:sao=0", "-p", "x265:no-deblock=1"],
        }
        for name, (source, *options) in files.items():
            subprocess.run(["heif-enc", *options, "-o", FILES / f"{name}.heic", source], check=True, capture_output=True)


def main():
    FILES.mkdir(exist_ok=True)
    pillow_files()
    debian_files()
    goldens = []
    for path in sorted(FILES.glob("*.heic")):
        pixels = Image.open(path).convert("RGB")
        digest = hashlib.sha256(pixels.tobytes()).hexdigest()
        goldens.append([path.name, *pixels.size, digest])
    lines = ",\n".join(f"  {json.dumps(golden)}" for golden in goldens)
    version = pillow_heif.libheif_info()["libheif"]
    (GOLDENS / "heic.json").write_text(f'{{\n"libheif": "{version}",\n"files": [\n{lines}\n]\n}}\n')


main()
