"""Tables of JPEG photos of one size: cuts of examples/photos, enlarged, with grain as a camera has. Knows no engine."""

import io
import random
from pathlib import Path

import numpy
import pyarrow
import pyarrow.parquet
from PIL import Image

SOURCES = Path(__file__).resolve().parents[2] / "examples" / "photos"
# Rows of a file, of a block of Ray, and of a batch.
BATCH = 64
# Standard deviation of the grain. It makes files as large as cameras' at this quality: 1.9 to 2.3 bits a pixel.
GRAIN = 4.0
QUALITY = 90


def folder(work: Path, width: int, height: int, rows: int) -> Path:
    """The folder of a table of ``rows`` photos; written once, then reused."""
    path = work / f"photos-{width}x{height}-{rows}"
    if path.exists():
        return path
    part = work / f"part-{path.name}"
    part.mkdir(parents=True, exist_ok=True)
    sources = [Image.open(source).convert("RGB") for source in sorted(SOURCES.glob("*.jpg"))]
    for first in range(0, rows, BATCH):
        numbers = list(range(first, min(first + BATCH, rows)))
        cells = [{"bytes": photo(sources, number, width, height), "path": None} for number in numbers]
        of = pyarrow.struct({"bytes": pyarrow.binary(), "path": pyarrow.string()})
        table = pyarrow.table({"id": numbers, "image": pyarrow.array(cells, of)})
        pyarrow.parquet.write_table(table, part / f"{first:06}.parquet", compression="none")
    part.rename(path)
    return path


def photo(sources: list[Image.Image], number: int, width: int, height: int) -> bytes:
    """A JPEG file that depends on its number alone."""
    values = random.Random(number)
    source = sources[number % len(sources)]
    side = min(source.width, source.height * width // height)
    side = int(side * values.uniform(0.7, 1.0))
    size = side, side * height // width
    left = values.randint(0, source.width - size[0])
    top = values.randint(0, source.height - size[1])
    cut = source.crop((left, top, left + size[0], top + size[1])).resize((width, height), Image.Resampling.LANCZOS)
    grain = numpy.random.default_rng(number).normal(0, GRAIN, (height, width, 1))
    pixels = (numpy.asarray(cut, numpy.float32) + grain).clip(0, 255).astype(numpy.uint8)
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "JPEG", quality=QUALITY)
    return out.getvalue()
