"""What a configuration says: the values of its YAML, checked. It opens no model and no input.

    data_loader:
      type: ParquetLoader            # or PhotoFolderLoader, WebDatasetLoader
      params: {path: photos/*.parquet}
    stages:
      - name: embed
        operators:
          - name: image_clip_embedding_refiner
            params: {model_name: ViT-L-14, pretrained: openai}
        worker: {num_replicas: 2, resources: {cpu: 4}}
    data_writer:
      type: ParquetDataWriter
      params: {output_path: embedded}
    executor: {batch_size: 128, use_ray: true, address: auto}
"""

from __future__ import annotations

import inspect
import os
from dataclasses import dataclass, field
from typing import Any

from clippie_rs import operators
from clippie_rs._messages import is_unicode, named, shown
from clippie_rs.errors import OptionError
from clippie_rs.pipeline.document import read

OPERATORS: dict[str, type] = {
    "image_clip_embedding_refiner": operators.ImageClipEmbeddingRefiner,
    "text_clip_embedding_refiner": operators.TextClipEmbeddingRefiner,
    "clip_score_filter": operators.ClipScoreFilter,
}

LOADERS = ("ParquetLoader", "PhotoFolderLoader", "WebDatasetLoader")
WRITERS = ("ParquetDataWriter",)

# Rows that pass the operators at a time.
BATCH_ROWS = 128

# The largest count of rows, workers or CPUs.
COUNT = (1 << 31) - 1


@dataclass
class Operator:
    """One operator: its name in configurations and its parameters."""

    name: str
    params: dict[str, Any] = field(default_factory=dict)

    def open(self) -> Any:
        """Make it, which opens its model."""
        return OPERATORS[self.name](**self.params)


@dataclass
class Config:
    """A checked configuration."""

    loader: str
    path: str
    operators: list[Operator]
    output: str
    # Columns that are read and not written.
    drop_columns: list[str] = field(default_factory=list)
    # Rows of a partition at least; None is the loader's own number.
    partition_rows: int | None = None
    batch_size: int = BATCH_ROWS
    use_ray: bool = False
    address: str | None = None
    # Actors and the CPUs of each, with Ray.
    replicas: int = 1
    cpus: int = 1
    # All CPUs that may be used: by Ray on this machine, or by this process. None is all.
    num_cpus: int | None = None


def load(path: str | os.PathLike[str]) -> Config:
    """Read and check a configuration.

    Paths in it are relative to the working directory. Raises ``OptionError`` with the place and the remedy, and
    ``FileError`` for a file that cannot be read.
    """
    path = os.fspath(path)
    try:
        return parse(read(path))
    except OptionError as error:
        raise OptionError(f"{path}: {error}") from None


def parse(values: Any) -> Config:
    """Check a configuration that is read already."""
    top = _mapping(values, "the configuration", ("data_loader", "stages", "data_writer", "executor"))
    loader, params = _typed(top, "data_loader", LOADERS, ("path", "partition_rows"))
    partition_rows = _count(params, "partition_rows", "data_loader.params", None)
    config = Config(
        loader=loader,
        path=_path(params, "path", "data_loader.params"),
        operators=[],
        output="",
        partition_rows=partition_rows,
    )
    _stages(top.get("stages"), config)
    _, params = _typed(top, "data_writer", WRITERS, ("output_path", "table_name", "drop_columns"))
    config.output = _path(params, "output_path", "data_writer.params")
    if "table_name" in params:
        config.output = os.path.join(config.output, _text(params, "table_name", "data_writer.params"))
    drop = params.get("drop_columns", [])
    if not isinstance(drop, list) or not all(isinstance(name, str) for name in drop):
        raise OptionError("data_writer.params.drop_columns is no list of names of columns")
    config.drop_columns = drop
    _executor(top.get("executor"), config)
    return config


def _stages(stages: Any, config: Config) -> None:
    """Read the operators of all stages, which run one after another on a batch, and the largest worker."""
    if not isinstance(stages, list) or not stages:
        raise OptionError("stages is no list with a stage in it")
    for number, stage in enumerate(stages):
        where = f"stages[{number}]"
        stage = _mapping(stage, where, ("name", "operators", "worker"))
        listed = stage.get("operators")
        if not isinstance(listed, list) or not listed:
            raise OptionError(f"{where}.operators is no list with an operator in it")
        for place, operator in enumerate(listed):
            at = f"{where}.operators[{place}]"
            operator = _mapping(operator, at, ("name", "params", "enabled"))
            enabled = operator.get("enabled", True)
            if not isinstance(enabled, bool):
                raise OptionError(f"{at}.enabled is {shown(enabled)}; give true or false")
            if enabled:
                config.operators.append(_operator(operator, at))
        worker = _mapping(
            _given(stage.get("worker")), f"{where}.worker", ("num_replicas", "min_replicas", "max_replicas", "resources")
        )
        for key in ("num_replicas", "min_replicas", "max_replicas"):
            config.replicas = max(config.replicas, _count(worker, key, f"{where}.worker", 1))
        resources = _mapping(_given(worker.get("resources")), f"{where}.worker.resources", ("cpu", "gpu"))
        if resources.get("gpu"):
            raise OptionError(f"{where}.worker.resources.gpu is {shown(resources['gpu'])}; models run on the CPU, remove it")
        config.cpus = max(config.cpus, _count(resources, "cpu", f"{where}.worker.resources", 1))
    if not config.operators:
        raise OptionError("all operators are disabled")


