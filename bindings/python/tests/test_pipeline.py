"""Pipelines over files, in this process. None of it needs Ray."""

import io
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile

import pyarrow as pa
import pyarrow.parquet
import pytest

from clippie_rs import errors
from clippie_rs.operators import ImageClipEmbeddingRefiner
from clippie_rs.pipeline import config, run

IMAGE = {"name": "image_clip_embedding_refiner", "params": {"model": "demo"}}
TEXT = {"name": "text_clip_embedding_refiner", "params": {"model": "demo"}}


def values(path, out, operators=(IMAGE,), loader="ParquetLoader", writer=None, executor=None, **params):
    """A configuration as YAML would give it."""
    return {
        "data_loader": {"type": loader, "params": {"path": str(path), **params}},
        "stages": [{"name": "embed", "operators": list(operators)}],
        "data_writer": {"type": "ParquetDataWriter", "params": {"output_path": str(out), **(writer or {})}},
        "executor": executor or {},
    }


def write_yaml(path, values):
    """Write a configuration for the command."""
    path.write_text(pytest.importorskip("yaml").safe_dump(values))
    return str(path)


@pytest.fixture
def tables(tmp_path, drawings, broken):
    """Three files of Parquet, the second of which has two row groups: 30 rows, the tenth of each file broken."""
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(3):
        paths = drawings[number * 9 : number * 9 + 9] + [broken]
        images = [{"bytes": pathlib.Path(path).read_bytes(), "path": path} for path in paths]
        table = pa.table({"id": range(number * 10, number * 10 + 10), "image": images, "caption": ["a red star"] * 9 + [None]})
        pa.parquet.write_table(table, folder / f"train-{number}.parquet", row_group_size=5 if number == 1 else 10)
    return folder


def test_parquet_is_refined_and_finished_parts_are_skipped(clip, tables, tmp_path, drawings):
    out = tmp_path / "out"
    plan = config.parse(values(tables, out, [IMAGE, TEXT], partition_rows=5, writer={"drop_columns": ["image"]}))
    summary = run(plan)
    assert (summary.parts, summary.finished, summary.read, summary.written) == (4, 4, 30, 30)
    # An image and a caption in each file.
    assert (summary.failed, summary.errors) == (6, [])
    table = pa.parquet.read_table(out).sort_by("id")
    assert table.column_names == ["id", "caption", "image_clip_emb_demo", "image_error", "text_clip_emb_demo", "caption_error"]
    rows = clip.encode_images(drawings[:27]).tolist()
    assert table["image_clip_emb_demo"].to_pylist() == rows[:9] + [None] + rows[9:18] + [None] + rows[18:] + [None]
    assert [bool(reason) for reason in table["image_error"].to_pylist()] == ([False] * 9 + [True]) * 3
    for path in out.iterdir():
        field = pa.parquet.read_schema(path).field("image_clip_emb_demo")
        assert field.metadata[b"clippie.fingerprint"] == clip.fingerprint.encode()

    before = {path.name: path.stat().st_mtime_ns for path in out.iterdir()}
    again = run(plan)
    assert (again.parts, again.skipped, again.finished, again.read) == (4, 4, 0, 0)
    sorted(out.iterdir())[1].unlink()
    again = run(plan)
    assert (again.skipped, again.finished, again.read) == (3, 1, 5)
    after = {path.name: path.stat().st_mtime_ns for path in out.iterdir()}
    assert before.keys() == after.keys() and sum(before[name] != after[name] for name in before) == 1


def test_more_files_are_more_parts(tables, tmp_path):
    plan = config.parse(values(tables, tmp_path / "out"))
    run(plan)
    (tables / "a-first.parquet").write_bytes((tables / "train-0.parquet").read_bytes())
    assert (run(plan).skipped, run(plan).finished) == (3, 0)


def test_photos_of_a_folder(clip, drawings, root, tmp_path):
    plan = config.parse(values(root / "examples/drawings", tmp_path / "out", loader="PhotoFolderLoader", partition_rows=10))
    assert (run(plan).parts, run(plan).skipped) == (4, 4)
    table = pa.parquet.read_table(tmp_path / "out").sort_by("image")
    assert table["image"].to_pylist() == drawings
    assert table["image_clip_emb_demo"].to_pylist() == clip.encode_images(drawings).tolist()


