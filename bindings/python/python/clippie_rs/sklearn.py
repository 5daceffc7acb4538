"""A transformer for scikit-learn:

>>> from clippie_rs.sklearn import ClipTransformer
>>> ClipTransformer("demo", kind="text").fit_transform(["a red star", "a blue square"]).shape
(2, 64)

In a pipeline it makes features of photos or texts: ``make_pipeline(ClipTransformer("demo"), LogisticRegression())``. Has the
base classes of scikit-learn if that is installed, and the same methods without it.
"""

from __future__ import annotations

import os
from typing import Any

import numpy
from numpy.typing import NDArray

from clippie_rs._models import open_model
from clippie_rs._native import Clip
from clippie_rs.errors import OptionError

try:
    from sklearn.base import BaseEstimator, TransformerMixin
except ImportError:

    class BaseEstimator:  # type: ignore[no-redef]
        """Stands for that of scikit-learn."""

    class TransformerMixin:  # type: ignore[no-redef]
        """Stands for that of scikit-learn."""

        def fit_transform(self, X: Any, y: Any = None, **params: Any) -> Any:
            """Embed."""
            return self.fit(X, y).transform(X)  # type: ignore[attr-defined]


__all__ = ["ClipTransformer"]


class ClipTransformer(TransformerMixin, BaseEstimator):
    """Photos or texts to unit vectors. There is nothing to fit.

    model: an opened ``Clip``, "demo", the path of a ``.clippie`` file, or the name of a published model.
    kind: "image" or "text".
    threads: threads of a pool of its own; None for a shared one with a thread per core.
    """

    def __init__(
        self, model: Clip | str | os.PathLike[str] = "demo", *, kind: str = "image", threads: int | None = None
    ) -> None:
        self.model = model
        self.kind = kind
        self.threads = threads

    def fit(self, X: Any = None, y: Any = None) -> ClipTransformer:
        """Open the model."""
        if self.kind not in ("image", "text"):
            raise OptionError(f'kind is {self.kind!r}; give "image" or "text"')
        options = {} if self.threads is None else {"threads": self.threads}
        self.clip_ = open_model(self.model, **options)
        return self

    def transform(self, X: Any) -> NDArray[numpy.float32]:
        """Embed a list, a series or a column ``[n, 1]``: ``float32 [n, embed_dim]``."""
        if not hasattr(self, "clip_"):
            self.fit()
        values = _values(X)
        return self.clip_.encode_texts(values) if self.kind == "text" else self.clip_.encode_images(values)

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[Any]:
        """Names of the columns: clip0, clip1 and so on."""
        if not hasattr(self, "clip_"):
            self.fit()
        return numpy.array([f"clip{index}" for index in range(self.clip_.embed_dim)], dtype=object)

    def __sklearn_is_fitted__(self) -> bool:
        return True


def _values(X: Any) -> Any:
    """The cells of an array of strings or objects, or of a column of a data frame; everything else as it is."""
    if hasattr(X, "to_numpy"):
        X = X.to_numpy()
    # Objects and strings of any width.
    if isinstance(X, numpy.ndarray) and X.dtype.kind in "OSTU":
        return X.reshape(-1).tolist()
    return X
