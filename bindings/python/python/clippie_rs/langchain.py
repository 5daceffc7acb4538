"""Embeddings for LangChain:

>>> from clippie_rs.langchain import ClipEmbeddings
>>> embeddings = ClipEmbeddings("demo")
>>> len(embeddings.embed_query("a red star"))
64

A subclass of LangChain's ``Embeddings`` if ``langchain-core`` is installed, and the same methods without it.
"""

from __future__ import annotations

import asyncio
import os
from typing import Any

from clippie_rs._models import open_model
from clippie_rs._native import Clip

try:
    from langchain_core.embeddings import Embeddings
except ImportError:
    Embeddings = object  # type: ignore[assignment,misc]

__all__ = ["ClipEmbeddings"]


class ClipEmbeddings(Embeddings):
    """Texts and photos as unit vectors.

    model: an opened ``Clip``, "demo", the path of a ``.clippie`` file, or the name of a published model.
    options: those of ``Clip.open``.
    """

    def __init__(self, model: Clip | str | os.PathLike[str], **options: Any) -> None:
        self.clip = open_model(model, **options)

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Embed texts."""
        return self.clip.encode_texts(texts).tolist()

    def embed_query(self, text: str) -> list[float]:
        """Embed one text."""
        return self.clip.encode_texts(text)[0].tolist()

    def embed_image(self, uris: list[str]) -> list[list[float]]:
        """Embed photos, given by their paths."""
        return self.clip.encode_images(uris).tolist()

    async def aembed_documents(self, texts: list[str]) -> list[list[float]]:
        """Embed texts on another thread."""
        return await asyncio.to_thread(self.embed_documents, texts)

    async def aembed_query(self, text: str) -> list[float]:
        """Embed one text on another thread."""
        return await asyncio.to_thread(self.embed_query, text)