def test_tars_of_webdataset_and_scores(clip, drawings, tmp_path):
    def member(tar, name, data):
        info = tarfile.TarInfo(name)
        info.size = len(data)
        tar.addfile(info, io.BytesIO(data))

    folder = tmp_path / "tars"
    folder.mkdir()
    with tarfile.open(folder / "00000.tar", "w") as tar:
        for number, path in enumerate(drawings[:3]):
            member(tar, f"s/{number}.png", pathlib.Path(path).read_bytes())
            member(tar, f"s/{number}.txt", b"a red star")
            member(tar, f"s/{number}.json", b"{}")
        member(tar, "s/3.txt", b"without an image")
        member(tar, "s/4.png", b"")
        # A name in a tar is no file of this machine.
        member(tar, str(drawings[0]).lstrip("/"), b"x")
    with tarfile.open(folder / "00001.tar.gz", "w:gz") as tar:
        member(tar, "x.PNG", pathlib.Path(drawings[3]).read_bytes())
    score = {"name": "clip_score_filter", "params": {"image_field": "image_clip_emb_demo", "text_field": "text_clip_emb_demo"}}
    plan = config.parse(values(folder, tmp_path / "out", [IMAGE, TEXT, score], loader="WebDatasetLoader"))
    summary = run(plan)
    assert (summary.parts, summary.read, summary.written, summary.errors) == (2, 7, 7, [])
    rows = pa.parquet.read_table(tmp_path / "out").sort_by("key").to_pylist()
    by_key = {row["key"]: row for row in rows}
    vectors = clip.encode_images(drawings[:4]).tolist()
    for number in range(3):
        row = by_key[f"s/{number}"]
        assert (row["caption"], row["json"], row["image_clip_emb_demo"]) == ("a red star", "{}", vectors[number])
        assert row["clip_score"] is not None
    assert by_key["x"]["image_clip_emb_demo"] == vectors[3] and by_key["x"]["clip_score"] is None
    assert by_key["s/3"]["image_error"] == "the cell is null" and by_key["s/4"]["image_error"]
    assert sum(row["image_clip_emb_demo"] is None for row in rows) == 3


