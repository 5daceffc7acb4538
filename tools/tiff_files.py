"""Write small TIFF files of the kinds that libtiff decompresses, and Pillow's pixels.

    python tools/tiff_files.py    # rewrites tests/goldens/preprocess/tiff/ and tiff.json

Needs Pillow 13 and NumPy. tiff.json holds for each file width, height and SHA-256 of the upright RGB pixels. Kinds that
Pillow reads but does not write are assembled here.
"""

import hashlib
import io
import itertools
import json
import pathlib
import struct
import zlib

import numpy as np
import PIL
from PIL import Image, ImageOps, features

GOLDENS = pathlib.Path(__file__).resolve().parent.parent / "tests" / "goldens" / "preprocess"
FILES = GOLDENS / "tiff"
WIDTH, HEIGHT = 21, 13
REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
rng = np.random.default_rng(16)
out = {}


def photo(width=WIDTH, height=HEIGHT):
    """A smooth picture with some noise."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    planes = [255 * x / max(width - 1, 1), 255 * y / max(height - 1, 1), 128 + 100 * np.sin(x / 5) * np.cos(y / 7)]
    noise = np.random.default_rng(1).integers(-8, 9, (height, width, 3))
    return Image.fromarray(np.clip(np.stack(planes, -1) + noise, 0, 255).astype(np.uint8))


def save(name, image, **options):
    buffer = io.BytesIO()
    # A profile at the end would be a part that a reader can do without.
    image.info.pop("icc_profile", None)
    image.save(buffer, "TIFF", **options)
    out[name] = buffer.getvalue()


def tiff(tags, parts, endian="<", big=False, tile=None, magic=None, lengths=True):
    """Return a TIFF of these tags (number: (type, values)) and parts."""
    codes = {1: "B", 2: "B", 3: "H", 4: "I", 5: "I", 16: "Q"}
    head = b"II" if endian == "<" else b"MM"
    head += magic or struct.pack(endian + ("HHH" if big else "H"), *((43, 8, 0) if big else (42,)))
    start = 16 if big else 8
    offsets = [start + sum(map(len, parts[:i])) for i in range(len(parts))]
    body = b"".join(parts)
    body += b"\0" * (len(body) % 2)
    offset_tag, length_tag = (324, 325) if tile else (273, 279)
    all_tags = {256: (4, [WIDTH]), 257: (4, [HEIGHT]), offset_tag: (16 if big else 4, offsets)} | tags
    if lengths:
        all_tags[length_tag] = (4, list(map(len, parts)))
    if tile:
        all_tags |= {322: (4, [tile]), 323: (4, [tile])}
    at = start + len(body)
    count_code, offset_code, inline = ("Q", "Q", 8) if big else ("H", "I", 4)
    extra_at = at + struct.calcsize("<" + count_code) + (20 if big else 12) * len(all_tags) + inline
    entries, extra = b"", b""
    for number, (kind, values) in sorted(all_tags.items()):
        data = struct.pack(endian + codes[kind] * len(values), *values)
        count = len(values) // 2 if kind == 5 else len(values)
        entries += struct.pack(endian + "HH" + offset_code, number, kind, count)
        if len(data) <= inline:
            entries += data + b"\0" * (inline - len(data))
        else:
            entries += struct.pack(endian + offset_code, extra_at + len(extra))
            extra += data + b"\0" * (len(data) % 2)
    directory = struct.pack(endian + count_code, len(all_tags)) + entries + struct.pack(endian + offset_code, 0)
    return head + struct.pack(endian + offset_code, at) + body + directory + extra


def pack_bits(data):
    """Literals and runs by turns, with an operation that does nothing."""
    coded = b"\x80"
    for _, group in itertools.groupby(data):
        group = list(group)
        for i in range(0, len(group), 128):
            run = group[i : i + 128]
            coded += bytes([257 - len(run), run[0]]) if len(run) > 1 else bytes([0, run[0]])
    return coded


def lzw(data, old=False):
    """Return LZW as TIFF has it; as the oldest files have it, the least significant bit comes first."""
    codes, table, bits, word = [(256, 9)], {bytes([i]): i for i in range(256)}, 9, b""
    for byte in data:
        longer = word + bytes([byte])
        if longer in table:
            word = longer
            continue
        codes.append((table[word], bits))
        table[longer] = len(table) + 2
        word = bytes([byte])
        # New files widen codes one entry early.
        if len(table) + 2 > (1 << bits) - (0 if old else 1):
            bits += 1
        if len(table) > 3500:
            codes += [(table[word], bits), (256, bits)]
            table, bits, word = {bytes([i]): i for i in range(256)}, 9, b""
    codes += [(table[word], bits), (257, bits)] if word else [(257, bits)]
    if old:
        value, length = 0, 0
        for code, bits in codes:
            value |= code << length
            length += bits
        return value.to_bytes((length + 7) // 8, "little")
    digits = "".join(format(code, f"0{bits}b") for code, bits in codes)
    digits += "0" * (-len(digits) % 8)
    return bytes(int(digits[i : i + 8], 2) for i in range(0, len(digits), 8))


PACKERS = {1: bytes, 5: lzw, 8: zlib.compress, 32946: zlib.compress, 32773: pack_bits}


def packed(rows, bits, kind, endian):
    if bits in (8, 16, 32):
        return np.ascontiguousarray(rows).astype(f"{endian}{kind}{bits // 8}").tobytes()
    lines = []
    for row in rows.reshape(len(rows), -1):
        digits = "".join(format(int(value), f"0{bits}b") for value in row)
        digits += "0" * (-len(digits) % 8)
        lines.append(bytes(int(digits[i : i + 8], 2) for i in range(0, len(digits), 8)))
    return b"".join(lines)


def differences(part, bits, kind, endian):
    kind = "u" if kind == "f" else kind
    result = part.copy()
    result[:, 1:] -= part[:, :-1]
    return result.astype(f"{endian}{kind}{bits // 8}").tobytes()


def byte_planes(part):
    rows = []
    for row in part.astype(">f4"):
        split = row.reshape(-1).view(np.uint8).reshape(-1, 4).T.reshape(-1)
        coded = split.copy()
        coded[1:] -= split[:-1]
        rows.append(coded.tobytes())
    return b"".join(rows)


def kind(name, photometric, bits, count=1, *, extra=(), kind="u", compression=1, planar=False, predictor=1, tile=None,
         rows=None, endian="<", reverse=False, big=False, tags=None, magic=None, lengths=True):
    """Put a file of random samples with some runs."""
    top = 600 if bits in (16, 32) and photometric < 2 else 1 << min(bits, 16)
    samples = rng.integers(-200 if kind == "i" else 0, top, (HEIGHT, WIDTH, count))
    if kind == "f":
        samples = rng.normal(100, 150, samples.shape).astype(np.float32)
    samples[3:9, 2:15] = samples[3, 2]
    across, down = (tile, tile) if tile else (WIDTH, rows or HEIGHT)
    parts = []
    for plane in range(count) if planar else [slice(None)]:
        for y in range(0, HEIGHT, down):
            for x in range(0, WIDTH, across):
                part = samples[y : y + down, x : x + across, plane]
                part = part[..., None] if planar else part
                if tile:
                    part = np.pad(part, [(0, down - part.shape[0]), (0, across - part.shape[1]), (0, 0)])
                if predictor == 1:
                    data = packed(part, bits, kind, endian)
                else:
                    data = differences(part, bits, kind, endian) if predictor == 2 else byte_planes(part)
                data = PACKERS[compression](data)
                parts.append(data.translate(REVERSED) if reverse else data)
    formats = {"u": 1, "i": 2, "f": 3}
    all_tags = {258: (3, [bits] * count), 259: (3, [compression]), 262: (3, [photometric]), 277: (3, [count]),
                339: (3, [formats[kind]] * count)}
    all_tags |= {278: (4, [down])} if not tile else {}
    all_tags |= {284: (3, [2])} if planar else {}
    all_tags |= {317: (3, [predictor])} if predictor > 1 else {}
    all_tags |= {266: (3, [2])} if reverse else {}
    all_tags |= {338: (3, list(extra))} if extra else {}
    if photometric == 3:
        all_tags[320] = (3, rng.integers(0, 65536, 3 << bits).tolist())
    out[name + ".tif"] = tiff(all_tags | (tags or {}), parts, endian, big, tile, magic, lengths)


def sample_files():
    for bits in (1, 2, 4, 8):
        # Pillow itself does not know all of these; libtiff does.
        kind(f"reversed-white-{bits}bit", 0, bits, reverse=True, rows=5, compression=5 if bits == 8 else 1)
        kind(f"reversed-black-{bits}bit", 1, bits, reverse=True, endian=">")
        kind(f"reversed-palette-{bits}bit", 3, bits, reverse=True, compression=1 if bits == 8 else 5)
    kind("reversed-rgb", 2, 8, 3, reverse=True)
    kind("reversed-grey-16bit", 1, 16, reverse=True)
    for number, name in [(5, "lzw"), (8, "deflate"), (32773, "packbits")]:
        kind(f"reversed-{name}", 2, 8, 3, compression=number, reverse=True, rows=4)
        kind(f"tiles-{name}", 2, 8, 3, compression=number, tile=16)
        kind(f"tiles-planes-{name}", 2, 8, 3, compression=number, tile=16, planar=True)
        kind(f"planes-rgba-{name}", 2, 8, 4, compression=number, planar=True, rows=6)
        kind(f"planes-cmyk-{name}", 5, 8, 4, compression=number, planar=True)
    kind("old-deflate", 2, 8, 3, compression=32946)
    kind("planes-16bit", 2, 16, 3, compression=8, planar=True, endian=">")
    kind("planes-associated", 2, 8, 4, extra=(1,), compression=8, planar=True)
    for endian, name in ("<", "le"), (">", "be"):
        kind(f"differences-8bit-{name}", 2, 8, 3, compression=5, predictor=2, endian=endian)
        kind(f"differences-16bit-{name}", 2, 16, 3, compression=8, predictor=2, endian=endian, rows=5)
        kind(f"differences-grey-16bit-{name}", 1, 16, compression=5, predictor=2, endian=endian)
        kind(f"grey-16bit-{name}", 1, 16, compression=8, endian=endian)
        kind(f"rgba-16bit-{name}", 2, 16, 4, extra=(1,), compression=5, endian=endian, tile=16)
    kind("differences-32bit", 1, 32, kind="i", compression=8, predictor=2)
    kind("differences-planes", 2, 8, 3, compression=8, predictor=2, planar=True)
    kind("byte-planes", 1, 32, kind="f", compression=8, predictor=3)
    kind("byte-planes-tiles", 1, 32, kind="f", compression=5, predictor=3, tile=16)
    kind("grey-12bit", 1, 12)
    kind("grey-12bit-lzw", 1, 12, compression=5)
    kind("palette-extra", 3, 8, 2, extra=(0,), compression=5)
    kind("cmyk-extra", 5, 8, 6, extra=(0, 0), compression=8)
    kind("cmyk-16bit", 5, 16, 4, compression=8, tile=16)
    kind("no-lengths", 2, 8, 3, rows=4, lengths=False)
    kind("no-lengths-deflate", 2, 8, 3, compression=8, lengths=False)
    kind("length-zero", 2, 8, 3, compression=5, tags={279: (4, [0])}, lengths=False)
    kind("big-lzw", 2, 8, 3, compression=5, big=True, rows=3)
    kind("swapped-magic-le", 2, 8, 3, magic=b"\0*")
    kind("swapped-magic-be", 2, 8, 3, endian=">", magic=b"*\0")
    kind("one-depth", 2, 8, 3, tags={258: (3, [8])})
    kind("rows-beyond", 2, 8, 3, compression=8, tags={278: (4, [0xFFFFFFFF])})
    data = photo().tobytes()
    flat = {258: (3, [8] * 3), 259: (3, [5]), 262: (3, [2]), 277: (3, [3]), 278: (4, [HEIGHT])}
    out["lzw-oldest.tif"] = tiff(flat, [lzw(data, old=True)])
    for name, more in [("lab", {}), ("lab-lzw", {"compression": 5}), ("lab-differences", {"compression": 8, "predictor": 2}),
                       ("lab-planes", {"planar": True}), ("lab-tiles", {"compression": 8, "tile": 16})]:
        kind(name, 8, 8, 3, **more)
    kind("ycbcr", 6, 8, 3, tags={530: (3, [1, 1])})
    kind("ycbcr-deflate", 6, 8, 3, compression=8, tags={530: (3, [1, 1])})
    for across, down in [(2, 1), (1, 2), (2, 2), (4, 1), (4, 2), (4, 4)]:
        for name, more in [("", {}), ("-video", {532: (5, [16, 1, 235, 1, 128, 1, 240, 1, 128, 1, 240, 1])}),
                           ("-709", {529: (5, [2126, 10000, 7152, 10000, 722, 10000])})]:
            rows, parts = 2 * down, []
            for y in range(0, HEIGHT, rows):
                blocks = -(-min(rows, HEIGHT - y) // down) * -(-WIDTH // across)
                parts.append(zlib.compress(rng.integers(0, 256, blocks * (across * down + 2), np.uint8).tobytes()))
            tags = flat | {259: (3, [8]), 262: (3, [6]), 278: (4, [rows]), 530: (3, [across, down])} | more
            out[f"ycbcr-{across}{down}{name}.tif"] = tiff(tags, parts)


def fax_files():
    lines = np.zeros((40, 5400), np.uint8)
    for i, line in enumerate(lines):
        line[: 67 * i * (i % 3)] = 255
        line[4000 - 61 * i : 4200 + 30 * i] = 255
    pictures = {"photo": photo(70, 30).convert("1"), "runs": Image.fromarray(lines).convert("1"), "dot": Image.new("1", (1, 1))}
    for name, picture in pictures.items():
        for compression, options in [("tiff_ccitt", 0), ("group3", 0), ("group3", 1), ("group3", 4), ("group3", 5), ("group4", 0)]:
            info = {266: 1, 262: len(name) % 2} | ({292: options} if options else {}) | ({278: 8} if name == "photo" else {})
            file = f"{compression}-{options}-{name}.tif"
            save(file, picture, compression=compression, tiffinfo=info)
            if name == "photo":
                out[f"reversed-{file}"] = reverse(out[file])


def reverse(data):
    """Store the bits of each byte of a little-endian file's strips from the bottom."""
    data = bytearray(data)
    at = struct.unpack("<I", data[4:8])[0]
    found = {}
    for entry in range(at + 2, at + 2 + 12 * struct.unpack("<H", data[at : at + 2])[0], 12):
        number, code, count = struct.unpack("<HHI", data[entry : entry + 8])
        if number == 266:
            data[entry + 8 : entry + 10] = b"\2\0"
        if number in (273, 279):
            size = {3: 2, 4: 4}[code]
            start = entry + 8 if size * count <= 4 else struct.unpack("<I", data[entry + 8 : entry + 12])[0]
            found[number] = struct.unpack("<" + {3: "H", 4: "I"}[code] * count, data[start : start + size * count])
    for start, length in zip(found[273], found[279]):
        data[start : start + length] = bytes(data[start : start + length]).translate(REVERSED)
    return bytes(data)


