"""Derive vocab/clip-bpe.bin from the byte-pair merges that OpenAI published with CLIP.

    python tools/vocabulary.py [bpe_simple_vocab_16e6.txt.gz] [out.bin]

Without arguments it uses the file in the open_clip package. Needs only the standard library; the same input gives the
same bytes. vocab/README.md describes the layout.
"""

import gzip
import hashlib
import importlib.util
import struct
import sys
from pathlib import Path

SOURCE_SHA256 = "924691ac288e54409236115652ad4aa250f48203de50a9e4722a6ecd48d6804a"
MERGES = 48894


def main():
    if len(sys.argv) > 1:
        source = Path(sys.argv[1])
    else:
        source = Path(importlib.util.find_spec("open_clip").origin).parent / "bpe_simple_vocab_16e6.txt.gz"
    out = Path(sys.argv[2]) if len(sys.argv) > 2 else Path(__file__).resolve().parent.parent / "vocab/clip-bpe.bin"

    packed = source.read_bytes()
    if hashlib.sha256(packed).hexdigest() != SOURCE_SHA256:
        sys.exit(f"{source} is not the published vocabulary: its SHA-256 differs from {SOURCE_SHA256}")
    # The first line is a header; lines after the merges are not part of CLIP's vocabulary.
    lines = gzip.decompress(packed).decode("utf-8").split("\n")[1:1 + MERGES]

    # Printable bytes represent themselves and come first; the others follow as U+0100, U+0101, ...
    printing = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    symbols = [chr(b) for b in printing] + [chr(0x100 + i) for i in range(256 - len(printing))]
    ids = {symbol: i for i, symbol in enumerate(symbols)}
    ids |= {symbol + "</w>": 256 + i for i, symbol in enumerate(symbols)}
    merges = []
    for rank, line in enumerate(lines):
        left, right = line.split()
        merged = 512 + rank
        assert left + right not in ids, "a token that two merges make would need ranks beside ids"
        ids[left + right] = merged
        merges.append((ids[left], ids[right], merged))
    merges.sort()

    starts = [0] * (512 + MERGES + 1)
    for left, _, _ in merges:
        starts[left + 1] += 1
    for i in range(1, len(starts)):
        starts[i] += starts[i - 1]
    numbers = starts + [right for _, right, _ in merges] + [merged for _, _, merged in merges]
    data = struct.pack(f"<{len(numbers)}H", *numbers)
    out.write_bytes(data)
    text = "".join(line + "\n" for line in lines).encode("utf-8")
    print("merges as text, one a line:", hashlib.sha256(text).hexdigest())
    print(f"{out.name}, {len(data)} bytes:", hashlib.sha256(data).hexdigest())


if __name__ == "__main__":
    main()
