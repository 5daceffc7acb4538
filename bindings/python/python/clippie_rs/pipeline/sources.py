"""Inputs: which partitions there are, and the tables of one. Nothing here knows a model or an operator.

A partition is read by one worker and written to one file. Its ``name`` follows from where it lies below the input, so that
files added later do not rename others, and its ``identity`` from the files' sizes and times, so that changed ones are
noticed.
"""

from __future__ import annotations

import glob
import hashlib
import os
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow
import pyarrow.parquet

from clippie_rs.errors import FileError, OptionError

if TYPE_CHECKING:
    from clippie_rs.pipeline.config import Config

# Rows of a partition, as far as row groups allow: minutes of work.
PARTITION_ROWS = 4096

PHOTOS = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff")
TARS = (".tar", ".tar.gz", ".tgz")

# The largest member of a tar that is read, in bytes. A larger image is null.
MEMBER_BYTES = 256 << 20

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

    def tables(self, rows: int) -> Iterator[pyarrow.Table]:
        """Its tables, of at most ``rows`` rows each."""
        raise NotImplementedError


@dataclass
class ParquetPartition(Partition):
    """Row groups of a Parquet file."""

    groups: list[int]

    def tables(self, rows: int) -> Iterator[pyarrow.Table]:
        try:
            with pyarrow.parquet.ParquetFile(self.paths[0]) as file:
                for batch in file.iter_batches(batch_size=rows, row_groups=self.groups):
                    yield pyarrow.Table.from_batches([batch])
        except (pyarrow.ArrowException, OSError) as error:
            raise DamagedInput(f"{self.paths[0]}: {_line(error)}") from None


@dataclass
class PhotoPartition(Partition):
    """Photos of a folder: a column of their paths."""

    def tables(self, rows: int) -> Iterator[pyarrow.Table]:
        for start in range(0, len(self.paths), rows):
            yield pyarrow.table({"image": self.paths[start : start + rows]}, schema=self.schema)


@dataclass
class TarPartition(Partition):
    """A tar of WebDataset: members of one key, which follow each other, are a row."""

    def tables(self, rows: int) -> Iterator[pyarrow.Table]:
        samples: list[dict[str, Any]] = []
        try:
            with tarfile.open(self.paths[0], "r|*") as tar:
                for sample in _samples(tar):
                    samples.append(sample)
                    if len(samples) == rows:
                        yield pyarrow.Table.from_pylist(samples, schema=self.schema)
                        samples = []
        except (tarfile.TarError, OSError, EOFError) as error:
            raise DamagedInput(f"{self.paths[0]}: {_line(error)}") from None
        if samples:
            yield pyarrow.Table.from_pylist(samples, schema=self.schema)


def partitions(config: Config) -> tuple[list[Partition], list[str]]:
    """All partitions of the input, in the order of their names' paths, and why tables have none whose schema cannot be read.

    Raises ``OptionError`` if there are no files or one lies in the output, and ``FileError`` if no table can be read.
    """
    wanted = {"ParquetLoader": (".parquet",), "PhotoFolderLoader": PHOTOS, "WebDatasetLoader": TARS}[config.loader]
    base, paths = _files(config.path, wanted)
    output = os.path.realpath(config.output)
    for path in paths:
        if os.path.commonpath([output, os.path.realpath(path)]) == output:
            raise OptionError(f"{path} lies in the output folder {config.output}; write to another one")
        try:
            path.encode()
        except UnicodeEncodeError:
            raise OptionError(f"the name of {os.fsencode(path)!r} is no UTF-8; rename it") from None
    rows = config.partition_rows or PARTITION_ROWS
    if config.loader == "PhotoFolderLoader":
        return _photos(base, paths, rows), []
    found: list[Partition] = []
    damaged: list[FileError] = []
    for path in paths:
        relative = os.path.relpath(path, base)
        if config.loader == "ParquetLoader":
            try:
                found += _row_groups(path, relative, rows)
            except FileError as error:
                damaged.append(error)
        else:
            found.append(TarPartition(_name(relative), [path], _identity([path], relative), TAR_SCHEMA))
    if damaged and not found:
        raise damaged[0]
    return found, [str(error) for error in damaged]


