"""Write small photo files of every format, and Pillow's results for them.

    python tools/preprocess_files.py    # rewrites tests/goldens/preprocess/files/, files.json and photos.json

Needs Pillow 13, open_clip_torch and scikit-image (for its photo of a cat, CC0, by Stefan van der Walt). Formats that
Pillow reads but does not write are assembled here. files.json holds for each file the results of
`Image.open(f).convert("RGB")` and of `ImageOps.exif_transpose`: width, height and SHA-256 of the pixels; or that Pillow
rejects it. photos.json holds the same for examples/photos/, and the result of open_clip's evaluation transform.
"""

import hashlib
import io
import json
import pathlib
import struct
import warnings
import zlib

import numpy as np
import open_clip
import PIL
import skimage
from PIL import Image, ImageOps, features

from tiny_jpeg import tiny_jpeg

HERE = pathlib.Path(__file__).resolve().parent
GOLDENS = HERE.parent / "tests" / "goldens" / "preprocess"
FILES = GOLDENS / "files"

warnings.simplefilter("ignore")
CAT = Image.open(pathlib.Path(skimage.__file__).parent / "data" / "chelsea.png").convert("RGB").crop((90, 60, 330, 220))
PROFILE = CAT.info.pop("icc_profile")
out = {}


def photo(width=46, height=31):
    return CAT.resize((width, height), Image.LANCZOS)


def rgba(width=46, height=31):
    alpha = np.add.outer(np.arange(height) * 5, np.arange(width) * 4) % 256
    image = photo(width, height)
    image.putalpha(Image.fromarray(alpha.astype(np.uint8)))
    return image


def put(name, data):
    assert name not in out, name
    out[name] = data


def save(name, image, format, **options):
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    put(name, buffer.getvalue())


def exif(orientation, endian="<"):
    block = Image.Exif()
    block.endian = endian
    block[0x0112] = orientation
    return block


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(rows_of, width, height, bits, colour, before=(), after=(), interlace=False):
    """Return a PNG. rows_of(y, x0, dx) returns the bytes of the samples x0, x0 + dx, ... of row y."""
    passes = [(0, 0, 1, 1)]
    if interlace:
        passes = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
    raw = b""
    for x0, y0, dx, dy in passes:
        if x0 < width:
            raw += b"".join(b"\0" + rows_of(y, x0, dx) for y in range(y0, height, dy))
    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, int(interlace))
    chunks = [chunk(b"IHDR", header), *before, chunk(b"IDAT", zlib.compress(raw, 9)), *after, chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def packed(samples, bits):
    """Pack rows of samples, most significant bit first."""
    if bits >= 8:
        return np.asarray(samples).astype(">u2" if bits == 16 else "u1").tobytes()
    digits = "".join(format(int(v), f"0{bits}b") for v in np.ravel(samples))
    digits += "0" * (-len(digits) % 8)
    return bytes(int(digits[i : i + 8], 2) for i in range(0, len(digits), 8))


def png_files():
    save("rgb.png", photo(), "PNG")
    save("profile.png", photo(), "PNG", icc_profile=PROFILE)
    save("rgba.png", rgba(), "PNG")
    save("grey.png", photo().convert("L"), "PNG")
    save("grey-alpha.png", rgba().convert("LA"), "PNG")
    save("bits.png", photo().convert("1"), "PNG")
    save("palette.png", photo().quantize(200), "PNG")
    save("palette-transparent.png", photo().quantize(16), "PNG", transparency=3)
    save("palette-alpha.png", photo().quantize(32), "PNG", transparency=bytes(range(0, 256, 8)))
    save("rgb-transparent.png", photo(), "PNG", transparency=photo().getpixel((3, 4)))
    save("grey-transparent.png", photo().convert("L"), "PNG", transparency=100)
    save("grey-16.png", Image.fromarray((np.asarray(photo().convert("L")).astype(np.uint16) * 3)), "PNG")
    rng = np.random.default_rng(5)
    width, height = 19, 13
    for colour, name, channels in [(0, "grey", 1), (2, "rgb", 3), (3, "palette", 1), (4, "grey-alpha", 2), (6, "rgba", 4)]:
        for bits in {0: (1, 2, 4, 8, 16), 3: (1, 2, 4, 8)}.get(colour, (8, 16)):
            # 16-bit levels below and above the clipping limits.
            top = 600 if (colour, bits) == (0, 16) else 1 << bits
            samples = rng.integers(0, top, (height, width, channels))
            rows = lambda y, x0, dx: packed(samples[y, x0::dx], bits)
            before = []
            if colour == 3:
                # Two colours fewer than indices.
                entries = rng.integers(0, 256, ((1 << bits) - (2 if bits > 1 else 0), 3)).astype(np.uint8)
                before = [chunk(b"PLTE", entries.tobytes())]
            if bits == 16 or (colour, bits) == (6, 8):
                before = [chunk(b"gAMA", struct.pack(">I", 30000))] + before
            for interlace in (False, True):
                suffix = "-interlaced" if interlace else ""
                put(f"{name}-{bits}bit{suffix}.png", png(rows, width, height, bits, colour, before, (), interlace))
    for size in [(1, 1), (1, 7), (5, 1), (3, 2), (2, 9)]:
        samples = rng.integers(0, 256, (size[1], size[0], 3))
        rows = lambda y, x0, dx: packed(samples[y, x0::dx], 8)
        put(f"interlaced-{size[0]}x{size[1]}.png", png(rows, *size, 8, 2, (), (), True))
    frames = [photo(), photo().transpose(Image.Transpose.ROTATE_180)]
    save("animated.png", frames[0], "PNG", save_all=True, append_images=frames[1:])
    save("animated-default.png", frames[0], "PNG", save_all=True, append_images=frames[1:], default_image=True)
    small = photo(23, 12)
    for value in range(1, 9):
        save(f"orientation-{value}.png", small, "PNG", exif=exif(value))
    samples = np.asarray(small)
    rows = lambda y, x0, dx: packed(samples[y, x0::dx], 8)
    late = [chunk(b"eXIf", exif(6, ">").tobytes()[6:])]
    put("orientation-late.png", png(rows, 23, 12, 8, 2, (), late))
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="8"/></x:xmpmeta>'
    itxt = chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp)
    put("orientation-xmp.png", png(rows, 23, 12, 8, 2, [itxt]))
    block = exif(5).tobytes()
    profile = f"\nexif\n{len(block):8}\n" + "\n".join(block.hex()[i : i + 72] for i in range(0, 2 * len(block), 72)) + "\n"
    put("orientation-profile.png", png(rows, 23, 12, 8, 2, [chunk(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(profile.encode()))]))
    put("orientation-profile-plain.png", png(rows, 23, 12, 8, 2, [chunk(b"tEXt", b"Raw profile type exif\0" + profile.encode())]))
    whole = out["rgb.png"]
    put("without-end.png", whole[:-12])


