"""Write tests/goldens/preprocess/icc: photos with ICC profiles, and their pixels in sRGB by Pillow's ImageCms (LittleCMS).

Not needed to build or test clippie-rs. To regenerate the goldens, with cjxl and djxl (Debian's libjxl-tools):

    pip install pillow==13.0.0 pillow-heif==1.8.1
    python tools/reference/goldens_icc.py

The profiles are written here, with the published primaries of each space adapted to D50. ``NAME.png`` of another file has
the pixels that its decoder gives, converted by ``profileToProfile`` relative to the white. ``ignored`` has files whose
profile cannot be applied.
"""

import io
import shutil
import struct
import subprocess
import tempfile
from pathlib import Path

import pillow_heif
from PIL import Image, ImageCms

OUT = Path(__file__).resolve().parents[2] / "tests" / "goldens" / "preprocess" / "icc"

# Red, green and blue in the connection space.
P3 = [(0.51512, 0.2412, -0.00105), (0.29198, 0.69225, 0.04189), (0.1571, 0.06657, 0.78407)]
ADOBE = [(0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457)]
PROPHOTO = [(0.79767, 0.28804, 0.0), (0.13519, 0.71188, 0.0), (0.03134, 0.00009, 0.82491)]
REC2020 = [(0.67348, 0.27904, -0.00194), (0.16566, 0.67533, 0.02998), (0.12505, 0.04561, 0.79686)]
WHITE = (0.9642, 1.0, 0.82491)


def fixed(*values: float) -> bytes:
    return b"".join(struct.pack(">i", round(value * 65536)) for value in values)


def xyz(colour) -> bytes:
    return b"XYZ \0\0\0\0" + fixed(*colour)


def gamma(value: float) -> bytes:
    return b"curv\0\0\0\0" + struct.pack(">IH", 1, round(value * 256)) + b"\0\0"


def table(curve, count: int) -> bytes:
    levels = [round(65535 * curve(i / (count - 1))) for i in range(count)]
    return b"curv\0\0\0\0" + struct.pack(f">I{count}H", count, *levels) + b"\0" * (count % 2 * 2)


def function(kind: int, *parameters: float) -> bytes:
    return b"para\0\0\0\0" + struct.pack(">HH", kind, 0) + fixed(*parameters)


SRGB_CURVE = function(3, 2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)


def rec709(x: float) -> float:
    return x / 4.5 if x < 0.081 else ((x + 0.099) / 1.099) ** (1 / 0.45)


def profile(name: str, space: bytes, tags: dict, version: int = 4) -> bytes:
    text = name.encode("utf-16-be")
    tags = {
        b"desc": b"mluc\0\0\0\0" + struct.pack(">II4sII", 1, 12, b"enUS", len(text), 28) + text,
        b"cprt": b"mluc\0\0\0\0" + struct.pack(">II4sII", 1, 12, b"enUS", 2, 28) + "-".encode("utf-16-be"),
        b"wtpt": xyz(WHITE),
        **tags,
    }
    at = 128 + 4 + 12 * len(tags)
    listing, contents = struct.pack(">I", len(tags)), b""
    for tag, content in tags.items():
        content += b"\0" * (-len(content) % 4)
        listing += tag + struct.pack(">II", at + len(contents), len(content))
        contents += content
    size = at + len(contents)
    head = struct.pack(">I4sI4s4s4s", size, b"none", version << 24, b"mntr", space, b"XYZ ")
    head += bytes(12) + b"acsp" + bytes(28) + fixed(*WHITE)
    return head.ljust(128, b"\0") + listing + contents


def rgb(name: str, colours, *curves: bytes) -> bytes:
    curves = curves * 3 if len(curves) == 1 else curves
    tags = dict(zip((b"rXYZ", b"gXYZ", b"bXYZ"), map(xyz, colours)))
    return profile(name, b"RGB ", {**tags, **dict(zip((b"rTRC", b"gTRC", b"bTRC"), curves))})


PROFILES = {
    "p3": rgb("Display P3", P3, SRGB_CURVE),
    "adobe": rgb("Adobe RGB", ADOBE, gamma(563 / 256)),
    "prophoto": rgb("ProPhoto RGB", PROPHOTO, gamma(1.8)),
    "rec2020": rgb("Rec. 2020", REC2020, table(rec709, 1024)),
    "curves": rgb("Three curves", P3, gamma(1.5), table(lambda x: x * x, 33), function(0, 2.6)),
}
GREY = profile("Grey", b"GRAY", {b"kTRC": gamma(1.6)})


