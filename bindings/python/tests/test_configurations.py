"""Configurations that anyone may have written, and messages with such names. None of it needs Ray."""

import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet
import pytest

from clippie_rs import errors
from clippie_rs._messages import LINE, one_line, shown
from clippie_rs.pipeline import config

IMAGE = {"name": "image_clip_embedding_refiner", "params": {"model": "demo"}}


def plan(path, out, loader="ParquetLoader", operators=(IMAGE,), **executor):
    return {
        "data_loader": {"type": loader, "params": {"path": str(path)}},
        "stages": [{"operators": list(operators)}],
        "data_writer": {"type": "ParquetDataWriter", "params": {"output_path": str(out)}},
        "executor": executor,
    }


BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{name}: &{name} [{','.join(['*' + before] * 9)}]\n" for before, name in zip("abcdefgh", "bcdefghi")
)
MERGES = "a: &a {x: 1, y: 2}\n" + "".join(
    f"{name}: &{name} {{<<: [{','.join(['*' + before] * 9)}]}}\n" for before, name in zip("abcdefgh", "bcdefghi")
)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (BOMB, "stands for more than 10000 values"),
        (MERGES, "stands for more than 10000 values"),
        ("a: &a [*a]", "stands for more than 10000 values"),
        ("a: &a " + "x" * 60_000 + "\nb: [" + "*a," * 100 + "]", "or 1048576 characters"),
        ("a: " + "x" * 70_000, "has more than 65536 bytes"),
        ("[" * 10_000, "no YAML"),
        ("a: 2020-99-99", "'2020-99-99' is no timestamp in .* line 1"),
        ("a: " + "9" * 6000, "no int|too large"),
        ("executor: {batch_size: 9223372036854775808}", "too large"),
        ("a: 0x" + "f" * 5000, "too large"),
        ("a: 1:99999999999999999999999999", "no mapping|too large|is not known"),
        ("a: !!int x", "'x' is no int"),
        ('a: !!int ""', "'' is no int"),
        ("a: !!float x", "'x' is no float"),
        ("a: !!bool x", "'x' is no bool"),
        ("a: !!timestamp x", "'x' is no timestamp"),
        ("a: !!python/object/apply:os.system [x]", "could not determine a constructor"),
        ("executor: {batch_size: 4294967296}\n", "."),
        ('data_loader: {type: ParquetLoader, params: {path: "\\udcff"}}', "which is no text"),
    ],
)
def test_configurations_that_are_no_values(tmp_path, text, message):
    pytest.importorskip("yaml")
    path = tmp_path / "c.yaml"
    path.write_text(text)
    with pytest.raises(errors.OptionError, match=message) as caught:
        config.load(path)
    assert str(caught.value).startswith(f"{path}: ") and len(str(caught.value)) < 1000


def test_counts_and_values_in_messages(tmp_path):
    for wrong in (1 << 31, 1 << 63, 10**6000, 0, True, ["x" * 1000] * 1000):
        with pytest.raises(errors.OptionError, match="batch_size is .*; give a whole number from 1 to 2147483647") as caught:
            config.parse(plan("in", "out", batch_size=wrong))
        assert len(str(caught.value)) < 1000
    values = plan("in", "out")
    values["x" * 100_000] = 1
    with pytest.raises(errors.OptionError) as caught:
        config.parse(values)
    assert len(str(caught.value)) < 1000
    assert shown("a\n") == "'a\\n'" and len(shown([["x" * 1000] * 1000] * 1000)) < 300


def test_aliases_that_are_needed(tmp_path, drawings):
    pytest.importorskip("yaml")
    path = tmp_path / "c.yaml"
    path.write_text(
        f"""
data_loader: {{type: PhotoFolderLoader, params: {{path: &path '{tmp_path}'}}}}
stages:
  - operators:
      - {{name: image_clip_embedding_refiner, params: &params {{model: demo}}}}
      - {{name: image_clip_embedding_refiner, params: {{<<: *params, feature_field_name: b, error_field_name: c}}}}
data_writer: {{type: ParquetDataWriter, params: {{output_path: *path, table_name: out}}}}
"""
    )
    loaded = config.load(path)
    assert loaded.path == str(tmp_path) and loaded.operators[1].params["model"] == "demo"


def test_messages_do_not_change_a_terminal(tmp_path, drawings):
    pytest.importorskip("yaml")
    unsafe = "\x1b[31m\x9b\u061c\u202e\u2066\u200f\x7f"
    assert one_line(f"a{unsafe}\n\u2028\udcffz\u00e9\u3000") == (
        "a\\x1b[31m\\x9b\\u061c\\u202e\\u2066\\u200f\\x7f\\n\\u2028\\udcffz\u00e9\u3000"
    )
    assert len(one_line("a" * 100_000)) < LINE + 10
    folder = tmp_path / f"in{unsafe}"
    folder.mkdir()
    pa.parquet.write_table(pa.table({"x": [1], f"col{unsafe}": [1]}), folder / f"t{unsafe}.parquet")
    (folder / f"z{unsafe}.parquet").write_bytes(b"PAR1")
    path = tmp_path / "c.yaml"

    def command(text):
        path.write_text(text)
        done = subprocess.run([sys.executable, "-m", "clippie_rs.pipeline", path], capture_output=True, text=True, timeout=60)
        assert done.stderr and not [c for c in unsafe if c not in "[31m" and c in done.stdout + done.stderr]
        assert "Traceback" not in done.stderr
        return done.returncode

    import yaml

    # The name of a column, of a file, of a key.
    assert command(yaml.safe_dump(plan(folder, tmp_path / "out", "ParquetLoader"))) == 2
    shown_column = {"name": "text_clip_embedding_refiner", "params": {"model": "demo", "column": f"col{unsafe}"}}
    assert command(yaml.safe_dump(plan(folder, tmp_path / "out", "ParquetLoader", [shown_column]))) == 2
    assert command('"\\e[31m\\u202e": 1') == 2
    pa.parquet.write_table(pa.table({"image": drawings[:1]}), folder / f"t{unsafe}.parquet")
    assert command(yaml.safe_dump(plan(folder, tmp_path / "out", "ParquetLoader"))) == 1
