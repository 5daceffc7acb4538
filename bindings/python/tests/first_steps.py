"""Run the first lines of the README and compare what they print: `.ci/python` does so where nothing but the package and NumPy
is installed, before it installs what the other tests need."""

import contextlib
import importlib.metadata
import io
import os
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[3]
# A block of Python, and the block with its output.
BLOCK = re.compile(r"^```python\n(.*?)^```\n(?:\n```\n(.*?)^```\n)?", re.MULTILINE | re.DOTALL)


def main() -> None:
    installed = {found.metadata["Name"].lower().replace("_", "-") for found in importlib.metadata.distributions()}
    others = installed - {"clippie-rs", "numpy", "pip", "setuptools", "wheel"}
    if others:
        sys.exit(f"this environment also has {', '.join(sorted(others))}")
    os.chdir(ROOT)
    for page in ("README.md", "bindings/python/README.md"):
        code, expected = next(block for block in BLOCK.findall(pathlib.Path(page).read_text()) if block[1])
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(code, {})
        if printed.getvalue() != expected:
            sys.exit(f"{page}: its first lines print {printed.getvalue()!r} and not {expected!r}")


if __name__ == "__main__":
    main()
