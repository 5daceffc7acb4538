"""A column of embeddings for tables of pyarrow:

>>> import pyarrow, clippie_rs
>>> from clippie_rs.arrow import encode_batch
>>> table = pyarrow.table({"caption": ["a red star", None]})
>>> table = encode_batch(table, "caption", clip=clippie_rs.Clip.demo(), kind="text")
>>> table.column_names
['caption', 'text_clip_emb_demo', 'caption_error']

One row that cannot be encoded costs one null and its reason, never the table. The same function serves everything that
hands out batches of Arrow: DuckDB, Polars, pandas, Spark's ``mapInArrow``, Daft, Ray.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, TypeVar

import numpy

from clippie_rs._native import Clip, ImageEncoder, TextEncoder
from clippie_rs.errors import OptionError

if TYPE_CHECKING:
    import pyarrow

    Batch = TypeVar("Batch", pyarrow.Table, pyarrow.RecordBatch)

__all__ = ["column_name", "encode_batch"]

# Rows that are encoded and made an array at a time; a list array holds less than 2^31 numbers.
ROWS = 1 << 16

# What the error column says of a cell without a value.
NULL = "the cell is null"


def column_name(model: str, kind: str = "image") -> str:
    """The name of a column of embeddings: ``image_clip_emb_vit_l_14_openai`` for ``vit-l-14-openai``."""
    return f"{kind}_clip_emb_" + re.sub(r"[^0-9a-z]+", "_", model.lower()).strip("_")


def encode_batch(
    table: Batch,
    column: str,
    *,
    clip: Clip | ImageEncoder | TextEncoder,
    kind: str = "image",
    out: str | None = None,
    out_error: str | None = None,
    fixed_size: bool = False,
) -> Batch:
    """Append the embeddings of a column to a table or record batch.

    table: anything with ``pyarrow.Table``'s or ``pyarrow.RecordBatch``'s type; the result has the same one.
    column: a column of paths (strings), of the bytes of files, or of ``struct<bytes, path>``, whose bytes come first; with
        ``kind="text"`` a column of texts.
    clip: an opened model, or the one tower of it that is needed.
    kind: "image" or "text".
    out: the name of the new column; by default ``image_clip_emb_<model>`` or ``text_clip_emb_<model>``.
    out_error: the name of the column of reasons; by default ``<column>_error``.
    fixed_size: ``fixed_size_list<float32>[embed_dim]`` instead of ``list<float32>``. Nulls in such lists are not read
        alike by all programs; lists are.

    Cells that are null or cannot be encoded have null in the new column and the reason in a second one, which is null for
    all others. The field's metadata has ``clippie.model`` and
    ``clippie.fingerprint``; only columns with equal fingerprints may be compared.

    Raises ``OptionError`` for a column that is missing, of another type, or there already. No file is written.
    """
    import pyarrow

    check_table(table)
    if kind not in ("image", "text"):
        raise OptionError(f'kind is {kind!r}; give "image" or "text"')
    encoder = _tower(clip, kind)
    out = column_name(encoder.name, kind) if out is None else out
    error = f"{column}_error" if out_error is None else out_error
    names = table.schema.names
    if names.count(column) != 1:
        found = "is there more than once" if column in names else f"is not there; there are {', '.join(names)}"
        raise OptionError(f"the column {column} {found}")
    check_new_columns(names, {"out": out, "out_error": error})
    field = table.schema.field(column)
    cells = table.column(column)
    chunks = cells.chunks if isinstance(cells, pyarrow.ChunkedArray) else [cells]
    read = _reader(field.type, column, kind)

    vectors, errors = [], []
    for chunk in chunks:
        for start in range(0, len(chunk), ROWS):
            part = _encode(read(chunk.slice(start, ROWS)), encoder, fixed_size)
            vectors.append(part[0])
            errors.append(part[1])
    metadata = {"clippie.model": encoder.name, "clippie.fingerprint": encoder.fingerprint}
    of_vectors = pyarrow.field(out, _vector_type(encoder.embed_dim, fixed_size), metadata=metadata)
    of_errors = pyarrow.field(error, pyarrow.string())
    for new, arrays in ((of_vectors, vectors), (of_errors, errors)):
        whole = pyarrow.chunked_array(arrays, type=new.type)
        if isinstance(table, pyarrow.Table):
            table = table.append_column(new, whole)
        else:
            table = _append(table, new, whole.combine_chunks())
    return table


def check_table(table: Any) -> None:
    """Refuse what is no table of pyarrow."""
    import pyarrow

    if not isinstance(table, (pyarrow.Table, pyarrow.RecordBatch)):
        raise TypeError(
            f"a {type(table).__module__}.{type(table).__name__} is no table here; give a pyarrow.Table or RecordBatch "
            "(pandas: pyarrow.Table.from_pandas(frame); polars: frame.to_arrow(); a dict: pyarrow.table(columns))"
        )


def check_new_columns(names: list[str], new: dict[str, str]) -> None:
    """Refuse new columns that are there already or are called alike. ``new`` has a name for each parameter that sets one."""
    for name in new.values():
        if name in names or list(new.values()).count(name) > 1:
            parameters = " or ".join(f"`{parameter}`" for parameter in new)
            raise OptionError(
                f"the column {name} is there already; drop or rename it, or name the new one with {parameters}"
            )


def _tower(clip: Any, kind: str) -> ImageEncoder | TextEncoder:
    if isinstance(clip, Clip):
        return clip.image if kind == "image" else clip.text
    if not isinstance(clip, ImageEncoder if kind == "image" else TextEncoder):
        raise OptionError(f'kind is "{kind}", and {type(clip).__name__} has no tower for it; give a Clip')
    return clip


def _reader(of: pyarrow.DataType, column: str, kind: str) -> Any:
    """The function that turns an array of the column's type into an iterator of inputs, None for null."""
    import pyarrow

    types = pyarrow.types
    if types.is_dictionary(of):
        read = _reader(of.value_type, column, kind)
        return lambda array: read(array.dictionary_decode())
    if isinstance(of, pyarrow.BaseExtensionType):
        read = _reader(of.storage_type, column, kind)
        return lambda array: read(array.storage)
    if _is_text(of):
        return _cells
    if kind == "image" and _is_binary(of):
        return _cells
    if kind == "image" and types.is_struct(of):
        try:
            names = [of.field(index).name for index in range(of.num_fields)]
        except UnicodeDecodeError:
            raise OptionError(f"the column {column} has a field whose name is no UTF-8; rename it") from None
        for name in ("bytes", "path"):
            if names.count(name) > 1:
                raise OptionError(f"the column {column} has more than one field {name}; remove or rename the others")
        fields = {name: of.field(index).type for index, name in enumerate(names)}
        has_bytes = "bytes" in fields and (_is_binary(fields["bytes"]) or types.is_null(fields["bytes"]))
        has_path = "path" in fields and (_is_text(fields["path"]) or types.is_null(fields["path"]))
        if has_bytes or has_path:
            return lambda array: _structs(array, has_bytes, has_path)
    # All are null.
    if types.is_null(of):
        return _cells
    wanted = "paths, bytes or struct<bytes, path>" if kind == "image" else "texts"
    raise OptionError(f"the column {column} has the type {of}; {kind} embeddings need {wanted}")