def _operator(values: dict[str, Any], where: str) -> Operator:
    name = _text(values, "name", where)
    if name not in OPERATORS:
        raise OptionError(f"{where}.name: there is no operator {named(name)}; there are {', '.join(OPERATORS)}")
    known = inspect.signature(OPERATORS[name]).parameters
    params = dict(_mapping(_given(values.get("params")), f"{where}.params", list(known)))
    for key, value in params.items():
        _check(value, str(known[key].annotation), f"{where}.params.{key}")
    return Operator(name, params)


def _check(value: Any, annotation: str, where: str) -> None:
    """Compare a value with the annotation of the parameter, such as ``str | None``; what is left is for the operator."""
    types = set(annotation.split(" | "))
    if value is None and "None" in types:
        return
    for of, kind, words in (
        ("bool", bool, "true or false"),
        ("str", str, "a text"),
        ("int", int, "a whole number"),
        ("float", (int, float), "a number"),
    ):
        if of in types:
            if isinstance(value, kind) and value != "" and isinstance(value, bool) == (of == "bool"):
                return
            raise OptionError(f"{where} is {shown(value)}; give {words}")


def _executor(values: Any, config: Config) -> None:
    values = _mapping(_given(values), "executor", ("batch_size", "use_ray", "address", "num_cpus"))
    config.batch_size = _count(values, "batch_size", "executor", BATCH_ROWS)
    config.num_cpus = _count(values, "num_cpus", "executor", None)
    if values.get("address") is not None:
        config.address = _text(values, "address", "executor")
    use_ray = values.get("use_ray", config.address is not None)
    if not isinstance(use_ray, bool):
        raise OptionError(f"executor.use_ray is {shown(use_ray)}; give true or false")
    if config.address is not None and not use_ray:
        raise OptionError("executor.address is of a cluster of Ray, and executor.use_ray is false; remove one of them")
    if config.address is not None and config.num_cpus is not None:
        raise OptionError("executor.num_cpus is for one machine; the cluster at executor.address has its own, remove it")
    config.use_ray = use_ray


def _typed(top: dict[str, Any], key: str, known: tuple[str, ...], params: tuple[str, ...]) -> tuple[str, dict[str, Any]]:
    """The type and the parameters of a loader or writer."""
    if key not in top:
        raise OptionError(f"{key} is missing")
    values = _mapping(top[key], key, ("type", "params"))
    of = _text(values, "type", key)
    if of not in known:
        raise OptionError(f"{key}.type: there is no {named(of)}; there is {', '.join(known)}")
    return of, _mapping(_given(values.get("params")), f"{key}.params", params)


def _given(values: Any) -> Any:
    """A mapping that may be left out or empty."""
    return {} if values is None else values


def _mapping(values: Any, where: str, known: tuple[str, ...] | list[str]) -> dict[str, Any]:
    if not isinstance(values, dict):
        raise OptionError(f"{where} is no mapping with some of {', '.join(known)}")
    for key in values:
        if key not in known:
            raise OptionError(f"{where}: {named(key)} is not known; known are {', '.join(known)}")
    return values


def _text(values: dict[str, Any], key: str, where: str) -> str:
    value = values.get(key)
    if value is None:
        raise OptionError(f"{where}.{key} is missing")
    if not isinstance(value, str) or not value or "\0" in value or not is_unicode(value):
        raise OptionError(f"{where}.{key} is {shown(value)}, which is no text")
    return value


def _count(values: dict[str, Any], key: str, where: str, default: Any) -> Any:
    value = values.get(key)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= COUNT:
        raise OptionError(f"{where}.{key} is {shown(value)}; give a whole number from 1 to {COUNT}")
    return value


def _path(values: dict[str, Any], key: str, where: str) -> str:
    """A path of this machine; ``~`` is the home folder, as in a shell."""
    value = _text(values, key, where)
    if "://" in value:
        raise OptionError(f"{where}.{key} is {shown(value)}; inputs and outputs are local files, give a path of this machine")
    return os.path.expanduser(value)
