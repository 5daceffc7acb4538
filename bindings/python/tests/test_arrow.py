"""Columns of embeddings for tables of pyarrow."""

import pathlib

import pyarrow as pa
import pytest

import clippie_rs
from clippie_rs import errors
from clippie_rs.arrow import column_name, encode_batch


@pytest.fixture
def cells(drawings, broken):
    """Paths and bytes of drawings, one null and two that are broken, and the rows that they must have."""
    paths = [drawings[0], None, drawings[1], broken, drawings[2], "missing.png"]
    data = [None if path is None else b"x" if "examples" not in path else pathlib.Path(path).read_bytes() for path in paths]
    return paths, data


def check(table, clip, drawings, kind="list<item: float>", error="image_error", name="image_clip_emb_demo"):
    rows = clip.encode_images(drawings[:3])
    column = table.column(name)
    assert str(column.type) == kind and column.null_count == 3
    assert [value is None for value in column.to_pylist()] == [False, True, False, True, False, True]
    assert [value for value in column.to_pylist() if value is not None] == rows.tolist()
    reasons = table.column(error).to_pylist()
    assert [reason is None for reason in reasons] == [True, False, True, False, True, False]
    assert reasons[1] == "the cell is null" and "(JPEG, PNG, WebP, GIF, BMP, TIFF, HEIC, AVIF, JPEG XL, raw)" in reasons[3] and "image 1" not in reasons[3]
    metadata = table.schema.field(name).metadata
    assert metadata == {b"clippie.model": b"demo", b"clippie.fingerprint": clip.fingerprint.encode()}


@pytest.mark.parametrize("of", ["string", "large_string", "dictionary", "binary", "large_binary", "struct", "path only"])
@pytest.mark.parametrize("batch", [False, True])
def test_all_types_of_columns(clip, drawings, cells, of, batch):
    paths, data = cells
    structs = [
        None if path is None else {"bytes": value if index % 2 else None, "path": path}
        for index, (path, value) in enumerate(zip(paths, data))
    ]
    column = {
        "string": lambda: pa.array(paths),
        "large_string": lambda: pa.array(paths, pa.large_string()),
        "dictionary": lambda: pa.array(paths).dictionary_encode(),
        "binary": lambda: pa.array(data),
        "large_binary": lambda: pa.array(data, pa.large_binary()),
        "struct": lambda: pa.array(structs, pa.struct({"bytes": pa.binary(), "path": pa.string()})),
        "path only": lambda: pa.array([path and {"path": path} for path in paths]),
    }[of]()
    table = (pa.RecordBatch if batch else pa.Table).from_arrays([column], names=["image"])
    table = table.replace_schema_metadata({"kept": "yes"})
    result = encode_batch(table, "image", clip=clip)
    assert type(result) is type(table) and result.schema.metadata == {b"kept": b"yes"}
    assert result.schema.names == ["image", "image_clip_emb_demo", "image_error"]
    result.validate(full=True)
    check(result, clip, drawings)


def test_fixed_size_lists(clip, drawings, cells):
    table = pa.table({"image": cells[0]})
    result = encode_batch(table, "image", clip=clip.image, fixed_size=True)
    result.validate(full=True)
    check(result, clip, drawings, kind="fixed_size_list<item: float>[64]")


def test_chunks_slices_and_order(clip, drawings, cells):
    paths = cells[0]
    column = pa.chunked_array([pa.array(["x", *paths[:2]])[1:], pa.array([], pa.string()), pa.array(paths[2:])])
    result = encode_batch(pa.table({"image": column}), "image", clip=clip)
    result.validate(full=True)
    check(result, clip, drawings)
    # Without a failure, the numbers are the engine's own memory.
    whole = encode_batch(pa.table({"image": drawings}), "image", clip=clip, out="vectors")
    assert whole.column("vectors").combine_chunks().flatten().to_numpy().tobytes() == clip.encode_images(drawings).tobytes()
    assert whole.column("image_error").null_count == len(drawings)


