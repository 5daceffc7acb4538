#!/usr/bin/env python3
"""Writes tests/goldens/tables: small Parquet files as other programs write them, for the tests of `src/tables`.

    python3 -m pip install pyarrow pandas polars duckdb
    python3 tools/parquet/make_files.py

All have the same four rows: the last path is null, the second vector is null, the third is empty or, where lists have
a fixed size, [0, 0, 0]; values are exact in single precision.
"""

from pathlib import Path

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

OUT = Path(__file__).resolve().parent.parent.parent / "tests" / "goldens" / "tables"
PATHS = ["a.jpg", "b/ü.jpg", "c,\n.jpg", None]
VECTORS = [[0.5, -1.0, 0.25], None, [], [1.0, 2.0, 3.0]]
FIXED = [[0.5, -1.0, 0.25], None, [0.0, 0.0, 0.0], [1.0, 2.0, 3.0]]


def table(vectors, kind):
    return pa.table({"image_path": PATHS, "n": [1, 2, 3, 4], "embedding": pa.array(vectors, kind)})


OUT.mkdir(parents=True, exist_ok=True)
floats = table(VECTORS, pa.list_(pa.float32()))
# clip-retrieval writes its metadata like this.
pd.DataFrame({"image_path": PATHS, "caption": ["one"] * 4}).to_parquet(OUT / "pandas.parquet")
for codec in ["none", "snappy", "gzip", "zstd", "lz4"]:
    pq.write_table(floats, OUT / f"pyarrow_{codec}.parquet", compression=codec)
pq.write_table(floats, OUT / "pyarrow_v2_pages.parquet", data_page_version="2.0", row_group_size=2)
pq.write_table(table(VECTORS, pa.large_list(pa.float64())), OUT / "pyarrow_doubles.parquet")
pq.write_table(table(FIXED, pa.list_(pa.float32(), 3)), OUT / "pyarrow_fixed_size.parquet")
pq.write_table(floats, OUT / "pyarrow_old_lists.parquet", use_compliant_nested_type=False)
split = {"embedding.list.element": "BYTE_STREAM_SPLIT"}
pq.write_table(floats, OUT / "pyarrow_split_bytes.parquet", use_dictionary=["image_path"], column_encoding=split)
differences = {"image_path": "DELTA_BYTE_ARRAY"}
pq.write_table(floats, OUT / "pyarrow_differences.parquet", use_dictionary=False, column_encoding=differences)
pl.from_arrow(floats).write_parquet(OUT / "polars.parquet")
duckdb.register("floats", floats)
duckdb.sql(f"COPY floats TO '{OUT / 'duckdb.parquet'}' (FORMAT parquet)")
