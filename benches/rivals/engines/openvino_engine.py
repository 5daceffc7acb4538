"""OpenVINO in float32; by default its CPU plugin would use bfloat16 where available."""

import gc

import numpy as np
import openvino
from openvino import properties
from openvino.properties import hint

VERSION = f"OpenVINO {openvino.__version__.split('-')[0]}"
core = openvino.Core()


def compiled(path: str, threads: int, mode: hint.PerformanceMode) -> openvino.CompiledModel:
    settings = {
        hint.inference_precision: openvino.Type.f32,
        hint.execution_mode: hint.ExecutionMode.ACCURACY,
        hint.performance_mode: mode,
        properties.inference_num_threads: threads,
    }
    return core.compile_model(path, "CPU", settings)


def ways(job: dict, batch: np.ndarray):
    model = compiled(job["onnx"], job["threads"], hint.PerformanceMode.LATENCY)
    yield "latency hint", at_once(model, batch)
    if len(batch) > 1 and job["feature_maps"]:
        model = compiled(job["onnx_one"], job["threads"], hint.PerformanceMode.THROUGHPUT)
        yield "throughput hint, an item a request", one_each(model, batch)


def at_once(model: openvino.CompiledModel, batch: np.ndarray):
    request, output = model.create_infer_request(), model.output(0)
    return lambda: request.infer([batch])[output]


def one_each(model: openvino.CompiledModel, batch: np.ndarray):
    out = np.empty((len(batch), *model.output(0).shape[1:]), np.float32)
    queue = openvino.AsyncInferQueue(model)

    def keep(request, index):
        out[index] = request.get_output_tensor(0).data[0]

    queue.set_callback(keep)

    def run():
        for index in range(len(batch)):
            queue.start_async([batch[index : index + 1]], index)
        queue.wait_all()
        return out

    return run


def forget() -> None:
    gc.collect()
