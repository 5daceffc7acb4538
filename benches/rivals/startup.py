"""Measure the time from process start to the first printed embedding, and the private memory for a photo."""

import json
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import models
from measure import AGREES
from models import Files, tokenizer_json
from workers import HERE

ROOT = HERE.parent.parent
TEXT = "a photo of a dog on the beach"
PHOTO = ROOT / "examples" / "photos" / "cat.jpg"
RUNS = 10

# Performance floors: milliseconds, share of ONNX Runtime's time, megabytes.
LONGEST, LARGEST_SHARE, MOST_PRIVATE = 60.0, 0.1, 40.0


@dataclass
class Startup:
    # Median milliseconds from process start to the first line.
    clippie_ms: float
    onnxruntime_ms: float
    # Peak private memory of a process that encodes one photo, in 10^6 bytes; None except on Linux.
    private_mb: float | None

    def table(self) -> str:
        share = self.clippie_ms / self.onnxruntime_ms
        private = "–" if self.private_mb is None else f"{self.private_mb:.1f} MB"
        return (
            "| from the start of a process | clippie-rs | ONNX Runtime in Python | share |\n"
            "|---|---|---|---|\n"
            f"| first printed embedding of a text, MobileCLIP2-S0 | {self.clippie_ms:.1f} ms "
            f"| {self.onnxruntime_ms:.0f} ms | {share:.3f} |\n"
            f"| private memory for one photo, MobileCLIP-S2 | {private} | | |"
        )

    def misses(self) -> list[str]:
        missed = []
        if self.clippie_ms > LONGEST:
            missed.append(f"first text after {self.clippie_ms:.1f} ms, at most {LONGEST:.0f}")
        if self.clippie_ms > LARGEST_SHARE * self.onnxruntime_ms:
            share = self.clippie_ms / self.onnxruntime_ms
            missed.append(f"first text in {share:.3f} of ONNX Runtime's time, at most {LARGEST_SHARE}")
        if self.private_mb is None or self.private_mb > MOST_PRIVATE:
            missed.append(f"{self.private_mb} MB of private memory for a photo, at most {MOST_PRIVATE:.0f}")
        return missed


# Cases whose files are needed, for a photo and for a text.
CASES = [case for case in models.CASES if case.name in ("mobileclip-s2", "text-77")]


def measure(work: Path) -> Startup:
    s2, s0 = (Files(work, case) for case in CASES)
    command = str(ROOT / "target" / "release" / "clippie-rs")
    ours = [command, "encode", "--text", TEXT, "-m", str(s0.clippie)]
    rival = [sys.executable, str(HERE / "first_text.py"), str(tokenizer_json(work)), str(s0.onnx(1)), TEXT]
    times, embeddings = {"ours": [], "rival": []}, {}
    # The first run of each warms the page cache and is not counted.
    for turn in range(RUNS + 1):
        for name, arguments in (("ours", ours), ("rival", rival)):
            elapsed, line = first_line(arguments)
            embeddings[name] = np.array(json.loads(line)["embedding"])
            times[name] += [elapsed] if turn else []
    if np.square(embeddings["ours"] - embeddings["rival"]).sum() / 2 > AGREES:
        sys.exit("startup: the two embeddings differ")
    photo = [command, "encode", str(PHOTO), "-m", str(s2.clippie)]
    private = [peak_private(photo) for _ in range(RUNS)]
    worst = None if None in private else max(private)
    return Startup(statistics.median(times["ours"]), statistics.median(times["rival"]), worst)


def first_line(command: list[str]) -> tuple[float, str]:
    """Return the milliseconds until a process prints a line, and the line."""
    start = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        line = process.stdout.readline()
        elapsed = time.perf_counter() - start
        process.stdout.read()
    if process.returncode != 0:
        sys.exit(f"startup: {command[0]} ended with exit code {process.returncode}")
    return elapsed * 1e3, line


def peak_private(command: list[str]) -> float | None:
    """Return the peak private memory in megabytes, sampled as often as possible (some thousand times a second)."""
    if not Path("/proc/self/status").exists():
        return None
    most = 0
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        status = Path(f"/proc/{process.pid}/status")
        while process.poll() is None:
            lines = status.read_text().splitlines()
            private = [int(line.split()[1]) for line in lines if line.startswith("RssAnon:")]
            most = max([most, *private])
    if process.returncode != 0:
        sys.exit(f"startup: {command[0]} ended with exit code {process.returncode}")
    return most * 1024 / 1e6
