"""Run one engine in its own process. Each line of JSON on standard input is a job; one line is its result:

    {"do": "load", "input": …, "shape": […], "out": …, "threads": N, "onnx": …}   {"setting": …, "tried": {…}}
    {"do": "time", "seconds": S}                                                  {"times": [seconds of each call]}
    {"do": "unload"}                                                              {}

`load` chooses the engine's fastest setting for this job and writes its embeddings, raw float32, to `out`.
An error is answered by {"error": …}. rust/src/main.rs implements the same protocol.

    python worker.py onnxruntime|openvino|pytorch
"""

import importlib
import json
import os
import sys
from time import perf_counter

import numpy as np

# Seconds to try each setting.
TRIAL = 0.4
# Seconds of warm-up at the start of a turn: other engines have used caches and changed clock speeds.
WARM = 0.05
# Calls of at least this many seconds need no warm-up.
LONG = 0.5


def call_times(run, seconds: float) -> list[float]:
    """Return the times of calls made for `seconds`, at least one."""
    times, start = [], perf_counter()
    while True:
        before = perf_counter()
        run()
        now = perf_counter()
        times.append(now - before)
        if now - start >= seconds:
            return times


class Worker:
    def __init__(self, engine):
        self.engine = engine
        self.run, self.fastest = None, 0.0

    def load(self, job: dict) -> dict:
        kind = np.int64 if job["tower"] == "text" else np.float32
        batch = np.fromfile(job["input"], dtype=kind).reshape(job["shape"])
        if job["tower"] == "text":
            batch = np.ascontiguousarray(batch[:, : job["tokens"]])
        tried = {}
        for setting, run in self.engine.ways(job, batch):
            embeddings = run()
            fastest = min(call_times(run, TRIAL))
            tried[setting] = fastest
            if fastest <= min(tried.values()):
                self.run, self.fastest, chosen = run, fastest, setting
                np.ascontiguousarray(embeddings, dtype=np.float32).tofile(job["out"])
        return {"setting": chosen, "tried": tried}

    def time(self, job: dict) -> dict:
        if self.fastest < LONG:
            call_times(self.run, WARM)
        return {"times": call_times(self.run, job["seconds"])}

    def unload(self, _job: dict) -> dict:
        self.run = None
        self.engine.forget()
        return {}


def main(name: str) -> None:
    # Libraries may print: reserve the original standard output for answers.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    worker = Worker(importlib.import_module(f"engines.{name}_engine"))
    does = {"load": worker.load, "time": worker.time, "unload": worker.unload}
    print(json.dumps({"version": worker.engine.VERSION}), file=answers, flush=True)
    for line in sys.stdin:
        job = json.loads(line)
        try:
            answer = does[job["do"]](job)
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
