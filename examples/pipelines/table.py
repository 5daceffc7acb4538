"""The table that all examples of this folder embed: a Parquet file of the drawings, with one row that is no image.

    python examples/pipelines/ray_data.py IN OUT

Each example reads a Parquet file or folder IN with a column `image` (struct<bytes, path>) and writes Parquet to OUT, with
the columns `image_clip_emb_demo` and `image_error` added. Without arguments they embed the drawings and compare the column with
`clippie_rs.Clip.encode_images`.
"""

import pathlib
import sys
import tempfile

import pyarrow
import pyarrow.parquet

import clippie_rs

# A path to a .clippie file, or a name of `clippie-rs models`.
MODEL = "demo"
COLUMN = "image_clip_emb_demo"

DRAWINGS = sorted(pathlib.Path(__file__).resolve().parents[1].glob("drawings/*.png"))


def main(embed) -> None:
    """Run an example, `embed(source, target)`, on the files of the command line or on the drawings."""
    if len(sys.argv) == 3:
        embed(sys.argv[1], sys.argv[2])
        return
    with tempfile.TemporaryDirectory() as folder:
        source, target = f"{folder}/in.parquet", f"{folder}/out"
        images = [{"bytes": path.read_bytes(), "path": path.name} for path in DRAWINGS]
        images.append({"bytes": b"no image", "path": "x"})
        pyarrow.parquet.write_table(pyarrow.table({"id": range(len(images)), "image": images}), source)
        embed(source, target)
        rows = pyarrow.parquet.read_table(target).sort_by("id")
    vectors = clippie_rs.Clip.demo().encode_images(DRAWINGS).tolist()
    assert rows[COLUMN].to_pylist() == [*vectors, None], "the column differs from encode_images"
    reasons = rows["image_error"].to_pylist()
    assert reasons[:-1] == [None] * len(vectors)
    print(f"{len(vectors)} embeddings, equal to the bit; the last row: {reasons[-1]}")
