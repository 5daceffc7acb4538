"""Write photo files with metadata, and what Pillow reads of it.

    python tools/metadata_goldens.py    # rewrites tests/goldens/preprocess/metadata.json

Needs Pillow 13. For each file: its bytes in hex digits; size and orientation as Pillow states them; maker, model, place
and date that follow from Pillow's tags by the rules of `photo::metadata`; the range of the thumbnail that was embedded.
"""

import datetime
import io
import json
import pathlib
import struct

import PIL
from PIL import Image, ImageOps, PngImagePlugin

OUT = pathlib.Path(__file__).resolve().parent.parent / "tests" / "goldens" / "preprocess" / "metadata.json"
ORIENTATION, MAKE, MODEL, CHANGED, EXIF, GPS = 0x112, 0x10F, 0x110, 0x132, 0x8769, 0x8825
ORIGINAL, DIGITIZED = 0x9003, 0x9004
OFFSET, OFFSET_ORIGINAL, OFFSET_DIGITIZED = 0x9010, 0x9011, 0x9012
FRACTION, FRACTION_ORIGINAL, FRACTION_DIGITIZED = 0x9290, 0x9291, 0x9292
rows = []


def picture(width=12, height=8):
    return Image.frombytes("RGB", (width, height), bytes((x * 7 + y * 31 + c * 80) % 256
                           for y in range(height) for x in range(width) for c in range(3)))


def encoded(image, format, **options):
    out = io.BytesIO()
    image.save(out, format, **options)
    return out.getvalue()


THUMBNAIL = encoded(picture(6, 4), "JPEG", quality=30)


class Writer:
    """Writes directories of texts, short and long numbers, and rationals."""

    def __init__(self, order):
        self.e = "<" if order == b"II" else ">"
        self.out = bytearray(order + struct.pack(self.e + "HI", 42, 0))
        self.link = 4

    def directory(self, entries):
        """Appends a directory and its values; returns its offset."""
        self.out += bytes(len(self.out) % 2)
        at, tail = len(self.out), b""
        after = at + 2 + 12 * len(entries) + 4
        head = struct.pack(self.e + "H", len(entries))
        for tag, value in entries:
            if isinstance(value, (str, bytes)):
                kind, data = 2, (value.encode() if isinstance(value, str) else value) + b"\0"
                count = len(data)
            elif isinstance(value, int):
                kind, count = (3, 1) if tag == ORIENTATION else (4, 1)
                data = struct.pack(self.e + ("H" if kind == 3 else "I"), value)
            else:
                kind, count = 5, len(value)
                data = b"".join(struct.pack(self.e + "II", *pair) for pair in value)
            if len(data) > 4:
                place, tail = after + len(tail), tail + data + bytes(len(data) % 2)
                data = struct.pack(self.e + "I", place)
            head += struct.pack(self.e + "HHI", tag, kind, count) + data.ljust(4, b"\0")
        self.out += head + bytes(4) + tail
        return at, after - 4

    def set(self, at, value):
        self.out[at:at + 4] = struct.pack(self.e + "I", value)


def block(order=b"II", first=(), exif=None, gps=None, thumbnail=None):
    writer = Writer(order)
    pointers = [(tag, 0) for tag, entries in ((EXIF, exif), (GPS, gps)) if entries is not None]
    entries = sorted([*first, *pointers])
    at, link = writer.directory(entries)
    writer.set(4, at)
    for tag, values in ((EXIF, exif), (GPS, gps)):
        if values is not None:
            place = at + 2 + 12 * [entry[0] for entry in entries].index(tag) + 8
            writer.set(place, writer.directory(sorted(values))[0])
    if thumbnail is not None:
        second, _ = writer.directory([(0x103, 6), (0x201, 0), (0x202, len(thumbnail))])
        writer.set(link, second)
        writer.set(second + 2 + 12 + 8, len(writer.out))
        writer.out += thumbnail
    return bytes(writer.out)


def date(text, fraction, offset):
    """The date in ISO 8601; None if it makes no sense."""
    try:
        parsed = datetime.datetime.strptime(text.strip("\0 "), "%Y:%m:%d %H:%M:%S")
    except (ValueError, AttributeError):
        return None
    iso = parsed.isoformat()
    if fraction and fraction.strip("\0 ").isdigit():
        digits = fraction.strip("\0 ")[:9].rstrip("0")
        iso += "." + digits if digits else ""
    if offset and offset[0] in "+-":
        iso += offset.strip("\0 ")
    return iso


