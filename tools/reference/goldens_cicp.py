"""Write tests/goldens/preprocess/cicp: photos that state their colours by code points, and their pixels in sRGB.

Not needed to build or test clippie-rs. To regenerate the goldens, with cjxl and djxl (Debian's libjxl-tools) and avifenc
(libavif-bin):

    pip install numpy pillow==13.0.0 pillow-heif==1.8.1
    python tools/reference/goldens_cicp.py

``NAME.png`` of another file has the pixels that its decoder gives, converted here in double precision by the formulas of
the standards: ITU-T H.273, BT.2100-2, BT.2408-7 (annex 5), IEC 61966-2-1. Other whites are adapted to D65 by Bradford's
method. Primaries are multiplied out without the connection space of ICC profiles.
"""

import shutil
import struct
import subprocess
import tempfile
import zlib
from pathlib import Path

import numpy as np
import pillow_heif
from PIL import Image

OUT = Path(__file__).resolve().parents[2] / "tests" / "goldens" / "preprocess" / "cicp"

D65, C, E, DCI = (0.3127, 0.3290), (0.310, 0.316), (1 / 3, 1 / 3), (0.314, 0.351)
PRIMARIES = {
    1: ((0.640, 0.330), (0.300, 0.600), (0.150, 0.060), D65),
    4: ((0.67, 0.33), (0.21, 0.71), (0.14, 0.08), C),
    5: ((0.64, 0.33), (0.29, 0.60), (0.15, 0.06), D65),
    6: ((0.630, 0.340), (0.310, 0.595), (0.155, 0.070), D65),
    8: ((0.681, 0.319), (0.243, 0.692), (0.145, 0.049), C),
    9: ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046), D65),
    10: ((1.0, 0.0), (0.0, 1.0), (0.0, 0.0), E),
    11: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), DCI),
    12: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), D65),
    22: ((0.630, 0.340), (0.295, 0.605), (0.155, 0.077), D65),
}
PRIMARIES[2], PRIMARIES[7] = PRIMARIES[1], PRIMARIES[6]
CONES = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])


def white_xyz(x: float, y: float) -> np.ndarray:
    return np.array([x / y, 1.0, (1 - x - y) / y])


def to_xyz(primaries) -> np.ndarray:
    *colours, white = primaries
    columns = np.array([(x, y, 1 - x - y) for x, y in colours]).T
    return columns * np.linalg.solve(columns, white_xyz(*white))


def to_srgb(primaries) -> np.ndarray:
    source, target = white_xyz(*primaries[3]), white_xyz(*D65)
    adapt = np.linalg.inv(CONES) @ np.diag((CONES @ target) / (CONES @ source)) @ CONES
    return np.linalg.inv(to_xyz(PRIMARIES[1])) @ adapt @ to_xyz(primaries)


def pq(signal):
    power = signal ** (32 / 2523)
    return 10000 * (np.maximum(power - 0.8359375, 0) / (18.8515625 - 18.6875 * power)) ** (16384 / 2610)


def inverse_pq(light):
    power = (light / 10000) ** (2610 / 16384)
    return ((0.8359375 + 18.8515625 * power) / (1 + 18.6875 * power)) ** (2523 / 32)


def eetf(light, peak=1000.0, target=203.0):
    """BT.2408-7, annex 5, black at zero."""
    top = inverse_pq(peak)
    e1, max_lum = np.minimum(inverse_pq(light) / top, 1), inverse_pq(target) / top
    ks = 1.5 * max_lum - 0.5
    t = (e1 - ks) / (1 - ks)
    p = (2 * t**3 - 3 * t**2 + 1) * ks + (t**3 - 2 * t**2 + t) * (1 - ks) + (-2 * t**3 + 3 * t**2) * max_lum
    return pq(np.where(e1 < ks, e1, p) * top) / target


