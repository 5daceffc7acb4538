"""Write files that hold several pictures, and Pillow's pixels of the first one.

    python tools/first_pictures.py    # rewrites tests/goldens/preprocess/first.json

Needs Pillow 13. A file is hexadecimal, its result `[width, height, SHA-256]` of `Image.open(f).convert("RGB")`. Animated
WebP files whose first frame is smaller than the canvas are assembled here, since Pillow writes none.
"""

import hashlib
import io
import json
import pathlib
import struct

import numpy as np
import PIL
from PIL import Image, features

OUT = pathlib.Path(__file__).resolve().parent.parent / "tests" / "goldens" / "preprocess" / "first.json"
out = {}


def photo(width=26, height=19, seed=0):
    y, x = np.mgrid[0:height, 0:width]
    levels = [x * 9 + seed * 40, y * 11 + x, x * y // 2 + seed * 90]
    return Image.fromarray((np.stack(levels, 2) % 256).astype(np.uint8))


def clear(width, height, seed=0):
    image = photo(width, height, seed)
    image.putalpha(Image.fromarray((np.mgrid[0:height, 0:width][1] * 16 % 256).astype(np.uint8)))
    return image


def written(image, format, **options):
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def save(name, first, format, *others, **options):
    out[name] = written(first, format, save_all=True, append_images=list(others), **options)


def chunk(kind, data):
    return kind + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)


def picture(file):
    """Return the chunks of a still WebP picture that an animation has in a frame."""
    at, found = 12, b""
    while at < len(file):
        kind, length = file[at : at + 4], struct.unpack("<I", file[at + 4 : at + 8])[0]
        if kind in (b"VP8 ", b"VP8L", b"ALPH"):
            found += chunk(kind, file[at + 8 : at + 8 + length])
        at += 8 + length + length % 2
    return found


def animated_webp(frames, width=26, height=19, transparent=True):
    """Return a WebP animation of (image, x, y, flags, options); its background is a colour that no picture has."""
    u24 = lambda number: struct.pack("<I", number)[:3]
    body = chunk(b"VP8X", bytes([0x12 if transparent else 2, 0, 0, 0]) + u24(width - 1) + u24(height - 1))
    body += chunk(b"ANIM", bytes([30, 200, 10, 255, 0, 0]))
    for image, x, y, flags, options in frames:
        size = u24(image.width - 1) + u24(image.height - 1)
        head = u24(x // 2) + u24(y // 2) + size + u24(100) + bytes([flags])
        body += chunk(b"ANMF", head + picture(written(image, "WEBP", **options)))
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


def main():
    exact, other = {"lossless": True, "exact": True}, photo(seed=1)
    last = (other, 0, 0, 0, exact)
    # Bit 0 of the flags: the frame is cleared after it was shown; bit 1: it covers what is below.
    for flags in range(4):
        out[f"part {flags}.webp"] = animated_webp([(clear(12, 8), 6, 4, flags, exact), last])
        out[f"part, lossy {flags}.webp"] = animated_webp([(clear(12, 8), 6, 4, flags, {"quality": 60}), last])
    out["part, opaque.webp"] = animated_webp([(photo(12, 8), 6, 4, 0, exact), last], transparent=False)
    out["whole, clear.webp"] = animated_webp([(clear(26, 19), 0, 0, 0, exact), last])
    for disposal in range(4):
        frames = [photo(seed=seed).quantize(8) for seed in range(3)]
        save(f"disposal {disposal}.gif", *frames[:1], "GIF", *frames[1:], disposal=disposal, duration=50)
    save("clear first.gif", clear(20, 9), "GIF", clear(20, 9, 1))
    for blend in (0, 1):
        for disposal in (0, 1, 2):
            frames = [clear(20, 9, seed) for seed in range(2)]
            save(f"blend {blend} disposal {disposal}.png", frames[0], "PNG", frames[1], blend=blend, disposal=disposal)
    save("default.png", clear(20, 9), "PNG", clear(20, 9, 1), clear(20, 9, 2), default_image=True)
    deep = Image.fromarray((np.mgrid[0:9, 0:20][1] * 13).astype(np.uint16))
    save("16 bits.png", deep, "PNG", deep.rotate(180))
    palette = photo(20, 9).quantize(8)
    save("palette.png", palette, "PNG", palette.rotate(180), transparency=bytes(range(0, 256, 32)))
    save("small first.tif", photo(9, 5), "TIFF", photo(), compression="tiff_lzw")
    save("small second.tif", photo(), "TIFF", photo(9, 5).convert("L"), compression="tiff_adobe_deflate")
    save("16 bits.tif", deep, "TIFF", photo(9, 5))
    save("palette.tif", palette, "TIFF", photo(9, 5))
    save("ink.tif", photo(9, 5).convert("CMYK"), "TIFF", photo(9, 5).convert("1"))
    save("two.mpo", photo(16, 8), "MPO", photo(8, 8, 1))
    rows = []
    for name, data in out.items():
        image = Image.open(io.BytesIO(data)).convert("RGB")
        result = [image.width, image.height, hashlib.sha256(image.tobytes()).hexdigest()]
        rows.append({"name": name, "data": data.hex(), "result": result})
    made_by = f"tools/first_pictures.py, Pillow {PIL.__version__} with webp {features.version('webp')}"
    head = json.dumps({"made_by": made_by})[:-1]
    OUT.write_text(f'{head},\n"files": [\n' + ",\n".join(map(json.dumps, rows)) + "\n]}\n")
    print(len(rows), "files,", sum(map(len, out.values())), "bytes")


main()
