"""One partition to one file, and the folder of such files.

A file is written aside, under a hidden name, and renamed when it is whole; a file with its final name is finished. Its
metadata say what it was made of and by, so that a later run knows whether it may be skipped.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow
import pyarrow.compute
import pyarrow.parquet

from clippie_rs.errors import FileError, OptionError
from clippie_rs.pipeline.config import Config
from clippie_rs.pipeline.files import special
from clippie_rs.pipeline.sources import DamagedInput, Partition, reason_column

# Bytes of tables that become a row group.
GROUP_BYTES = 64 << 20

# Parameters on which no value depends, or whose effect is in the fingerprint.
NOT_COMPARED = {
    "device",
    "feature_field_name",
    "inference_batch_size",
    "model",
    "model_name",
    "pretrained",
    "preprocess_workers",
    "threads",
    "use_fp16",
}

# Keys of a file's metadata.
INPUTS = b"clippie.inputs"
OPERATORS = b"clippie.operators"
FINGERPRINT = b"clippie.fingerprint"


@dataclass
class Part:
    """What a finished partition had: rows that were read, written, and without an embedding; or why it failed."""

    name: str
    read: int = 0
    written: int = 0
    failed: int = 0
    error: str | None = None


def schema_of(partition: Partition, operators: list[Any], config: Config) -> pyarrow.Schema:
    """The schema of a partition's file, by running the operators over no rows.

    Raises ``OptionError`` for columns that are missing, of another type, there already, or of different models.
    """
    table = partition.schema.empty_table()
    for described, operator in zip(config.operators, operators):
        try:
            table = operator(table)
        except (OptionError, TypeError, UnicodeError, pyarrow.ArrowException) as error:
            raise OptionError(f"{partition.paths[0]}: {described.name}: {error}") from None
    for name in config.drop_columns:
        if name not in table.schema.names:
            raise OptionError(
                f"{partition.paths[0]}: data_writer.params.drop_columns: the column {name} is not there; there are "
                f"{', '.join(table.schema.names)}"
            )
    schema = table.drop_columns(config.drop_columns).schema
    compared = [
        {"name": described.name, **{key: value for key, value in described.params.items() if key not in NOT_COMPARED}}
        for described in config.operators
    ]
    metadata = {
        **(schema.metadata or {}),
        INPUTS: partition.identity.encode(),
        OPERATORS: json.dumps(compared, sort_keys=True, default=str).encode(),
    }
    return schema.with_metadata(metadata)


def write(partition: Partition, operators: list[Any], config: Config, run: str) -> Part:
    """Read a partition, run the operators and write its file.

    run: a text that the names of unfinished files of this run have. Raises ``FileError`` if the output cannot be written; an
    input that cannot be read is in the result.
    """
    schema = schema_of(partition, operators, config)
    part = Part(partition.name)
    final = path_of(config, partition)
    aside = os.path.join(config.output, f".{partition.name}.{run}.{os.getpid()}.part")
    try:
        with _writing(aside), _writer(aside, schema) as writer:
            for tables in _groups(_processed(partition, operators, config, schema, part)):
                writer.write_table(tables, row_group_size=max(1, tables.num_rows))
                # Here and below: not held while the next one is read, since each may have hundreds of megabytes.
                del tables
                # Arrow would keep what the writer had, several times the table.
                pyarrow.default_memory_pool().release_unused()
        with _writing(final):
            os.replace(aside, final)
    except DamagedInput as error:
        return Part(partition.name, error=str(error))
    # Values that were not as their types say.
    except (pyarrow.ArrowException, UnicodeError) as error:
        return Part(partition.name, error=f"{partition.paths[0]}: {' '.join(str(error).split())}")
    finally:
        with contextlib.suppress(OSError):
            os.remove(aside)
    return part


def _writer(path: str, schema: pyarrow.Schema) -> pyarrow.parquet.ParquetWriter:
    # Those of images are of no use, and one of 200 MB took five times its size for them.
    types = pyarrow.types
    counted = [field.name for field in schema if types.is_primitive(field.type) or types.is_string(field.type)]
    return pyarrow.parquet.ParquetWriter(path, schema, compression="zstd", write_statistics=counted)


def path_of(config: Config, partition: Partition) -> str:
    """The file of a finished partition."""
    return os.path.join(config.output, f"{partition.name}.parquet")


def _processed(
    partition: Partition, operators: list[Any], config: Config, schema: pyarrow.Schema, part: Part
) -> Iterator[pyarrow.Table]:
    """The tables of a partition after the operators; counts rows."""
    for table in partition.tables(config.batch_size):
        part.read += table.num_rows
        for operator in operators:
            table = operator(table)
            error = getattr(operator, "error_field_name", None)
            if error is not None:
                table = _explained(table, partition, operator.column, error)
                part.failed += table.num_rows - table.column(error).null_count
        part.written += table.num_rows
        # The metadata of the file, and one type if those of chunks differ.
        yield _without_reasons(table, partition).drop_columns(config.drop_columns).cast(schema)
        del table


def _explained(table: pyarrow.Table, partition: Partition, column: str, error: str) -> pyarrow.Table:
    """The table with the partition's own reasons where it has some: more than that a cell is null."""
    if column not in partition.explained:
        return table
    reasons = pyarrow.compute.coalesce(table.column(reason_column(column)), table.column(error))
    place = table.schema.get_field_index(error)
    return table.set_column(place, table.schema.field(place), reasons)