def hlg(signal):
    """The inverse of the OETF."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    return np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - c) / a) + b) / 12)


def light(signal, transfer: int | str, luminances):
    """The light of signals, where 1 is white. A word is a curve of JPEG XL that differs from that of its code point."""
    if transfer == "709":
        return np.where(signal < 0.081, signal / 4.5, ((signal + 0.099) / 1.099) ** (1 / 0.45))
    if transfer == "DCI":
        return signal**2.6
    if transfer in (1, 2, 6, 11, 12, 13, 14, 15):
        return np.where(signal <= 0.04045, signal / 12.92, ((signal + 0.055) / 1.055) ** 2.4)
    if transfer in (4, 5, 8):
        return signal ** {4: 2.2, 5: 2.8, 8: 1}[transfer]
    if transfer == 7:
        return np.where(signal < 0.0912, signal / 4, ((signal + 0.1115) / 1.1115) ** (1 / 0.45))
    if transfer in (9, 10):
        return np.where(signal > 0, 10 ** ((signal - 1) * {9: 2, 10: 2.5}[transfer]), 0)
    if transfer == 16:
        return eetf(pq(signal))
    if transfer == 17:
        return np.minimum(signal**2.6 * 52.37 / 48, 1)
    scene = hlg(signal)
    return eetf(1000 * scene * ((scene @ luminances) ** 0.2)[..., None])


def converted(pixels: np.ndarray, primaries, transfer: int | str, narrow: bool = False) -> Image.Image:
    levels = pixels.astype(np.float64)
    signal = np.clip((levels - 16) / 219 if narrow else levels / 255, 0, 1)
    linear = np.clip(light(signal, transfer, to_xyz(primaries)[1]) @ to_srgb(primaries).T, 0, 1)
    encoded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return Image.fromarray(np.floor(encoded * 255 + 0.5).astype(np.uint8))


def cube() -> Image.Image:
    """Every colour of 17 levels a channel."""
    levels = [min(16 * i, 255) for i in range(17)]
    colours = [(r, g, b) for b in levels for r in levels for g in levels]
    return Image.fromarray(np.array(colours, np.uint8).reshape(17, 17 * 17, 3))


def patches() -> Image.Image:
    """Few colours, each wide enough for a lossy codec."""
    levels = [0, 70, 140, 200, 255]
    colours = [(r, g, b) for r in levels for g in levels for b in levels]
    small = np.array(colours, np.uint8).reshape(5, 25, 3)
    return Image.fromarray(small.repeat(4, 0).repeat(4, 1))


def png(picture: Image.Image, path: Path, cicp: tuple) -> None:
    """Write a PNG file with a chunk cICP after its header."""
    picture.save(path, optimize=True)
    data, body = path.read_bytes(), b"cICP" + bytes(cicp)
    chunk = struct.pack(">I", 4) + body + struct.pack(">I", zlib.crc32(body))
    path.write_bytes(data[:33] + chunk + data[33:])


def decoded(path: Path) -> np.ndarray:
    if path.suffix == ".jxl":
        with tempfile.TemporaryDirectory() as folder:
            back = Path(folder, "out.ppm")
            subprocess.run(["djxl", path, back], check=True, capture_output=True)
            return np.asarray(Image.open(back).convert("RGB"))
    return np.asarray(Image.open(path).convert("RGB"))


def encoded(picture: Image.Image, path: Path, *command) -> None:
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "in.png")
        picture.save(source)
        command = [{"IN": source, "OUT": path}.get(word, word) for word in command]
        subprocess.run(command, check=True, capture_output=True)


def main() -> None:
    pillow_heif.register_heif_opener()
    shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir(parents=True)

    def expect(name: str, primaries: int, transfer: int | str, narrow: bool = False) -> None:
        result = converted(decoded(OUT / name), PRIMARIES[primaries], transfer, narrow)
        result.save(OUT / f"{name}.png", optimize=True)

    codes = [(4, 4), (5, 5), (6, 7), (1, 8), (8, 9), (9, 1), (9, 16), (9, 18), (12, 18), (10, 10), (11, 17), (12, 13)]
    for primaries, transfer in [*codes, (22, 13)]:
        name = f"{primaries}-{transfer}.png"
        png(cube(), OUT / name, (primaries, transfer, 0, 1))
        expect(name, primaries, transfer)
    png(cube(), OUT / "narrow.png", (9, 16, 0, 0))
    expect("narrow.png", 9, 16, narrow=True)
    for primaries, transfer, depth in ((12, 13, 8), (9, 16, 10), (9, 18, 10)):
        name = f"{primaries}-{transfer}.avif"
        options = ["-y", "444", "-d", str(depth), "--cicp", f"{primaries}/{transfer}/9", "--min", "10", "--max", "10"]
        encoded(patches(), OUT / name, "avifenc", "-s", "0", *options, "IN", "OUT")
        expect(name, primaries, transfer)
        name = f"{primaries}-{transfer}.heic"
        codes = {"color_primaries": primaries, "transfer_characteristics": transfer, "matrix_coefficients": 9}
        pillow_heif.from_pillow(patches()).save(OUT / name, quality=70, full_range_flag=1, **codes)
        expect(name, primaries, transfer)
    for name, space, primaries, transfer in (
        ("pq", "RGB_D65_202_Rel_PeQ", 9, 16),
        ("hlg", "RGB_D65_202_Rel_HLG", 9, 18),
        ("linear", "RGB_D65_SRG_Rel_Lin", 1, 8),
        ("bt709", "RGB_D65_SRG_Rel_709", 1, "709"),
        ("dci", "RGB_DCI_DCI_Rel_DCI", 11, "DCI"),
    ):
        encoded(cube(), OUT / f"{name}.jxl", "cjxl", "-d", "0", "-x", f"color_space={space}", "IN", "OUT")
        expect(f"{name}.jxl", primaries, transfer)
    # Decoders differ by a level, which is several of them in sRGB, so that this one is compared before.
    encoded(patches(), OUT / "lossy.jxl", "cjxl", "-d", "1", "-x", "color_space=RGB_D65_202_Rel_PeQ", "IN", "OUT")
    Image.fromarray(decoded(OUT / "lossy.jxl")).save(OUT / "lossy.png", optimize=True)
    grey = cube().convert("L")
    encoded(grey, OUT / "grey.jxl", "cjxl", "-d", "0", "-x", "color_space=Gra_D65_Rel_PeQ", "IN", "OUT")
    expect("grey.jxl", 1, 16)


if __name__ == "__main__":
    main()
