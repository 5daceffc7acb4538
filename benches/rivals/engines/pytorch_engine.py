"""PyTorch from PyPI, with the model in inference form."""

import gc
import warnings

import numpy as np
import torch

VERSION = f"PyTorch {torch.__version__.split('+')[0]}"


def ways(job: dict, batch: np.ndarray):
    torch.set_num_threads(job["threads"])
    module, x = torch.load(job["module"], weights_only=False), torch.from_numpy(batch)
    if not job["feature_maps"]:
        yield "eager", call(module, x)
        return
    module, x = module.to(memory_format=torch.channels_last), x.contiguous(memory_format=torch.channels_last)
    yield "eager, channels last", call(module, x)
    with warnings.catch_warnings(), torch.inference_mode():
        warnings.simplefilter("ignore")
        traced = torch.jit.optimize_for_inference(torch.jit.freeze(torch.jit.trace(module, x)))
    yield "traced and frozen, channels last", call(traced, x)


def call(module, x):
    def run():
        with torch.inference_mode():
            return module(x).numpy()

    return run


def forget() -> None:
    gc.collect()