def degrees(values, letter, positive, negative):
    try:
        parts = [float(value) for value in values]
    except (TypeError, ZeroDivisionError):
        return None
    if letter not in (positive, negative) or any(part != part for part in parts):
        return None
    return (parts[0] + parts[1] / 60 + parts[2] / 3600) * (1 if letter == positive else -1)


def put(name, data, thumbnail=False, taken=None):
    image = Image.open(io.BytesIO(data))
    tags = image.getexif()
    exif, gps = tags.get_ifd(EXIF), tags.get_ifd(GPS)
    dates = ((exif.get(ORIGINAL), FRACTION_ORIGINAL, OFFSET_ORIGINAL),
             (exif.get(DIGITIZED), FRACTION_DIGITIZED, OFFSET_DIGITIZED), (tags.get(CHANGED), FRACTION, OFFSET))
    found = (date(text, exif.get(fraction), exif.get(offset) or exif.get(OFFSET)) for text, fraction, offset in dates)
    place = (degrees(gps.get(2), gps.get(1), "N", "S"), degrees(gps.get(4), gps.get(3), "E", "W"))
    if None in place or abs(place[0]) > 90 or abs(place[1]) > 180 or place == (0, 0):
        place = None
    # Loading a TIFF file turns it upright.
    orientation = image.tag_v2.get(ORIENTATION, 1) if image.format == "TIFF" else tags.get(ORIENTATION, 1)
    width, height = image.size
    upright = ImageOps.exif_transpose(image).size
    if image.format == "TIFF":
        # Pillow states the size of the upright photo.
        width, height = image.tag_v2[256], image.tag_v2[257]
    clean = lambda text: (text or "").strip("\0 ") or None
    at = data.find(THUMBNAIL)
    rows.append({
        "name": name, "data": data.hex(), "format": image.format, "size": [width, height], "upright": list(upright),
        "orientation": orientation, "make": clean(tags.get(MAKE)), "model": clean(tags.get(MODEL)),
        "taken": taken or next(filter(None, found), None), "place": place,
        "thumbnail": [at, at + len(THUMBNAIL)] if thumbnail else None,
    })


CAMERA = [(MAKE, "Camera Works"), (MODEL, "C-1 "), (CHANGED, "2024:06:02 08:00:00")]
DATES = [(ORIGINAL, "2024:05:01 12:30:59"), (DIGITIZED, "2024:05:02 01:02:03"), (FRACTION_ORIGINAL, "250"),
         (OFFSET_ORIGINAL, "+02:00"), (FRACTION, "7")]
PLACE = [(1, "N"), (2, [(48, 1), (51, 1), (2952, 100)]), (3, "E"), (4, [(2, 1), (17, 1), (40, 1)])]


def jpeg(*blocks, xmp=None):
    """A JPEG file with a segment for each block."""
    out = encoded(picture(), "JPEG")
    segments = [b"Exif\0\0" + block for block in blocks]
    segments += [b"http://ns.adobe.com/xap/1.0/\0" + xmp] if xmp else []
    parts = b"".join(b"\xff\xe1" + struct.pack(">H", len(part) + 2) + part for part in segments)
    return out[:2] + parts + out[2:]


def png(block, key=None, **options):
    info = PngImagePlugin.PngInfo()
    if key == "raw":
        digits = block.hex()
        lines = "\n".join(digits[at:at + 72] for at in range(0, len(digits), 72))
        info.add_text("Raw profile type exif", f"\nexif\n{len(block):8}\n{lines}\n", zip=True)
        return encoded(picture(), "PNG", pnginfo=info)
    return encoded(picture(), "PNG", exif=block, **options)


for order in (b"II", b"MM"):
    letters = order.decode()
    whole = block(order, [*CAMERA, (ORIENTATION, 6)], DATES, PLACE, THUMBNAIL)
    put(f"jpeg {letters}", jpeg(whole), thumbnail=True)
    put(f"png {letters}", png(whole), thumbnail=True)
    put(f"png raw profile {letters}", png(whole, "raw"))
    put(f"webp {letters}", encoded(picture(), "WEBP", exif=whole), thumbnail=True)
    put(f"webp lossless {letters}", encoded(picture(), "WEBP", exif=whole, lossless=True), thumbnail=True)
    cut = len(whole) - 100
    put(f"jpeg in two segments, thumbnail split {letters}", jpeg(whole[:cut], whole[cut:]))
    put(f"jpeg in two segments {letters}", jpeg(whole + b"pad", b"more"), thumbnail=True)

for orientation in range(1, 9):
    put(f"orientation {orientation}", jpeg(block(first=[(ORIENTATION, orientation)])))

