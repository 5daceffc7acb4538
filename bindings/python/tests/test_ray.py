"""Ray: 2,000 photos in Parquet, 20 of them broken, two actors, one of which is killed. `.ci/ray` installs Ray and runs this."""

import os
import pathlib
import signal
import threading
import time

import pyarrow as pa
import pyarrow.parquet
import pytest

import clippie_rs
from clippie_rs import errors
from clippie_rs.pipeline import config, run

ray = pytest.importorskip("ray", reason="Ray is not installed; .ci/ray installs it and runs these tests")

ROWS = 2000
FILES = 10
# Every hundredth row, in turn.
BROKEN = [None, {"bytes": b"no image", "path": None}, {"bytes": None, "path": "missing.png"}, {"bytes": b"", "path": None}]


@pytest.fixture(scope="module")
def cluster():
    """Ray on this machine. Two CPUs are the actors', one is for tasks that read."""
    ray.init(address="local", num_cpus=3, include_dashboard=False, logging_level="WARNING")
    yield
    ray.shutdown()


@pytest.fixture(scope="module")
def folder(tmp_path_factory, drawings, photos):
    """The photos in files of Parquet: an id and struct<bytes, path>."""
    folder = tmp_path_factory.mktemp("photos")
    data = [pathlib.Path(path).read_bytes() for path in drawings + photos]
    cells = [{"bytes": data[row % len(data)], "path": f"{row}.jpg"} for row in range(ROWS)]
    for place, row in enumerate(range(50, ROWS, 100)):
        cells[row] = BROKEN[place % len(BROKEN)]
    of = pa.struct({"bytes": pa.binary(), "path": pa.string()})
    for number in range(FILES):
        rows = range(number * ROWS // FILES, (number + 1) * ROWS // FILES)
        table = pa.table({"id": list(rows), "image": pa.array([cells[row] for row in rows], of)})
        pa.parquet.write_table(table, folder / f"train-{number:05}.parquet")
    return folder


@pytest.fixture(scope="module")
def wanted(clip, drawings, photos):
    """The embedding of each row, or None."""
    vectors = clip.encode_images(drawings + photos).tolist()
    return [None if row % 100 == 50 else vectors[row % len(vectors)] for row in range(ROWS)]


def check(table, wanted):
    table = table.sort_by("id")
    assert table["id"].to_pylist() == list(range(ROWS)), "rows are lost or there twice"
    assert str(table.schema.field("image_clip_emb_demo").type) in ("list<item: float>", "list<element: float>")
    assert table["image_clip_emb_demo"].to_pylist() == wanted
    reasons = table["image_error"].to_pylist()
    assert [row for row, reason in enumerate(reasons) if reason] == list(range(50, ROWS, 100))
    assert reasons[50] == "the cell is null" and "(JPEG, PNG" in reasons[150] and "no such file" in reasons[250]


def killed_once(marker):
    """A refiner whose first actor is killed after its first batch."""
    from clippie_rs.ray import ImageClipEmbeddingRefiner

    class Killed(ImageClipEmbeddingRefiner):
        batches = 0

        def __call__(self, batch):
            self.batches += 1
            if self.batches == 2:
                try:
                    os.close(os.open(marker, os.O_CREAT | os.O_EXCL))
                except FileExistsError:
                    pass
                else:
                    os.kill(os.getpid(), signal.SIGKILL)
            return super().__call__(batch)

    return Killed


def test_a_dataset_of_two_actors_one_of_which_is_killed(cluster, folder, wanted, tmp_path):
    import ray.data

    from clippie_rs.ray import apply

    ds = ray.data.read_parquet(str(folder)).repartition(FILES)
    ds = apply(ds, killed_once(str(tmp_path / "killed")), concurrency=2, batch_size=50, model="demo")
    table = pa.concat_tables(ray.get(ds.to_arrow_refs()), promote_options="default")
    assert (tmp_path / "killed").exists()
    check(table, wanted)


def test_threads_are_the_cpus_of_an_actor(cluster, clip):
    @ray.remote
    class Actor:
        def threads(self):
            from clippie_rs.ray import ImageClipEmbeddingRefiner

            return ImageClipEmbeddingRefiner(model="demo").encoder.options["threads"]

    for cpus, threads in ((2, 2), (1, 1), (0.5, 1), (0, 1)):
        actor = Actor.options(num_cpus=cpus).remote()
        assert ray.get(actor.threads.remote()) == threads
        ray.kill(actor)
    from clippie_rs.ray import ImageClipEmbeddingRefiner

    assert ImageClipEmbeddingRefiner(model="demo").encoder.options["threads"] is None


def test_a_model_that_the_parent_used_is_sent_to_an_actor(cluster, clip, drawings):
    @ray.remote(num_cpus=1)
    class Actor:
        def __init__(self, clip):
            self.clip = clip

        def encode(self, paths):
            return self.clip.encode_images(paths).tobytes(), self.clip.encode_texts("a red star").tobytes()

    def used(model):
        return model.encode_images(drawings).tobytes(), model.encode_texts("a red star").tobytes()

    for model in (clip, clippie_rs.Clip.demo(threads=1)):
        expected = used(model)
        actors = [Actor.remote(model) for _ in range(2)]
        assert ray.get([actor.encode.remote(drawings) for actor in actors], timeout=60) == [expected] * 2
        assert used(model) == expected
        for actor in actors:
            ray.kill(actor)


def test_wrong_arguments_are_errors_of_the_call(cluster):
    import ray.data

    from clippie_rs.ray import ImageClipEmbeddingRefiner, apply

    ds = ray.data.range(3)
    with pytest.raises(errors.OptionError, match="concurrency is 0"):
        apply(ds, ImageClipEmbeddingRefiner, concurrency=0, model="demo")
    with pytest.raises(ValueError, match="device='cuda'"):
        apply(ds, ImageClipEmbeddingRefiner, model="demo", device="cuda")
    with pytest.warns(UserWarning, match="the actors want 3 CPUs and the cluster has 3"):
        apply(ds, ImageClipEmbeddingRefiner, concurrency=3, model="demo")
    with pytest.raises(FileNotFoundError):
        apply(ds, ImageClipEmbeddingRefiner, model="missing.clippie")


def test_a_pipeline_loses_nothing_with_a_killed_actor_and_skips_what_is_finished(cluster, folder, wanted, tmp_path):
    out = tmp_path / "out"
    plan = config.parse(
        {
            "data_loader": {"type": "ParquetLoader", "params": {"path": str(folder)}},
            "stages": [
                {
                    "name": "embed",
                    "operators": [{"name": "image_clip_embedding_refiner", "params": {"model": "demo"}}],
                    "worker": {"num_replicas": 2, "resources": {"cpu": 1}},
                }
            ],
            "data_writer": {"type": "ParquetDataWriter", "params": {"output_path": str(out), "drop_columns": ["image"]}},
            "executor": {"use_ray": True, "batch_size": 10},
        }
    )
    killed = []

    def kill():
        """Kill the first actor that is seen writing; the name of its file has its number."""
        while not killed:
            for path in out.glob(".*.part"):
                killed.append(int(path.name.split(".")[-2]))
                os.kill(killed[0], signal.SIGKILL)
                return
            time.sleep(0.001)

    killer = threading.Thread(target=kill, daemon=True)
    killer.start()
    summary = run(plan)
    killer.join(10)
    assert killed and not summary.errors
    assert (summary.parts, summary.finished, summary.read, summary.failed) == (FILES, FILES, ROWS, 20)
    assert len(list(out.iterdir())) == FILES, "an unfinished file is left"
    check(pa.parquet.read_table(out), wanted)

    times = {path: path.stat().st_mtime_ns for path in out.iterdir()}
    again = run(plan)
    assert (again.skipped, again.finished, again.read) == (FILES, 0, 0)
    removed = sorted(out.iterdir())[3]
    removed.unlink()
    last = run(plan)
    assert (last.skipped, last.finished, last.read) == (FILES - 1, 1, ROWS // FILES)
    assert {path: time for path, time in times.items() if path != removed}.items() <= {
        path: path.stat().st_mtime_ns for path in out.iterdir()
    }.items()
    check(pa.parquet.read_table(out), wanted)


def test_more_workers_than_cpus_are_refused(cluster, folder, tmp_path):
    plan = config.parse(
        {
            "data_loader": {"type": "ParquetLoader", "params": {"path": str(folder)}},
            "stages": [
                {
                    "operators": [{"name": "image_clip_embedding_refiner", "params": {"model": "demo"}}],
                    "worker": {"num_replicas": 4},
                }
            ],
            "data_writer": {"type": "ParquetDataWriter", "params": {"output_path": str(tmp_path / "out")}},
            "executor": {"use_ray": True},
        }
    )
    with pytest.raises(errors.OptionError, match="4 workers of 1 CPUs are more than the 3"):
        run(plan)
    assert not (tmp_path / "out").exists()
