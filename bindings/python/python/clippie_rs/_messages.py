"""Values and names in messages: short, on one line, and without anything that changes a terminal. No module of this package
is known here.
"""

from __future__ import annotations

import reprlib
import unicodedata

# Characters of a value in a message.
LENGTH = 80

_short = reprlib.Repr()
_short.maxstring = _short.maxother = _short.maxlong = LENGTH
_short.maxlevel = 3

# Characters of a whole line. Messages name paths, which are shorter.
LINE = 10_000

# Controls, formats such as those of writing direction, surrogates, and what ends a line.
UNSAFE = ("Cc", "Cf", "Cs", "Zl", "Zp")


def shown(value: object) -> str:
    """A value as Python writes it, cut if it is long."""
    try:
        text = _short.repr(value)
    except ValueError:
        # Numbers of thousands of digits, which are not written.
        text = f"a number of {value.bit_length()} bits" if isinstance(value, int) else f"a {type(value).__name__}"
    return text if len(text) <= 2 * LENGTH else f"{text[:LENGTH]}..."


def named(value: object) -> str:
    """A name, without quotes if it is a short text."""
    return value if isinstance(value, str) and len(value) <= LENGTH else shown(value)


def is_unicode(text: str) -> bool:
    """Whether a text has no half of a character, as names of files that are no UTF-8 have."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def one_line(text: str) -> str:
    """A text with its control characters escaped, also those of writing direction, and cut if it is very long."""
    if len(text) > LINE:
        text = f"{text[:LINE]}..."
    return "".join(c.encode("unicode_escape").decode() if unicodedata.category(c) in UNSAFE else c for c in text)
