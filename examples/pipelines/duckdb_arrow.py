"""Embeddings with DuckDB: a query is read in batches of Arrow, and the embedded batches are a relation of DuckDB again.

    pip install duckdb
"""

import pathlib

import duckdb
import pyarrow
from table import MODEL, main

from clippie_rs.operators import ImageClipEmbeddingRefiner

BATCH_ROWS = 128


def embed(source: str, target: str) -> None:
    refiner = ImageClipEmbeddingRefiner(model=MODEL)
    path = f"{source}/*.parquet" if pathlib.Path(source).is_dir() else source
    reading = duckdb.connect()
    batches = reading.sql("select * from read_parquet(?)", params=[path]).to_arrow_reader(BATCH_ROWS)
    schema = refiner(batches.schema.empty_table()).schema
    # Batches are embedded as DuckDB takes them, so the table may be larger than memory.
    embedded = pyarrow.RecordBatchReader.from_batches(schema, (refiner(batch) for batch in batches))
    pathlib.Path(target).mkdir(parents=True, exist_ok=True)
    writing = duckdb.connect()
    writing.register("embedded", embedded)
    writing.execute(f"copy (from embedded) to '{target}/embedded.parquet' (format parquet, compression zstd)")


if __name__ == "__main__":
    main(embed)
