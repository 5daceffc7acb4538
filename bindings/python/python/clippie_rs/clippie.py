"""The functions of Clippie, for programs that change their import:

>>> from clippie_rs.clippie import load, encode_text, encode_image
>>> weights = load("demo")
>>> encode_text(["a red star", "a blue square"], weights.text_encoder).shape
(2, 64)

As there, embeddings are **not** normalised, a single input gives a vector and a list gives rows, long texts are errors,
and the EXIF orientation of photos is not applied. Weights are those of clippie-rs: a ``.clippie`` file or a name.
"""

from __future__ import annotations

import functools
import os
from typing import IO, Any, NamedTuple

import numpy
from numpy.typing import NDArray

from clippie_rs._models import open_model
from clippie_rs._native import ImageEncoder, TextEncoder

__all__ = ["Weights", "encode_image", "encode_text", "load", "softmax"]

# Names of OpenAI, which Clippie's files have, and of clippie-rs.
NAMES = {
    "ViT-B-32": "vit-b-32-openai",
    "ViT-B-16": "vit-b-16-openai",
    "ViT-L-14": "vit-l-14-openai",
    "ViT-L-14-336px": "vit-l-14-336-openai",
}


class Weights(NamedTuple):
    """Both towers of a model."""

    image_encoder: ImageEncoder
    text_encoder: TextEncoder


def load(model: str | os.PathLike[str] | IO[bytes] = "ViT-B-32", **options: Any) -> Weights:
    """Open a model: a path, an open file, or a name, which is downloaded on first use.

    The options are those of ``Clip.open``.
    """
    if not isinstance(model, (str, os.PathLike)):
        model = os.fspath(model.name)
        if "/" not in model:
            model = os.path.join(os.curdir, model)
    if isinstance(model, str):
        model = NAMES.get(model, model)
    options = {"normalize": False, "orient": False, "refuse_long_texts": True, **options}
    clip = open_model(model, **options)
    return Weights(clip.image, clip.text)


def encode_text(texts: str | list[str], weights: TextEncoder | None = None) -> NDArray[numpy.float32]:
    """Encode texts: ``[texts, embed_dim]``, or ``[embed_dim]`` for a string. Not normalised."""
    rows = (weights or _default().text_encoder).encode(texts)
    return rows[0] if isinstance(texts, str) else rows


def encode_image(images: Any, weights: ImageEncoder | None = None) -> NDArray[numpy.float32]:
    """Encode images of Pillow, or anything that ``Clip.encode_images`` takes: ``[images, embed_dim]``, or ``[embed_dim]``
    for a single one. Not normalised."""
    rows = (weights or _default().image_encoder).encode(images)
    many = isinstance(images, (list, tuple)) or (hasattr(images, "__iter__") and not _is_one(images))
    return rows if many else rows[0]


def softmax(x: Any, axis: int = -1) -> NDArray[numpy.float32]:
    """Softmax along an axis."""
    x = numpy.asarray(x)
    powers = numpy.exp(x - x.max(axis=axis, keepdims=True))
    return powers / powers.sum(axis=axis, keepdims=True)


@functools.lru_cache(maxsize=1)
def _default() -> Weights:
    return load()


def _is_one(images: Any) -> bool:
    """Whether an iterable object is one image."""
    if isinstance(images, numpy.ndarray):
        return images.ndim in (2, 3)
    return isinstance(images, (str, bytes, bytearray, memoryview, os.PathLike))