def cube() -> Image.Image:
    """Every colour of 17 levels a channel."""
    levels = [min(16 * i, 255) for i in range(17)]
    picture = Image.new("RGB", (17 * 17, 17))
    picture.putdata([(r, g, b) for b in levels for r in levels for g in levels])
    return picture


def converted(picture: Image.Image, icc: bytes) -> Image.Image:
    source = ImageCms.ImageCmsProfile(io.BytesIO(icc))
    result = ImageCms.profileToProfile(
        picture, source, ImageCms.createProfile("sRGB"), ImageCms.Intent.RELATIVE_COLORIMETRIC, outputMode="RGB"
    )
    # The profile of sRGB has the date in it.
    del result.info["icc_profile"]
    return result


def made(space: str) -> bytes:
    """A profile of LittleCMS, without its date."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile(space)).tobytes()
    return profile[:24] + bytes(12) + profile[36:]


def jxl(picture: Image.Image, icc: bytes, path: Path, *options: str) -> Image.Image:
    with tempfile.TemporaryDirectory() as folder:
        source, back = Path(folder, "in.png"), Path(folder, "out.png")
        picture.save(source, icc_profile=icc)
        subprocess.run(["cjxl", *options, source, path], check=True, capture_output=True)
        subprocess.run(["djxl", path, back], check=True, capture_output=True)
        with Image.open(back) as decoded:
            return decoded.convert("RGB")


def main() -> None:
    pillow_heif.register_heif_opener()
    shutil.rmtree(OUT, ignore_errors=True)
    (OUT / "ignored").mkdir(parents=True)
    picture = cube()
    files = {f"{name}.png": icc for name, icc in PROFILES.items()}
    for file, icc in files.items():
        picture.save(OUT / ("in-" + file), icc_profile=icc, optimize=True)
    p3 = PROFILES["p3"]
    picture.save(OUT / "in-p3.jpg", icc_profile=p3, quality=95)
    picture.save(OUT / "in-p3.webp", icc_profile=p3, lossless=True)
    picture.save(OUT / "in-lossy.webp", icc_profile=PROFILES["adobe"], quality=90)
    picture.save(OUT / "in-p3.tif", icc_profile=p3, compression="tiff_deflate")
    picture.save(OUT / "in-p3.heic", icc_profile=p3, quality=90)
    picture.save(OUT / "in-p3.avif", icc_profile=p3, quality=90)
    picture.convert("P", palette=Image.Palette.ADAPTIVE).save(OUT / "in-palette.png", icc_profile=p3)
    for path in sorted(OUT.glob("in-*")):
        with Image.open(path) as photo:
            icc = photo.info["icc_profile"]
            converted(photo.convert("RGB"), icc).save(OUT / (path.name + ".png"), optimize=True)
    for name in ("p3", "curves"):
        lossless = jxl(picture, PROFILES[name], OUT / f"in-{name}.jxl", "-d", "0")
        converted(lossless, PROFILES[name]).save(OUT / f"in-{name}.jxl.png", optimize=True)
    # Colours that are stated in JPEG XL's own way.
    for name, distance in (("coded", "0"), ("coded-lossy", "1")):
        decoded = jxl(picture, None, OUT / f"in-{name}.jxl", "-d", distance, "-x", "color_space=RGB_D65_DCI_Rel_SRG")
        converted(decoded, p3).save(OUT / f"in-{name}.jxl.png", optimize=True)
    # It is coded without regard to its profile, and decoded to sRGB.
    jxl(picture, PROFILES["curves"], OUT / "ignored" / "lossy.jxl", "-d", "1")
    grey = picture.convert("L")
    grey.save(OUT / "in-grey.png", icc_profile=GREY, optimize=True)
    converted(grey, GREY).save(OUT / "in-grey.png.png", optimize=True)
    picture.save(OUT / "ignored" / "lab.png", icc_profile=made("LAB"), optimize=True)
    # Levels of inks are made red, green and blue before.
    cmyk = bytearray(p3)
    cmyk[16:20] = b"CMYK"
    picture.convert("CMYK").save(OUT / "ignored" / "inks.jpg", icc_profile=bytes(cmyk))
    picture.save(OUT / "ignored" / "cut.png", icc_profile=p3[: len(p3) // 2], optimize=True)
    picture.save(OUT / "ignored" / "srgb.png", icc_profile=made("sRGB"), optimize=True)


if __name__ == "__main__":
    main()
