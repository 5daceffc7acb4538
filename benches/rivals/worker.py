"""One engine in a process of its own. A line of JSON on standard input is a job, the answering line its result:

    {"do": "load", "input": …, "shape": […], "out": …, "threads": N, "onnx": …}   {"setting": …, "tried": {…}}
    {"do": "time", "seconds": S}                                                  {"times": [seconds of each call]}
    {"do": "unload"}                                                              {}

`load` chooses the fastest of the engine's ways to run this job and writes its embeddings, raw float32, to `out`.
What goes wrong is answered by {"error": …}. rust/src/main.rs speaks the same.

    python worker.py onnxruntime|openvino|pytorch
"""

import importlib
import json
import os
import sys
from time import perf_counter

import numpy as np

# A way to run the job is tried for this long.
TRIAL = 0.4
# Turns begin with this much that is not timed: caches and clocks have seen other engines since.
WARM = 0.05
# Longer calls warm themselves.
LONG = 0.5


def call_times(run, seconds: float) -> list[float]:
    """Times of calls, at least one, until `seconds` are over."""
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
    # Libraries may print; answers have standard output for themselves.
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
