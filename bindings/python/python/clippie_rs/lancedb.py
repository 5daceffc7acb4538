"""An embedding function for LanceDB, registered as "clippie-rs":

    from clippie_rs.lancedb import ClipEmbeddings
    from lancedb.pydantic import LanceModel, Vector

    function = ClipEmbeddings.create(model="demo")

    class Photo(LanceModel):
        path: str = function.SourceField()
        vector: Vector(function.ndims()) = function.VectorField()

Sources are photos by path (or bytes, or images of Pillow), queries are texts or images. With ``kind="text"``, sources are
texts.
"""

from __future__ import annotations

import os
from typing import Any

import numpy

from clippie_rs._models import open_model
from clippie_rs._native import Clip

try:
    from lancedb.embeddings import EmbeddingFunction, register
except ImportError as error:
    raise ImportError("clippie_rs.lancedb is an adapter for lancedb; install it with `pip install lancedb`") from error

__all__ = ["ClipEmbeddings"]

# Opened models: LanceDB makes a new function from its description whenever a table is opened.
_opened: dict[str, Clip] = {}


def _open(model: str) -> Clip:
    if model not in _opened:
        _opened[model] = open_model(model)
    return _opened[model]


@register("clippie-rs")
class ClipEmbeddings(EmbeddingFunction):
    """Photos and texts as unit vectors.

    model: "demo", the path of a ``.clippie`` file, or the name of a published model.
    kind: what sources are, "image" or "text".
    """

    model: str = "demo"
    kind: str = "image"

    def ndims(self) -> int:
        """Length of the embeddings."""
        return _open(self.model).embed_dim

    def compute_source_embeddings(self, inputs: Any, *args: Any, **kwargs: Any) -> list[Any]:
        """Embed the values of a source column. One that cannot be read has no vector."""
        values = inputs.to_pylist() if hasattr(inputs, "to_pylist") else inputs
        values = [values] if isinstance(values, (str, bytes)) else list(values)
        clip = _open(self.model)
        encoder = clip.text if self.kind == "text" else clip.image
        rows, errors = encoder.encode_each(values)
        return [None if index in errors else row for index, row in enumerate(rows)]

    def compute_query_embeddings(self, query: Any, *args: Any, **kwargs: Any) -> list[Any]:
        """Embed a query: a text, or an image that is no string."""
        clip = _open(self.model)
        if isinstance(query, str):
            return list(clip.encode_texts(query))
        if isinstance(query, (os.PathLike, bytes, numpy.ndarray)) or not isinstance(query, (list, tuple)):
            return list(clip.encode_images(query))
        return [row for value in query for row in self.compute_query_embeddings(value)]
