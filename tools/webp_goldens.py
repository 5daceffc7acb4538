"""Write small lossless WebP files, and Pillow's pixels of them.

    python tools/webp_goldens.py                # rewrites tests/goldens/preprocess/webp.json
    python tools/webp_goldens.py FOLDER COUNT   # writes COUNT random files and their pixels (.rgb) to FOLDER

Needs Pillow 13 and NumPy. Some files are Pillow's: palettes of all sizes, transparency, odd sizes, each method. The others
are random: any transforms in any order, any codes, copies and caches, as RFC 9649 allows and no encoder writes them.
"""

import hashlib
import io
import json
import pathlib
import random
import struct
import sys

import numpy as np
import PIL
from PIL import Image, features

OUT = pathlib.Path(__file__).resolve().parent.parent / "tests" / "goldens" / "preprocess" / "webp.json"
LENGTH_ORDER = [17, 18, 0, 1, 2, 3, 4, 5, 16, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]


class Bits:
    def __init__(self):
        self.value, self.count = 0, 0

    def put(self, value, count):
        assert 0 <= value < 1 << count, (value, count)
        self.value |= value << self.count
        self.count += count

    def bytes(self):
        return self.value.to_bytes((self.count + 7) // 8, "little")


class Code:
    """A random prefix code of these symbols."""

    def __init__(self, rng, symbols, longest=15):
        self.symbols = sorted(symbols)
        depths = [0]
        while len(depths) < len(self.symbols):
            i = rng.choice([i for i, depth in enumerate(depths) if depth < longest])
            # Deep trees now and then.
            i = i if rng.random() < 0.6 or depths[-1] >= longest else len(depths) - 1
            depths[i : i + 1] = [depths[i] + 1] * 2
        rng.shuffle(depths)
        self.lengths = dict(zip(self.symbols, depths))
        if len(self.symbols) == 1:
            self.lengths[self.symbols[0]] = rng.randint(1, longest)
        self.words, word = {}, 0
        for length in range(1, 16):
            for symbol in self.symbols:
                if self.lengths[symbol] == length:
                    self.words[symbol] = int(format(word, f"0{length}b")[::-1], 2)
                    word += 1
            word <<= 1

    def put(self, bits, symbol):
        if len(self.symbols) > 1:
            bits.put(self.words[symbol], self.lengths[symbol])

    def write(self, rng, bits, alphabet):
        if len(self.symbols) <= 2 and max(self.symbols) < 256 and rng.random() < 0.7 and (
            len(self.symbols) == 1 or set(self.lengths.values()) == {1}
        ):
            first, *second = self.symbols if rng.random() < 0.5 else self.symbols[::-1]
            bits.put(1, 1)
            bits.put(len(second), 1)
            short = first < 2 and rng.random() < 0.7
            bits.put(0 if short else 1, 1)
            bits.put(first, 1 if short else 8)
            if second:
                bits.put(second[0], 8)
            return
        lengths = [self.lengths.get(symbol, 0) for symbol in range(alphabet)]
        items, at, last = [], 0, 8
        stop = max(self.symbols) + 1 if rng.random() < 0.5 else alphabet
        while at < stop:
            run = next((i for i in range(at, alphabet) if lengths[i] != lengths[at]), alphabet) - at
            if lengths[at] == 0 and run >= 11 and rng.random() < 0.9:
                count = rng.randint(11, min(run, 138))
                items.append((18, count - 11, 7))
            elif lengths[at] == 0 and run >= 3 and rng.random() < 0.8:
                count = rng.randint(3, min(run, 10))
                items.append((17, count - 3, 3))
            elif lengths[at] == last and run >= 3 and rng.random() < 0.8:
                count = rng.randint(3, min(run, 6))
                items.append((16, count - 3, 2))
            else:
                count = 1
                items.append((lengths[at], 0, 0))
                last = lengths[at] or last
            at += count
        own = Code(rng, {symbol for symbol, _, _ in items}, 7)
        bits.put(0, 1)
        stated = max(4, 1 + max(LENGTH_ORDER.index(symbol) for symbol in own.symbols))
        bits.put(stated - 4, 4)
        for symbol in LENGTH_ORDER[:stated]:
            bits.put(own.lengths.get(symbol, 0), 3)
        if at < alphabet or (rng.random() < 0.3 and len(items) >= 2):
            if len(items) < 2:
                items.append((0, 0, 0)) if 0 in own.lengths else None
            if len(items) < 2:
                raise ValueError("too few lengths to state their number")
            bits.put(1, 1)
            width = next(width for width in range(2, 17, 2) if len(items) - 2 < 1 << width)
            bits.put(width // 2 - 1, 3)
            bits.put(len(items) - 2, width)
        else:
            bits.put(0, 1)
        for symbol, extra, count in items:
            own.put(bits, symbol)
            if count:
                bits.put(extra, count)


def subset(rng, alphabet, most):
    kind = rng.random()
    count = 1 if kind < 0.3 else 2 if kind < 0.4 else rng.randint(1, max(1, min(most, len(alphabet))))
    return rng.sample(alphabet, min(count, len(alphabet)))


def extended(rng, symbol):
    """A number that the symbol begins, and its extra bits."""
    if symbol < 4:
        return symbol + 1, 0, 0
    count = (symbol - 2) >> 1
    extra = rng.randrange(1 << count)
    return ((2 + (symbol & 1)) << count) + extra + 1, extra, count


def near(code, width):
    places = sorted(
        ((x, y) for y in range(8) for x in range(-7, 9) if y or x > 0), key=lambda p: (p[0] ** 2 + p[1] ** 2, abs(p[0]), p[0] < 0)
    )
    x, y = places[code - 1]
    return max(1, x + y * width)


def write_image(rng, bits, width, height, whole=False, greens=None, reds=None):
    """Write random pixels; return them."""
    cache_bits = rng.randint(1, 11) if rng.random() < 0.4 else 0
    bits.put(1 if cache_bits else 0, 1)
    if cache_bits:
        bits.put(cache_bits, 4)
    group_of, tile_bits, stated = None, 0, 1
    if whole:
        several = rng.random() < 0.5
        bits.put(int(several), 1)
        if several:
            tile_bits = rng.randint(2, 5)
            bits.put(tile_bits - 2, 3)
            across, down = -(-width >> tile_bits), -(-height >> tile_bits)
            group_of = write_image(rng, bits, across, down, greens=rng.sample(range(12), 4), reds=[0])
            group_of = [pixel >> 8 & 0xFFFF for pixel in group_of]
            stated = max(group_of) + 1
    groups = []
    for _ in range(stated):
        levels = subset(rng, greens or range(256), 60)
        lengths = subset(rng, range(256, 280 if width * height > 500 else 266), 8) if rng.random() < 0.6 else []
        places = subset(rng, range(280, 280 + (1 << cache_bits)), 300) if cache_bits and rng.random() < 0.8 else []
        codes = [
            (Code(rng, {*levels, *lengths, *places}), 280 + (1 << cache_bits if cache_bits else 0)),
            (Code(rng, subset(rng, reds or range(256), 80)), 256),
            (Code(rng, subset(rng, range(256), 80)), 256),
            (Code(rng, subset(rng, range(256), 40) if rng.random() < 0.3 else [255]), 256),
            (Code(rng, subset(rng, range(40), 20)), 40),
        ]
        for code, alphabet in codes:
            code.write(rng, bits, alphabet)
        groups.append(([code for code, _ in codes], levels, lengths, places))
    pixels, cache = [], [0] * (1 << cache_bits)
    across = -(-width >> tile_bits)

    def add(pixel):
        pixels.append(pixel)
        if cache_bits:
            cache[(pixel * 0x1E35A7BD & 0xFFFFFFFF) >> (32 - cache_bits)] = pixel

    while len(pixels) < width * height:
        x, y = len(pixels) % width, len(pixels) // width
        group = group_of[(y >> tile_bits) * across + (x >> tile_bits)] if group_of else 0
        (green, red, blue, alpha, distance), levels, lengths, places = groups[group]
        if lengths and rng.random() < 0.5:
            symbol, far = rng.choice(lengths), rng.choice(distance.symbols)
            length, extra, count = extended(rng, symbol - 256)
            step, far_extra, far_count = extended(rng, far)
            step = near(step, width) if step <= 120 else step - 120
            if step <= len(pixels) and len(pixels) + length <= width * height:
                green.put(bits, symbol)
                bits.put(extra, count)
                distance.put(bits, far)
                bits.put(far_extra, far_count)
                for _ in range(length):
                    add(pixels[-step])
                continue
        if places and rng.random() < 0.5:
            symbol = rng.choice(places)
            green.put(bits, symbol)
            add(cache[symbol - 280])
            continue
        values = [rng.choice(levels)] + [rng.choice(code.symbols) for code in (red, blue, alpha)]
        for code, value in zip((green, red, blue, alpha), values):
            code.put(bits, value)
        add(values[3] << 24 | values[1] << 16 | values[0] << 8 | values[2])
    return pixels


def wrapped(payload):
    payload += b"\0" * (len(payload) % 2)
    return b"RIFF" + struct.pack("<I", len(payload) + 12) + b"WEBPVP8L" + struct.pack("<I", len(payload)) + payload


def random_file(seed):
    rng = random.Random(seed)
    side = lambda: rng.choice([1, 2, 3, rng.randint(1, 12), rng.randint(1, 40)])
    width, height = side(), side()
    if rng.random() < 0.03:
        width, height = rng.choice([(16384, 1), (1, 16384), (600, 9)])
    bits = Bits()
    bits.put(0x2F, 8)
    bits.put(width - 1, 14)
    bits.put(height - 1, 14)
    bits.put(rng.randrange(2), 1)
    bits.put(0, 3)
    coded_width = width
    for transform in rng.sample(range(4), rng.choice([0, 1, 1, 2, 3, 4])):
        bits.put(1, 1)
        bits.put(transform, 2)
        if transform in (0, 1):
            tile_bits = rng.randint(2, 5)
            bits.put(tile_bits - 2, 3)
            greens = list(range(16)) if transform == 0 else None
            write_image(rng, bits, -(-coded_width >> tile_bits), -(-height >> tile_bits), greens=greens)
        elif transform == 3:
            colours = rng.choice([1, 2, 3, 4, 5, 16, 17, 100, 256])
            bits.put(colours - 1, 8)
            write_image(rng, bits, colours, 1)
            packing = 3 if colours <= 2 else 2 if colours <= 4 else 1 if colours <= 16 else 0
            coded_width = -(-coded_width >> packing)
    bits.put(0, 1)
    write_image(rng, bits, coded_width, height, whole=True)
    return wrapped(bits.bytes())


def random_files(first, count):
    made, seed = 0, first
    while made < count:
        try:
            data = random_file(seed)
        except ValueError:
            data = None
        if data is not None:
            yield seed, data
            made += 1
        seed += 1


def rgb(data):
    image = Image.open(io.BytesIO(data))
    image.load()
    return image.convert("RGB")


def encoded(image, **options):
    out = io.BytesIO()
    image.save(out, "WEBP", lossless=True, **options)
    return out.getvalue()


def picture(width, height):
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    channels = [255 * x / max(width - 1, 1), 255 * y / max(height - 1, 1), 128 + 100 * np.sin(x / 3.0) * np.cos(y / 4.0)]
    noise = np.random.default_rng(1).integers(-6, 7, (height, width, 3))
    return Image.fromarray(np.clip(np.stack(channels, axis=-1) + noise, 0, 255).astype(np.uint8))


def pillow_files():
    for method in (0, 4, 6):
        for width, height in [(1, 1), (7, 3), (33, 20), (61, 47)]:
            yield f"{width}x{height} method {method}", encoded(picture(width, height), method=method)
        for colours in (2, 3, 4, 16, 17, 200):
            image = picture(45, 31).quantize(colours).convert("RGB")
            yield f"{colours} colours method {method}", encoded(image, method=method)
    for width, height in [(1, 300), (300, 1), (4, 90)]:
        yield f"{width}x{height}", encoded(picture(width, height))
    transparent = picture(40, 30)
    transparent.putalpha(Image.fromarray((np.add.outer(np.arange(30) * 9, np.arange(40) * 7) % 256).astype(np.uint8)))
    for exact in (True, False):
        yield f"transparent {exact}", encoded(transparent, exact=exact)
    noise = np.random.default_rng(2).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    yield "noise", encoded(Image.fromarray(noise))
    yield "tiles", encoded(Image.fromarray(np.tile(noise[:9, :7], (7, 9, 1))))
    yield "grey", encoded(picture(50, 40).convert("L").convert("RGB"))


def main():
    if len(sys.argv) == 3:
        folder = pathlib.Path(sys.argv[1])
        for seed, data in random_files(1_000_000, int(sys.argv[2])):
            (folder / f"{seed}.webp").write_bytes(data)
            (folder / f"{seed}.rgb").write_bytes(rgb(data).tobytes())
        return
    rows = []
    named = list(pillow_files()) + [(f"random {seed}", data) for seed, data in random_files(0, 160) if len(data) < 1600]
    for name, data in named:
        image = rgb(data)
        rows.append({"name": name, "data": data.hex(), "result": [*image.size, hashlib.sha256(image.tobytes()).hexdigest()]})
    head = json.dumps({"made_by": f"tools/webp_goldens.py, Pillow {PIL.__version__} with webp {features.version('webp')}"})[:-1]
    OUT.write_text(f'{head},\n"files": [\n' + ",\n".join(map(json.dumps, rows)) + "\n]}\n")
    print(len(rows), "files,", OUT.stat().st_size, "bytes")


main()
