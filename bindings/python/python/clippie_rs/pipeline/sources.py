"""Inputs: which partitions there are, and the tables of one. Nothing here knows a model or an operator.

A partition is read by one worker and written to one file. Its ``name`` follows from where it lies below the input, so that
files added later do not rename others, and its ``identity`` from the files' sizes and times, so that changed ones are
noticed.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import pyarrow
import pyarrow.parquet

from clippie_rs._messages import shown
from clippie_rs.errors import FileError, OptionError
from clippie_rs.pipeline.files import File, listed, special
from clippie_rs.pipeline.tar import Archive, Member, TarError

if TYPE_CHECKING:
    from clippie_rs.pipeline.config import Config

# Rows of a partition, as far as row groups allow: minutes of work.
PARTITION_ROWS = 4096

PHOTOS = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff")
TARS = (".tar", ".tar.gz", ".tgz")

# The largest members of a tar that are read, in bytes. A larger one is null.
IMAGE_BYTES = 256 << 20
TEXT_BYTES = 16 << 20

# Bytes of the members of a tar that pass the operators at a time, as far as one member allows.
BATCH_BYTES = 64 << 20
# Bytes that a row has in memory without its cells.
ROW_BYTES = 1 << 10

PHOTO_SCHEMA = pyarrow.schema({"image": pyarrow.string()})
# The image has no path beside it: names in a tar are no files of this machine.
TAR_SCHEMA = pyarrow.schema(
    {"key": pyarrow.string(), "image": pyarrow.binary(), "caption": pyarrow.string(), "json": pyarrow.string()}
)


class DamagedInput(Exception):
    """A partition cannot be read to its end; others can."""


@dataclass
class Partition:
    """A part of the input: ``paths`` are its files."""

    name: str
    paths: list[str]
    identity: str
    schema: pyarrow.Schema

    # Columns that have a second one beside them, called ``reason_column``, which says why cells are null. It is not among
    # those of ``schema`` and is not written.
    explained: ClassVar[tuple[str, ...]] = ()

    def tables(self, rows: int) -> Iterator[pyarrow.Table]:
        """Its tables, of at most ``rows`` rows each."""
        raise NotImplementedError

    def whole_schema(self) -> pyarrow.Schema:
        """The schema of its tables."""
        reasons = [pyarrow.field(reason_column(column), pyarrow.string()) for column in self.explained]
        return pyarrow.schema([*self.schema, *reasons], self.schema.metadata)


def reason_column(column: str) -> str:
    """The name of the column with the reasons of a column that is explained."""
    return f"clippie.{column}.reason"


@dataclass
class ParquetPartition(Partition):
    """Row groups of a Parquet file."""

    groups: list[int]

    def tables(self, rows: int) -> Iterator[pyarrow.Table]:
        try:
            with _parquet(self.paths[0]) as file:
                for batch in file.iter_batches(batch_size=rows, row_groups=self.groups):
                    yield pyarrow.Table.from_batches([batch])
        except (pyarrow.ArrowException, OSError) as error:
            raise DamagedInput(f"{self.paths[0]}: {_line(error)}") from None


@dataclass
class PhotoPartition(Partition):
    """Photos of a folder: a column of their paths."""

    explained: ClassVar[tuple[str, ...]] = ("image",)

    def tables(self, rows: int) -> Iterator[pyarrow.Table]:
        for start in range(0, len(self.paths), rows):
            files = [File(path) for path in self.paths[start : start + rows]]
            # A name that a table cannot have must not become another file's.
            names = [file.path if file.is_utf8 else None for file in files]
            reasons = [None if file.is_utf8 else _no_utf8(file) for file in files]
            yield pyarrow.table({"image": names, reason_column("image"): reasons}, schema=self.whole_schema())


@dataclass
class TarPartition(Partition):
    """A tar of WebDataset: members of one key, which follow each other, are a row."""

    explained: ClassVar[tuple[str, ...]] = ("image", "caption")

    def tables(self, rows: int) -> Iterator[pyarrow.Table]:
        samples: list[dict[str, Any]] = []
        held = 0
        try:
            with Archive(self.paths[0]) as archive:
                for sample in _samples(archive):
                    samples.append(sample)
                    held += ROW_BYTES + sum(len(value) for value in sample.values() if value is not None)
                    if len(samples) >= rows or held >= BATCH_BYTES:
                        table = pyarrow.Table.from_pylist(samples, schema=self.whole_schema())
                        samples, held = [], 0
                        # Held by the table alone.
                        del sample
                        yield table
                        del table
        except (TarError, OSError) as error:
            raise DamagedInput(f"{self.paths[0]}: {_line(error)}") from None
        if samples:
            yield pyarrow.Table.from_pylist(samples, schema=self.whole_schema())


def partitions(config: Config) -> tuple[list[Partition], list[str]]:
    """All partitions of the input, in the order of their names' paths, and why tables and tars have none that cannot be read.

    Raises ``OptionError`` if there are no files or one lies in the output, and ``FileError`` if none can be read.
    """
    wanted = {"ParquetLoader": (".parquet",), "PhotoFolderLoader": PHOTOS, "WebDatasetLoader": TARS}[config.loader]
    base, files = listed(config.path, wanted)
    output = os.path.realpath(config.output)
    for file in files:
        if os.path.commonpath([output, os.path.realpath(file.path)]) == output:
            raise OptionError(f"{file.shown} lies in the output folder {config.output}; write to another one")
    rows = config.partition_rows or PARTITION_ROWS
    if config.loader == "PhotoFolderLoader":
        return _photos(base, files, rows, config.path), []
    found: list[Partition] = []
    damaged: list[FileError] = []
    for file in files:
        try:
            if file.reason is not None:
                raise FileError(f"{file.shown}: {file.reason}", path=file.path)
            if not file.is_utf8:
                raise FileError(_no_utf8(file), path=file.path)
            relative = os.path.relpath(file.path, base)
            if config.loader == "ParquetLoader":
                found += _row_groups(file, relative, rows)
            else:
                found.append(TarPartition(_name(relative), [file.path], _identity([file], relative), TAR_SCHEMA))
        except FileError as error:
            damaged.append(error)
    if damaged and not found:
        raise damaged[0]
    return found, [str(error) for error in damaged]


def _no_utf8(file: File) -> str:
    return f"the name {os.fsencode(file.path)!r} is no UTF-8, as a table needs; rename the file"


def _parquet(path: str) -> pyarrow.parquet.ParquetFile:
    """Open a table, which may be another file than it was when files were listed."""
    reason = special(os.stat(path))
    if reason is not None:
        raise OSError(reason)
    return pyarrow.parquet.ParquetFile(path)


def _row_groups(file: File, relative: str, rows: int) -> list[Partition]:
    """Runs of row groups with at most ``rows`` rows, or of one group."""
    path = file.path
    try:
        with _parquet(path) as table:
            schema = table.schema_arrow
            # Reads them; they may be no UTF-8.
            _ = schema.names
            sizes = [table.metadata.row_group(group).num_rows for group in range(table.metadata.num_row_groups)]
    except (pyarrow.ArrowException, UnicodeDecodeError, OSError) as error:
        raise FileError(f"{path} is no Parquet file that can be read: {_line(error)}", path=path) from None
    runs: list[list[int]] = []
    filled = 0
    for group, size in enumerate(sizes):
        if not runs or filled + size > rows:
            runs.append([])
            filled = 0
        runs[-1].append(group)
        filled += size
    return [
        ParquetPartition(_name(relative, number), [path], _identity([file], relative, *run), schema, run)
        for number, run in enumerate(runs or [[]])
    ]


def _photos(base: str, files: list[File], rows: int, path: str) -> list[Partition]:
    # Pipes and devices are no photos, as for the command. A link that leads nowhere is a row with its reason.
    files = [file for file in files if not file.special]
    if not files:
        raise OptionError(f"{path}: there is no photo, only pipes or devices with the names of photos")
    found: list[Partition] = []
    for number, start in enumerate(range(0, len(files), rows)):
        part = files[start : start + rows]
        names = [os.fsencode(os.path.relpath(file.path, base)) for file in part]
        identity = _identity(part, *names)
        found.append(PhotoPartition(f"photos-{number:05}", [file.path for file in part], identity, PHOTO_SCHEMA))
    return found


def _name(relative: str, number: int = 0) -> str:
    """``train-00007-1a2b3c4d-00000``: readable, and another one for each path."""
    stem = os.path.basename(relative).split(".")[0]
    return f"{stem}-{hashlib.sha256(relative.encode()).hexdigest()[:8]}-{number:05}"


def _identity(files: list[File], *also: object) -> str:
    """What changes when a partition is another one."""
    digest = hashlib.sha256()
    for value in also:
        digest.update(value if isinstance(value, bytes) else str(value).encode())
        digest.update(b"\0")
    for file in files:
        digest.update(f"{file.stamp}\0".encode())
    return digest.hexdigest()[:32]


def _samples(archive: Archive) -> Iterator[dict[str, Any]]:
    """The samples of a tar. The key of ``a/b.left.jpg`` is ``a/b``, and what follows is its kind."""
    sample: dict[str, Any] | None = None
    before: bytes | None = None
    for member in archive:
        folder, _, name = member.name.rpartition(b"/")
        stem, dot, kind = name.partition(b".")
        if not stem or not dot:
            continue
        key = folder + b"/" + stem if folder else stem
        if sample is None or key != before:
            if sample is not None:
                # Popped, since this frame would hold the image while its receiver works.
                done = [sample]
                sample = None
                yield done.pop()
            before = key
            # Two keys may be alike in a table, and are still two samples.
            sample = {"key": key.decode(errors="replace")}
        kind = kind.decode(errors="replace").lower()
        column = "image" if f".{kind}" in PHOTOS else {"txt": "caption", "json": "json"}.get(kind)
        if column is None:
            continue
        reason = _unread(member, IMAGE_BYTES if column == "image" else TEXT_BYTES)
        sample[reason_column(column)] = reason
        if reason is not None:
            sample[column] = None
        elif column == "image":
            sample[column] = archive.read(member)
        else:
            sample[column] = archive.read(member).decode(errors="replace")
    if sample is not None:
        yield sample


def _unread(member: Member, limit: int) -> str | None:
    """Why a member is not read."""
    if member.unusable is None and member.size <= limit:
        return None
    name = shown(member.name.decode(errors="replace"))
    if member.unusable is not None:
        return f"{name}: {member.unusable}"
    return f"{name} has {member.size} bytes, and at most {limit} ({limit >> 20} MiB) are read"


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())
