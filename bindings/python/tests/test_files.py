"""Files that a pipeline finds: pipes, devices, broken links and names that are no Unicode. None of it needs Ray."""

import os

import pyarrow as pa
import pyarrow.parquet
import pytest

from clippie_rs import errors
from clippie_rs.pipeline import config, run


def plan(path, out, loader):
    return {
        "data_loader": {"type": loader, "params": {"path": str(path)}},
        "stages": [{"operators": [{"name": "image_clip_embedding_refiner", "params": {"model": "demo"}}]}],
        "data_writer": {"type": "ParquetDataWriter", "params": {"output_path": str(out)}},
    }


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes")
def test_names_and_special_files_in_a_folder_of_photos(clip, drawings, tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "a.png").symlink_to(drawings[0])
    (folder / "b.png").symlink_to("nowhere")
    os.mkfifo(folder / "c.png")
    (folder / "d.png").symlink_to("/dev/zero")
    # Written with the sign for what is no UTF-8, it has the name of another file.
    (folder / "\ufffd.png").symlink_to(drawings[1])
    os.symlink(os.fsencode(drawings[2]), os.fsencode(folder) + b"/\xff.png")
    summary = run(config.parse(plan(folder, tmp_path / "out", "PhotoFolderLoader")))
    assert (summary.read, summary.failed, summary.errors) == (4, 2, [])
    rows = {row["image"]: row for row in pa.parquet.read_table(tmp_path / "out").to_pylist()}
    assert rows.keys() == {str(folder / "a.png"), str(folder / "b.png"), str(folder / "\ufffd.png"), None}
    assert "no such file" in rows[str(folder / "b.png")]["image_error"]
    assert "\\xff.png' is no UTF-8, as a table needs; rename the file" in rows[None]["image_error"]
    assert rows[str(folder / "\ufffd.png")]["image_clip_emb_demo"] == clip.encode_images(drawings[1:2])[0].tolist()
    for name in ("a.png", "b.png", "\ufffd.png", os.fsdecode(b"\xff.png")):
        (folder / name).unlink()
    with pytest.raises(errors.OptionError, match="there is no photo, only pipes or devices"):
        run(config.parse(plan(folder, tmp_path / "other", "PhotoFolderLoader")))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes")
def test_pipes_among_tables_and_parts(drawings, tmp_path):
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    pa.parquet.write_table(pa.table({"image": drawings[:1]}), folder / "a.parquet")
    os.mkfifo(folder / "b.parquet")
    summary = run(config.parse(plan(folder, out, "ParquetLoader")))
    assert summary.finished == 1 and "b.parquet: it is a pipe and no file" in summary.errors[0]
    (part,) = out.iterdir()
    part.unlink()
    os.mkfifo(part)
    with pytest.raises(errors.OptionError, match="it is a pipe and no file.*; remove it or write to another folder"):
        run(config.parse(plan(folder, out, "ParquetLoader")))


def test_cells_and_names_that_are_no_unicode_cost_their_row_or_file(drawings, tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    offsets = pa.py_buffer(b"\0\0\0\0\2\0\0\0")
    broken = pa.Array.from_buffers(pa.string(), 1, [None, offsets, pa.py_buffer(b"\xff\xfe")])
    pa.parquet.write_table(pa.table({"image": pa.StructArray.from_arrays([broken], ["path"])}), folder / "a.parquet")
    pa.parquet.write_table(pa.table({"image": [{"path": drawings[0]}]}), folder / "b.parquet")
    pa.parquet.write_table(pa.table({"image": [{"path": drawings[0]}], "\u00fc\u00fc": [1]}), folder / "c.parquet")
    data = (folder / "c.parquet").read_bytes()
    (folder / "c.parquet").write_bytes(data.replace("\u00fc\u00fc".encode(), b"\xff\xfe\xff\xfe"))
    summary = run(config.parse(plan(folder, tmp_path / "out", "ParquetLoader")))
    assert (summary.finished, summary.read, summary.failed) == (2, 2, 1)
    assert len(summary.errors) == 1 and "c.parquet is no Parquet file that can be read" in summary.errors[0]
    reasons = pa.parquet.read_table(tmp_path / "out")["image_error"].to_pylist()
    assert sum("no UTF-8 text" in (reason or "") for reason in reasons) == 1


def test_patterns_find_each_file_once_whatever_links_there_are(drawings, tmp_path):
    from clippie_rs.pipeline import files

    for name in ("a.png", "x/b.png", "x/y/c.png", "x/y/z/d.png", "_x/e.png", ".x/f.png", "x/notes.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).symlink_to(drawings[0])
    # 2^n paths, if they were followed.
    for link in ("one", "two"):
        (tmp_path / "x" / link).symlink_to("..")

    def found(pattern):
        _, listed = files.listed(str(tmp_path / pattern), (".png",))
        return [os.path.relpath(file.path, tmp_path) for file in listed]

    whole = ["a.png", "x/b.png", "x/y/c.png", "x/y/z/d.png"]
    assert found(".") == found("**") == found("**/*.png") == found("**/**/?.png") == whole
    assert found("x/**/*.png") == found("?/**/*.png") == whole[1:]
    assert found("**/y/**/*.png") == whole[2:] and found("**/y/*.png") == ["x/y/c.png"]
    assert found("*/b.png") == ["x/b.png"]
    with pytest.raises(errors.OptionError, match="no file that ends in"):
        found("y/**/*.png")


def test_many_small_rows_take_no_longer_than_their_number(tmp_path):
    from clippie_rs.pipeline import parts

    table = pa.table({"v": pa.array([None] * 8, pa.int8())})
    asked = 0

    class Counted:
        num_rows = 8

        @property
        def nbytes(self):
            nonlocal asked
            asked += 1
            return table.nbytes

    found = list(parts._groups(iter([])))
    assert found == []
    original = parts.pyarrow.concat_tables
    try:
        parts.pyarrow.concat_tables = lambda tables: len(tables)
        assert list(parts._groups(Counted() for _ in range(500))) == [500]
    finally:
        parts.pyarrow.concat_tables = original
    assert asked == 500
