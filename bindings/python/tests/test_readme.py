"""The lines of the READMEs print what they say."""

import contextlib
import doctest
import importlib
import io
import pkgutil
import re

import pytest
from first_steps import BLOCK

import clippie_rs


@pytest.mark.parametrize("page", ["README.md", "bindings/python/README.md"])
def test_blocks_of_python_print_what_follows_them(root, page, monkeypatch, tmp_path):
    monkeypatch.chdir(root)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    blocks = [block for block in BLOCK.findall((root / page).read_text()) if block[1]]
    assert blocks, "no block of Python has an output"
    names = {}
    for code, expected in blocks:
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(code, names)
        assert printed.getvalue() == expected


def test_examples_of_the_docstrings(root, monkeypatch):
    monkeypatch.chdir(root)
    tried = 0
    for module in [clippie_rs.__name__, *(f"clippie_rs.{module.name}" for module in pkgutil.iter_modules(clippie_rs.__path__))]:
        if module == "clippie_rs.lancedb":
            continue
        failed, count = doctest.testmod(importlib.import_module(module))
        assert not failed, module
        tried += count
    assert tried > 10


def test_stubs_have_every_name(root):
    stubs = (root / "bindings/python/python/clippie_rs/_native.pyi").read_text()
    for kind in (clippie_rs.Clip, clippie_rs.ImageEncoder, clippie_rs.TextEncoder, clippie_rs.CancelToken):
        body = re.search(rf"^class {kind.__name__}:\n(.*?)(?=^\S|\Z)", stubs, re.MULTILINE | re.DOTALL).group(1)
        declared = set(re.findall(r"def ([a-z]\w*)\(", body))
        found = {name for name in vars(kind) if not name.startswith("_")}
        assert declared == found, kind
        for name in found:
            assert getattr(kind, name).__doc__, f"{kind.__name__}.{name} has no docstring"