def test_damaged_inputs_fail_alone(tables, tmp_path):
    path = tables / "train-1.parquet"
    data = bytearray(path.read_bytes())
    data[4:2000] = bytes(1996)
    path.write_bytes(data)
    out = tmp_path / "out"
    summary = run(config.parse(values(tables, out)))
    assert summary.finished == 2 and len(summary.errors) == 1 and str(path) in summary.errors[0]
    assert len(list(out.iterdir())) == 2, "an unfinished file is left"
    # A file that is cut has no schema either.
    path.write_bytes(b"PAR1")
    lines = []
    summary = run(config.parse(values(tables, tmp_path / "other")), lines.append)
    assert summary.finished == 2 and summary.parts == 3 and lines[0] == summary.errors[0]
    assert f"{path} is no Parquet file that can be read" in summary.errors[0]
    with pytest.raises(errors.FileError, match="train-1.parquet is no Parquet file"):
        run(config.parse(values(path, out)))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda v: v.pop("stages"), "stages is no list"),
        (lambda v: v.update(stage=[]), "stage is not known; known are data_loader, stages"),
        (lambda v: v["data_loader"].update(type="HuggingFaceLoader"), "there is no HuggingFaceLoader; there is ParquetLoader"),
        (lambda v: v["data_loader"]["params"].pop("path"), r"data_loader.params.path is missing"),
        (lambda v: v["data_loader"]["params"].update(partition_rows=0), "partition_rows is 0"),
        (lambda v: v["stages"][0].update(operators=[{"name": "no_such"}]), r"stages\[0\].operators\[0\].name: there is no operator no_such"),
        (lambda v: v["stages"][0].update(operators=[{**IMAGE, "params": {"modle": 1}}]), "modle is not known; known are model_name"),
        (lambda v: v["stages"][0].update(operators=[{**IMAGE, "enabled": False}]), "all operators are disabled"),
        (lambda v: v["stages"][0].update(worker={"resources": {"gpu": 0.25}}), "gpu is 0.25; models run on the CPU"),
        (lambda v: v["stages"][0].update(worker={"num_replicas": "two"}), "num_replicas is 'two'"),
        (lambda v: v["data_writer"]["params"].update(drop_columns="image"), "drop_columns is no list"),
        (lambda v: v.update(executor={"use_ray": "maybe"}), "use_ray is 'maybe'"),
        (lambda v: v.update(executor=[]), "executor is no mapping"),
        (lambda v: v["stages"][0].update(operators=[{**IMAGE, "params": []}]), "params is no mapping"),
        (lambda v: v.update(executor={"use_ray": False, "address": "auto"}), "remove one of them"),
        (lambda v: v["stages"][0].update(operators=[{**IMAGE, "params": {"model": "demo", "normalize": "yes"}}]), r"operators\[0\].params.normalize is 'yes'; give true or false"),
        (lambda v: v["stages"][0].update(operators=[{**IMAGE, "params": {"model": "demo", "use_fp16": "false"}}]), r"params.use_fp16 is 'false'; give true or false"),
        (lambda v: v["stages"][0].update(operators=[{**IMAGE, "params": {"model_name": None}}]), r"params.model_name is None; give a text"),
        (lambda v: v["stages"][0].update(operators=[{**IMAGE, "params": {"model": "demo", "feature_field_name": ""}}]), r"params.feature_field_name is ''; give a text"),
        (lambda v: v["stages"][0].update(operators=[{**IMAGE, "params": {"model": "demo", "threads": True}}]), r"params.threads is True; give a whole number"),
        (lambda v: v["data_writer"]["params"].update(output_path="s3://bucket/out"), r"data_writer.params.output_path is 's3://bucket/out'; inputs and outputs are local files"),
        (lambda v: v["data_loader"]["params"].update(path="file:///photos"), r"data_loader.params.path is 'file:///photos'; inputs and outputs are local files"),
        (lambda v: v["stages"][0].update(operators=[{**IMAGE, "params": {"model": "a/b.clippie"}}]), "a/b.clippie: no such file"),
        (lambda v: v["stages"][0].update(operators=[{**IMAGE, "params": {"model": "demo", "device": "cuda"}}]), "device='cuda'"),
        (lambda v: v["stages"][0].update(operators=[{**IMAGE, "params": {"model": "demo", "column": "photo"}}]), "the column photo is not there; there are id, image, caption"),
        (lambda v: v["stages"][0].update(operators=[{**IMAGE, "params": {"model": "demo", "column": "id"}}]), "the column id has the type int64"),
        (lambda v: v["stages"][0].update(operators=[IMAGE, IMAGE]), "the column image_clip_emb_demo is there already; .* `feature_field_name` or `error_field_name`"),
        *(
            (lambda v, wrong=wrong: v["stages"][0].update(operators=[{**IMAGE, "params": {"model": "demo", **wrong}}]), message)
            for wrong, message in (
                ({"feature_field_name": 5}, r"operators\[0\].params.feature_field_name is 5; give a text"),
                ({"column": 5}, r"operators\[0\].params.column is 5; give a text"),
                ({"column": ["image"]}, r"operators\[0\].params.column is \['image'\]; give a text"),
                ({"model": 5}, r"operators\[0\].params.model is 5; give a text"),
                ({"model": None, "model_name": 5}, r"operators\[0\].params.model_name is 5; give a text"),
                ({"model": None, "pretrained": "no_such"}, "embedding_refiner: "),
                ({"inference_batch_size": -1}, "embedding_refiner: "),
                ({"threads": "two"}, r"operators\[0\].params.threads is 'two'; give a whole number"),
                ({"device": None}, r"operators\[0\].params.device is None; give a text"),
            )
        ),
        (lambda v: v["data_writer"]["params"].update(drop_columns=["photo"]), "drop_columns: the column photo is not there"),
        (lambda v: v["data_loader"]["params"].update(path="missing/folder"), "missing/folder: no such file or folder"),
        (lambda v: v["data_loader"].update(type="WebDatasetLoader"), "there is no file that ends in .tar"),
    ],
)
def test_what_cannot_be_run_is_named_and_nothing_is_written(tables, tmp_path, change, message):
    out = tmp_path / "out"
    changed = values(tables, out)
    changed["stages"] = [dict(stage) for stage in changed["stages"]]
    change(changed)
    with pytest.raises(errors.Error, match=message):
        run(config.parse(changed))
    assert not out.exists()


