"""The values of a file of YAML, bounded: it may come from anyone, and a few aliases can stand for any number of values.

Nothing here knows what a configuration means.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from clippie_rs._messages import shown
from clippie_rs.errors import FileError, OptionError

# Bytes of a file. Configurations have some hundreds.
FILE_BYTES = 64 << 10
# Values and characters of them, those behind aliases each time.
NODES = 10_000
CHARACTERS = 1 << 20
# The largest whole number, as all that takes one has it.
INTEGER = (1 << 63) - 1

# What the conversion of a text to its type raises: dates, numbers and tags such as ``!!int x``.
NO_VALUE = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)


def read(path: str) -> Any:
    """The values of a file.

    Raises ``FileError`` for a file that cannot be read and ``OptionError``, without the path, for one that is no YAML or
    stands for too much.
    """
    try:
        import yaml
    except ImportError:
        raise OptionError("configurations are YAML; pip install pyyaml") from None

    class Loader(yaml.SafeLoader):
        def construct_object(self, node: Any, deep: bool = False) -> Any:
            try:
                value = super().construct_object(node, deep)
            except yaml.YAMLError:
                raise
            except NO_VALUE:
                kind = node.tag.rpartition(":")[2]
                raise yaml.constructor.ConstructorError(
                    None, None, f"{shown(node.value)} is no {kind}", node.start_mark
                ) from None
            if isinstance(value, int) and abs(value) > INTEGER:
                raise yaml.constructor.ConstructorError(None, None, "the number is too large", node.start_mark)
            return value

    try:
        with open(path, "rb") as file:
            data = file.read(FILE_BYTES + 1)
    except OSError as error:
        raise FileError(f"{path}: {error.strerror or error}", path=path) from None
    except ValueError as error:
        raise FileError(f"{path}: {error}", path=path) from None
    if len(data) > FILE_BYTES:
        raise OptionError(f"it has more than {FILE_BYTES} bytes, as no configuration has")
    try:
        loader = Loader(data)
        try:
            node = loader.get_single_node()
            if node is None:
                return None
            _check_size(node)
            return loader.construct_document(node)
        finally:
            loader.dispose()
    except (yaml.YAMLError, UnicodeError, RecursionError) as error:
        raise OptionError(f"it is no YAML that can be read: {' '.join(str(error).split())}") from None


def _check_size(node: Any) -> None:
    """Refuse a document that stands for more than ``NODES`` values, as well as one that contains itself."""
    nodes = characters = 0
    waiting = [node]
    while waiting:
        node = waiting.pop()
        nodes += 1
        if isinstance(node.value, str):
            characters += len(node.value)
        else:
            waiting.extend(_children(node.value))
        if max(nodes, len(waiting)) > NODES or characters > CHARACTERS:
            raise OptionError(
                f"it stands for more than {NODES} values or {CHARACTERS} characters; remove aliases, each of which counts "
                "as all that it stands for"
            )


def _children(value: list[Any]) -> Iterator[Any]:
    """The nodes of a sequence or of a mapping's pairs."""
    for child in value:
        if isinstance(child, tuple):
            yield from child
        else:
            yield child