def lzw(indices, bits):
    """Encode GIF's LZW without compression: emit a clear code before the code size would grow."""
    clear, end, size = 1 << bits, (1 << bits) + 1, bits + 1
    codes = []
    for i, index in enumerate(indices):
        if i % ((1 << bits) - 2) == 0:
            codes.append(clear)
        codes.append(int(index))
    codes.append(end)
    value = 0
    for i, code in enumerate(codes):
        value |= code << (i * size)
    data = value.to_bytes((len(codes) * size + 7) // 8, "little")
    blocks = b"".join(bytes([len(data[i : i + 255])]) + data[i : i + 255] for i in range(0, len(data), 255))
    return bytes([bits]) + blocks + b"\0"


def gif(canvas, palette, frame, indices, own=None, transparent=None, interlace=False, version=b"GIF89a", background=0):
    width, height = canvas
    left, top, w, h = frame
    entries = lambda p: np.asarray(p, np.uint8).tobytes()
    data = version + struct.pack("<HH", width, height)
    bits = lambda p: (len(p) - 1).bit_length() - 1
    data += bytes([0x80 | bits(palette) if palette is not None else 0, background, 0])
    data += entries(palette) if palette is not None else b""
    if transparent is not None:
        data += b"!\xf9\x04\x01\0\0" + bytes([transparent]) + b"\0"
    data += b"," + struct.pack("<HHHH", left, top, w, h)
    data += bytes([(0x80 | bits(own) if own is not None else 0) | (0x40 if interlace else 0)])
    data += entries(own) if own is not None else b""
    rows = np.asarray(indices).reshape(h, w)
    if interlace:
        rows = np.concatenate([rows[0::8], rows[4::8], rows[2::4], rows[1::2]])
    return data + lzw(rows.ravel(), 4) + b";"


def gif_files():
    save("palette.gif", photo().quantize(64), "GIF")
    save("grey.gif", photo().convert("L"), "GIF")
    save("bits.gif", photo().convert("1"), "GIF")
    save("transparent.gif", photo().quantize(16), "GIF", transparency=2)
    frames = [photo().quantize(32), photo().transpose(Image.Transpose.ROTATE_180).quantize(32)]
    save("animated.gif", frames[0], "GIF", save_all=True, append_images=frames[1:])
    rng = np.random.default_rng(6)
    colours, other = rng.integers(0, 256, (16, 3)), rng.integers(0, 256, (16, 3))
    greys = np.repeat(np.arange(16), 3).reshape(16, 3)
    ramp_8 = np.repeat(np.arange(8), 3).reshape(8, 3)
    pick = lambda n, top=16: rng.integers(0, top, n)
    put("interlaced.gif", gif((21, 17), colours, (0, 0, 21, 17), pick(357), interlace=True))
    put("part.gif", gif((21, 17), colours, (4, 3, 10, 8), pick(80)))
    put("part-background.gif", gif((21, 17), colours, (4, 3, 10, 8), pick(80), background=5))
    put("part-transparent.gif", gif((21, 17), colours, (4, 3, 10, 8), pick(80), transparent=7))
    put("part-own-palette.gif", gif((21, 17), colours, (4, 3, 10, 8), pick(80), own=other, transparent=7))
    put("beyond-canvas.gif", gif((12, 10), colours, (4, 3, 15, 11), pick(165)))
    put("beyond-canvas-transparent.gif", gif((12, 10), colours, (4, 3, 15, 11), pick(165), transparent=2))
    put("own-palette-only.gif", gif((11, 7), None, (0, 0, 11, 7), pick(77), own=other, version=b"GIF87a"))
    put("ramp.gif", gif((11, 7), greys, (0, 0, 11, 7), pick(77)))
    put("short-ramp.gif", gif((11, 7), ramp_8, (0, 0, 11, 7), pick(77)))
    put("short-palette.gif", gif((11, 7), colours[:8], (0, 0, 11, 7), pick(77)))


def bmp(width, height, bits, rows, compression=0, header=40, palette=None, masks=None, colours=0, top_down=False, offset=None):
    """Return a BMP of rows of bytes, top row first, or of compressed bytes."""
    entry = 3 if header == 12 else 4
    table = b"".join(bytes([b, g, r]) + (b"\0" if entry == 4 else b"") for r, g, b in (palette if palette is not None else []))
    if header == 12:
        dib = struct.pack("<IHHHH", 12, width, height, 1, bits)
    else:
        dib = struct.pack("<IiiHHIIiiII", header, width, -height if top_down else height, 1, bits, compression, 0, 2835, 2835, colours, 0)
        dib += b"".join(struct.pack("<I", m) for m in masks or ())
        dib += b"\0" * (header - len(dib)) if header > 40 else b""
    if isinstance(rows, bytes):
        data = rows
    else:
        rows = [row + b"\0" * (-len(row) % 4) for row in rows]
        data = b"".join(rows if top_down else rows[::-1])
    start = 14 + len(dib) + len(table) if offset is None else offset
    return struct.pack("<2sIHHI", b"BM", 14 + len(dib) + len(table) + len(data), 0, 0, start) + dib + table + data


def bmp_files():
    save("rgb.bmp", photo(), "BMP")
    save("grey.bmp", photo().convert("L"), "BMP")
    save("palette.bmp", photo().quantize(40), "BMP")
    save("bits.bmp", photo().convert("1"), "BMP")
    save("rgba.bmp", rgba(), "BMP")
    rng = np.random.default_rng(7)
    width, height = 19, 11
    colours = [tuple(map(int, c)) for c in rng.integers(0, 256, (256, 3))]
    for bits in (1, 4, 8):
        samples = rng.integers(0, 1 << bits, (height, width))
        rows = [packed(row, bits) for row in samples]
        put(f"palette-{bits}bit.bmp", bmp(width, height, bits, rows, palette=colours[: 1 << bits]))
        put(f"palette-{bits}bit-os2.bmp", bmp(width, height, bits, rows, palette=colours[: 1 << bits], header=12))
    samples = rng.integers(0, 256, (height, width))
    rows = [packed(row, 8) for row in samples]
    put("short-palette.bmp", bmp(width, height, 8, rows, palette=colours[:100], colours=100))
    put("wrong-offset.bmp", bmp(width, height, 8, rows, palette=colours, offset=54))
    put("top-down.bmp", bmp(width, height, 8, rows, palette=colours, top_down=True))
    greys = [(i, i, i) for i in range(256)]
    put("ramp.bmp", bmp(width, height, 8, rows, palette=greys))
    put("short-ramp.bmp", bmp(width, height, 8, rows, palette=greys[:50], colours=50))
    words = rng.integers(0, 1 << 16, (height, width)).astype("<u2")
    rows = [row.tobytes() for row in words]
    put("rgb-555.bmp", bmp(width, height, 16, rows))
    put("rgb-555-masks.bmp", bmp(width, height, 16, rows, 3, masks=(0x7C00, 0x3E0, 0x1F)))
    put("rgb-565.bmp", bmp(width, height, 16, rows, 3, masks=(0xF800, 0x7E0, 0x1F)))
    put("rgb-565-v4.bmp", bmp(width, height, 16, rows, 3, header=108, masks=(0xF800, 0x7E0, 0x1F, 0)))
    longs = rng.integers(0, 1 << 32, (height, width), dtype=np.uint64).astype("<u4")
    rows = [row.tobytes() for row in longs]
    put("rgb-32bit.bmp", bmp(width, height, 32, rows))
    put("rgb-32bit-os2-2.bmp", bmp(width, height, 32, rows, header=64))
    for i, masks in enumerate([(0xFF0000, 0xFF00, 0xFF, 0xFF000000), (0xFF, 0xFF00, 0xFF0000, 0xFF000000),
                               (0xFF000000, 0xFF0000, 0xFF00, 0xFF), (0xFF000000, 0xFF00, 0xFF, 0xFF0000), (0, 0, 0, 0)]):
        put(f"masks-{i}.bmp", bmp(width, height, 32, rows, 3, header=124, masks=masks))
    put("masks-odd.bmp", bmp(width, height, 32, rows, 3, header=124, masks=(0x3FF00000, 0xFFC00, 0x3FF, 0)))
    triples = rng.integers(0, 256, (height, width * 3)).astype(np.uint8)
    put("rgb-24bit-top-down.bmp", bmp(width, height, 24, [row.tobytes() for row in triples], top_down=True))
    # Run-length encoding: runs, literals (odd and even), ends of lines, a delta, a run past the end of a row.
    runs = bytes([5, 7, 0, 3, 1, 2, 3, 0, 9, 200, 0, 0]) + bytes([0, 4, 9, 8, 7, 6, 19, 3, 0, 0]) + bytes([2, 1, 0, 2, 4, 1, 3, 9, 0, 0])
    runs += bytes([19, 11, 0, 0]) * 6 + bytes([0, 2, 3, 0, 16, 5, 0, 1])
    put("runs-8bit.bmp", bmp(width, height, 8, runs, 1, palette=colours))
    put("runs-8bit-ends-early.bmp", bmp(width, height, 8, runs[:-8], 1, palette=colours))
    runs = bytes([5, 0x7A, 0, 3, 0x12, 0x30, 0, 6, 0x45, 0x67, 0x89, 0, 5, 0x21, 0, 0]) + bytes([19, 0x34, 0, 0]) * 10
    put("runs-4bit.bmp", bmp(width, height, 4, runs, 2, palette=colours[:16]))


def webp_files():
    for width, height in [(46, 31), (45, 32), (1, 1), (17, 2)]:
        save(f"lossy-{width}x{height}.webp", photo(width, height), "WEBP", quality=80)
    save("lossy-low.webp", photo(), "WEBP", quality=20, method=6)
    save("lossless.webp", photo(), "WEBP", lossless=True)
    save("lossy-alpha.webp", rgba(), "WEBP", quality=80)
    save("lossless-alpha.webp", rgba(), "WEBP", lossless=True, exact=True)
    save("lossless-palette.webp", photo().quantize(12).convert("RGB"), "WEBP", lossless=True)
    frames = [rgba(), rgba().transpose(Image.Transpose.ROTATE_180)]
    save("animated.webp", frames[0], "WEBP", save_all=True, append_images=frames[1:], lossless=True, background=(200, 10, 10, 255))
    save("animated-lossy.webp", photo(), "WEBP", save_all=True, append_images=[photo().rotate(5)], quality=70)
    small = photo(23, 12)
    for value in range(1, 9):
        save(f"orientation-{value}.webp", small, "WEBP", lossless=True, exif=exif(value))
    save("orientation-xmp.webp", small, "WEBP", lossless=True, xmp=b"<x><tiff:Orientation>3</tiff:Orientation></x>")


def tiff(width, height, tags, strips, endian="<", big=False):
    """Return a TIFF of these tags (number: (type, values)) and strips."""
    sizes = {1: 1, 2: 1, 3: 2, 4: 4, 16: 8}
    codes = {1: "B", 2: "B", 3: "H", 4: "I", 16: "Q"}
    head = (b"II" if endian == "<" else b"MM") + struct.pack(endian + ("HHH" if big else "H"), *((43, 8, 0) if big else (42,)))
    start = 16 if big else 8
    offsets = [start + sum(map(len, strips[:i])) for i in range(len(strips))]
    body = b"".join(strips)
    body += b"\0" * (len(body) % 2)
    tags = {256: (4, [width]), 257: (4, [height]), 273: (4, offsets), 279: (4, list(map(len, strips)))} | tags
    at = start + len(body)
    count_code, entry_size, inline = ("Q", 20, 8) if big else ("H", 12, 4)
    extra_at = at + struct.calcsize("<" + count_code) + entry_size * len(tags) + (8 if big else 4)
    entries, extra = b"", b""
    for number, (kind, values) in sorted(tags.items()):
        data = struct.pack(endian + codes[kind] * len(values), *values)
        entries += struct.pack(endian + ("HHQ" if big else "HHI"), number, kind, len(values))
        if len(data) <= inline:
            entries += data + b"\0" * (inline - len(data))
        else:
            entries += struct.pack(endian + ("Q" if big else "I"), extra_at + len(extra))
            extra += data + b"\0" * (len(data) % 2)
    directory = struct.pack(endian + count_code, len(tags)) + entries + struct.pack(endian + ("Q" if big else "I"), 0)
    return head + struct.pack(endian + ("Q" if big else "I"), at) + body + directory + extra


def tiff_files():
    image = photo(29, 21)
    for mode in ("RGB", "L", "1", "CMYK", "P"):
        converted = image.quantize(30) if mode == "P" else image.convert(mode)
        save(f"mode-{mode}.tif", converted, "TIFF")
    save("mode-RGBA.tif", rgba(29, 21), "TIFF")
    save("mode-LA.tif", rgba(29, 21).convert("LA"), "TIFF")
    levels = np.asarray(image.convert("L"))
    save("mode-I16.tif", Image.fromarray(levels.astype(np.uint16) * 2), "TIFF")
    save("mode-I.tif", Image.fromarray(levels.astype(np.int32) * 3 - 200), "TIFF")
    save("mode-F.tif", Image.fromarray(levels.astype(np.float32) * 1.7 - 60), "TIFF")
    for compression in ("tiff_lzw", "tiff_adobe_deflate", "packbits"):
        save(f"{compression}.tif", image, "TIFF", compression=compression)
        save(f"{compression}-palette.tif", image.quantize(20), "TIFF", compression=compression)
    save("tiff_lzw-predictor.tif", image, "TIFF", compression="tiff_lzw", tiffinfo={317: 2})
    save("group4.tif", photo(64, 40).convert("1"), "TIFF", compression="group4")
    save("jpeg.tif", photo(64, 48), "TIFF", compression="jpeg", quality=90)
    save("big-endian.tif", Image.frombytes("I;16B", (29, 21), (levels.astype(">u2") * 2).tobytes()), "TIFF")
    save("pages.tif", image, "TIFF", save_all=True, append_images=[rgba(10, 10)])
    save("many-strips.tif", image, "TIFF", tiffinfo={278: 4})
    small = photo(23, 12)
    for value in range(1, 9):
        save(f"orientation-{value}.tif", small, "TIFF", exif=exif(value))
    save("orientation-6-lzw.tif", small, "TIFF", exif=exif(6), compression="tiff_lzw")
    rng = np.random.default_rng(8)
    width, height = 19, 13
    flat = lambda photometric, bits, n, extra=(), fmt=1, **more: {
        258: (3, [bits] * n), 259: (3, [1]), 262: (3, [photometric]), 277: (3, [n]), 278: (4, [height]),
        339: (3, [fmt] * n)} | ({338: (3, list(extra))} if extra else {}) | more
    for endian in "<>":
        name = "le" if endian == "<" else "be"
        wide = rng.integers(0, 65536, (height, width, 4)).astype(endian + "u2")
        put(f"rgb-16bit-{name}.tif", tiff(width, height, flat(2, 16, 3), [wide[..., :3].tobytes()], endian))
        put(f"rgba-16bit-{name}.tif", tiff(width, height, flat(2, 16, 4, [2]), [wide.tobytes()], endian))
        put(f"rgba-16bit-associated-{name}.tif", tiff(width, height, flat(2, 16, 4, [1]), [wide.tobytes()], endian))
        put(f"cmyk-16bit-{name}.tif", tiff(width, height, flat(5, 16, 4), [wide.tobytes()], endian))
        grey = rng.integers(0, 600, (height, width)).astype(endian + "u2")
        put(f"grey-16bit-{name}.tif", tiff(width, height, flat(1, 16, 1), [grey.tobytes()], endian))
        grey = rng.integers(-300, 600, (height, width)).astype(endian + "i2")
        put(f"grey-16bit-signed-{name}.tif", tiff(width, height, flat(1, 16, 1, fmt=2), [grey.tobytes()], endian))
        grey = rng.normal(100, 150, (height, width)).astype(endian + "f4")
        put(f"grey-float-{name}.tif", tiff(width, height, flat(1, 32, 1, fmt=3), [grey.tobytes()], endian))
    grey = rng.integers(0, 600, (height, width)).astype("<u2")
    put("white-is-zero-16bit.tif", tiff(width, height, flat(0, 16, 1), [grey.tobytes()]))
    for bits in (1, 2, 4, 8):
        rows = [packed(row, bits) for row in rng.integers(0, 1 << bits, (height, width))]
        data = [b"".join(rows)]
        put(f"white-is-zero-{bits}bit.tif", tiff(width, height, flat(0, bits, 1), data))
        put(f"black-is-zero-{bits}bit.tif", tiff(width, height, flat(1, bits, 1), data, ">"))
        colours = rng.integers(0, 65536, 3 << bits).tolist()
        put(f"palette-{bits}bit.tif", tiff(width, height, flat(3, bits, 1) | {320: (3, colours)}, data))
    put("palette-big.tif", tiff(width, height, flat(3, 8, 1) | {320: (3, colours)}, data, "<", True))
    eight = rng.integers(0, 256, (height, width, 6)).astype(np.uint8)
    for name, photometric, n, extra in [("rgbx", 2, 4, [0]), ("rgba-associated", 2, 4, [1]), ("rgba-unsaid", 2, 4, []),
                                        ("rgbxx", 2, 5, [0, 0]), ("rgbax", 2, 5, [2, 0]), ("cmykx", 5, 5, [0]),
                                        ("grey-x", 1, 2, [0]), ("grey-alpha", 1, 2, [2])]:
        put(f"{name}.tif", tiff(width, height, flat(photometric, 8, n, extra), [np.ascontiguousarray(eight[..., :n]).tobytes()]))
    planes = [np.ascontiguousarray(eight[..., i]).tobytes() for i in range(3)]
    put("planes.tif", tiff(width, height, flat(2, 8, 3) | {284: (3, [2])}, planes))
    tiles = []
    for y in range(0, height, 16):
        for x in range(0, width, 16):
            tile = np.zeros((16, 16, 3), np.uint8)
            part = eight[y : y + 16, x : x + 16, :3]
            tile[: part.shape[0], : part.shape[1]] = part
            tiles.append(tile.tobytes())
    tagged = tiff(width, height, flat(2, 8, 3) | {322: (3, [16]), 323: (3, [16])}, tiles)
    # Only the offsets and lengths of strips become those of tiles.
    at = struct.unpack("<I", tagged[4:8])[0]
    tagged = bytearray(tagged)
    entries = [bytes(tagged[at + 2 + 12 * i : at + 14 + 12 * i]) for i in range(struct.unpack("<H", tagged[at : at + 2])[0])]
    renumber = {273: 324, 279: 325}
    entries = [struct.pack("<H", renumber.get(struct.unpack("<H", e[:2])[0], struct.unpack("<H", e[:2])[0])) + e[2:] for e in entries]
    entries = sorted((e for e in entries if struct.unpack("<H", e[:2])[0] != 278), key=lambda e: struct.unpack("<H", e[:2])[0])
    tagged[at : at + 2] = struct.pack("<H", len(entries))
    tagged[at + 2 : at + 2 + 12 * len(entries) + 4] = b"".join(entries) + b"\0\0\0\0"
    put("tiles.tif", bytes(tagged))


def jpeg_files():
    for width, height in [(46, 31), (64, 48), (1, 1), (3, 50), (50, 3), (17, 16)]:
        for subsampling in (0, 1, 2):
            save(f"{width}x{height}-{subsampling}.jpg", photo(width, height), "JPEG", quality=85, subsampling=subsampling)
    for subsampling in (0, 1, 2):
        save(f"progressive-{subsampling}.jpg", photo(61, 43), "JPEG", quality=80, subsampling=subsampling, progressive=True)
    save("grey.jpg", photo().convert("L"), "JPEG", quality=85)
    save("profile.jpg", photo(), "JPEG", quality=85, icc_profile=PROFILE)
    save("grey-progressive.jpg", photo().convert("L"), "JPEG", quality=85, progressive=True)
    save("quality-5.jpg", photo(64, 48), "JPEG", quality=5)
    save("quality-100.jpg", photo(64, 48), "JPEG", quality=100, subsampling=0)
    save("optimised.jpg", photo(64, 48), "JPEG", quality=75, optimize=True)
    save("restart.jpg", photo(90, 70), "JPEG", quality=80, restart_marker_blocks=3)
    save("restart-progressive.jpg", photo(90, 70), "JPEG", quality=80, restart_marker_rows=1, progressive=True)
    save("rgb.jpg", photo(), "JPEG", quality=85, keep_rgb=True)
    ink = photo(48, 40).convert("CMYK")
    ink.paste((10, 60, 120, 90), (4, 4, 20, 20))
    save("cmyk.jpg", ink, "JPEG", quality=85)
    save("cmyk-progressive.jpg", ink, "JPEG", quality=85, progressive=True)
    data = out["cmyk.jpg"]
    at = data.index(b"Adobe") + 11
    put("ycck.jpg", data[:at] + b"\x02" + data[at + 1 :])
    ycc = photo(48, 40)
    noise = np.random.default_rng(9).integers(0, 256, (40, 48, 3), dtype=np.uint8)
    save("noise.jpg", Image.fromarray(noise), "JPEG", quality=95)
    save("noise-progressive.jpg", Image.fromarray(noise), "JPEG", quality=95, progressive=True)
    small = photo(23, 12)
    for value in range(1, 9):
        save(f"orientation-{value}.jpg", small, "JPEG", quality=85, exif=exif(value, "<>"[value % 2]))
    save("orientation-6-progressive.jpg", photo(), "JPEG", quality=85, exif=exif(6), progressive=True)
    save("orientation-8-grey.jpg", photo().convert("L"), "JPEG", quality=85, exif=exif(8))
    save("orientation-none.jpg", small, "JPEG", quality=85, exif=exif(9))
    save("orientation-xmp.jpg", small, "JPEG", quality=85, xmp=b'<rdf:Description tiff:Orientation="6"/>')
    samples = np.asarray(ycc.convert("YCbCr"))
    for name, factors in {"411": [(4, 1), (1, 1), (1, 1)], "440": [(1, 2), (1, 1), (1, 1)], "410": [(4, 2), (1, 1), (1, 1)],
                          "441": [(1, 4), (1, 1), (1, 1)], "mixed": [(2, 2), (2, 1), (1, 2)], "odd-one": [(1, 1), (2, 2), (1, 1)],
                          "all-doubled": [(2, 1), (2, 1), (2, 1)], "422-down": [(2, 2), (1, 2), (1, 2)], "thirds": [(3, 1), (1, 1), (1, 1)]}.items():
        put(f"sampling-{name}.jpg", tiny_jpeg(samples, factors))
        put(f"sampling-{name}-odd.jpg", tiny_jpeg(samples[:29, :37], factors))
    put("sampling-narrow.jpg", tiny_jpeg(samples[:, :4], [(2, 2), (1, 1), (1, 1)]))
    put("sampling-narrow-2.jpg", tiny_jpeg(samples[:, :5], [(2, 1), (1, 1), (1, 1)]))
    put("sampling-narrow-440.jpg", tiny_jpeg(samples[:5, :2], [(1, 2), (1, 1), (1, 1)]))
    put("separate-scans.jpg", tiny_jpeg(samples, [(2, 2), (1, 1), (1, 1)], scans=[[0], [1], [2]]))
    put("separate-scans-odd.jpg", tiny_jpeg(samples[:29, :37], [(2, 1), (1, 1), (1, 1)], scans=[[0, 1], [2]], restart=3))
    put("separate-tables.jpg", tiny_jpeg(samples, [(2, 2), (1, 1), (1, 1)], scans=[[0], [1], [2]], requantise=True))
    put("grey-doubled.jpg", tiny_jpeg(samples[..., :1], [(2, 2)]))
    put("ids-rgb.jpg", tiny_jpeg(np.asarray(ycc), [(1, 1)] * 3, ids=b"RGB"))
    put("ids-odd.jpg", tiny_jpeg(samples, [(1, 1)] * 3, ids=b"\x00\x05\x09"))
    put("adobe-rgb.jpg", tiny_jpeg(np.asarray(ycc), [(1, 1)] * 3, adobe=0))
    put("adobe-ycc.jpg", tiny_jpeg(samples, [(1, 1)] * 3, ids=b"RGB", adobe=1))
    put("jfif-rgb.jpg", tiny_jpeg(samples, [(1, 1)] * 3, ids=b"RGB", adobe=0, jfif=True))
    four = np.concatenate([samples, samples[..., :1] // 2], axis=2)
    put("four-plain.jpg", tiny_jpeg(four, [(1, 1)] * 4))
    put("four-ycck.jpg", tiny_jpeg(four, [(2, 2), (1, 1), (1, 1), (2, 2)], adobe=2))
    put("four-odd.jpg", tiny_jpeg(four, [(1, 1)] * 4, adobe=1))
    put("no-tables.jpg", tiny_jpeg(samples, [(2, 2), (1, 1), (1, 1)], tables=False))
    put("wide-quantisation.jpg", tiny_jpeg(samples, [(1, 1)] * 3, wide=True, sof=0xC1))
    junk = out["46x31-2.jpg"]
    at = junk.index(b"\xff\xda")
    put("junk-between.jpg", junk[:at] + b"\x00\x12\xff\x00" + b"\xff" * 5 + junk[at:] + b"after the end")


def pixels(image):
    return [image.width, image.height, hashlib.sha256(image.tobytes()).hexdigest()]


def photos():
    """Preprocess the example photos."""
    rows = []
    for path in sorted((HERE.parent / "examples" / "photos").glob("*.jpg")):
        plain = Image.open(path).convert("RGB")
        upright = ImageOps.exif_transpose(Image.open(path)).convert("RGB")
        row = {"file": path.name, "plain": pixels(plain), "oriented": pixels(upright)}
        openai = open_clip.image_transform(224, is_train=False)
        mobile = open_clip.image_transform(256, is_train=False, mean=(0, 0, 0), std=(1, 1, 1), interpolation="bilinear")
        for key, transform in [("openai_224", openai), ("mobileclip_256", mobile)]:
            row[key] = hashlib.sha256(transform(upright).numpy().astype("<f4").tobytes()).hexdigest()
        rows.append(row)
    return rows


def write(path, made_by, key, rows):
    head = json.dumps({"made_by": f"tools/preprocess_files.py, {made_by}"})[:-1]
    path.write_text(f'{head},\n"{key}": [\n' + ",\n".join(map(json.dumps, rows)) + "\n]}\n")


def main():
    for make in (png_files, gif_files, bmp_files, webp_files, tiff_files, jpeg_files):
        make()
    FILES.mkdir(parents=True, exist_ok=True)
    for old in FILES.iterdir():
        old.unlink()
    rows = []
    for name, data in out.items():
        (FILES / name).write_bytes(data)
        row = {"file": name}
        for key, transform in [("plain", lambda image: image), ("oriented", ImageOps.exif_transpose)]:
            try:
                image = transform(Image.open(io.BytesIO(data))).convert("RGB")
                row[key] = pixels(image)
            except Exception as error:
                row[key] = str(error)
        rows.append(row)
    codecs = ", ".join(f"{name} {features.version(name)}" for name in ("libjpeg_turbo", "webp", "libtiff", "zlib"))
    made_by = f"Pillow {PIL.__version__} with {codecs}"
    write(GOLDENS / "files.json", made_by, "files", rows)
    write(GOLDENS / "photos.json", f"{made_by}, open_clip {open_clip.__version__}", "photos", photos())
    print(len(rows), "files,", sum(map(len, out.values())), "bytes;", [r["file"] for r in rows if isinstance(r["plain"], str)])


main()
