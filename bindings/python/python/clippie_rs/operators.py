"""Operators: callables that take a table of pyarrow and return it with one column more, or with fewer rows.

>>> import pyarrow
>>> from clippie_rs.operators import TextClipEmbeddingRefiner
>>> refiner = TextClipEmbeddingRefiner(model="demo", column="caption")
>>> refiner(pyarrow.table({"caption": ["a red star", None]})).column_names
['caption', 'text_clip_emb_demo', 'caption_error']

They know no engine of tables: ``clippie_rs.ray`` gives them to Ray Data, ``clippie_rs.pipeline`` runs them over files, and
anything else that hands out batches of Arrow can call them. An operator maps its model once, when it is made, and only the
tower that it needs; all processes of a machine share the pages.
"""

from __future__ import annotations

import numbers
import os
import re
import sys
from typing import TYPE_CHECKING, Any, ClassVar

from clippie_rs._messages import is_unicode, shown
from clippie_rs._models import in_half, open_tower
from clippie_rs._native import ImageEncoder, TextEncoder, allow_amx
from clippie_rs._open_clip import model_called
from clippie_rs.arrow import check_new_columns, check_table, column_name, encode_batch
from clippie_rs.errors import OptionError

if TYPE_CHECKING:
    import pyarrow

__all__ = ["ClipScoreFilter", "ImageClipEmbeddingRefiner", "TextClipEmbeddingRefiner"]


class _Refiner:
    """What the refiners of both towers share. The parameters are described at ``ImageClipEmbeddingRefiner``."""

    kind: ClassVar[str]
    tower: ClassVar[type]

    def __init__(
        self,
        model_name: str,
        pretrained: str,
        device: str,
        normalize: bool,
        feature_field_name: str | None,
        inference_batch_size: int | None,
        use_fp16: bool,
        model: str | os.PathLike[str] | None,
        column: str,
        error_field_name: str | None,
        threads: int | None,
        **options: Any,
    ) -> None:
        if device not in ("auto", "cpu"):
            raise OptionError(f'device={shown(device)} is not there: models run on the CPU; give "auto" or "cpu"')
        if inference_batch_size is not None:
            options["batch_size"] = inference_batch_size
        if is_worker():
            # The process is there for this operator alone.
            allow_amx()
        threads = assigned_threads() if threads is None else threads
        called = model_called(model_name, pretrained) if model is None else model
        if use_fp16:
            called = in_half(called)
        self.encoder = open_tower(self.tower, called, normalize=normalize, threads=threads, **options)
        self.column = column
        if feature_field_name is None:
            if model is None:
                # Without the tag, as open_clip's users know it.
                feature_field_name = f"{self.kind}_clip_emb_" + re.sub(r"[-/ ]", "_", model_name.lower())
            else:
                feature_field_name = column_name(self.encoder.name, self.kind)
        self.feature_field_name = feature_field_name
        self.error_field_name = f"{column}_error" if error_field_name is None else error_field_name

    def __call__(self, batch: pyarrow.Table) -> pyarrow.Table:
        """Append the embeddings and the reasons of those that are null."""
        check_table(batch)
        new = {"feature_field_name": self.feature_field_name, "error_field_name": self.error_field_name}
        check_new_columns(batch.schema.names, new)
        return encode_batch(
            batch,
            self.column,
            clip=self.encoder,
            kind=self.kind,
            out=self.feature_field_name,
            out_error=self.error_field_name,
        )

    def refine_batch(self, records: list[dict[str, Any]]) -> None:
        """Set the embedding, a list of numbers or None, and the reason or None, in each record."""
        import pyarrow

        cells = [self._cell(record.get(self.column)) for record in records]
        # A type for each kind, so that records without any value have one too.
        inputs = [None if _is_reason(cell) else cell for cell in cells]
        table = self(pyarrow.table({self.column: pyarrow.array(inputs, self._type())}))
        vectors = table.column(self.feature_field_name).to_pylist()
        reasons = table.column(self.error_field_name).to_pylist()
        for record, cell, vector, reason in zip(records, cells, vectors, reasons):
            record[self.feature_field_name] = vector
            record[self.error_field_name] = cell.reason if _is_reason(cell) else reason

    def get_output_schema(self) -> dict[str, pyarrow.DataType]:
        """The new columns and their types."""
        import pyarrow

        return {
            self.feature_field_name: pyarrow.list_(pyarrow.float32()),
            self.error_field_name: pyarrow.string(),
        }

    @property
    def fingerprint(self) -> str:
        """What determines the embeddings."""
        return self.encoder.fingerprint

    def _type(self) -> pyarrow.DataType:
        raise NotImplementedError

    def _cell(self, value: Any) -> Any:
        raise NotImplementedError


