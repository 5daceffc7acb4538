"""Files of an input: which there are, and opening them. Only regular ones are opened, since a pipe would be waited for."""

from __future__ import annotations

import fnmatch
import glob
import os
import stat
from dataclasses import dataclass
from typing import BinaryIO

from clippie_rs._messages import is_unicode
from clippie_rs.errors import FileError, OptionError

CONTENTS = {
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFDIR: "a folder",
}


@dataclass
class File:
    """A file of an input: its absolute path, and its size and time; or why it cannot be opened.

    reason: without the path. special: it is a pipe, device or the like.
    """

    path: str
    stamp: str = ""
    reason: str | None = None
    special: bool = False

    @property
    def is_utf8(self) -> bool:
        """Whether a table can have its name."""
        return is_unicode(self.path)

    @property
    def shown(self) -> str:
        """Its path as text."""
        return os.fsencode(self.path).decode(errors="replace")


def listed(path: str, suffixes: tuple[str, ...]) -> tuple[str, list[File]]:
    """The folder that names are relative to, and the files with one of the suffixes, sorted by their paths.

    Links that lead nowhere and special files are among them, with a reason. Raises ``FileError`` if a folder cannot be
    listed and ``OptionError`` if there is no file.
    """

    def wanted(name: str) -> bool:
        return name.lower().endswith(suffixes) and not name.startswith((".", "_"))

    path = os.path.abspath(path)
    if os.path.isdir(path):
        base, files = path, [name for name in _below(path) if wanted(os.path.basename(name))]
    elif os.path.exists(path):
        base, files = os.path.dirname(path), [path]
    else:
        base = path
        while glob.has_magic(base):
            base = os.path.dirname(base)
        if base == path:
            raise FileError(f"{path}: no such file or folder; check the path", path=path)
        files = [name for name in _matching(path) if wanted(os.path.basename(name))]
    if not files:
        raise OptionError(f"{path}: there is no file that ends in {', '.join(suffixes)}")
    return base, [_file(name) for name in sorted(files)]


def _below(folder: str) -> list[str]:
    """All files below a folder. Links to folders are not followed: they may lead in a circle."""
    files = []
    for inner, folders, names in os.walk(folder, onerror=_refuse):
        folders[:] = [name for name in folders if not name.startswith((".", "_"))]
        files += [os.path.join(inner, name) for name in names]
    return files


def _matching(pattern: str) -> list[str]:
    """The files of a pattern, in which ``**`` stands for any folders on the way."""
    parts = pattern.split(os.sep)
    if "**" not in parts:
        return glob.glob(pattern)
    place = parts.index("**")
    files = []
    for folder in glob.glob(os.sep.join([*parts[:place], ""])):
        inside = [(name, os.path.relpath(name, folder).split(os.sep)) for name in _below(folder)]
        files += [name for name, steps in inside if _matches(steps, parts[place:])]
    return files


def _matches(steps: list[str], pattern: list[str]) -> bool:
    if not pattern:
        return not steps
    if pattern[0] == "**":
        return _matches(steps, pattern[1:]) or (bool(steps) and _matches(steps[1:], pattern))
    return bool(steps) and fnmatch.fnmatch(steps[0], pattern[0]) and _matches(steps[1:], pattern[1:])


def open_regular(path: str) -> BinaryIO:
    """Open a file for reading. Raises ``OSError``, also for a pipe or device, without waiting for one."""
    file = open(path, "rb", opener=lambda name, flags: os.open(name, flags | getattr(os, "O_NONBLOCK", 0)))
    reason = special(os.fstat(file.fileno()))
    if reason is not None:
        file.close()
        raise OSError(reason)
    return file


def special(status: os.stat_result) -> str | None:
    """Why a file is none to read, or None if it is a regular one."""
    if stat.S_ISREG(status.st_mode):
        return None
    return f"it is {CONTENTS.get(stat.S_IFMT(status.st_mode), 'something else')} and no file"


def _file(path: str) -> File:
    try:
        status = os.stat(path)
    except OSError as error:
        return File(path, reason=str(error.strerror))
    reason = special(status)
    return File(path, f"{status.st_size} {status.st_mtime_ns}", reason, reason is not None)


def _refuse(error: OSError) -> None:
    raise FileError(f"{error.filename}: {error.strerror}", path=error.filename)