def test_outputs_that_cannot_be_written(tables, tmp_path):
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(errors.FileError, match="file.*cannot be written|file.*Not a directory"):
        run(config.parse(values(tables, file)))
    with pytest.raises(errors.OptionError, match="lies in the output folder"):
        run(config.parse(values(tables, tables)))


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="needs users")
def test_a_folder_that_may_not_be_written(tables, script):
    """Root may write everywhere, so not as root."""
    with tempfile.TemporaryDirectory() as folder:
        # pytest's own folders are closed to others.
        os.chmod(folder, 0o755)
        shutil.copytree(tables, f"{folder}/in")
        for path in [f"{folder}/in", *map(str, pathlib.Path(folder, "in").iterdir())]:
            os.chmod(path, 0o755)
        pathlib.Path(folder, "closed").mkdir(mode=0o555)
        printed = script(
            """if True:
            import json, os, sys
            from clippie_rs import errors
            from clippie_rs.pipeline import config, run
            if os.geteuid() == 0:
                os.setuid(65534)
            for plan in map(json.loads, sys.argv[1:]):
                try:
                    run(config.parse(plan))
                except errors.FileError as error:
                    print(error)
            """,
            json.dumps(values(f"{folder}/in", f"{folder}/closed")),
            json.dumps(values(f"{folder}/in", f"{folder}/closed/new")),
        )
        assert not os.listdir(f"{folder}/closed")
    first, second = printed.splitlines()
    assert first == f"{folder}/closed: may not be written; choose another folder"
    assert second == f"{folder}/closed/new: cannot be written: Permission denied"


def test_a_full_disk_leaves_nothing_half_written(tables, tmp_path):
    resource = pytest.importorskip("resource")
    path = write_yaml(tmp_path / "config.yaml", values(tables, tmp_path / "out"))
    # No file may be longer than this, which a table is.
    done = subprocess.run(
        [sys.executable, "-m", "clippie_rs.pipeline", path],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (4000, 4000)),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1, done.stderr
    assert "cannot be written: " in done.stderr and "File too large" in done.stderr and "Traceback" not in done.stderr
    assert list((tmp_path / "out").iterdir()) == []
    assert run(config.parse(values(tables, tmp_path / "out"))).finished == 3


@pytest.mark.skipif(os.name != "posix", reason="needs signals")
def test_control_c_keeps_finished_parts_alone(tables, tmp_path, script):
    printed = script(
        """if True:
        import json, os, pathlib, signal, sys
        from clippie_rs.operators import ImageClipEmbeddingRefiner
        from clippie_rs.pipeline import __main__ as command
        signal.signal(signal.SIGINT, signal.default_int_handler)
        encode, calls = ImageClipEmbeddingRefiner.__call__, []
        def call(self, batch):
            calls.append(batch.num_rows)
            # In the middle of the second file.
            if sum(calls) == 20:
                os.kill(os.getpid(), signal.SIGINT)
            return encode(self, batch)
        ImageClipEmbeddingRefiner.__call__ = call
        sys.exit(0 if command.main(["--quiet", sys.argv[1]]) == 1 else "another exit code")
        """,
        write_yaml(tmp_path / "config.yaml", values(tables, tmp_path / "out", executor={"batch_size": 5})),
    )
    assert printed == ""
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert len(names) == 1 and names[0].endswith(".parquet")
    assert run(config.parse(values(tables, tmp_path / "out"))).skipped == 1


def test_two_runs_do_not_write_to_one_folder(tables, tmp_path):
    from clippie_rs.pipeline import parts

    pytest.importorskip("fcntl")
    plan = config.parse(values(tables, tmp_path / "out"))
    with parts.prepared(plan), pytest.raises(errors.FileError, match="another run writes to it"):
        run(plan)
    # What a run left that was killed.
    (tmp_path / "out" / ".train.0.0.part").write_bytes(b"")
    run(plan)
    assert len(list((tmp_path / "out").iterdir())) == 3


