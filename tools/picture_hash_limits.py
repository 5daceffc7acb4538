"""Measure how well picture hashes tell copies of a picture from pictures that resemble it.

    python tools/picture_hash_limits.py    # prints the tables of src/pixels/picture_hash/mod.rs; takes some minutes

Needs Pillow, NumPy, scikit-image and scikit-learn, whose photographs it uses. Computes the hashes as the crate does, and
applies the limits of src/pixels/picture_hash/compare.rs.
"""

import collections
import glob
import io
import os

import numpy as np
import skimage
import sklearn
from PIL import Image, ImageDraw

SIDE = 16
SHARE, LEAST, MOST, CELL, LEAST_CELL, COLOUR = 15 / 256, 6 / 16, 24 / 16, 3, 24 / 16, 2
Resampling, Transpose = Image.Resampling, Image.Transpose
weights = {}


def shares(length):
    """What each pixel of a line adds to the mean of each cell."""
    if length not in weights:
        cells, pixels = np.arange(SIDE)[:, None], np.arange(length)[None]
        ends = np.minimum((cells + 1) * length, (pixels + 1) * SIDE)
        weights[length] = np.maximum(0, ends - np.maximum(cells * length, pixels * SIDE)) / length
    return weights[length]


def rounded(value, divisor):
    return np.sign(value) * ((np.abs(value) + divisor // 2) // divisor)


class Hash:
    def __init__(self, image):
        pixels = np.asarray(image.convert("RGB"), dtype=np.float64)
        height, width = pixels.shape[:2]
        means = np.einsum("yh,hwc,xw->yxc", shares(height), pixels, shares(width), optimize=True)
        means = np.floor(means * 16 + 0.5).astype(int)
        luma = (77 * means[..., 0] + 150 * means[..., 1] + 29 * means[..., 2] + 128) >> 8
        mean = int(rounded(luma.sum(), luma.size))
        most, exponent = np.abs(luma - mean).max(), 0
        while rounded(most, 1 << exponent) > 127:
            exponent += 1
        self.cells = mean + rounded(luma - mean, 1 << exponent) * (1 << exponent)
        colours = np.stack([means[..., 0] - luma, means[..., 2] - luma], -1)
        self.colours = rounded(colours.reshape(4, 4, 4, 4, 2).sum((1, 3)), 16 * 16 * 2)
        self.deviation = self.cells.std() / 16


def turned(values):
    for swapped in (values, np.swapaxes(values, 0, 1)):
        for down in (1, -1):
            for across in (1, -1):
                yield swapped[::down, ::across]


def same(a, b):
    limit = min(max(SHARE * min(a.deviation, b.deviation), LEAST), MOST)
    for cells, colours in zip(turned(b.cells), turned(b.colours)):
        difference = np.abs(a.cells - cells) / 16
        if (np.sqrt((difference**2).mean()) <= limit and difference.max() <= max(CELL * limit, LEAST_CELL)
                and np.abs(a.colours - colours).max() <= COLOUR):
            return True
    return False


def saved(image, format, quality):
    out = io.BytesIO()
    image.save(out, format, quality=quality)
    return Image.open(io.BytesIO(out.getvalue())).convert("RGB")


def resized(image, scale, resampling=Resampling.LANCZOS):
    return image.resize((max(1, round(image.width * scale)), max(1, round(image.height * scale))), resampling)


def noise(width, height, power, contrast, level, seed):
    """Noise whose amplitudes fall with the frequency, as those of photographs do."""
    random = np.random.default_rng(seed)
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None])
    frequency[0, 0] = np.inf
    layers = []
    for _ in range(4):
        spectrum = (random.normal(size=frequency.shape) + 1j * random.normal(size=frequency.shape)) / frequency**power
        layer = np.fft.irfft2(spectrum, (height, width))
        layers.append(layer / layer.std())
    pixels = np.stack([0.7 * layers[0] + 0.3 * layer for layer in layers[1:]], -1)
    return Image.fromarray(np.clip(level + contrast * pixels / pixels.std(), 0, 255).astype(np.uint8))


def scene(seed):
    random = np.random.default_rng(seed)
    width, height = 960, 720
    image = Image.new("RGB", (width, height))
    draw = ImageDraw.Draw(image)
    sky, ground, horizon = random.integers(60, 255, 3), random.integers(20, 200, 3), height * random.uniform(0.3, 0.7)
    for y in range(height):
        colour = sky * (1 - y / height / 2) if y < horizon else ground * (0.6 + 0.4 * y / height)
        draw.line([(0, y), (width, y)], fill=tuple(int(value) for value in colour))
    for _ in range(random.integers(2, 7)):
        x, y, size = random.uniform(0, width), random.uniform(height * 0.2, height * 0.9), random.uniform(20, 160)
        shape = draw.ellipse if random.random() < 0.5 else draw.rectangle
        shape([x - size, y - size, x + size, y + size], fill=tuple(int(value) for value in random.integers(0, 255, 3)))
    return image


