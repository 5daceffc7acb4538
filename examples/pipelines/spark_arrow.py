"""Embeddings with Spark: `mapInArrow` hands batches to a function that opens the model once in each task.

    pip install pyspark pandas      # and Java 17 or newer
"""

import os
import sys

from table import COLUMN, MODEL, main


def embed_batches(batches):
    """Runs in the workers. One thread each: Spark runs a task on every core, and they share the weights' memory."""
    from clippie_rs.operators import ImageClipEmbeddingRefiner

    refiner = ImageClipEmbeddingRefiner(model=MODEL, threads=1)
    for batch in batches:
        yield refiner(batch)


def embed(source: str, target: str) -> None:
    from pyspark.sql import SparkSession
    from pyspark.sql.types import ArrayType, FloatType, StringType, StructField, StructType

    # The workers' Python is this one.
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    spark = SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false").getOrCreate()
    spark.conf.set("spark.sql.execution.arrow.maxRecordsPerBatch", "128")
    table = spark.read.parquet(source)
    new = [StructField(COLUMN, ArrayType(FloatType())), StructField("image_error", StringType())]
    table.mapInArrow(embed_batches, StructType([*table.schema.fields, *new])).write.parquet(target)
    spark.stop()


if __name__ == "__main__":
    main(embed)
