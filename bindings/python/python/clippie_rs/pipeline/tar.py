"""The members of a tar, read once from its start to its end. Nothing is extracted, and names are never opened.

An archive may come from anyone and may be cut: checksums are verified, the mark of the end must be there, a gzip stream is
read to its own checksum, and what headers can make this module hold is bounded. The rules are those of the engine's reader
(``src/tar``). Nothing here knows images, samples or tables.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from clippie_rs._messages import shown
from clippie_rs.pipeline.files import open_regular

BLOCK = 512

# Most bytes of records and long names before a member.
EXTRA_BYTES = 1 << 20
# The longest name. No system has paths as long.
NAME_BYTES = 64 << 10
# Most zeros after the mark of the end. The records that programs fill up have 10 KiB, and at most some MiB.
PADDING_BYTES = 64 << 20
# Bytes that are passed over at a time in a stream.
STEP = 1 << 20

COMPRESSED = (b"\x28\xb5\x2f\xfd", b"\xfd7zXZ\0", b"BZh", b"\x04\x22\x4d\x18")


class TarError(Exception):
    """The archive is damaged, or none."""


@dataclass
class Member:
    """A file of an archive. ``unusable`` says why its bytes are not those of the file, if they are not."""

    name: bytes
    size: int
    start: int
    unusable: str | None = None


class Archive:
    """A tar, also in a gzip stream, by its path. Iterate over it once; ``read`` gives the bytes of the latest member.

    Opening raises ``OSError``; reading also ``TarError``, with the reason and without the path.
    """

    def __init__(self, path: str) -> None:
        self._file = open_regular(path)
        try:
            self._stream = self._file.read(2) == b"\x1f\x8b"
            # A stream shows its length at its end.
            self._len = None if self._stream else self._file.seek(0, 2)
            self._file.seek(0)
        except BaseException:
            self._file.close()
            raise
        self._bytes: BinaryIO = gzip.GzipFile(fileobj=self._file) if self._stream else self._file  # type: ignore[assignment]
        self._at = 0

    def __enter__(self) -> Archive:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def __iter__(self) -> Iterator[Member]:
        at = 0
        while (member := self._next(at)) is not None:
            yield member
            at = _padded(member.start + member.size)

    def read(self, member: Member) -> bytes:
        """The bytes of the latest member, all of which are held; look at its size before."""
        self._go_to(member.start)
        data = self._read(member.size)
        if len(data) < member.size:
            raise _cut(member.name)
        return data

    def _next(self, at: int) -> Member | None:
        """The file whose headers start at a place; None at the end."""
        records = _Records()
        long_name: bytes | None = None
        extra = 0
        while True:
            self._go_to(at)
            block = self._read(BLOCK)
            if len(block) < BLOCK:
                if at == 0:
                    raise TarError("it is empty" if not block else "it is no tar")
                raise TarError("it ends without the mark of its end, so it may be cut short; copy it again")
            if not any(block):
                self._end(at)
                return None
            if (header := _header(block)) is None:
                if at:
                    raise TarError(f"the header at byte {at} is damaged; copy it again")
                compressed = block.startswith(COMPRESSED)
                raise TarError("it is compressed in another way than by gzip; decompress it" if compressed else "it is no tar")
            name, kind, size = header
            start = at + BLOCK
            if kind == b"S" and block[482]:
                start = self._after_holes(start)
            # The size of what has no data is of something else.
            if kind in b"123456":
                size = 0
            elif kind not in b"xXLKg" and records.size is not None:
                size = records.size
            name = records.name or long_name or name
            if size is None or self._len is not None and start + size > self._len:
                raise _cut(name)
            at = _padded(start + size)
            if kind in b"xXL":
                extra += size
                if extra > EXTRA_BYTES:
                    raise TarError(f"the records at byte {start} have more than {EXTRA_BYTES} bytes, as no name needs")
                data = self._read(size)
                if len(data) < size:
                    raise _cut(name)
                if kind == b"L":
                    long_name = data.split(b"\0", 1)[0]
                elif not records.add(data):
                    raise TarError(f"the records at byte {start} are damaged; copy it again")
                continue
            # Names of links, and records for all members, such as comments.
            if kind in b"Kg":
                continue
            if len(name) > NAME_BYTES:
                raise TarError(f"the name at byte {start} has {len(name)} bytes, as no file has")
            if kind in b"07" and not name.endswith(b"/"):
                return Member(name, size, start, HOLES if records.sparse else None)
            if kind in UNUSABLE:
                return Member(name, size, start, UNUSABLE[kind])
            # A folder, a device or what no other kind is.
            records, long_name, extra = _Records(), None, 0

    def _after_holes(self, at: int) -> int:
        """Pass over the headers with the places of holes."""
        while len(block := self._read(BLOCK)) == BLOCK:
            at += BLOCK
            if not block[504]:
                break
        return at

    def _end(self, at: int) -> None:
        """Read what follows the mark of the end: zeros alone, and in a stream its checksum."""
        if at == 0:
            raise TarError("it has zeros alone and no member")
        zeros = BLOCK
        while data := self._read(STEP):
            if data.lstrip(b"\0"):
                raise TarError(f"something follows the mark of its end at byte {at}; take joined archives apart")
            zeros += len(data)
            if zeros > PADDING_BYTES:
                mib = PADDING_BYTES >> 20
                raise TarError(f"there are only zeros from byte {at} on, for more than {mib} MiB; copy it again")

    def _go_to(self, at: int) -> None:
        """Pass over the data up to a place. A file that ends before it shows at the next reading."""
        if not self._stream:
            self._at = self._file.seek(at)
        while self._at < at and self._read(min(STEP, at - self._at)):
            pass

    def _read(self, size: int) -> bytes:
        """Up to ``size`` bytes; less at the end alone."""
        try:
            data = self._bytes.read(size)
        except (gzip.BadGzipFile, zlib.error, EOFError) as error:
            raise TarError(f"its gzip stream is damaged ({str(error).rstrip('.')}); copy it again") from None
        self._at += len(data)
        return data


HOLES = "the archive leaves out its zeros; write it without --sparse"
LINK = "it is a link in the archive; write the archive with --hard-dereference --dereference"

UNUSABLE = {
    b"1": LINK,
    b"2": LINK,
    b"S": HOLES,
    b"M": "it began in another archive; write one archive",
}


class _Records:
    """What the records of pax say of a member: ``LENGTH KEY=VALUE`` and a newline each."""

    def __init__(self) -> None:
        self.name: bytes | None = None
        self.size: int | None = None
        self.sparse = False

    def add(self, data: bytes) -> bool:
        """Add records; later ones have precedence, and an empty value takes one back. False if they make no sense."""
        # Some programs fill the block with zeros.
        data = data.rstrip(b"\0")
        at = 0
        while at < len(data):
            space = data.find(b" ", at, at + 20)
            length = _decimal(data[at:space]) if space >= 0 else None
            if length is None or at + length > len(data) or not space < at + length - 1 or data[at + length - 1] != 0x0A:
                return False
            key, equals, value = data[space + 1 : at + length - 1].partition(b"=")
            at += length
            if not equals or key == b"path" and b"\0" in value:
                return False
            if key == b"path":
                self.name = value or None
            elif key == b"size":
                self.size = _decimal(value) if value else None
                if value and self.size is None:
                    return False
            elif key.startswith(b"GNU.sparse."):
                self.sparse = True
        return True


def _header(block: bytes) -> tuple[bytes, bytes, int | None] | None:
    """The name, the kind and the size of a header, the size None if it makes no sense; None if it is no header."""
    stated = _number(block[148:156])
    # The sum is of the block with spaces in the place of the sum.
    others = block[:148] + block[156:]
    unsigned = sum(others) + 8 * 0x20
    # Old programs took bytes for signed numbers.
    if stated is None or stated not in (unsigned, unsigned - 256 * sum(byte > 127 for byte in others)):
        return None
    name = block[:100].split(b"\0", 1)[0]
    # GNU has other things in the place of the folder.
    folder = block[345:500].split(b"\0", 1)[0] if block[257:263] == b"ustar\0" else b""
    kind = block[156:157]
    return folder + b"/" + name if folder else name, b"0" if kind == b"\0" else kind, _number(block[124:136])


def _number(field: bytes) -> int | None:
    """Octal digits between spaces and NULs or, as GNU writes large ones, bytes after one of 128."""
    if field[0] & 0x80:
        # Others are negative, or larger than any file.
        value = int.from_bytes(field[1:], "big")
        return value if field[0] == 0x80 and value < 1 << 63 else None
    digits = field.lstrip(b" ").split(b"\0", 1)[0].split(b" ", 1)[0]
    if any(digit not in b"01234567" for digit in digits):
        return None
    return int(digits or b"0", 8)


def _decimal(digits: bytes) -> int | None:
    # As many as 2^63 has.
    if not digits.isdigit() or len(digits) > 19:
        return None
    value = int(digits)
    return value if value < 1 << 63 else None


def _padded(at: int) -> int:
    return -(-at // BLOCK) * BLOCK


def _cut(name: bytes) -> TarError:
    return TarError(f"the data of {shown(name.decode(errors='replace'))} goes on after its end; copy it again")
