#!/usr/bin/env python3
"""Reads what `encode` and `export` write as Parquet and in clip-retrieval's layout, with pyarrow, pandas, DuckDB and
Polars, and compares it to the bit with the NumPy array of the same embeddings; encodes the photos of tables that these
programs wrote; then imports a folder that pandas and NumPy wrote as clip-retrieval does.

    python3 tools/parquet/check.py target/release/clippie-rs
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

BINARY = Path(sys.argv[1]).resolve()
PHOTOS = Path(__file__).resolve().parent.parent.parent / "examples" / "photos"


def run(*args, code=0):
    ran = subprocess.run([BINARY, *args], capture_output=True, text=True)
    assert ran.returncode == code, (args, ran.returncode, ran.stderr)
    return ran.stderr


def columns(path):
    """The columns of a table by each reader: lists of Python values, vectors as tuples."""

    def plain(value):
        if value is None or (isinstance(value, float) and np.isnan(value)):
            return None
        return value if isinstance(value, str) else tuple(float(number) for number in value)

    def dictionary(names, column):
        return {name: [plain(value) for value in column(name)] for name in names}

    arrow = pq.read_table(path)
    yield "pyarrow", dictionary(arrow.column_names, lambda name: arrow[name].to_pylist())
    frame = pd.read_parquet(path)
    yield "pandas", dictionary(frame.columns, lambda name: frame[name].tolist())
    polars = pl.read_parquet(path)
    yield "polars", dictionary(polars.columns, lambda name: polars[name].to_list())
    relation = duckdb.sql(f"SELECT * FROM '{path}'")
    rows = relation.fetchall()
    at = {name: position for position, name in enumerate(relation.columns)}
    yield "duckdb", dictionary(relation.columns, lambda name: [row[at[name]] for row in rows])


def expect(path, expected):
    for reader, found in columns(path):
        assert found == expected, (reader, path, found, expected)


def vectors(path):
    return [tuple(float(number) for number in row) for row in np.load(path)]


def paths(path):
    with open(path) as lines:
        return [json.loads(line)["path"] for line in lines]


with tempfile.TemporaryDirectory() as folder:
    os.chdir(folder)
    shutil.copytree(PHOTOS, "photos")
    Path("photos/broken.jpg").write_text("no photo")

    # encode: a null and a reason where a photo failed.
    inputs = ["-m", "demo", "photos", "--text", "a red circle", "--format"]
    run("encode", *inputs, "npy", "--skip-errors", "-o", "e.npy", code=3)
    run("encode", *inputs, "parquet", "-o", "e.parquet", code=3)
    table = pq.read_table("e.parquet")
    text = pa.string()
    types = {"path": text, "text": text, "embedding": pa.list_(pa.float32()), "error": text}
    assert {field.name: field.type for field in table.schema} == types, table.schema
    metadata = pq.read_metadata("e.parquet").metadata
    fingerprint = metadata[b"clippie.fingerprint"].decode()
    assert metadata[b"clippie.model"] == b"demo" and len(fingerprint) == 32
    assert pl.read_parquet("e.parquet").schema["embedding"] == pl.List(pl.Float32)
    kinds = dict(duckdb.sql("SELECT column_name, column_type FROM (DESCRIBE SELECT * FROM 'e.parquet')").fetchall())
    assert kinds == {"path": "VARCHAR", "text": "VARCHAR", "embedding": "FLOAT[]", "error": "VARCHAR"}, kinds
    expected = table.to_pydict()
    failed = expected["path"].index("photos/broken.jpg")
    assert expected["embedding"][failed] is None and "not an image" in expected["error"][failed]
    good = [tuple(vector) for vector in expected["embedding"] if vector]
    assert good == vectors("e.npy") and len(good) == len(expected["path"]) - 1
    expect("e.parquet", {**expected, "embedding": [vector and tuple(vector) for vector in expected["embedding"]]})

    # The same rows as lists of a fixed size.
    run("encode", *inputs, "parquet", "--fixed-size", "-o", "f.parquet", code=3)
    fixed = pq.read_table("f.parquet")
    dim = len(good[0])
    assert {field.name: field.type for field in fixed.schema} == {**types, "embedding": pa.list_(pa.float32(), dim)}
    assert all(field.nullable for field in fixed.schema)
    assert all(fixed.schema.metadata[key] == metadata[key] for key in (b"clippie.fingerprint", b"clippie.model"))
    assert pl.read_parquet("f.parquet").schema["embedding"] == pl.Array(pl.Float32, dim)
    assert fixed["embedding"].null_count == 1
    fixed["embedding"].combine_chunks().validate(full=True)
    expect("f.parquet", {**expected, "embedding": [vector and tuple(vector) for vector in expected["embedding"]]})

    # export.
    library = ["--library", "photos.sqlite"]
    run("index", *library, "-m", "demo", "photos", code=3)
    run("export", *library, "x.npy")
    run("export", *library, "--format", "parquet", "x.parquet")
    expect("x.parquet", {"path": paths("x.npy.jsonl"), "embedding": vectors("x.npy")})
    run("export", *library, "--format", "clip-retrieval", "folder")
    expect("folder/metadata/metadata_0.parquet", {"image_path": paths("x.npy.jsonl")})
    assert vectors("folder/img_emb/img_emb_0.npy") == vectors("x.npy")

    run("encode", "-m", "demo", "photos", "--format", "clip-retrieval", "-o", "encoded", code=3)
    expect("encoded/metadata/metadata_0.parquet", {"image_path": [path for path in expected["path"] if path][:failed]
           + [path for path in expected["path"][failed + 1:] if path]})
    assert vectors("encoded/img_emb/img_emb_0.npy") == vectors("e.npy")[:-1]

    # Photos of tables that pyarrow, pandas and DuckDB wrote: bytes, paths, and structs as datasets of Hugging Face.
    names = [path for path in expected["path"] if path]
    blobs = [Path(name).read_bytes() for name in names]
    blobs[1] = None
    structs = [{"bytes": blob, "path": name} for blob, name in zip(blobs, names)]
    structs[2] = None
    columns_of = {"image": pa.array(structs), "jpg": pa.array(blobs, pa.binary()), "file": pa.array(names)}
    source = pa.table({"key": pa.array(range(len(names))), **columns_of})
    pq.write_table(source, "arrow.parquet", row_group_size=2)
    source.to_pandas().to_parquet("pandas.parquet")
    duckdb.sql("COPY (SELECT * FROM 'arrow.parquet') TO 'duckdb.parquet' (FORMAT parquet)")
    pl.from_arrow(source).write_parquet("polars.parquet")
    rows = dict(zip(expected["path"], expected["embedding"]))
    wanted = {"jpg": [blob and rows[name] for blob, name in zip(blobs, names)], "file": [rows[name] for name in names]}
    wanted["image"] = [struct and rows[name] for struct, name in zip(structs, names)]
    for writer in ["arrow", "pandas", "duckdb", "polars"]:
        for column, vectors_of in wanted.items():
            table = ["--from-parquet", f"{writer}.parquet", "--column", column]
            run("encode", "-m", "demo", *table, "-o", "t.parquet", code=3)
            assert pq.read_table("t.parquet")["embedding"].to_pylist() == vectors_of, (writer, column)

    # A folder as clip-retrieval's writer makes it.
    array, names = np.load("x.npy").astype(np.float16), paths("x.npy.jsonl")
    for part in ["img_emb", "metadata"]:
        Path("other", part).mkdir(parents=True)
    for number, rows in [("00", slice(0, 3)), ("01", slice(3, None))]:
        np.save(f"other/img_emb/img_emb_{number}", array[rows])
        frame = pd.DataFrame({"image_path": names[rows], "caption": ["a photo"] * len(names[rows])})
        frame.to_parquet(f"other/metadata/metadata_{number}.parquet")
    said = run("import-vectors", "other", "--fingerprint", fingerprint, "--root", "photos", "--library", "o.sqlite")
    assert said == f"added {len(names)} embeddings\n", said
    run("export", "--library", "o.sqlite", "o.npy")
    assert paths("o.npy.jsonl") == names and np.array_equal(np.load("o.npy"), array.astype(np.float32))

print("pyarrow, pandas, DuckDB and Polars read the same tables")
