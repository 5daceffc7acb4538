"""What the tests share: the repository's pictures, models, and the command to compare with."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys

import numpy
import pytest

import clippie_rs

ROOT = pathlib.Path(__file__).resolve().parents[3]
TESTS = pathlib.Path(__file__).resolve().parent

# Seconds after which a script that hangs is ended.
WATCHDOG = 60


@pytest.fixture(scope="session")
def root() -> pathlib.Path:
    """The repository."""
    return ROOT


@pytest.fixture(scope="session")
def clip() -> clippie_rs.Clip:
    """The compiled-in model."""
    return clippie_rs.Clip.demo()


@pytest.fixture(scope="session")
def drawings() -> list[str]:
    """Paths of the drawings, sorted."""
    return [str(path) for path in sorted((ROOT / "examples" / "drawings").glob("*.png"))]


@pytest.fixture(scope="session")
def photos() -> list[str]:
    """Paths of the photos, sorted."""
    return [str(path) for path in sorted((ROOT / "examples" / "photos").glob("*.jpg"))]


@pytest.fixture
def broken(tmp_path: pathlib.Path) -> str:
    """A file that is no image."""
    path = tmp_path / "broken.jpg"
    path.write_bytes(b"no image at all")
    return str(path)


@pytest.fixture(scope="session")
def command():
    """Runs the command `clippie-rs`, which CLIPPIE_RS_COMMAND names, and reads the array that it writes."""
    binary = os.environ.get("CLIPPIE_RS_COMMAND")
    if not binary:
        pytest.skip("CLIPPIE_RS_COMMAND does not name the command to compare with; .ci/python sets it")

    def run(out: pathlib.Path, *arguments: str) -> numpy.ndarray:
        subprocess.run([binary, "encode", *arguments, "--format", "npy", "-o", out], check=True, timeout=WATCHDOG)
        return numpy.load(out)

    return run


@pytest.fixture(scope="session")
def script():
    """Runs a script in a process of its own and returns what it prints."""

    def run(text: str, *arguments: str, **environment: str) -> str:
        done = subprocess.run(
            [sys.executable, "-c", text, *arguments],
            capture_output=True,
            text=True,
            timeout=WATCHDOG,
            cwd=ROOT,
            env={**os.environ, **environment},
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run
