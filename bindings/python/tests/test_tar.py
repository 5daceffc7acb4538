"""Tars: the reader, and pipelines over tars that anyone may have made. None of it needs Ray."""

import gzip
import io
import os
import pathlib
import tarfile

import pyarrow as pa
import pyarrow.parquet
import pytest

from clippie_rs import errors
from clippie_rs.pipeline import config, run, sources
from clippie_rs.pipeline.tar import EXTRA_BYTES, Archive, TarError

IMAGE = {"name": "image_clip_embedding_refiner", "params": {"model": "demo"}}
TEXT = {"name": "text_clip_embedding_refiner", "params": {"model": "demo"}}


def plan(path, out, operators=(IMAGE,)):
    return {
        "data_loader": {"type": "WebDatasetLoader", "params": {"path": str(path)}},
        "stages": [{"operators": list(operators)}],
        "data_writer": {"type": "ParquetDataWriter", "params": {"output_path": str(out)}},
    }


def tar(members, form=tarfile.GNU_FORMAT):
    """A tar of names and bytes."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w", format=form) as archive:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return data.getvalue()


def header(name=b"a.png", kind=b"0", size=b"00000000000\0", more=b"\0", magic=b"ustar\x0000"):
    """A header with a right checksum."""
    block = bytearray(512)
    block[: len(name)] = name
    block[100:124] = b"0000644\0" b"0000000\0" b"0000000\0"
    block[124:136] = size
    block[136:148] = b"00000000000\0"
    block[148:156] = b" " * 8
    block[156:157] = kind
    block[257:265] = magic
    block[482:483] = more
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def octal(number):
    return b"%011o\0" % number


def padded(data):
    return data + bytes(-len(data) % 512)


END = bytes(1024)


def members(data, path):
    """What the reader finds in an archive: names, bytes, and why they are not the file's."""
    path.write_bytes(data)
    with Archive(str(path)) as archive:
        return [
            (member.name, archive.read(member) if member.size < 1 << 20 else None, member.unusable) for member in archive
        ]


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
@pytest.mark.parametrize("packed", [False, True])
def test_members_are_those_of_tarfile(tmp_path, form, packed):
    long = "d" * 90 + "/" + "n" * 90 + ".png"
    wanted = [("a/1.png", b"x" * 1000), ("empty", b""), (long, b"y" * 512), ("z.txt", b"end")]
    if form != tarfile.USTAR_FORMAT:
        wanted += [("\u00fc" * 200 + ".png", b"name"), ("e" * 3000, b"longer")]
    data = tar(wanted, form)
    found = members(gzip.compress(data) if packed else data, tmp_path / "x.tar")
    assert found == [(name.encode(), content, None) for name, content in wanted]


def test_kinds_of_members(tmp_path):
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w", format=tarfile.PAX_FORMAT, pax_headers={"comment": "all"}) as archive:
        for kind, name in ((tarfile.DIRTYPE, "d"), (tarfile.SYMTYPE, "l.png"), (tarfile.LNKTYPE, "h.png"), (tarfile.FIFOTYPE, "p.png")):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "a" * 200
            archive.addfile(info)
    found = members(data.getvalue(), tmp_path / "x.tar")
    assert [(name, content) for name, content, _ in found] == [(b"l.png", b""), (b"h.png", b"")]
    assert all("it is a link in the archive" in reason for _, _, reason in found)
    # Old names of folders, contiguous files, holes, files of two archives, signed checksums.
    old = header(b"d/") + header(b"f", b"7", octal(3)) + padded(b"abc")
    holes = header(b"s.png", b"S", octal(3), b"\1") + bytes(504) + b"\1" + bytes(7) + bytes(512) + padded(b"abc")
    found = members(old + holes + header(b"m", b"M", octal(2)) + padded(b"ab") + END, tmp_path / "x.tar")
    assert found[0] == (b"f", b"abc", None)
    assert [name for name, _, _ in found] == [b"f", b"s.png", b"m"]
    assert "--sparse" in found[1][2] and "another archive" in found[2][2] and found[1][1] == b"abc"
    block = bytearray(header(b"\xff\xfe"))
    block[148:156] = b"%06o\0 " % (sum(block[:148] + block[156:]) + 256 - 512)
    assert members(bytes(block) + END, tmp_path / "x.tar") == [(b"\xff\xfe", b"", None)]


