"""Embeddings with Daft: a class whose method takes batches; each worker opens the model once.

    pip install daft
"""

import daft
import pyarrow
from daft import DataType
from table import COLUMN, MODEL, main

from clippie_rs.operators import ImageClipEmbeddingRefiner

BATCH_ROWS = 128

# One column in, one column out: the embedding and the reason together.
RESULT = DataType.struct({COLUMN: DataType.list(DataType.float32()), "image_error": DataType.string()})


@daft.cls(max_concurrency=1)
class Embed:
    def __init__(self) -> None:
        self.refiner = ImageClipEmbeddingRefiner(model=MODEL)

    @daft.method.batch(return_dtype=RESULT, batch_size=BATCH_ROWS)
    def __call__(self, images: daft.Series) -> pyarrow.Array:
        table = self.refiner(pyarrow.table({"image": images.to_arrow()}))
        table = table.select([COLUMN, "image_error"]).combine_chunks()
        return pyarrow.StructArray.from_arrays(
            [table.column(name).combine_chunks() for name in table.column_names], names=table.column_names
        )


def embed(source: str, target: str) -> None:
    df = daft.read_parquet(source)
    df = df.with_column("embedded", Embed()(df["image"]))
    df = df.with_columns({name: df["embedded"].get(name) for name in (COLUMN, "image_error")}).exclude("embedded")
    df.write_parquet(target)


if __name__ == "__main__":
    main(embed)