def sources():
    folders = (os.path.dirname(skimage.__file__) + "/data", os.path.dirname(sklearn.__file__) + "/datasets/images")
    for path in sorted(path for folder in folders for path in glob.glob(folder + "/*")):
        try:
            image = Image.open(path).convert("RGB")
        except OSError:
            continue
        if min(image.size) >= 200:
            yield os.path.basename(path), image
    settings = [(size, power, contrast, level) for size in ((960, 640), (640, 960), (800, 800))
                for power in (0.8, 1.0, 1.3, 1.7) for contrast in (3, 12, 35, 60) for level in (25, 128, 225)]
    for seed, (size, power, contrast, level) in list(enumerate(settings))[::3]:
        yield f"noise {seed}", noise(*size, power, contrast, level, 1000 + seed)
    for seed in range(16):
        yield f"scene {seed}", scene(seed)


def copies(image):
    for quality in (95, 75, 50, 30):
        yield f"jpeg {quality}", saved(image, "JPEG", quality)
    for quality in (80, 40):
        yield f"webp {quality}", saved(image, "WEBP", quality)
    for scale in (0.25, 0.5, 0.73, 1.5):
        yield f"resized {scale}", resized(image, scale)
    yield "half without filtering", resized(image, 0.5, Resampling.NEAREST)
    yield "quarter, jpeg 30", saved(resized(image, 0.25), "JPEG", 30)
    yield "jpeg 75, 40 %, jpeg 60", saved(resized(saved(image, "JPEG", 75), 0.4), "JPEG", 60)
    for turn in (Transpose.ROTATE_90, Transpose.ROTATE_180, Transpose.FLIP_LEFT_RIGHT, Transpose.TRANSPOSE):
        yield "turned, half, jpeg 75", saved(resized(image, 0.5).transpose(turn), "JPEG", 75)


def near(image):
    """The middle of a picture, and pictures that resemble it."""
    width, height, margin = *image.size, 0.06

    def crop(right=0.0, down=0.0, zoom=1.0):
        across, tall = width * (1 - 2 * margin) / zoom, height * (1 - 2 * margin) / zoom
        x, y = (width - across) / 2 + right * width, (height - tall) / 2 + down * height
        size = round(width * (1 - 2 * margin)), round(height * (1 - 2 * margin))
        return image.resize(size, Resampling.BICUBIC, box=(x, y, x + across, y + tall))

    base = crop()
    yield "base", base
    for shift in (0.005, 0.01, 0.02, 0.04):
        yield f"shifted {shift}", crop(right=shift)
        yield f"shifted {shift}", crop(down=-shift)
    for zoom in (1.02, 1.05):
        yield f"nearer {zoom}", crop(zoom=zoom)
    for angle in (1, 2):
        box = tuple(int(side) for side in (width * margin, height * margin, width * (1 - margin), height * (1 - margin)))
        yield f"turned {angle}", image.rotate(angle, Resampling.BICUBIC).crop(box)
    for gain in (1.08, 1.2):
        yield f"brighter {gain}", Image.fromarray(np.clip(np.asarray(base) * gain, 0, 255).astype(np.uint8))
    random = np.random.default_rng(width * height)
    for size in (0.04, 0.08, 0.16):
        changed, (across, tall) = base.copy(), base.size
        x, y = random.uniform(0.1, 0.9 - size) * across, random.uniform(0.1, 0.9 - size) * tall
        colour = np.asarray(base)[int(y + size * tall / 2), int(x + size * across / 2)].astype(int)
        colour = tuple(int(value) for value in np.where(colour < 128, colour + 60, colour - 60))
        ImageDraw.Draw(changed).ellipse([x, y, x + size * across, y + size * tall], fill=colour)
        yield f"object {size}", changed


found, hashes = collections.OrderedDict(), []
for name, image in sources():
    image.thumbnail((640, 640), Resampling.LANCZOS)
    original = Hash(image)
    hashes.append(original)
    for pictures, first in ((copies(image), original), (near(image), None)):
        for kind, picture in pictures:
            other = Hash(picture)
            first = first or other
            if kind != "base":
                flat = int(min(first.deviation, other.deviation) < 6)
                found.setdefault(kind, ([], []))[flat].append(same(first, other))
for kind, results in found.items():
    shown = [f"{sum(result)} of {len(result)}" for result in results]
    print(f"{kind:30} {shown[0]:>12}   flat {shown[1]:>10}")
pairs = [same(a, b) for i, a in enumerate(hashes) for b in hashes[:i]]
print(f"different pictures that match: {sum(pairs)} of {len(pairs)}")
