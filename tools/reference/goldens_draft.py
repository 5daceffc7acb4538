"""Write tests/goldens/preprocess/draft.json: Pillow's pixels of JPEG photos that ``Image.draft`` reduces.

Not needed to build or test clippie-rs. To regenerate the goldens:

    pip install pillow==13.0.0
    python tools/reference/goldens_draft.py

The photos are those of tests/goldens/preprocess/files and of examples/photos, each reduced to a half, a quarter and an
eighth. A row is ``[file, enough, width, height, digest]``: the file from the root of the repository, the size that
``draft`` is asked for, the size that it gives, and the first half of the SHA-256 of the RGB pixels.
"""

import hashlib
import json
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
OUT = ROOT / "tests" / "goldens" / "preprocess" / "draft.json"


def is_jpeg(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) == b"\xff\xd8"


def rows(path: Path):
    try:
        with Image.open(path) as photo:
            photo.load()
            shorter = min(photo.size)
    except (OSError, SyntaxError):
        # Damaged on purpose; other goldens have it.
        return
    for reduction in (2, 4, 8):
        enough = shorter // reduction
        if enough == 0:
            continue
        with Image.open(path) as photo:
            photo.draft(photo.mode, (enough, enough))
            rgb = photo.convert("RGB")
        digest = hashlib.sha256(rgb.tobytes()).hexdigest()[:32]
        yield [path.relative_to(ROOT).as_posix(), enough, *rgb.size, digest]


def main() -> None:
    folders = [ROOT / "tests" / "goldens" / "preprocess" / "files", ROOT / "examples" / "photos"]
    files = [path for folder in folders for path in sorted(folder.iterdir()) if path.is_file() and is_jpeg(path)]
    lines = [json.dumps(row) for path in files for row in rows(path)]
    OUT.write_text("[\n" + ",\n".join(lines) + "\n]\n")


if __name__ == "__main__":
    main()
