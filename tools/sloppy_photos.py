"""Write photo files that are sloppy but readable, and Pillow's results for them.

    python tools/sloppy_photos.py    # rewrites tests/goldens/preprocess/sloppy.json

Needs Pillow 13 and NumPy. Each file has a container that contradicts itself, metadata that is broken, or a progressive
JPEG that ends after some of its scans. For each: its bytes in hex digits and the width, height and SHA-256 of the pixels
of `ImageOps.exif_transpose(Image.open(f)).convert("RGB")`. A JPEG with "cuts" stands for the files that consist of its
first bytes, up to each cut, and an end marker.
"""

import hashlib
import io
import json
import pathlib
import struct
import warnings
import zlib

import numpy as np
import PIL
from PIL import Image, ImageOps, features

OUT = pathlib.Path(__file__).resolve().parent.parent / "tests" / "goldens" / "preprocess" / "sloppy.json"

warnings.simplefilter("ignore")
rows = []


def picture(width, height, seed=1):
    """A picture with a different colour in every corner and some texture."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    r, g = 255 * x / max(width - 1, 1), 255 * y / max(height - 1, 1)
    b = 128 + 100 * np.sin(x / 3.0) * np.cos(y / 4.0)
    noise = np.random.default_rng(seed).integers(-12, 13, (height, width, 3))
    return Image.fromarray(np.clip(np.stack([r, g, b], axis=-1) + noise, 0, 255).astype(np.uint8))


def encoded(image, format, **options):
    out = io.BytesIO()
    image.save(out, format, **options)
    return out.getvalue()


def result(data):
    image = Image.open(io.BytesIO(data))
    image.load()
    upright = ImageOps.exif_transpose(image).convert("RGB")
    return [upright.width, upright.height, hashlib.sha256(upright.tobytes()).hexdigest()]


def put(name, data):
    assert all(row["name"] != name for row in rows), name
    rows.append({"name": name, "data": data.hex(), "result": result(data)})


def put_cuts(name, data):
    """A progressive JPEG without its last scans."""
    starts, _ = scans(data)
    cuts = [[end, *result(data[:end] + b"\xff\xd9")] for end in starts[1:]]
    rows.append({"name": name, "data": data.hex(), "result": result(data), "cuts": cuts})


def exif(value, order="<", magic=None, kind=3, count=1, behind=b""):
    """An EXIF block with an orientation. With `behind`, the value lies behind the directory."""
    code = {1: "B3x", 3: "H2x", 4: "I", 6: "b3x", 8: "h2x", 9: "i", 11: "f"}.get(kind, "I")
    head = (b"II" if order == "<" else b"MM") + (magic or struct.pack(order + "H", 42)) + struct.pack(order + "I", 8)
    value = struct.pack(order + code, value) if not behind else struct.pack(order + "I", 26)
    entry = struct.pack(order + "HHI", 0x0112, kind, count) + value
    return head + struct.pack(order + "H", 1) + entry + struct.pack(order + "I", 0) + behind


# JPEG


def segment(marker, content):
    return b"\xff" + bytes([marker]) + struct.pack(">H", len(content) + 2) + content


def headers(data):
    """Markers, offsets and lengths of the segments up to the first scan."""
    at, out = 2, []
    while not out or out[-1][0] != 0xDA:
        length = struct.unpack(">H", data[at + 2 : at + 4])[0]
        out.append((data[at + 1], at, length))
        at += 2 + length
    return out


def scans(data):
    """Offsets of the scans and of the end marker."""
    at, out = 2, []
    while data[at + 1] != 0xD9:
        if data[at + 1] == 0xDA:
            out.append(at)
        at += 2 + struct.unpack(">H", data[at + 2 : at + 4])[0]
        if out and out[-1] > at - 20:
            while data[at] != 0xFF or data[at + 1] in (0, *range(0xD0, 0xD8)):
                at += 1
    return out, at


def with_ids(data, ids):
    data = bytearray(data)
    for marker, at, _ in headers(data):
        if marker in (0xC0, 0xC2):
            for i, value in enumerate(ids):
                data[at + 10 + 3 * i] = value
        if marker == 0xDA:
            for i, value in enumerate(ids):
                data[at + 5 + 2 * i] = value
    return bytes(data)


def without(data, marker):
    for found, at, length in reversed(headers(data)):
        if found == marker:
            data = data[:at] + data[at + 2 + length :]
    return data


def jpeg_files():
    for width, height in [(8, 8), (33, 25), (50, 17), (17, 41)]:
        image = picture(width, height)
        for name, options in [("444", {"subsampling": 0}), ("422", {"subsampling": 1}), ("420", {"subsampling": 2})]:
            put_cuts(f"cut {width}x{height} {name}.jpg", encoded(image, "JPEG", quality=60, progressive=True, **options))
        put_cuts(f"cut {width}x{height} grey.jpg", encoded(image.convert("L"), "JPEG", quality=60, progressive=True))
    grey = bytearray(encoded(picture(20, 25).convert("L"), "JPEG", quality=60, progressive=True))
    grey[grey.index(b"\xff\xc2") + 11] = 0x22
    put_cuts("cut grey with factors.jpg", bytes(grey))
    put_cuts("cut cmyk.jpg", encoded(picture(24, 20).convert("CMYK"), "JPEG", quality=60, progressive=True))

    image = picture(20, 12)
    colour = encoded(image, "JPEG", quality=60)
    cmyk = encoded(image.convert("CMYK"), "JPEG", quality=60)
    for ids in [(1, 1, 1), (0, 0, 0), (2, 2, 1), (1, 2, 2), (82, 71, 66), (3, 2, 1)]:
        put(f"ids {ids}.jpg", with_ids(colour, ids))
        put(f"ids {ids} without jfif.jpg", with_ids(without(colour, 0xE0), ids))
    for ids in [(1, 2, 1, 4), (1, 1, 1, 1), (1, 1, 2, 2), (2, 1, 2, 1)]:
        put(f"ids {ids}.jpg", with_ids(cmyk, ids))
    for name, extra in {
        "length zero": b"\xff\xfe\0\0",
        "length one": b"\xff\xe9\0\1",
        "arithmetic conditioning": segment(0xCC, b"\0\0"),
        "unused table": segment(0xC4, b"\3" + bytes([3] + [0] * 15) + b"\0\1\2"),
        "broken metadata": segment(0xE1, b"Exif\0\0zz") + segment(0xE2, b"ICC_PROFILE\0\7\1z") + segment(0xED, b"Photoshop 3.0\0z"),
    }.items():
        put(f"{name}.jpg", colour[:2] + extra + colour[2:])
    for jfif in [b"JFIF\0\1\1\0\0\1\0\1\0", b"JFIF\0\1\1\0\0\1\0\1\0\0"]:
        data = without(with_ids(colour, (82, 71, 66)), 0xE0)
        put(f"jfif of {len(jfif)} bytes.jpg", data[:2] + segment(0xE0, jfif) + data[2:])
    blocks = {}
    for order, name in [("<", "little"), (">", "big")]:
        swapped = b"\0*" if order == "<" else b"*\0"
        blocks[f"swapped magic {name}"] = exif(6, order, swapped)
        blocks[f"two values {name}"] = exif(6, order, count=2)
        for kind in (1, 4, 6, 8, 9, 11):
            blocks[f"type {kind} {name}"] = exif(6, order, kind=kind)
        blocks[f"type 5 {name}"] = exif(0, order, kind=5, behind=struct.pack(order + "II", 12, 2))
        blocks[f"type 10 {name}"] = exif(0, order, kind=10, behind=struct.pack(order + "ii", 6, 1))
        blocks[f"type 12 {name}"] = exif(0, order, kind=12, behind=struct.pack(order + "d", 6))
        blocks[f"three values {name}"] = exif(0, order, count=3, behind=struct.pack(order + "HHH", 6, 3, 3))
    blocks["big tiff magic"] = exif(6, ">", b"\0+")
    first, second = exif(3)[10:22], exif(6)[10:22]
    for name, entries in {"3 then 6": first + second, "6 then 3": second + first}.items():
        blocks[name] = exif(1)[:8] + b"\2\0" + entries + bytes(4)
    for name, block in blocks.items():
        put(f"exif {name}.jpg", colour[:2] + segment(0xE1, b"Exif\0\0" + block) + colour[2:])
    twice = b"Exif\0\0Exif\0\0"
    put("exif prefix twice.jpg", colour[:2] + segment(0xE1, twice + exif(6)) + colour[2:])
    put("exif prefix thrice.jpg", colour[:2] + segment(0xE1, twice + b"Exif\0\0" + exif(1)) + colour[2:])


# WebP


def part(kind, content):
    return kind + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)


def webp(*parts):
    body = b"WEBP" + b"".join(parts)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def three(value):
    return struct.pack("<I", value)[:3]


def extended(flags, width, height):
    return part(b"VP8X", bytes([flags, 0, 0, 0]) + three(width - 1) + three(height - 1))


def parts_of(data):
    at, out = 12, {}
    while at < len(data):
        length = struct.unpack("<I", data[at + 4 : at + 8])[0]
        out[data[at : at + 4]] = data[at + 8 : at + 8 + length]
        at += 8 + length + length % 2
    return out


def webp_files():
    image = picture(20, 12)
    alpha = np.add.outer(np.arange(12) * 9, np.arange(20) * 7) % 256
    clear = image.copy()
    clear.putalpha(Image.fromarray(alpha.astype(np.uint8)))
    lossy = parts_of(encoded(clear, "WEBP", quality=70, exact=True))
    plain = part(b"VP8 ", lossy[b"VP8 "])
    pictures = {
        "lossy": plain,
        "alpha": part(b"ALPH", lossy[b"ALPH"]) + plain,
        "lossless": part(b"VP8L", parts_of(encoded(image, "WEBP", lossless=True))[b"VP8L"]),
        "lossless alpha": part(b"VP8L", parts_of(encoded(clear, "WEBP", lossless=True, exact=True))[b"VP8L"]),
    }
    turn, xmp = part(b"EXIF", exif(6)), part(b"XMP ", b'<x tiff:Orientation="8"/>')
    for name, data in pictures.items():
        for flags in range(0, 0x40, 4):
            put(f"{name}, flags {flags:02x}.webp", webp(extended(flags, 20, 12), data))
    for flags in range(0, 0x10, 4):
        put(f"metadata, flags {flags:02x}.webp", webp(extended(flags, 20, 12), plain, turn, xmp))
    put("metadata before.webp", webp(extended(8, 20, 12), part(b"ABCD", b"x"), turn, plain))
    put("metadata without header.webp", webp(plain, turn))
    put("two exif.webp", webp(extended(8, 20, 12), plain, part(b"EXIF", exif(3)), turn))
    put("swapped magic.webp", webp(extended(8, 20, 12), plain, part(b"EXIF", exif(6, ">", b"*\0"))))
    for name, data in pictures.items():
        for blend in (0, 2):
            frame = part(b"ANMF", three(2) + three(3) + three(19) + three(11) + b"\x64\0\0" + bytes([blend]) + data)
            start = part(b"ANIM", b"\x10\x80\xff\xff\0\0")
            put(f"animated {name} {blend}.webp", webp(extended(0x12, 28, 20), start, frame, frame))


# PNG


def chunk(kind, content, checksum=None):
    checksum = zlib.crc32(kind + content) if checksum is None else checksum
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)


def png(before=b"", after=b"", header=None, first=b"", palette=None, deflate=zlib.compress):
    image = picture(9, 7)
    if palette is not None:
        image = image.quantize(8)
    samples = b"".join(b"\0" + row.tobytes() for row in np.asarray(image))
    header = header or struct.pack(">IIBBBBB", 9, 7, 8, 2 if palette is None else 3, 0, 0, 0)
    chunks = [first, chunk(b"IHDR", header), palette or b"", before, chunk(b"IDAT", deflate(samples)), after]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks) + chunk(b"IEND", b"")


def png_files():
    header = struct.pack(">IIBBBBB", 9, 7, 8, 2, 0, 0, 0)
    colours = bytes(range(200, 224))
    put("two headers.png", png(before=chunk(b"IHDR", header)))
    put("long header.png", png(header=header + b"\0"))
    put("compression method.png", png(header=header[:10] + b"\1" + header[11:]))
    put("chunk before header.png", png(first=chunk(b"tEXt", b"a\0b")))
    put("apple chunk.png", png(first=chunk(b"CgBI", b"\0\0\0\0")))
    put("unknown critical chunk.png", png(before=chunk(b"ABCD", b"z")))
    put("two palettes.png", png(palette=chunk(b"PLTE", bytes(24)) + chunk(b"PLTE", colours)))
    put("odd palette.png", png(palette=chunk(b"PLTE", colours[:23])))
    put("short palette.png", png(palette=chunk(b"PLTE", colours[:9])))
    for kind in (b"bKGD", b"tRNS", b"hIST"):
        put(f"{kind.decode()} in palette.png", png(chunk(kind, b"zzzz"), palette=chunk(b"PLTE", colours)))
    for kind in (b"cICP", b"sBIT", b"tIME", b"sPLT", b"hIST", b"oFFs"):
        put(f"broken {kind.decode()}.png", png(after=chunk(kind, b"zzzz")))
    put("stream without checksum.png", png(deflate=lambda data: zlib.compress(data)[:-4]))
    put("stream goes on.png", png(deflate=lambda data: zlib.compress(data + data)))
    block = exif(6)
    raw = lambda block: b"\nexif\n%8d\n" % len(block) + block.hex().encode() + b"\n"
    key, packed = b"Raw profile type exif\0", zlib.compress(raw(block))
    xmp, name = b'<x tiff:Orientation="8"/>', b"XML:com.adobe.xmp\0"
    for place in ("before", "after"):
        texts = {
            "exif": chunk(b"eXIf", block),
            "two exif": chunk(b"eXIf", exif(3)) + chunk(b"eXIf", block),
            "swapped exif": chunk(b"eXIf", exif(6, ">", b"*\0")),
            "profile": chunk(b"tEXt", key + raw(block)),
            "packed profile": chunk(b"zTXt", key + b"\0" + packed),
            "profile without checksum": chunk(b"zTXt", key + b"\0" + packed[:-4]),
            "profile cut off": chunk(b"zTXt", key + b"\0" + packed[:-9]),
            "international profile": chunk(b"iTXt", key + b"\0\0\0\0" + raw(block)),
            "two profiles": chunk(b"tEXt", key + raw(exif(3))) + chunk(b"zTXt", key + b"\0" + packed),
            "exif and profile": chunk(b"eXIf", exif(3)) + chunk(b"tEXt", key + raw(block)),
            "xmp": chunk(b"iTXt", name + b"\0\0\0\0" + xmp),
            "packed xmp": chunk(b"iTXt", name + b"\1\0\0\0" + zlib.compress(xmp)),
            "xmp without checksum": chunk(b"iTXt", name + b"\1\0\0\0" + zlib.compress(xmp)[:-4]),
            "xmp in another encoding": chunk(b"iTXt", name + b"\0\0\0\0" + xmp + b"\xff\xfe"),
            "xmp in plain text": chunk(b"tEXt", name + xmp),
            "xmp and exif": chunk(b"iTXt", name + b"\0\0\0\0" + xmp) + chunk(b"eXIf", exif(3)),
            "packed nonsense": chunk(b"zTXt", key + b"\0zz") + chunk(b"iTXt", name + b"\1\0\0\0zz"),
        }
        for title, data in texts.items():
            put(f"{title} {place}.png", png(**{place: data}))


# GIF


def lzw(indices, bits):
    """Codes of single pixels; the table is cleared before a code would grow."""
    clear, size, value, count = 1 << bits, bits + 1, 0, 0
    for i, index in enumerate(indices):
        for code in [clear, index] if i % (clear - 2) == 0 else [index]:
            value |= code << count
            count += size
    value |= (clear + 1) << count
    return value.to_bytes((count + size + 7) // 8, "little")


def gif(table=bytes(range(48)), before=b"", size=(7, 5), left=0, own=b"", bits=4, behind=b"", end=b"\0;"):
    data = lzw([i * 5 % 16 for i in range(35)], bits) + behind
    screen = struct.pack("<HHBBB", *size, 0x83 if table else 0, 0, 0)
    frame = struct.pack("<HHHHB", left, 0, 7, 5, 0x83 if own else 0) + own + bytes([bits, len(data)]) + data
    return b"GIF89a" + screen + table + before + b"," + frame + end


def gif_files():
    control = lambda flags, index: b"!\xf9\x04" + bytes([flags, 0, 0, index]) + b"\0"
    other = bytes(range(200, 248))
    put("plain.gif", gif())
    put("without trailer.gif", gif(end=b"\0"))
    put("without terminator.gif", gif(end=b""))
    put("trailer without terminator.gif", gif(end=b";"))
    put("bytes behind the last code.gif", gif(behind=b"\1\2\3"))
    put("zeros before the frame.gif", gif(before=b"\0\0\0"))
    put("bytes before the frame.gif", gif(before=b"\x55\xaa"))
    put("unknown extension.gif", gif(before=b"!\x99\x02ab\0"))
    put("long control.gif", gif(before=b"!\xf9\x05\1\0\0\2\0\0", left=3))
    put("control in two blocks.gif", gif(before=b"!\xf9\x04\1\0\0\2\x01z\0", left=3))
    put("two controls.gif", gif(before=control(1, 2) + control(1, 3), left=3))
    put("the first control counts.gif", gif(before=control(1, 2) + control(0, 3), left=3))
    put("own table.gif", gif(table=b"", own=other, left=3))
    put("two tables.gif", gif(own=other, left=3))
    put("no table.gif", gif(table=b""))
    put("no table on a larger canvas.gif", gif(table=b"", before=control(1, 9), left=3))
    put("no table, eight bits.gif", gif(table=b"", bits=8))
    put("canvas of no size.gif", gif(size=(0, 0)))
    put("frame beside the canvas.gif", gif(left=20))


def main():
    for make in (jpeg_files, webp_files, png_files, gif_files):
        make()
    codecs = ", ".join(f"{name} {features.version(name)}" for name in ("libjpeg_turbo", "webp", "zlib"))
    head = json.dumps({"made_by": f"tools/sloppy_photos.py, Pillow {PIL.__version__} with {codecs}"})[:-1]
    OUT.write_text(f'{head},\n"files": [\n' + ",\n".join(map(json.dumps, rows)) + "\n]}\n")
    print(len(rows), "files,", OUT.stat().st_size, "bytes")


main()
