"""What the adapters share: models by path or name, or open already, and mixtures of texts and images."""

from __future__ import annotations

import os
from typing import Any, TypeVar

import numpy
from numpy.typing import NDArray

from clippie_rs._native import Clip, ImageEncoder, TextEncoder
from clippie_rs.errors import OptionError

Tower = TypeVar("Tower", Clip, ImageEncoder, TextEncoder)


def open_model(model: Clip | str | os.PathLike[str], **options: Any) -> Clip:
    """Open a model: "demo", the path of a ``.clippie`` file, or the name of a published model, which is downloaded on first use.

    The options are those of ``Clip.open``. ``clippie_rs.clippie.load`` opens a model as Clippie does.

    A ``Clip`` is returned as it is; options that differ from its own are refused.
    """
    if isinstance(model, Clip):
        given = model.options
        for name, value in options.items():
            if given.get(name) != value:
                raise OptionError(
                    f"the model was opened with {name}={given.get(name)!r}, and {name}={value!r} is needed here; give its "
                    "path or name instead of the opened model"
                )
        return model
    return open_tower(Clip, model, **options)


def open_tower(kind: type[Tower], model: str | os.PathLike[str], **options: Any) -> Tower:
    """Open what ``kind`` says of a model: all of it, or the tower for images or for texts."""
    if not isinstance(model, str):
        return kind.open(model, **options)
    if model == "demo":
        return kind.demo(**options)
    if is_path(model):
        return kind.open(model, **options)
    try:
        return kind.from_name(model, **options)
    except OptionError:
        # Names come first, as with the command; a file may have any other one.
        if not os.path.exists(model):
            raise
        return kind.open(model, **options)


def is_path(model: str) -> bool:
    """Whether a text cannot be a name."""
    if model.startswith("hf-hub:"):
        return False
    return model.endswith(".clippie") or "/" in model or os.sep in model


def encode_mixed(clip: Clip, inputs: list[Any]) -> NDArray[numpy.float32]:
    """Encode strings as texts and everything else as images: ``[inputs, embed_dim]``."""
    texts = [place for place, value in enumerate(inputs) if isinstance(value, str)]
    if len(texts) == len(inputs):
        return clip.encode_texts(inputs)
    if not texts:
        return clip.encode_images(inputs)
    is_text = set(texts)
    images = [place for place in range(len(inputs)) if place not in is_text]
    rows = numpy.empty((len(inputs), clip.embed_dim), numpy.float32)
    rows[texts] = clip.encode_texts([inputs[place] for place in texts])
    rows[images] = clip.encode_images([inputs[place] for place in images])
    return rows