def _is_text(of: pyarrow.DataType) -> bool:
    import pyarrow

    types = pyarrow.types
    return types.is_string(of) or types.is_large_string(of) or str(of) == "string_view"


def _is_binary(of: pyarrow.DataType) -> bool:
    import pyarrow

    types = pyarrow.types
    return (
        types.is_binary(of) or types.is_large_binary(of) or types.is_fixed_size_binary(of) or str(of) == "binary_view"
    )


def _cells(array: pyarrow.Array) -> Iterator[str | bytes | _Broken | None]:
    for cell in array:
        yield _value(cell)


def _structs(array: pyarrow.StructArray, has_bytes: bool, has_path: bool) -> Iterator[str | bytes | _Broken | None]:
    for cell in array:
        value = _value(cell["bytes"]) if has_bytes and cell.is_valid else None
        if value is None and has_path and cell.is_valid:
            value = _value(cell["path"])
        yield value


def _value(cell: pyarrow.Scalar) -> str | bytes | _Broken | None:
    try:
        return cell.as_py()
    except UnicodeDecodeError as error:
        return _Broken(f"no UTF-8 text ({error})")


class _Broken:
    """A cell whose bytes are no value of its type."""

    def __init__(self, reason: str) -> None:
        self.reason = reason


def _encode(
    cells: Iterator[Any], encoder: ImageEncoder | TextEncoder, fixed_size: bool
) -> tuple[pyarrow.Array, pyarrow.Array]:
    """Encode cells: their vectors and their errors."""
    import pyarrow

    reasons: list[str | None] = []
    places: list[int] = []

    def inputs() -> Iterator[Any]:
        """Those that have a value, read as they are encoded."""
        for cell in cells:
            if cell is None:
                reasons.append(NULL)
            elif isinstance(cell, _Broken):
                reasons.append(cell.reason)
            else:
                places.append(len(reasons))
                reasons.append(None)
                yield cell

    rows, failed = encoder.encode_each(inputs())
    for index, error in failed.items():
        reasons[places[index]] = _without_index(str(error), index)
    missing = numpy.array([reason is not None for reason in reasons], dtype=bool)
    good = numpy.ones(len(rows), dtype=bool)
    good[list(failed)] = False
    errors = pyarrow.array(reasons, pyarrow.string())
    return _vectors(rows if good.all() else rows[good], missing, fixed_size), errors