def jpeg_files():
    for mode in ("RGB", "L", "CMYK", "YCbCr", "RGBA", "LAB"):
        for rows in (None, 16):
            image = photo(37, 29).convert(mode)
            suffix = f"-rows-{rows}" if rows else ""
            save(f"jpeg-{mode}{suffix}.tif", image, compression="jpeg", quality=85, tiffinfo={278: rows} if rows else {})
    # A JPEG file for each plane, and for each tile.
    def jpeg(image):
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=85, subsampling=0)
        return buffer.getvalue()

    flat = {258: (3, [8] * 3), 259: (3, [7]), 277: (3, [3])}
    planes = [jpeg(plane) for plane in photo().split()]
    out["jpeg-planes.tif"] = tiff(flat | {262: (3, [2]), 278: (4, [HEIGHT]), 284: (3, [2])}, planes)
    out["jpeg-planes-ycbcr.tif"] = tiff(flat | {262: (3, [6]), 278: (4, [HEIGHT]), 284: (3, [2]), 530: (3, [1, 1])}, planes)
    tiles = [jpeg(photo(32, 16).crop((x, 0, x + 16, 16))) for x in (0, 16)]
    out["jpeg-tiles.tif"] = tiff(flat | {262: (3, [6]), 530: (3, [1, 1])}, tiles, tile=16)
    white = {258: (3, [8]), 259: (3, [7]), 277: (3, [1]), 262: (3, [0]), 278: (4, [HEIGHT])}
    out["jpeg-white-is-zero.tif"] = tiff(white, [jpeg(photo().convert("L"))])
    strips = [jpeg(photo(WIDTH, 16).crop((0, y, WIDTH, y + 8))) for y in (0, 8)]
    # The last strip is as high as the others.
    out["jpeg-high-last-strip.tif"] = tiff(flat | {262: (3, [6]), 278: (4, [8]), 530: (3, [1, 1])}, strips)


def main():
    for make in (sample_files, fax_files, jpeg_files):
        make()
    FILES.mkdir(parents=True, exist_ok=True)
    for old in FILES.iterdir():
        old.unlink()
    rows = []
    for name, data in out.items():
        (FILES / name).write_bytes(data)
        image = ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB")
        rows.append([name, image.width, image.height, hashlib.sha256(image.tobytes()).hexdigest()])
    codecs = ", ".join(f"{name} {features.version(name)}" for name in ("libjpeg_turbo", "libtiff", "littlecms2", "zlib"))
    head = json.dumps({"made_by": f"tools/tiff_files.py, Pillow {PIL.__version__} with {codecs}"})[:-1]
    (GOLDENS / "tiff.json").write_text(f'{head},\n"files": [\n' + ",\n".join(map(json.dumps, rows)) + "\n]}\n")
    print(len(rows), "files,", sum(map(len, out.values())), "bytes")


main()
