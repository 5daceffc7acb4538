"""Exceptions: one class for each kind of error, each also the built-in exception that it is an instance of.

``except FileNotFoundError`` catches a missing photo or model, ``except ValueError`` all damaged or unusable input, and
``except clippie_rs.Error`` everything that this package raises about files, models and inputs. Arguments of a wrong type
are a plain ``TypeError``.
"""

from __future__ import annotations

import errno


class Error(Exception):
    """Any error about a file, a model or an input.

    The message names the cause and the remedy. ``index`` is the place, from 0, of the input that it is about, in the order
    of the call; ``path`` is the file. Both are None where there is none.
    """

    index: int | None
    path: str | None

    def __init__(self, message: str, index: int | None = None, path: str | None = None) -> None:
        super().__init__(message)
        self.index = index
        self.path = path

    def __str__(self) -> str:
        # That of OSError writes the file and the number of the error, which the message has in words.
        return str(self.args[0]) if self.args else ""

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (str(self), self.index, self.path)


class FileError(Error, OSError):
    """A file cannot be opened, read or written."""

    _errno: int | None = None

    def __init__(self, message: str, index: int | None = None, path: str | None = None) -> None:
        super().__init__(message, index, path)
        self.errno = self._errno
        self.filename = path


class MissingFileError(FileError, FileNotFoundError):
    """A file does not exist."""

    _errno = errno.ENOENT


class PermissionDeniedError(FileError, PermissionError):
    """A file may not be opened."""

    _errno = errno.EACCES


class FolderError(FileError, IsADirectoryError):
    """A folder was given where a file is needed."""

    _errno = errno.EISDIR


class NetworkError(Error, OSError):
    """A model cannot be downloaded: the network or the server fails."""


class WeightsError(Error, ValueError):
    """A model's file is damaged, of another version or no weights file, or its model cannot be run."""


class ImageError(Error, ValueError):
    """An image cannot be decoded, is too large or has an unusable shape."""


class TextError(Error, ValueError):
    """A text cannot be used."""


class CheckpointError(Error, ValueError):
    """A checkpoint cannot be converted."""


class OptionError(Error, ValueError):
    """An option, argument or environment variable cannot be used."""


class OutOfMemoryError(Error, MemoryError):
    """The system gives no memory."""


class Cancelled(Error):
    """The call was cancelled by its token."""


class InternalError(Error, RuntimeError):
    """A bug in this package."""