def test_texts(clip):
    refusing = clippie_rs.Clip.demo(refuse_long_texts=True)
    table = pa.table({"caption": ["a red star", None, "word " * 200, ""]})
    result = encode_batch(table, "caption", clip=refusing, kind="text")
    assert result.column_names == ["caption", "text_clip_emb_demo", "caption_error"]
    rows = clip.encode_texts(["a red star", ""]).tolist()
    assert result.column(1).to_pylist() == [rows[0], None, None, rows[1]]
    reasons = result.column(2).to_pylist()
    assert reasons[1] == "the cell is null" and "tokens" in reasons[2] and not reasons[2].startswith("text")
    result.validate(full=True)
    assert encode_batch(table, "caption", clip=clip.text, kind="text").column(1).null_count == 1


def test_empty_and_null_columns(clip):
    for table in (pa.table({"image": pa.array([], pa.string())}), pa.table({"image": pa.nulls(3)})):
        for fixed_size in (False, True):
            for data in (table, *table.to_batches()):
                result = encode_batch(data, "image", clip=clip, fixed_size=fixed_size)
                result.validate(full=True)
                assert result.num_rows == table.num_rows and result.column(1).null_count == table.num_rows


def test_cells_that_are_no_unicode(clip):
    broken = pa.Array.from_buffers(pa.string(), 2, [None, pa.py_buffer(b"\0\0\0\0\1\0\0\0\3\0\0\0"), pa.py_buffer(b"a\xff\xfe")])
    result = encode_batch(pa.table({"caption": broken}), "caption", clip=clip, kind="text")
    assert result.column(1).null_count == 1 and "no UTF-8" in result.column(2).to_pylist()[1]
    structs = pa.StructArray.from_arrays([broken], ["path"])
    reasons = encode_batch(pa.table({"image": structs}), "image", clip=clip).column("image_error").to_pylist()
    assert "cannot read a: " in reasons[0] and "no UTF-8" in reasons[1]


def test_what_cannot_be_encoded_is_named(clip):
    table = pa.table({"image": ["a"], "other": [1], "image_error": ["x"], "s": [{"name": "x"}]})
    two = pa.StructArray.from_arrays([pa.array([b"x"]), pa.array([b"y"])], ["bytes", "bytes"])
    table = table.append_column("two", two)
    cases = [
        ("missing", {}, "the column missing is not there; there are image, other, image_error, s, two"),
        ("other", {}, "the column other has the type int64; image embeddings need paths, bytes or struct<bytes, path>"),
        ("s", {}, "the column s has the type struct"),
        ("two", {}, "the column two has more than one field bytes"),
        ("image", {}, "the column image_error is there already"),
        ("other", {"out": "image"}, "the column image is there already"),
        ("other", {"kind": "text"}, "text embeddings need texts"),
        ("image", {"kind": "sound"}, 'kind is \'sound\'; give "image" or "text"'),
        ("image", {"kind": "text", "clip": clip.image}, 'kind is "text", and ImageEncoder has no tower for it'),
    ]
    for column, options, message in cases:
        with pytest.raises(errors.OptionError, match=message):
            encode_batch(table, column, **{"clip": clip, **options})


def test_names_of_columns():
    assert column_name("vit-l-14-openai") == "image_clip_emb_vit_l_14_openai"
    assert column_name("ViT-L-14", "text") == "text_clip_emb_vit_l_14"


def test_parquet_keeps_everything(clip, drawings, cells, tmp_path):
    from pyarrow import parquet

    # Nulls in lists of a fixed size are not read back by older pyarrow.
    for images, fixed_size in ((cells[0], False), (drawings, True)):
        result = encode_batch(pa.table({"image": images}), "image", clip=clip, fixed_size=fixed_size)
        parquet.write_table(result, tmp_path / "table.parquet")
        read = parquet.read_table(tmp_path / "table.parquet")
        assert read.column(1).to_pylist() == result.column(1).to_pylist()
        assert read.schema.field(1).metadata[b"clippie.fingerprint"] == clip.fingerprint.encode()