def _without_index(message: str, index: int) -> str:
    """A message without the place among the inputs of a call, which is none of the table."""
    for what in ("image", "text"):
        named = f"{what} {index}"
        if message.startswith(f"{named}: "):
            return message[len(named) + 2 :]
        if message.startswith(f"{named} "):
            return f"the {what}{message[len(named) :]}"
    return message


def _vector_type(dim: int, fixed_size: bool) -> pyarrow.DataType:
    import pyarrow

    return pyarrow.list_(pyarrow.float32(), dim) if fixed_size else pyarrow.list_(pyarrow.float32())


def _vectors(rows: Any, missing: Any, fixed_size: bool) -> pyarrow.Array:
    """An array of the rows, in order, with nulls where they are missing. Without any, it has the memory of the rows."""
    import pyarrow

    dim = rows.shape[1]
    mask = pyarrow.array(missing) if missing.any() else None
    if fixed_size:
        if mask is not None:
            # Nulls have values too, which nobody reads.
            spread = numpy.zeros((len(missing), dim), numpy.float32)
            spread[~missing] = rows
            rows = spread
        values = pyarrow.array(rows.reshape(-1), pyarrow.float32())
        return pyarrow.FixedSizeListArray.from_arrays(values, type=_vector_type(dim, True), mask=mask)
    offsets = numpy.zeros(len(missing) + 1, numpy.int32)
    numpy.cumsum(numpy.where(missing, 0, dim), out=offsets[1:])
    values = pyarrow.array(rows.reshape(-1), pyarrow.float32())
    return pyarrow.ListArray.from_arrays(
        pyarrow.array(offsets), values, type=_vector_type(dim, False), mask=mask
    )


def _append(batch: pyarrow.RecordBatch, field: pyarrow.Field, array: pyarrow.Array) -> pyarrow.RecordBatch:
    import pyarrow

    schema = batch.schema.append(field)
    return pyarrow.RecordBatch.from_arrays([*batch.columns, array], schema=schema)
