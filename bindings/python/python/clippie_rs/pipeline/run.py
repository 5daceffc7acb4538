"""All partitions, in this process or in actors of Ray: both call ``parts.write`` for each."""

from __future__ import annotations

import inspect
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pyarrow

from clippie_rs.errors import Error, OptionError
from clippie_rs.pipeline import parts
from clippie_rs.pipeline.config import OPERATORS, Config
from clippie_rs.pipeline.parts import Part
from clippie_rs.pipeline.sources import Partition, partitions

# How often a partition is tried again whose actor died.
RETRIES = 3


class RunError(Exception):
    """A run that had begun ended early. What is finished stays."""


@dataclass
class Summary:
    """What a run did. ``read``, ``written`` and ``failed`` count rows, of this run alone."""

    parts: int
    skipped: int = 0
    finished: int = 0
    read: int = 0
    written: int = 0
    failed: int = 0
    errors: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def add(self, part: Part) -> None:
        """Count a partition."""
        if part.error is not None:
            self.errors.append(part.error)
            return
        self.finished += 1
        self.read += part.read
        self.written += part.written
        self.failed += part.failed

    def __str__(self) -> str:
        rate = self.read / self.seconds if self.seconds else 0.0
        return (
            f"{self.skipped + self.finished} of {self.parts} parts, {self.skipped} of them finished before; "
            f"{self.read} rows read, {self.written} written, {self.failed} without an embedding, {rate:.1f} rows/s"
        )


def run(config: Config, report: Callable[[str], None] = lambda line: None) -> Summary:
    """Run a pipeline. Partitions whose input is damaged are in ``Summary.errors``; the others are finished.

    report: called with a line after each partition.

    Everything that can be known before is checked before, and nothing is written then: ``OptionError`` and ``FileError``.
    After that ``RunError``.
    """
    operators = open_operators(config)
    found, damaged = partitions(config)
    planned = [(partition, parts.schema_of(partition, operators, config)) for partition in found]
    _one_table(planned)
    done = parts.finished(config, planned)
    ray = _ray(config) if config.use_ray and len(done) < len(found) else None
    with parts.prepared(config):
        # Again, now that no other run can write.
        done = parts.finished(config, planned)
        summary = Summary(len(found) + len(damaged), skipped=len(done), errors=damaged)
        for error in damaged:
            report(error)
        todo = [partition for partition, _ in planned if partition.name not in done]
        name = uuid.uuid4().hex[:12]
        results = _here(todo, operators, config, name) if ray is None else _with_ray(ray, todo, config, name)
        start = time.monotonic()
        try:
            for part in results:
                summary.add(part)
                summary.seconds = time.monotonic() - start
                report(f"{part.name}: {part.error}" if part.error else str(summary))
        finally:
            results.close()
            parts.remove_unfinished(config.output, name)
    return summary


def open_operators(config: Config) -> list[Any]:
    """Make the operators of a configuration. In this process they share ``num_cpus`` threads."""
    made = []
    for operator in config.operators:
        params = dict(operator.params)
        of = OPERATORS[operator.name]
        if not config.use_ray and config.num_cpus is not None and "threads" in inspect.signature(of).parameters:
            params.setdefault("threads", config.num_cpus)
        try:
            made.append(of(**params))
        # The others are what a value of a wrong type gives.
        except (OptionError, TypeError, AttributeError, OverflowError, UnicodeError) as error:
            raise OptionError(f"{operator.name}: {error}") from None
    return made


def _one_table(planned: list[tuple[Partition, pyarrow.Schema]]) -> None:
    """Refuse inputs whose embeddings are of different models."""
    first: dict[str, tuple[bytes, str]] = {}
    for partition, schema in planned:
        for column in schema:
            fingerprint = (column.metadata or {}).get(parts.FINGERPRINT)
            if fingerprint is None:
                continue
            before, path = first.setdefault(column.name, (fingerprint, partition.paths[0]))
            if before != fingerprint:
                raise OptionError(
                    f"the column {column.name} is of one model in {path} (fingerprint {before.decode(errors='replace')}) "
                    f"and of another in {partition.paths[0]} ({fingerprint.decode(errors='replace')}); run them apart"
                )


def _here(todo: list[Partition], operators: list[Any], config: Config, name: str) -> Iterator[Part]:
    """In this process, one after another: a call of the engine uses all cores."""
    for partition in todo:
        try:
            yield parts.write(partition, operators, config, name)
        except (Error, pyarrow.ArrowException) as error:
            raise RunError(f"{partition.paths[0]}: {error}") from error


class Worker:
    """An actor: it makes the operators once and writes one partition at a time."""

    def __init__(self, config: Config, name: str) -> None:
        self.config = config
        self.name = name
        self.operators = open_operators(config)

    def write(self, partition: Partition) -> Part:
        """Write a partition. Errors are their text, since not all of them can be sent to other processes."""
        try:
            return parts.write(partition, self.operators, self.config, self.name)
        except (Error, pyarrow.ArrowException) as error:
            raise RunError(f"{partition.paths[0]}: {error}") from None


def _with_ray(ray: Any, todo: list[Partition], config: Config, name: str) -> Iterator[Part]:
    """In actors of Ray, which starts a dead one again and retries its partition."""
    actors = [
        ray.remote(Worker)
        .options(num_cpus=config.cpus, max_restarts=-1, max_task_retries=RETRIES)
        .remote(config, name)
        for _ in range(min(config.replicas, len(todo)))
    ]
    waiting = list(reversed(todo))
    running: dict[Any, tuple[Any, Partition]] = {}
    try:
        for actor in actors:
            partition = waiting.pop()
            running[actor.write.remote(partition)] = (actor, partition)
        while running:
            (ready, *_), _ = ray.wait(list(running), num_returns=1)
            actor, partition = running.pop(ready)
            try:
                part = ray.get(ready)
            except ray.exceptions.RayTaskError as error:
                raise RunError(str(getattr(error, "cause", None) or error)) from None
            except ray.exceptions.RayError as error:
                reason = str(error).strip().splitlines()[0]
                reason = f"{partition.paths[0]}: its actor died, and so did {RETRIES} more tries: {reason}"
                part = Part(partition.name, error=reason)
            if waiting:
                following = waiting.pop()
                running[actor.write.remote(following)] = (actor, following)
            yield part
    finally:
        for actor in actors:
            ray.kill(actor)


def _ray(config: Config) -> Any:
    """Ray, connected to the cluster of the configuration or started on this machine."""
    try:
        import ray
    except ImportError:
        key = "use_ray" if config.address is None else "address"
        raise OptionError(f"executor.{key} needs Ray; pip install ray, or remove it to run in this process") from None
    if not ray.is_initialized():
        try:
            ray.init(
                address=config.address, num_cpus=config.num_cpus, include_dashboard=None if config.address else False
            )
        except (ConnectionError, ValueError, RuntimeError) as error:
            raise OptionError(f"executor.address={config.address}: {error}") from None
    there = int(ray.cluster_resources().get("CPU", 0))
    # A cluster may grow.
    if config.address is None and config.replicas * config.cpus > there:
        raise OptionError(
            f"{config.replicas} workers of {config.cpus} CPUs are more than the {there} of this machine; lower num_replicas or "
            "resources.cpu of the stages"
        )
    return ray
