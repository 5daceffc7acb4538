"""CLIP embeddings of photos and texts on a CPU.

>>> import clippie_rs
>>> clip = clippie_rs.Clip.demo()
>>> words = clip.encode_texts(["a red star"])
>>> words.shape
(1, 64)

``load`` opens a model, whether its path or its name is given. ``Clip`` does one of these: by path (``Clip.open``), by name
(``Clip.from_name``) or the compiled-in one (``Clip.demo``).
``ImageEncoder`` and ``TextEncoder`` are one tower each. Exceptions are in ``clippie_rs.errors``; all are an ``Error``.

Modules that are imported by themselves, none of which needs its library before it is used:

- ``clippie_rs.arrow``: a column of embeddings for a table of pyarrow
- ``clippie_rs.operators``, ``clippie_rs.ray``, ``clippie_rs.pipeline``: the same as operators, for Ray Data, and over files
- ``clippie_rs.clippie``: the functions of Clippie, under the same names
- ``clippie_rs.sentence_transformers``, ``clippie_rs.langchain``, ``clippie_rs.chroma``, ``clippie_rs.lancedb``,
  ``clippie_rs.sklearn``: the embedding interfaces of these libraries
"""

# First: it refuses a second interpreter of a process in words of its own, which other modules would not.
from clippie_rs._native import CancelToken, Clip, ImageEncoder, TextEncoder, __version__, allow_amx, similarity
from clippie_rs._models import open_model as load
from clippie_rs.errors import Cancelled, Error

__all__ = [
    "CancelToken",
    "Cancelled",
    "Clip",
    "Error",
    "ImageEncoder",
    "TextEncoder",
    "__version__",
    "allow_amx",
    "load",
    "similarity",
]
