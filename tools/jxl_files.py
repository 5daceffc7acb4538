"""Write small JPEG XL files of every kind, and libjxl's pixels for them.

    python tools/jxl_files.py    # rewrites tests/goldens/preprocess/jxl/

Needs Pillow and the commands cjxl and djxl (libjxl 0.7, Debian 12). Beside each file is a PNG with the pixels of djxl, which
does not dither; the PNG of a JPEG file that was recompressed is what djxl makes of its pixels.
"""

import pathlib
import subprocess
import tempfile

import numpy as np
from PIL import Image

HERE = pathlib.Path(__file__).resolve().parent
FILES = HERE.parent / "tests" / "goldens" / "preprocess" / "jxl"
PHOTOS = HERE.parent / "examples" / "photos"


def photo(width, height, name="cat"):
    image = Image.open(PHOTOS / f"{name}.jpg").convert("RGB").resize((width, height), Image.LANCZOS)
    return Image.fromarray(np.asarray(image))


def rgba(width, height):
    image = photo(width, height)
    alpha = np.add.outer(np.arange(height) * 5, np.arange(width) * 4) % 256
    image.putalpha(Image.fromarray(alpha.astype(np.uint8)))
    return image


def main():
    FILES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        sources = {}
        for name, image in {
            "even": photo(64, 48),
            "odd": photo(47, 31, "coffee"),
            "alpha": rgba(40, 30),
            "grey": photo(40, 30).convert("L"),
            "large": photo(300, 280, "flower"),
        }.items():
            sources[name] = f"{folder}/{name}.png"
            image.save(sources[name])
        deep = np.asarray(photo(40, 30).convert("L")).astype(np.uint16) * 257
        sources["deep"] = f"{folder}/deep.png"
        Image.fromarray(deep).save(sources["deep"])
        sources["animation"] = f"{folder}/animation.png"
        photo(40, 30).save(sources["animation"], save_all=True, append_images=[photo(40, 30, "coffee")], duration=100)
        exif = Image.Exif()
        exif[0x0112] = 6
        exif[0x0132] = "2024:05:01 12:30:59"
        for name, options in {
            "420": dict(subsampling=2),
            "444": dict(subsampling=0),
            "progressive": dict(progressive=True),
            "turned": dict(exif=exif),
        }.items():
            sources[name] = f"{folder}/{name}.jpg"
            photo(66, 45).save(sources[name], quality=80, **options)
        sources["jpeg-grey"] = f"{folder}/jpeg-grey.jpg"
        photo(66, 45).convert("L").save(sources["jpeg-grey"], quality=80)

        def write(name, source, *options):
            path = FILES / f"{name}.jxl"
            subprocess.run(["cjxl", sources[source], path, *options], check=True, capture_output=True)
            png = FILES / f"{name}.png"
            subprocess.run(["djxl", path, png], check=True, capture_output=True)
            pixels = np.asarray(Image.open(png))
            pixels = (pixels >> 8).astype(np.uint8) if pixels.dtype != np.uint8 else pixels
            if pixels.ndim == 3 and pixels.shape[2] == 4:
                pixels = pixels[:, :, :3]
            Image.fromarray(pixels).save(png, optimize=True)

        for source in ("even", "odd"):
            for distance in ("0", "1", "4"):
                write(f"{source}-{distance}", source, "-d", distance)
        for effort in ("1", "9"):
            write(f"effort-{effort}", "even", "-e", effort)
            write(f"lossless-{effort}", "odd", "-d", "0", "-e", effort)
        write("modular", "even", "-d", "1", "-m", "1")
        write("progressive", "even", "-p")
        write("container", "even", "--container=1")
        for source in ("alpha", "grey"):
            write(f"{source}-0", source, "-d", "0")
            write(f"{source}-1", source, "-d", "1")
        write("deep", "deep", "-d", "0")
        write("groups", "large", "-d", "3")
        write("animation", "animation", "-d", "1")
        for source in ("420", "444", "progressive", "jpeg-grey", "turned"):
            write(f"jpeg-{source}" if source != "jpeg-grey" else source, source)


main()
