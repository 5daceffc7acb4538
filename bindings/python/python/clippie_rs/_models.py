"""What the adapters share: models by path or name, or open already, and mixtures of texts and images."""

from __future__ import annotations

import os
import warnings
from typing import Any, TypeVar

import numpy
from numpy.typing import NDArray

from clippie_rs._messages import shown
from clippie_rs._native import Clip, ImageEncoder, TextEncoder
from clippie_rs.errors import OptionError

# How names end that state a precision.
PRECISIONS = (":f32", ":f16", ":int8")

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


def in_half(model: str | os.PathLike[str]) -> str | os.PathLike[str]:
    """The name of the same model with weights in half precision; what has no such name stays, with a warning."""
    if not isinstance(model, str) or model == "demo" or is_path(model):
        reason = f"use_fp16 is ignored: {shown(os.fspath(model))} has the precision that it was converted with"
        # Above this function and the two constructors.
        warnings.warn(reason, stacklevel=4)
        return model
    return model if model.endswith(PRECISIONS) else f"{model}:f16"


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
