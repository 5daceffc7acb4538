"""Embeddings with Ray Data: two actors, each with as many threads as it has CPUs.

    pip install "ray[data]"
"""

import ray
import ray.data
from table import MODEL, main

from clippie_rs.ray import ImageClipEmbeddingRefiner, apply


def embed(source: str, target: str) -> None:
    # Actors keep their CPUs; one more is for the tasks that read and write.
    ray.init(num_cpus=3, include_dashboard=False)
    # Actors share blocks, so a small file is cut.
    ds = ray.data.read_parquet(source).repartition(8)
    ds = apply(ds, ImageClipEmbeddingRefiner, concurrency=2, num_cpus=1, model=MODEL)
    ds.write_parquet(target)
    ray.shutdown()


if __name__ == "__main__":
    main(embed)
