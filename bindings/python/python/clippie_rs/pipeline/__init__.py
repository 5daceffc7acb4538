"""Pipelines over files: ``python -m clippie_rs.pipeline config.yaml``.

A pipeline reads Parquet tables, a folder of photos or tars of WebDataset, runs the operators of ``clippie_rs.operators``
over them and writes one Parquet file for each partition of its input. Partitions that are finished are skipped, so that a
run that ended early is continued by the same command.

    document.py  the values of a file of YAML, bounded
    config.py    what a configuration says, checked
    files.py     files of an input; only regular ones are opened
    tar.py       the members of a tar, read once
    sources.py   inputs: partitions and their tables
    parts.py     one partition to one file, and which files are finished
    run.py       all partitions, in this process or in actors of Ray
"""

from clippie_rs.pipeline.config import Config, load
from clippie_rs.pipeline.run import Summary, run

__all__ = ["Config", "Summary", "load", "run"]