class ImageClipEmbeddingRefiner(_Refiner):
    """Appends the embeddings of a column of images.

    model_name, pretrained: open_clip's names, for the models that have one here.
    device: "auto" or "cpu"; there is no other.
    normalize: unit vectors.
    feature_field_name: the name of the new column; by default ``image_clip_emb_`` and the model's, such as
        ``image_clip_emb_vit_l_14``.
    inference_batch_size: images in one pass of the model, at least 1; by default the engine's own number, which is the
        fastest for most. The embeddings do not depend on it.
    use_fp16: the model of that name with weights in half precision (``vit-l-14-openai:f16``), which is converted on first use.
        Ignored with a warning for the path of a file, which has the precision that it was converted with, and for "demo".
    preprocess_workers: accepted and not needed, since images are decoded by the threads that encode them.
    model: in place of ``model_name`` and ``pretrained``: the path of a ``.clippie`` file, "demo", or a name of
        ``clippie-rs models``. Names are downloaded and converted on first use.
    column: the column of paths, bytes or ``struct<bytes, path>``.
    error_field_name: the name of the column of reasons; by default ``<column>_error``.
    threads: by default the CPUs that Ray assigned to the actor or task, at least 1, and outside of Ray one per core.

    Images that cannot be read have null and a reason. Raises ``OptionError``, which is a ``ValueError``, for parameters that
    cannot be used, and what opening a model raises.
    """

    kind = "image"
    tower = ImageEncoder

    def __init__(
        self,
        model_name: str = "ViT-L-14",
        pretrained: str = "openai",
        device: str = "auto",
        normalize: bool = True,
        feature_field_name: str | None = None,
        inference_batch_size: int | None = None,
        use_fp16: bool = False,
        preprocess_workers: int | None = None,
        *,
        model: str | os.PathLike[str] | None = None,
        column: str = "image",
        error_field_name: str | None = None,
        threads: int | None = None,
    ) -> None:
        super().__init__(
            model_name,
            pretrained,
            device,
            normalize,
            feature_field_name,
            inference_batch_size,
            use_fp16,
            model,
            column,
            error_field_name,
            threads,
        )

    def _type(self) -> pyarrow.DataType:
        import pyarrow

        return pyarrow.struct({"bytes": pyarrow.binary(), "path": pyarrow.string()})

    def _cell(self, value: Any) -> Any:
        if isinstance(value, dict):
            value = value.get("path") if value.get("bytes") is None else value["bytes"]
        if value is None:
            return None
        if isinstance(value, (bytes, bytearray, memoryview)):
            return {"bytes": bytes(value), "path": None}
        if isinstance(value, (str, os.PathLike)):
            path = os.fsdecode(value)
            # Such files are there, but no column of Arrow has their names.
            if not is_unicode(path):
                return _Reason(f"the path {shown(path)} is no UTF-8; rename it")
            return {"bytes": None, "path": path}
        return _Reason(f"a {type(value).__name__} is no image; give a path, bytes, or a dict with either")


class TextClipEmbeddingRefiner(_Refiner):
    """Appends the embeddings of a column of texts: ``text_clip_emb_vit_l_14``.

    The parameters are those of ``ImageClipEmbeddingRefiner``, and:

    column: the column of texts.
    language: the language of the texts, for the models that need one.
    """

    kind = "text"
    tower = TextEncoder

    def __init__(
        self,
        model_name: str = "ViT-L-14",
        pretrained: str = "openai",
        device: str = "auto",
        normalize: bool = True,
        feature_field_name: str | None = None,
        inference_batch_size: int | None = None,
        use_fp16: bool = False,
        *,
        model: str | os.PathLike[str] | None = None,
        column: str = "caption",
        error_field_name: str | None = None,
        threads: int | None = None,
        language: str | None = None,
    ) -> None:
        options = {} if language is None else {"language": language}
        super().__init__(
            model_name,
            pretrained,
            device,
            normalize,
            feature_field_name,
            inference_batch_size,
            use_fp16,
            model,
            column,
            error_field_name,
            threads,
            **options,
        )

    def _type(self) -> pyarrow.DataType:
        import pyarrow

        return pyarrow.string()

    def _cell(self, value: Any) -> Any:
        if value is None:
            return None
        if not isinstance(value, str):
            return _Reason(f"a {type(value).__name__} is no text")
        return value if is_unicode(value) else _Reason("the text has half of a character, which is no Unicode")


