"""Types of the native part. The documentation is in the docstrings (``help(clippie_rs.Clip)``)."""

import os
from collections.abc import Callable, Iterable
from typing import Any, Literal, TypedDict, final, overload

import numpy
from numpy.typing import ArrayLike, NDArray

__version__: str

Rows = NDArray[numpy.float32]
# A path, the bytes of a file, an image of Pillow, or an array `uint8 [height, width, 3]`.
Image = str | os.PathLike[str] | bytes | bytearray | memoryview | NDArray[numpy.uint8] | Any
Images = Image | Iterable[Image]
Texts = str | Iterable[str]

class ProgressEvent(TypedDict, total=False):
    """An event of a download or conversion. "done" and "total" are bytes, "wait" is seconds."""

    event: Literal["plan", "download", "retry", "convert", "waiting"]
    name: str
    license: str | None
    file: str
    done: int
    total: int
    reason: str
    wait: float

Progress = Callable[[ProgressEvent], object]

@final
class CancelToken:
    def __init__(self) -> None: ...
    def cancel(self) -> None: ...
    @property
    def cancelled(self) -> bool: ...

@final
class Clip:
    @staticmethod
    def open(
        path: str | os.PathLike[str],
        *,
        threads: int | None = None,
        batch_size: int = 8,
        normalize: bool = True,
        orient: bool = True,
        refuse_long_texts: bool = False,
        language: str | None = None,
        copy_weights: bool = False,
        isa: str | None = None,
    ) -> Clip: ...
    @staticmethod
    def from_name(
        name: str,
        progress: Progress | None = None,
        *,
        cancel: CancelToken | None = None,
        threads: int | None = None,
        batch_size: int = 8,
        normalize: bool = True,
        orient: bool = True,
        refuse_long_texts: bool = False,
        language: str | None = None,
        copy_weights: bool = False,
        isa: str | None = None,
    ) -> Clip: ...
    @staticmethod
    def demo(
        *,
        threads: int | None = None,
        batch_size: int = 8,
        normalize: bool = True,
        orient: bool = True,
        refuse_long_texts: bool = False,
        copy_weights: bool = False,
        isa: str | None = None,
    ) -> Clip: ...
    @overload
    def encode_images(
        self, images: Images, *, on_error: Literal["raise", "zero"] = "raise", cancel: CancelToken | None = None
    ) -> Rows: ...
    @overload
    def encode_images(
        self, images: Images, *, on_error: Literal["none"], cancel: CancelToken | None = None
    ) -> list[Rows | None]: ...
    def encode_texts(self, texts: Texts, *, cancel: CancelToken | None = None) -> Rows: ...
    def preprocess(self, images: Images, *, cancel: CancelToken | None = None) -> Rows: ...
    def tokenize(self, texts: Texts) -> list[list[int]]: ...
    def probabilities(self, images: ArrayLike, texts: ArrayLike) -> Rows: ...
    def probability(self, cosine: float) -> float | None: ...
    @property
    def image(self) -> ImageEncoder: ...
    @property
    def text(self) -> TextEncoder: ...
    def release(self) -> None: ...
    @property
    def embed_dim(self) -> int: ...
    @property
    def image_size(self) -> int: ...
    @property
    def context_length(self) -> int: ...
    @property
    def logit_scale(self) -> float: ...
    @property
    def logit_bias(self) -> float | None: ...
    @property
    def fingerprint(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def options(self) -> dict[str, Any]: ...

@final
class ImageEncoder:
    @staticmethod
    def open(
        path: str | os.PathLike[str],
        *,
        threads: int | None = None,
        batch_size: int = 8,
        normalize: bool = True,
        orient: bool = True,
        copy_weights: bool = False,
        isa: str | None = None,
    ) -> ImageEncoder: ...
    @staticmethod
    def from_name(
        name: str,
        progress: Progress | None = None,
        *,
        cancel: CancelToken | None = None,
        threads: int | None = None,
        batch_size: int = 8,
        normalize: bool = True,
        orient: bool = True,
        copy_weights: bool = False,
        isa: str | None = None,
    ) -> ImageEncoder: ...
    @staticmethod
    def demo(
        *,
        threads: int | None = None,
        batch_size: int = 8,
        normalize: bool = True,
        orient: bool = True,
        copy_weights: bool = False,
        isa: str | None = None,
    ) -> ImageEncoder: ...
    @overload
    def encode(
        self, images: Images, *, on_error: Literal["raise", "zero"] = "raise", cancel: CancelToken | None = None
    ) -> Rows: ...
    @overload
    def encode(
        self, images: Images, *, on_error: Literal["none"], cancel: CancelToken | None = None
    ) -> list[Rows | None]: ...
    def encode_each(
        self, images: Images, *, cancel: CancelToken | None = None
    ) -> tuple[Rows, dict[int, Exception]]: ...
    def preprocess(self, images: Images, *, cancel: CancelToken | None = None) -> Rows: ...
    def release(self) -> None: ...
    @property
    def embed_dim(self) -> int: ...
    @property
    def image_size(self) -> int: ...
    @property
    def fingerprint(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def options(self) -> dict[str, Any]: ...

@final
class TextEncoder:
    @staticmethod
    def open(
        path: str | os.PathLike[str],
        *,
        threads: int | None = None,
        batch_size: int = 8,
        normalize: bool = True,
        refuse_long_texts: bool = False,
        language: str | None = None,
        copy_weights: bool = False,
        isa: str | None = None,
    ) -> TextEncoder: ...
    @staticmethod
    def from_name(
        name: str,
        progress: Progress | None = None,
        *,
        cancel: CancelToken | None = None,
        threads: int | None = None,
        batch_size: int = 8,
        normalize: bool = True,
        refuse_long_texts: bool = False,
        language: str | None = None,
        copy_weights: bool = False,
        isa: str | None = None,
    ) -> TextEncoder: ...
    @staticmethod
    def demo(
        *,
        threads: int | None = None,
        batch_size: int = 8,
        normalize: bool = True,
        refuse_long_texts: bool = False,
        copy_weights: bool = False,
        isa: str | None = None,
    ) -> TextEncoder: ...
    def encode(self, texts: Texts, *, cancel: CancelToken | None = None) -> Rows: ...
    def encode_each(self, texts: Texts, *, cancel: CancelToken | None = None) -> tuple[Rows, dict[int, Exception]]: ...
    def tokenize(self, texts: Texts) -> list[list[int]]: ...
    def release(self) -> None: ...
    @property
    def embed_dim(self) -> int: ...
    @property
    def context_length(self) -> int: ...
    @property
    def logit_scale(self) -> float: ...
    @property
    def logit_bias(self) -> float | None: ...
    @property
    def fingerprint(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def options(self) -> dict[str, Any]: ...

def allow_amx() -> None: ...
def similarity(a: ArrayLike, b: ArrayLike) -> Rows: ...