def records(*lines):
    """An entry of pax."""
    data = b"".join(lines)
    return header(b"p", b"x", octal(len(data))) + padded(data)


GOOD = header(b"1.png", size=octal(3)) + padded(b"abc")


def test_records_of_pax(tmp_path):
    data = records(b"13 path=a=\n.\n", b"9 size=3\n", b"22 mtime=1234567890.5\n") + header(size=octal(0)) + padded(b"abc")
    assert members(data + GOOD + END, tmp_path / "x.tar") == [(b"a=\n.", b"abc", None), (b"1.png", b"abc", None)]
    data = records(b"10 path=a\n", b"8 path=\n", b"22 GNU.sparse.major=1\n") + GOOD + END
    (member,) = members(data, tmp_path / "x.tar")
    assert member[:2] == (b"1.png", b"abc") and "--sparse" in member[2]
    for wrong in (b"path=a\n", b"11 path=a\n", b"10 path=a ", b"0 a=b\n", b"2 \n", b"9" * 30 + b" a=b\n", b"+10 path=a\n", b"10 pathaa\n", b"9 size=-\n", b"29 size=99999999999999999999\n", b"11 path=\0a\n", b"x", b"-1 a=b\n"):
        with pytest.raises(TarError, match="the records at byte 512 are damaged"):
            members(records(wrong) + GOOD + END, tmp_path / "x.tar")


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "it is empty"),
        (b"no tar", "it is no tar"),
        (b"x" * 2000, "it is no tar"),
        (b"BZh91AY" + bytes(600), "compressed in another way than by gzip"),
        (bytes(10240), "it has zeros alone and no member"),
        (GOOD, "ends without the mark of its end"),
        (GOOD[:514], "the data of '1.png' goes on after its end"),
        (GOOD + b"x" * 512 + END, "the header at byte 1024 is damaged"),
        (GOOD + END + GOOD + END, "something follows the mark of its end at byte 1024; take joined archives apart"),
        # Sizes over which nothing can be passed: 2^63, 2^87, a negative one and no number.
        (header(size=b"\x80" + bytes(3) + b"\x80" + bytes(7)) + GOOD + END, "the data of 'a.png' goes on after its end"),
        (header(size=b"\x80" + b"\x7f" * 11) + GOOD + END, "the data of 'a.png' goes on after its end"),
        (header(size=b"\x80" + bytes(3) + b"\x7f" + b"\xff" * 7) + GOOD + END, "the data of 'a.png' goes on after its end|ends without the mark"),
        (header(size=b"\xff" * 12) + GOOD + END, "the data of 'a.png' goes on after its end"),
        (header(size=b"9" * 12) + GOOD + END, "the data of 'a.png' goes on after its end"),
        (header(kind=b"L", size=octal(EXTRA_BYTES + 1)) + bytes(2 << 20) + GOOD + END, "the records at byte 512 have more than 1048576 bytes"),
        (header(kind=b"L", size=octal(70000)) + padded(b"n" * 70000) + GOOD + END, "has 70000 bytes, as no file has"),
    ],
)
def test_damaged_tars_are_refused(tmp_path, data, message, packed):
    with pytest.raises(TarError, match=message):
        members(gzip.compress(data) if packed else data, tmp_path / "x.tar")


