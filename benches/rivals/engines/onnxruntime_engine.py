"""ONNX Runtime with all graph optimisations and the given number of threads."""

import gc
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import onnxruntime as ort

VERSION = f"ONNX Runtime {ort.__version__}"


def session(path: str, threads: int) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def ways(job: dict, batch: np.ndarray):
    threads = job["threads"]
    whole = session(job["onnx"], threads)
    yield "", lambda: whole.run(None, {"x": batch})[0]
    if len(batch) > 1 and job["feature_maps"]:
        # With one thread per item, each item runs on its own thread.
        one = session(job["onnx_one"], 1)
        pool = ThreadPoolExecutor(threads)
        items = [batch[i : i + 1] for i in range(len(batch))]
        yield "an item a call", lambda: np.concatenate(list(pool.map(lambda x: one.run(None, {"x": x})[0], items)))


def forget() -> None:
    gc.collect()