class ClipScoreFilter:
    """Appends the cosine of the image and the caption of each row, and drops the rows below a least one.

    It reads the columns of embeddings that the two refiners made, and opens no model.

    image_field, text_field: the columns of embeddings, by default the only ones whose names begin with
        ``image_clip_emb_`` and ``text_clip_emb_``. Their fingerprints must be equal.
    min_score: rows below it, and rows without one of the embeddings, are dropped; None keeps all. Cosines of different
        models are not alike: look at those of a sample. DataComp's filter is the cosine that 30 % of a sample reach.
    score_field_name: the name of the column of cosines, float32, null where an embedding is, has a null or no number in it,
        or is of another length than the other one.
    """

    def __init__(
        self,
        image_field: str | None = None,
        text_field: str | None = None,
        min_score: float | None = None,
        score_field_name: str = "clip_score",
    ) -> None:
        if min_score is not None and not (isinstance(min_score, numbers.Real) and -1.0 <= min_score <= 1.0):
            raise OptionError(f"min_score is {shown(min_score)}; a cosine is from -1 to 1")
        self.image_field = image_field
        self.text_field = text_field
        self.min_score = min_score
        self.score_field_name = score_field_name

    def __call__(self, batch: pyarrow.Table) -> pyarrow.Table:
        """Append the cosines and drop rows."""
        import numpy
        import pyarrow

        check_table(batch)
        image, text = _embeddings(batch, self.image_field, "image"), _embeddings(batch, self.text_field, "text")
        fields = [self._field(batch, name) for name in (image, text)]
        if fields[0] != fields[1]:
            raise OptionError(
                f"the columns {image} (fingerprint {fields[0].decode(errors='replace')}) and {text} (fingerprint "
                f"{fields[1].decode(errors='replace')}) are of different models; their cosines mean nothing"
            )
        if self.score_field_name in batch.schema.names:
            raise OptionError(f"the column {self.score_field_name} is there already; name another with `score_field_name`")
        scores, present = _cosines(batch.column(image), batch.column(text))
        missing = ~(present & numpy.isfinite(scores))
        field = pyarrow.field(self.score_field_name, pyarrow.float32(), metadata={"clippie.fingerprint": fields[0]})
        batch = batch.append_column(field, pyarrow.array(scores, pyarrow.float32(), mask=missing))
        if self.min_score is None:
            return batch
        return batch.filter(pyarrow.array(~missing & (scores >= numpy.float32(self.min_score))))

    def _field(self, batch: pyarrow.Table, name: str) -> bytes:
        """The fingerprint of a column of embeddings."""
        import pyarrow

        if batch.schema.names.count(name) != 1:
            raise OptionError(
                f"the column {name} is not there; put the refiner that makes it before the filter. There are "
                f"{', '.join(batch.schema.names)}"
            )
        field = batch.schema.field(name)
        types = pyarrow.types
        lists = (types.is_list, types.is_large_list, types.is_fixed_size_list)
        if not any(check(field.type) for check in lists) or not types.is_floating(field.type.value_type):
            raise OptionError(f"the column {name} has the type {field.type}; the filter needs lists of numbers")
        fingerprint = (field.metadata or {}).get(b"clippie.fingerprint")
        if fingerprint is None:
            raise OptionError(
                f"the column {name} has no fingerprint in its metadata; make it with a refiner of this package"
            )
        return fingerprint


def _cosines(images: Any, texts: Any) -> tuple[Any, Any]:
    """The cosines of two columns of lists, float32, and in which rows there is one."""
    import numpy
    import pyarrow
    import pyarrow.compute

    valid = pyarrow.compute.and_(images.is_valid(), texts.is_valid())
    present = numpy.array(valid.to_pylist(), bool)
    scores = numpy.zeros(len(images), numpy.float32)
    lists = [column.filter(valid) for column in (images, texts)]
    lengths = [numpy.array(pyarrow.compute.list_value_length(column), numpy.int64) for column in lists]
    starts = [numpy.cumsum(length) - length for length in lengths]
    flats = [numpy.array(pyarrow.compute.list_flatten(column), numpy.float64) for column in lists]
    found = numpy.full(len(lists[0]), numpy.nan)
    equal = lengths[0] == lengths[1]
    # One length, where a model made the columns.
    for length in numpy.unique(lengths[0][equal]):
        places = numpy.flatnonzero(equal & (lengths[0] == length))
        if len(places) == len(found):
            rows = [flat.reshape(len(found), length) for flat in flats]
        else:
            rows = [flat[start[places, None] + numpy.arange(length)] for start, flat in zip(starts, flats)]
        norms = numpy.linalg.norm(rows[0], axis=1) * numpy.linalg.norm(rows[1], axis=1)
        with numpy.errstate(divide="ignore", invalid="ignore"):
            found[places] = (rows[0] * rows[1]).sum(axis=1) / norms
    scores[present] = found
    return scores, present


def _embeddings(batch: pyarrow.Table, given: str | None, kind: str) -> str:
    """The name of the column of embeddings of a kind."""
    if given is not None:
        return given
    start = f"{kind}_clip_emb_"
    found = [name for name in batch.schema.names if name.startswith(start)]
    if len(found) != 1:
        there = ", ".join(found or batch.schema.names)
        reason = "is more than one column" if found else "is no column"
        raise OptionError(
            f"there {reason} whose name begins with {start}: {there}; put the refiner that makes it before the filter, or "
            f"name the column with `{kind}_field`"
        )
    return found[0]


class _Reason:
    """A value that is no input, and why."""

    def __init__(self, reason: str) -> None:
        self.reason = reason


def _is_reason(cell: Any) -> bool:
    return isinstance(cell, _Reason)


def is_worker() -> bool:
    """Whether this process is one that Ray started for an actor or a task."""
    ray = sys.modules.get("ray")
    # A driver has a context as well.
    return ray is not None and ray.is_initialized() and ray.get_runtime_context().worker.mode == ray.WORKER_MODE


def assigned_threads() -> int | None:
    """The threads that use all CPUs which Ray assigned to this actor or task and no more; None outside of Ray."""
    if not is_worker():
        return None
    ray = sys.modules["ray"]
    return max(1, int(ray.get_runtime_context().get_assigned_resources().get("CPU", 0)))