def _files(path: str, suffixes: tuple[str, ...]) -> tuple[str, list[str]]:
    """The folder that names are relative to, and the files with one of the suffixes, sorted, as absolute paths."""

    def wanted(name: str) -> bool:
        return name.lower().endswith(suffixes) and not name.startswith((".", "_"))

    path = os.path.abspath(path)
    if os.path.isdir(path):
        base, files = path, []
        for folder, folders, names in os.walk(path, onerror=_refuse):
            folders[:] = [name for name in folders if not name.startswith((".", "_"))]
            files += [os.path.join(folder, name) for name in names if wanted(name)]
    elif os.path.exists(path):
        base, files = os.path.dirname(path), [path]
    else:
        base = path
        while glob.has_magic(base):
            base = os.path.dirname(base)
        if base == path:
            raise FileError(f"{path}: no such file or folder; check the path", path=path)
        files = [name for name in glob.glob(path, recursive=True) if wanted(os.path.basename(name))]
    if not files:
        raise OptionError(f"{path}: there is no file that ends in {', '.join(suffixes)}")
    return base, sorted(files)


def _refuse(error: OSError) -> None:
    raise FileError(f"{error.filename}: {error.strerror}", path=error.filename)


def _row_groups(path: str, relative: str, rows: int) -> list[Partition]:
    """Runs of row groups with at most ``rows`` rows, or of one group."""
    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            schema = file.schema_arrow
            sizes = [file.metadata.row_group(group).num_rows for group in range(file.metadata.num_row_groups)]
    except (pyarrow.ArrowException, OSError) as error:
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
        ParquetPartition(
            _name(relative, number), [path], _identity([path], relative, *run), schema, run
        )
        for number, run in enumerate(runs or [[]])
    ]


def _photos(base: str, paths: list[str], rows: int) -> list[Partition]:
    found: list[Partition] = []
    for number, start in enumerate(range(0, len(paths), rows)):
        part = paths[start : start + rows]
        names = [os.path.relpath(path, base) for path in part]
        found.append(PhotoPartition(f"photos-{number:05}", part, _identity(part, *names), PHOTO_SCHEMA))
    return found


def _name(relative: str, number: int = 0) -> str:
    """``train-00007-1a2b3c4d-00000``: readable, and another one for each path."""
    stem = os.path.basename(relative).split(".")[0]
    return f"{stem}-{hashlib.sha256(relative.encode()).hexdigest()[:8]}-{number:05}"


def _identity(paths: list[str], *also: object) -> str:
    """What changes when a partition is another one."""
    digest = hashlib.sha256()
    for value in also:
        digest.update(f"{value}\0".encode())
    for path in paths:
        try:
            status = os.stat(path)
        except OSError as error:
            raise FileError(f"{path}: {error.strerror}", path=path) from None
        digest.update(f"{status.st_size} {status.st_mtime_ns}\0".encode())
    return digest.hexdigest()[:32]


def _samples(tar: tarfile.TarFile) -> Iterator[dict[str, Any]]:
    """The samples of a tar. The key of ``a/b.left.jpg`` is ``a/b``, and what follows is its kind."""
    sample: dict[str, Any] | None = None
    for member in tar:
        # Members with holes are as long as their header says, whatever the file is.
        if not member.isfile() or member.issparse():
            continue
        folder, name = os.path.split(member.name)
        stem, dot, kind = name.partition(".")
        if not stem or not dot:
            continue
        key = f"{folder}/{stem}" if folder else stem
        if sample is None or sample["key"] != key:
            if sample is not None:
                yield sample
            sample = {"key": _utf8(key), "image": None, "caption": None, "json": None}
        column = "image" if f".{kind.lower()}" in PHOTOS else {"txt": "caption", "json": "json"}.get(kind.lower())
        if column is None or member.size > MEMBER_BYTES:
            continue
        file = tar.extractfile(member)
        if file is None:
            continue
        data = file.read()
        sample[column] = data if column == "image" else data.decode(errors="replace")
    if sample is not None:
        yield sample


def _utf8(text: str) -> str:
    return text.encode(errors="replace").decode()


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())