def test_outputs_of_another_run_are_not_mixed(tables, tmp_path):
    out = tmp_path / "out"
    run(config.parse(values(tables, out)))
    size = {path: path.stat().st_mtime_ns for path in out.iterdir()}

    def refused(match, path=tables, **kinds):
        with pytest.raises(errors.OptionError, match=match):
            run(config.parse(values(path, out, **kinds)))
        assert size == {path: path.stat().st_mtime_ns for path in out.iterdir()}

    raw = {**IMAGE, "params": {"model": "demo", "normalize": False}}
    refused("image_clip_emb_demo has the fingerprint .*: it is of another model; remove it", operators=[raw])
    refused("has no column text_clip_emb_demo", operators=[IMAGE, TEXT])
    refused("is no part of this run", path=tables / "train-0.parquet")
    os.utime(tables / "train-2.parquet")
    refused("was made of other inputs")


def test_inputs_of_different_models_are_not_mixed(tables, tmp_path):
    for number, normalize in ((0, True), (1, False)):
        path = tables / f"train-{number}.parquet"
        table = ImageClipEmbeddingRefiner(model="demo", normalize=normalize)(pa.parquet.read_table(path))
        pa.parquet.write_table(table, path)
    (tables / "train-2.parquet").unlink()
    with pytest.raises(errors.OptionError, match="is of one model in .*train-0.parquet .* and of another in .*train-1.parquet"):
        run(config.parse(values(tables, tmp_path / "out", [TEXT])))
    assert not (tmp_path / "out").exists()


def test_the_command_and_its_exit_codes(tables, tmp_path):
    yaml = pytest.importorskip("yaml")
    path = tmp_path / "config.yaml"

    def command(what):
        path.write_text(what if isinstance(what, str) else yaml.safe_dump(what))
        return subprocess.run(
            [sys.executable, "-m", "clippie_rs.pipeline", path], capture_output=True, text=True, timeout=60, cwd=tmp_path
        )

    good = values("in", "out")
    done = command(good)
    assert (done.returncode, done.stdout.split(",")[0]) == (0, "3 of 3 parts"), done.stderr
    assert command(good).returncode == 0
    for bad, message in (("a: [", "config.yaml: it is no YAML that can be read"), ("- 1", "the configuration is no mapping"), ({}, "data_loader is missing")):
        done = command(bad)
        assert done.returncode == 2 and message in done.stderr and "Traceback" not in done.stderr
    data = bytearray((tables / "train-1.parquet").read_bytes())
    data[4:2000] = bytes(1996)
    (tables / "train-1.parquet").write_bytes(data)
    done = command(values("in", "out2"))
    assert done.returncode == 1 and "train-1.parquet" in done.stderr and "Traceback" not in done.stderr
    (tables / "train-1.parquet").unlink()
    done = command(values("in", "out3", executor={"use_ray": True}))
    if done.returncode != 0:
        assert done.returncode == 2 and "pip install ray" in done.stderr
        assert not (tmp_path / "out3").exists()


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
def test_a_run_that_is_killed_is_continued(clip, tables, tmp_path, script):
    out = tmp_path / "out"
    plan = values(tables, out, executor={"batch_size": 5})
    text = """
import json, os, signal, sys
from clippie_rs.operators import ImageClipEmbeddingRefiner
from clippie_rs.pipeline import config, run
plan = config.parse(json.loads(sys.argv[1]))
encode, calls = ImageClipEmbeddingRefiner.__call__, []
def call(self, batch):
    calls.append(batch.num_rows)
    # In the middle of the second file.
    if sum(calls) == 20:
        os.kill(os.getpid(), signal.SIGKILL)
    return encode(self, batch)
ImageClipEmbeddingRefiner.__call__ = call
run(plan)
"""
    done = subprocess.run([sys.executable, "-c", text, json.dumps(plan)], timeout=60)
    assert done.returncode == -signal.SIGKILL
    names = sorted(path.name for path in out.iterdir())
    assert len(names) == 2 and names[0].endswith(".part") and names[1].endswith(".parquet")
    summary = run(config.parse(plan))
    assert (summary.skipped, summary.finished, summary.read) == (1, 2, 20)
    assert len(list(out.iterdir())) == 3 and pa.parquet.read_table(out).num_rows == 30