def _without_reasons(table: pyarrow.Table, partition: Partition) -> pyarrow.Table:
    return table.drop_columns([reason_column(column) for column in partition.explained])


def _groups(tables: Iterator[pyarrow.Table]) -> Iterator[pyarrow.Table]:
    """Tables together, as large as a row group."""
    pending: list[pyarrow.Table] = []
    size = 0
    for table in tables:
        size += table.nbytes
        pending.append(table)
        del table
        if size >= GROUP_BYTES:
            yield pyarrow.concat_tables(pending)
            pending, size = [], 0
    if pending:
        yield pyarrow.concat_tables(pending)


@contextlib.contextmanager
def _writing(path: str) -> Iterator[None]:
    """Errors of the output, with its name."""
    try:
        yield
    except FileError:
        raise
    except OSError as error:
        raise FileError(f"{path}: cannot be written: {error.strerror or error}", path=path) from None


@contextlib.contextmanager
def prepared(config: Config) -> Iterator[None]:
    """Make the output folder and keep other runs out of it; unfinished files of runs that died are removed.

    Raises ``FileError`` if it cannot be written.
    """
    folder = config.output
    with _writing(folder):
        os.makedirs(folder, exist_ok=True)
    if not os.access(folder, os.W_OK | os.X_OK):
        raise FileError(f"{folder}: may not be written; choose another folder", path=folder)
    lock = _lock(folder)
    try:
        # Without a lock they may be another run's.
        if lock is not None:
            remove_unfinished(folder, "")
        yield
    finally:
        if lock is not None:
            os.close(lock)


def remove_unfinished(folder: str, run: str) -> None:
    """Remove what workers of a run left behind that died; with an empty name, those of all runs."""
    with _writing(folder):
        names = os.listdir(folder)
    for name in names:
        if name.startswith(".") and name.endswith(".part") and run in name:
            with contextlib.suppress(OSError):
                os.remove(os.path.join(folder, name))


def _lock(folder: str) -> int | None:
    """Lock the folder itself, or None where the file system has no such locks."""
    try:
        import fcntl
    except ImportError:
        return None
    with _writing(folder):
        file = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(file)
        raise FileError(f"{folder}: another run writes to it; wait for its end", path=folder) from None
    except OSError:
        os.close(file)
        return None
    return file


def finished(config: Config, planned: list[tuple[Partition, pyarrow.Schema]]) -> set[str]:
    """The names of the partitions whose files are in the output.

    Raises ``OptionError`` if a file there is of another model, other inputs or other operators: together they would be one
    table of things that may not be compared.
    """
    known = {f"{partition.name}.parquet": (partition, schema) for partition, schema in planned}
    done = set()
    try:
        names = sorted(os.listdir(config.output))
    except FileNotFoundError:
        return done
    except OSError as error:
        raise FileError(f"{config.output}: {error.strerror}", path=config.output) from None
    for name in names:
        if name.startswith((".", "_")) or not name.endswith(".parquet"):
            continue
        path = os.path.join(config.output, name)
        advice = "remove it or write to another folder"
        if name not in known:
            raise OptionError(f"{path} is no part of this run; {advice}")
        partition, expected = known[name]
        try:
            reason = special(os.stat(path))
            if reason is not None:
                raise OSError(reason)
            found = pyarrow.parquet.read_schema(path)
        except (pyarrow.ArrowException, OSError) as error:
            raise OptionError(f"{path} is no Parquet file that can be read ({error}); {advice}") from None
        for field in expected:
            if field.name not in found.names or found.field(field.name).type != field.type:
                raise OptionError(f"{path} has no column {field.name} of the type {field.type}; {advice}")
            wanted, has = ((one.metadata or {}).get(FINGERPRINT) for one in (field, found.field(field.name)))
            if wanted != has:
                raise OptionError(
                    f"{path}: the column {field.name} has the fingerprint {_shown(has)}, and this run's is "
                    f"{_shown(wanted)}: it is of another model; {advice}"
                )
        metadata = found.metadata or {}
        if metadata.get(INPUTS) != expected.metadata[INPUTS]:
            raise OptionError(f"{path} was made of other inputs than {partition.paths[0]} is now; {advice}")
        if metadata.get(OPERATORS) != expected.metadata[OPERATORS] or found.names != expected.names:
            raise OptionError(f"{path} was made by other operators or parameters; {advice}")
        done.add(partition.name)
    return done


def _shown(fingerprint: bytes | None) -> str:
    return "none" if fingerprint is None else fingerprint.decode(errors="replace")