def test_a_stream_is_read_to_its_end(tmp_path):
    path = tmp_path / "x.tar.gz"
    packed = gzip.compress(tar([("1.png", os.urandom(3000))]))
    assert len(members(packed, path)) == 1
    for damaged in (packed[:-8] + bytes(8), packed[:-4], packed[: len(packed) // 2], packed[:5], packed + b"more", packed[:200] + bytes([packed[200] ^ 255]) + packed[201:]):
        with pytest.raises(TarError, match="its gzip stream is damaged .*; copy it again"):
            members(damaged, path)


def test_long_chains_of_headers(tmp_path):
    chain = (header(kind=b"L", size=octal(5)) + padded(b"abcd\0") + header(b"p", b"x")) * 3000
    assert members(chain + header() + END, tmp_path / "x.tar") == [(b"abcd", b"", None)]


def test_zeros_in_the_place_of_the_rest(tmp_path):
    path = tmp_path / "x.tar"
    with open(path, "wb") as file:
        file.write(GOOD)
        # A hole, as after a crash, of a terabyte that nobody waits for.
        file.truncate(1 << 40)
    with pytest.raises(TarError, match="only zeros from byte 1024 on, for more than 64 MiB"), Archive(str(path)) as archive:
        list(archive)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes")
def test_a_damaged_tar_fails_alone(drawings, tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    good = tar([("1.png", pathlib.Path(drawings[0]).read_bytes())])
    (folder / "a.tar").write_bytes(good[:-10240])
    (folder / "b.tar").write_bytes(header(size=b"\x80" + b"\x7f" * 11) + END)
    (folder / "c.tar.gz").write_bytes(gzip.compress(good)[:-8] + bytes(8))
    (folder / "d.tar").write_bytes(good)
    (folder / "e.tar").symlink_to("nowhere")
    os.mkfifo(folder / "f.tar")
    (folder / "g.tar").symlink_to("/dev/zero")
    named = os.fsencode(folder) + b"/\xff.tar"
    pathlib.Path(os.fsdecode(named)).write_bytes(good)
    summary = run(config.parse(plan(folder, tmp_path / "out")))
    assert (summary.finished, summary.parts, len(summary.errors)) == (1, 8, 7)
    text = "\n".join(summary.errors)
    for part in ("e.tar: No such file", "f.tar: it is a pipe and no file", "g.tar: it is a device and no file", "\\xff.tar' is no UTF-8"):
        assert part in text
    with pytest.raises(errors.FileError, match="f.tar: it is a pipe and no file"):
        run(config.parse(plan(folder / "f.tar", tmp_path / "other")))


def test_large_members_have_a_reason(drawings, tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "IMAGE_BYTES", 1 << 20)
    monkeypatch.setattr(sources, "TEXT_BYTES", 1 << 20)
    large = bytes((1 << 20) + 1)
    png = pathlib.Path(drawings[0]).read_bytes()
    data = tar([("1.png", large), ("1.txt", b"a"), ("2.png", png), ("2.txt", large), ("2.json", large), ("3.txt", b"a"), ("l.png", b"")])
    (tmp_path / "in.tar").write_bytes(data[:-10240 - 512] + header(b"l.png", b"2") + END)
    summary = run(config.parse(plan(tmp_path / "in.tar", tmp_path / "out", operators=[IMAGE, TEXT])))
    assert (summary.read, summary.failed, summary.errors) == (4, 5, [])
    table = pa.parquet.read_table(tmp_path / "out")
    assert table.column_names == ["key", "image", "caption", "json", "image_clip_emb_demo", "image_error", "text_clip_emb_demo", "caption_error"]
    rows = {row["key"]: row for row in table.to_pylist()}
    assert rows["1"]["image_error"] == "'1.png' has 1048577 bytes, and at most 1048576 (1 MiB) are read"
    assert rows["2"]["image_error"] is None and "'2.txt' has 1048577 bytes" in rows["2"]["caption_error"]
    assert rows["2"]["json"] is None and rows["3"]["image_error"] == "the cell is null"
    assert rows["l"]["image_error"].startswith("'l.png': it is a link in the archive")


def test_tables_of_tars_are_bounded_by_bytes(tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "BATCH_BYTES", 10_000)
    data = tar([(f"{number}.txt", b"x" * 3000) for number in range(10)])
    (tmp_path / "in.tar").write_bytes(data)
    ((partition,), _) = sources.partitions(config.parse(plan(tmp_path / "in.tar", tmp_path / "out")))
    assert [table.num_rows for table in partition.tables(1 << 30)] == [3, 3, 3, 1]
    assert [table.num_rows for table in partition.tables(2)] == [2] * 5
