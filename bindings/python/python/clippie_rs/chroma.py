"""An embedding function for Chroma, for collections of documents, of images, or of both:

>>> from clippie_rs.chroma import ClipEmbeddingFunction
>>> function = ClipEmbeddingFunction("demo")
>>> function(["a red star"])[0].shape
(64,)

Give it to ``create_collection(..., embedding_function=function)``. Chroma stores its name and configuration with the
collection, and finds it again by the name once this module is imported. Needs nothing but this package.
"""

from __future__ import annotations

import os
from typing import Any

import numpy
from numpy.typing import NDArray

from clippie_rs._models import encode_mixed, open_model
from clippie_rs.errors import OptionError

__all__ = ["ClipEmbeddingFunction"]


class ClipEmbeddingFunction:
    """Documents (strings) and images (arrays ``uint8 [height, width, 3]``) as unit vectors.

    model: "demo", the path of a ``.clippie`` file, or the name of a published model.
    options: those of ``Clip.open``; they are stored with the collection.
    """

    def __init__(self, model: str | os.PathLike[str] = "demo", **options: Any) -> None:
        self._model = os.fspath(model)
        self._options = options
        self._clip = open_model(self._model, **options)

    def __call__(self, input: list[Any]) -> list[NDArray[numpy.float32]]:
        """Embed documents and images, in any mixture."""
        return list(encode_mixed(self._clip, list(input)))

    def embed_query(self, input: list[Any]) -> list[NDArray[numpy.float32]]:
        """Embed queries, as documents are."""
        return self(input)

    @staticmethod
    def name() -> str:
        """The name that Chroma knows it by."""
        return "clippie_rs"

    @staticmethod
    def build_from_config(config: dict[str, Any]) -> ClipEmbeddingFunction:
        """Open the model of a stored collection."""
        function = ClipEmbeddingFunction(config["model"], **config.get("options", {}))
        stored = config.get("fingerprint")
        if stored not in (None, function._clip.fingerprint):
            raise OptionError(
                f"{config['model']} is another model now (fingerprint {function._clip.fingerprint}) than the one of the "
                f"collection ({stored}); their embeddings must not be mixed"
            )
        return function

    def get_config(self) -> dict[str, Any]:
        """What Chroma stores with a collection."""
        return {"model": self._model, "options": self._options, "fingerprint": self._clip.fingerprint}

    def validate_config_update(self, old_config: dict[str, Any], new_config: dict[str, Any]) -> None:
        """Refuse another model for a stored collection."""
        if old_config.get("fingerprint") != new_config.get("fingerprint"):
            raise OptionError("the embeddings of this collection come from another model; make a new collection")

    @staticmethod
    def validate_config(config: dict[str, Any]) -> None:
        """Refuse a configuration without a model."""
        if not isinstance(config.get("model"), str):
            raise OptionError('the configuration of clippie_rs needs "model", a path or name')

    def default_space(self) -> str:
        """Cosines, which CLIP is trained for."""
        return "cosine"

    def supported_spaces(self) -> list[str]:
        """All: for unit vectors they order alike."""
        return ["cosine", "l2", "ip"]

    def is_legacy(self) -> bool:
        """Whether it has no name and configuration."""
        return False


try:
    from chromadb.utils.embedding_functions import register_embedding_function
except ImportError:
    pass
else:
    register_embedding_function(ClipEmbeddingFunction)