original = lambda text, *more: jpeg(block(first=CAMERA, exif=[(ORIGINAL, text), *more]))
for text in ("0000:00:00 00:00:00", "    :  :     :  :  ", "2024:13:01 00:00:00", "2023:02:29 12:00:00", "", "yesterday",
             "2024:05:01 25:00:00", "2024:02:29 23:59:59", "1971:01:01 00:00:00"):
    put(f"original {text!r}", original(text))
    put(f"original {text!r} then digitized", original(text, (DIGITIZED, "2001:02:03 04:05:06"), (OFFSET, "-03:30")))
put("no date", jpeg(block(first=[(MAKE, "x")])))
put("digitized with its own fraction", jpeg(block(exif=[(DIGITIZED, "2001:02:03 04:05:06"), (FRACTION_DIGITIZED, "5")])))
put("changed with its own offset", jpeg(block(first=CAMERA, exif=[(OFFSET, "+05:45"), (FRACTION, "125")])))
put("fraction of blanks", original("2001:02:03 04:05:06", (FRACTION_ORIGINAL, "   ")))

for name, gps in {
    "south west": [(1, "S"), PLACE[1], (3, "W"), PLACE[3]],
    "no letters": [PLACE[1], PLACE[3]],
    "wrong letters": [(1, "E"), PLACE[1], (3, "N"), PLACE[3]],
    "zero denominator": [(1, "N"), (2, [(48, 1), (51, 1), (0, 0)]), (3, "E"), PLACE[3]],
    "out of range": [(1, "N"), (2, [(91, 1), (0, 1), (0, 1)]), (3, "E"), PLACE[3]],
    "far east": [(1, "N"), PLACE[1], (3, "E"), (4, [(180, 1), (0, 1), (1, 100)])],
    "date line": [(1, "S"), (2, [(90, 1), (0, 1), (0, 1)]), (3, "W"), (4, [(180, 1), (0, 1), (0, 1)])],
    "null island": [(1, "N"), (2, [(0, 1)] * 3), (3, "E"), (4, [(0, 1)] * 3)],
    "latitude only": PLACE[:2],
    "decimal minutes": [(1, "N"), (2, [(48, 1), (51492, 1000), (0, 1)]), (3, "E"), PLACE[3]],
}.items():
    put(f"place: {name}", jpeg(block(first=CAMERA, gps=gps)))

tiff = Image.Exif()
tiff[MAKE], tiff[ORIENTATION] = "Scanner", 6
tiff.get_ifd(EXIF)[ORIGINAL] = "1999:12:31 23:59:59"
tiff.get_ifd(GPS).update({1: "S", 2: (33.0, 51.0, 24.5), 3: "E", 4: (151.0, 12.0, 33.0)})
put("tiff", encoded(picture(), "TIFF", exif=tiff))
put("tiff lzw", encoded(picture(), "TIFF", exif=tiff, compression="tiff_lzw"))
put("gif", encoded(picture(), "GIF"))
put("bmp", encoded(picture(), "BMP"))
put("plain webp", encoded(picture(), "WEBP"))
put("plain lossless webp", encoded(picture(), "WEBP", lossless=True))
put("progressive jpeg", encoded(picture(), "JPEG", progressive=True, exif=block(first=CAMERA)))

XMP = '<x:xmpmeta><rdf:RDF><rdf:Description {}/></rdf:RDF></x:xmpmeta>'
for name, attributes, taken in (
    ("created", 'xmp:CreateDate="2020-01-02T03:04:05+01:00"', "2020-01-02T03:04:05+01:00"),
    ("photoshop first", 'xmp:CreateDate="2020-01-02T03:04:05" photoshop:DateCreated="2019-01-02"', "2019-01-02T00:00:00"),
    ("original first", 'photoshop:DateCreated="2019-01-02" exif:DateTimeOriginal="2018-07-08T09:10:11.5Z"',
     "2018-07-08T09:10:11.5+00:00"),
    ("none", 'xmp:CreateDate="soon"', None),
):
    packet = XMP.format(attributes).encode()
    put(f"xmp {name}", jpeg(xmp=packet), taken=taken)
    put(f"xmp {name} in webp", encoded(picture(), "WEBP", xmp=packet), taken=taken)
    info = PngImagePlugin.PngInfo()
    info.add_itxt("XML:com.adobe.xmp", packet.decode())
    put(f"xmp {name} in png", encoded(picture(), "PNG", pnginfo=info), taken=taken)
put("exif before xmp", jpeg(block(exif=DATES), xmp=XMP.format('xmp:CreateDate="2020-01-02T03:04:05"').encode()))

OUT.write_text(json.dumps({"pillow": PIL.__version__, "files": rows}, indent=0) + "\n")
print(len(rows), "files", OUT.stat().st_size, "bytes")
