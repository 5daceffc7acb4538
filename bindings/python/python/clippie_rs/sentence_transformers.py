"""The ``encode`` of sentence-transformers:

>>> from clippie_rs.sentence_transformers import ClipModel
>>> model = ClipModel("demo")
>>> model.encode(["a red star", "a blue square"]).shape
(2, 64)

Strings are texts; everything else is an image, as in that library's CLIP models. Embeddings are normalised only with
``normalize_embeddings=True``, which is its default too. Needs nothing but this package; PyTorch only for
``convert_to_tensor=True``.
"""

from __future__ import annotations

import os
from typing import Any

import numpy
from numpy.typing import NDArray

from clippie_rs._models import encode_mixed, open_model
from clippie_rs._native import Clip, similarity
from clippie_rs.errors import OptionError

__all__ = ["ClipModel"]


class ClipModel:
    """A CLIP model with the interface of ``SentenceTransformer``.

    model: "demo", the path of a ``.clippie`` file, or the name of a published model.
    options: those of ``Clip.open`` but ``normalize``.
    """

    def __init__(self, model: str | os.PathLike[str], **options: Any) -> None:
        # Two models of one file share its pages.
        self._raw: Clip = open_model(model, normalize=False, **options)
        self._unit: Clip = open_model(model, normalize=True, **options)

    def encode(
        self,
        sentences: Any,
        batch_size: int | None = None,
        show_progress_bar: bool | None = None,
        convert_to_numpy: bool = True,
        convert_to_tensor: bool = False,
        normalize_embeddings: bool = False,
        **ignored: Any,
    ) -> Any:
        """Encode texts and images, in any mixture: ``[inputs, embed_dim]``, or ``[embed_dim]`` for a single one.

        ``batch_size``, ``show_progress_bar`` and arguments that say how, but not what, have no effect.
        """
        if ignored.get("precision", "float32") != "float32":
            raise OptionError(f"precision is {ignored['precision']!r}; embeddings are float32")
        if ignored.get("truncate_dim") is not None:
            raise OptionError("truncate_dim has no meaning for CLIP; the first values are not the most important")
        clip = self._unit if normalize_embeddings else self._raw
        single = not isinstance(sentences, (list, tuple)) and not _is_many(sentences)
        inputs = [sentences] if single else list(sentences)
        rows: Any = encode_mixed(clip, inputs)
        if convert_to_tensor:
            import torch  # type: ignore[import-not-found]

            rows = torch.from_numpy(rows)
        elif not convert_to_numpy:
            rows = list(rows)
        return rows[0] if single else rows

    encode_query = encode
    encode_document = encode

    def similarity(self, a: Any, b: Any) -> NDArray[numpy.float32]:
        """Cosines between all rows of two sets of embeddings."""
        return similarity(numpy.asarray(a), numpy.asarray(b))

    def get_sentence_embedding_dimension(self) -> int:
        """Length of the embeddings."""
        return self._raw.embed_dim

    get_embedding_dimension = get_sentence_embedding_dimension

    @property
    def max_seq_length(self) -> int:
        """Token positions of the text tower."""
        return self._raw.context_length


def _is_many(inputs: Any) -> bool:
    if isinstance(inputs, numpy.ndarray):
        return inputs.ndim not in (2, 3)
    if isinstance(inputs, (str, bytes, bytearray, memoryview, os.PathLike)):
        return False
    return hasattr(inputs, "__iter__")
