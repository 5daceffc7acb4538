"""Embeddings in Ray Data:

    from clippie_rs.ray import ImageClipEmbeddingRefiner, apply

    ds = ray.data.read_parquet("photos/")
    ds = apply(ds, ImageClipEmbeddingRefiner, concurrency=2, num_cpus=4, model_name="ViT-L-14", pretrained="openai")
    ds.write_parquet("embedded/")

The operators of ``clippie_rs.operators`` are callable classes for ``map_batches(batch_format="pyarrow")``; ``apply`` is
that call with its arguments checked before a job starts. Each actor maps its model once and runs as many threads as it was
assigned CPUs; actors of one node share the weights' memory. Ray itself is imported by the caller.
"""

from __future__ import annotations

import sys
import warnings
from typing import TYPE_CHECKING, Any

from clippie_rs.errors import OptionError
from clippie_rs.operators import ClipScoreFilter, ImageClipEmbeddingRefiner, TextClipEmbeddingRefiner

if TYPE_CHECKING:
    import ray.data

__all__ = ["ClipScoreFilter", "ImageClipEmbeddingRefiner", "TextClipEmbeddingRefiner", "apply"]

# Rows of a batch: seconds of work for an actor, so that one that dies loses little.
BATCH_ROWS = 128


def apply(
    ds: ray.data.Dataset,
    operator: type,
    *,
    concurrency: int = 1,
    num_cpus: int = 1,
    batch_size: int = BATCH_ROWS,
    **params: Any,
) -> ray.data.Dataset:
    """Run an operator of this module over a dataset, in ``concurrency`` actors of ``num_cpus`` CPUs each.

    batch_size: rows that an actor takes at a time. Blocks of the dataset are what actors share: a dataset of one block keeps
        one of them busy; call ``ds.repartition`` first.
    params: those of the operator. It is made once here, so that a wrong parameter or a missing model is an error of this
        call, and a model with a name is downloaded before the actors want it.

    A batch whose actor dies is run again by Ray. Actors keep their CPUs, and tasks that read need one as well: a job whose
    actors take all CPUs waits for ever, so there is a warning.
    """
    for name, value in (("concurrency", concurrency), ("num_cpus", num_cpus), ("batch_size", batch_size)):
        if not isinstance(value, int) or value < 1:
            raise OptionError(f"{name} is {value!r}; give a whole number of at least 1")
    operator(**params)
    _leave_a_cpu(concurrency * num_cpus)
    # Imported by now, since there is a dataset.
    from ray.data import ActorPoolStrategy

    return ds.map_batches(
        operator,
        fn_constructor_kwargs=params,
        batch_format="pyarrow",
        batch_size=batch_size,
        compute=ActorPoolStrategy(size=concurrency),
        num_cpus=num_cpus,
    )


def _leave_a_cpu(wanted: int) -> None:
    """Warn if actors take all CPUs that there are now; a cluster that grows may have more later."""
    ray = sys.modules.get("ray")
    if ray is None or not ray.is_initialized():
        return
    there = int(ray.cluster_resources().get("CPU", 0))
    if wanted >= there:
        warnings.warn(
            f"the actors want {wanted} CPUs and the cluster has {there}: none is left for tasks that read and write, and "
            "unless the cluster grows the job waits for ever; lower concurrency or num_cpus",
            stacklevel=3,
        )
