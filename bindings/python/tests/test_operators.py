"""Operators: names of models, parameters, columns and cosines. None of it needs Ray."""

import json
import os
import pathlib
import subprocess

import pyarrow as pa
import pytest

from clippie_rs import errors
from clippie_rs._open_clip import NAMES, model_called
from clippie_rs.operators import ClipScoreFilter, ImageClipEmbeddingRefiner, TextClipEmbeddingRefiner


def test_names_of_open_clip(tmp_path):
    assert model_called("ViT-L-14", "openai") == "vit-l-14-openai"
    assert model_called("ViT-B/32-quickgelu", "openai") == "vit-b-32-openai"
    with pytest.raises(errors.OptionError, match="'ViT-X' is no architecture of open_clip that can be run"):
        ImageClipEmbeddingRefiner("ViT-X")
    with pytest.raises(errors.OptionError, match="'mine' is not known for model_name='ViT-L-14'; known are openai, "):
        TextClipEmbeddingRefiner("ViT-L-14", "mine")
    binary = os.environ.get("CLIPPIE_RS_COMMAND")
    if binary:
        models = json.loads(subprocess.run([binary, "models", "--json"], check=True, capture_output=True).stdout)
        there = {model["name"] for model in models}
        assert {name for tags in NAMES.values() for name in tags.values()} <= there


def test_parameters_of_the_refiner(clip, drawings, tmp_path):
    for device in ("cuda", "mps", "cpu:0"):
        with pytest.raises(ValueError, match=f"device='{device}' is not there"):
            ImageClipEmbeddingRefiner(model="demo", device=device)
    with pytest.warns(UserWarning, match="use_fp16 is ignored: 'demo' has the precision") as caught:
        refiner = ImageClipEmbeddingRefiner(
            model="demo", device="cpu", use_fp16=True, inference_batch_size=3, preprocess_workers=4, threads=1
        )
    assert len(caught) == 1 and caught[0].filename == __file__
    assert (refiner.feature_field_name, refiner.error_field_name) == ("image_clip_emb_demo", "image_error")
    assert {key: refiner.encoder.options[key] for key in ("batch_size", "threads")} == {"batch_size": 3, "threads": 1}
    table = refiner(pa.table({"image": drawings[:5]}))
    assert table["image_clip_emb_demo"].to_pylist() == clip.encode_images(drawings[:5]).tolist()
    with pytest.raises(errors.OptionError, match="batch_size is 0"):
        ImageClipEmbeddingRefiner(model="demo", inference_batch_size=0)


def test_the_column_has_the_name_of_the_model(root, monkeypatch):
    """Without a model of that name at hand, which would be downloaded."""
    from clippie_rs import operators

    monkeypatch.setattr(operators, "open_tower", lambda kind, model, **options: (kind, model, options))
    refiner = ImageClipEmbeddingRefiner("ViT-L-14", "openai", normalize=False)
    assert refiner.feature_field_name == "image_clip_emb_vit_l_14"
    assert refiner.encoder[1:] == ("vit-l-14-openai", {"normalize": False, "threads": None})
    assert TextClipEmbeddingRefiner("ViT-L-14", "openai").feature_field_name == "text_clip_emb_vit_l_14"


def test_half_precision_is_another_name_of_the_model(root, monkeypatch):
    """Without a model of that name at hand, which would be downloaded."""
    from clippie_rs import operators

    monkeypatch.setattr(operators, "open_tower", lambda kind, model, **options: model)
    for kind in (ImageClipEmbeddingRefiner, TextClipEmbeddingRefiner):
        refiner = kind("ViT-L-14", "openai", use_fp16=True, feature_field_name="v")
        assert refiner.encoder == "vit-l-14-openai:f16"
        for model, opened in {
            "mobileclip2-s0": "mobileclip2-s0:f16",
            "mobileclip2-s0:int8": "mobileclip2-s0:int8",
            "hf-hub:a/b@main": "hf-hub:a/b@main:f16",
        }.items():
            assert kind(model=model, use_fp16=True, feature_field_name="v").encoder == opened
            assert kind(model=model, feature_field_name="v").encoder == model
        for path in ("there.clippie", pathlib.Path("there.clippie")):
            with pytest.warns(UserWarning, match=r"use_fp16 is ignored: 'there\.clippie' has the precision"):
                assert kind(model=path, use_fp16=True, feature_field_name="v").encoder == path


def test_records_are_refined_in_place(clip, drawings):
    data = pathlib.Path(drawings[0]).read_bytes()
    records = [
        {"image": {"bytes": data}},
        {"image": {"bytes": data, "path": "missing.png"}},
        {"image": drawings[0]},
        {"image": data},
        {"image": {"bytes": None, "path": drawings[0]}},
        {"image": None},
        {},
        {"image": {"bytes": b"x"}},
        {"image": 7},
    ]
    refiner = ImageClipEmbeddingRefiner(model="demo", feature_field_name="v", error_field_name="why")
    assert refiner.refine_batch(records) is None
    row = clip.encode_images(drawings[0])[0].tolist()
    assert [record["v"] for record in records] == [row] * 5 + [None] * 4
    assert [record["why"] is None for record in records] == [True] * 5 + [False] * 4
    assert records[6]["why"] == "the cell is null" and records[8]["why"].startswith("a int is no image")
    assert refiner.get_output_schema() == {"v": pa.list_(pa.float32()), "why": pa.string()}
    refiner.refine_batch([])
    texts = [{"caption": "a red star"}, {"caption": 1}]
    TextClipEmbeddingRefiner(model="demo").refine_batch(texts)
    assert texts[0]["text_clip_emb_demo"] == clip.encode_texts("a red star")[0].tolist()
    assert texts[1] == {"caption": 1, "text_clip_emb_demo": None, "caption_error": "a int is no text"}


@pytest.mark.parametrize("batch", [False, True])
def test_scores_are_cosines_and_filter(clip, drawings, batch):
    captions = ["a red star", "a white square below a red star", None]
    table = (pa.RecordBatch if batch else pa.Table).from_pydict({"image": drawings[4:7], "caption": captions})
    table = TextClipEmbeddingRefiner(model="demo")(ImageClipEmbeddingRefiner(model="demo", normalize=False)(table))
    names = ("image_clip_emb_demo", "text_clip_emb_demo")
    with pytest.raises(errors.OptionError, match="are of different models"):
        ClipScoreFilter(*names)(table)
    table = table.drop_columns(["image_clip_emb_demo", "image_error"])
    table = ImageClipEmbeddingRefiner(model="demo")(table)
    scored = ClipScoreFilter(*names)(table)
    cosines = (clip.encode_images(drawings[4:6]) * clip.encode_texts(captions[:2])).sum(axis=1)
    scores = scored["clip_score"].to_pylist()
    assert scores[2] is None and scores[:2] == pytest.approx(cosines.tolist(), abs=1e-6)
    best = max(scores[:2])
    assert ClipScoreFilter(*names, min_score=best)(table)["clip_score"].to_pylist() == [best]
    assert ClipScoreFilter(*names, min_score=1.0)(table).num_rows == 0
    with pytest.raises(errors.OptionError, match="min_score is 2"):
        ClipScoreFilter(min_score=2)
    with pytest.raises(errors.OptionError, match="min_score is 'x'"):
        ClipScoreFilter(min_score="x")
    with pytest.raises(errors.OptionError, match="the column image_clip_emb_vit_l_14 is not there"):
        ClipScoreFilter("image_clip_emb_vit_l_14")(table)
    # By default the only columns of their kinds.
    assert ClipScoreFilter()(table)["clip_score"].to_pylist() == scores
    with pytest.raises(errors.OptionError, match="no column whose name begins with image_clip_emb_: .*`image_field`"):
        ClipScoreFilter()(table.drop_columns(["image_clip_emb_demo"]))
    two = table.append_column("text_clip_emb_other", table["text_clip_emb_demo"]) if not batch else None
    if two is not None:
        with pytest.raises(errors.OptionError, match="more than one column .*text_clip_emb_other; .*`text_field`"):
            ClipScoreFilter()(two)
    with pytest.raises(errors.OptionError, match="the column caption has the type string"):
        ClipScoreFilter("caption", names[1])(table)
    bare = pa.table({"a": [[1.0, 2.0]], "b": [[1.0, 2.0]]})
    with pytest.raises(errors.OptionError, match="the column a has no fingerprint"):
        ClipScoreFilter("a", "b")(bare)


@pytest.mark.parametrize("table", [{"image": ["x"]}, [1], None])
def test_what_is_no_table_of_pyarrow_is_refused(table):
    for operator in (ImageClipEmbeddingRefiner(model="demo"), ClipScoreFilter()):
        with pytest.raises(TypeError, match="is no table here; give a pyarrow.Table or RecordBatch"):
            operator(table)


def scores(images, texts, **options):
    """The cosines of two columns of lists, one fingerprint."""
    names = ("image_clip_emb_x", "text_clip_emb_x")
    fields = [
        pa.field(name, column.type, metadata={"clippie.fingerprint": options.get("fingerprint", "f")})
        for name, column in zip(names, (images, texts))
    ]
    return ClipScoreFilter()(pa.table([images, texts], schema=pa.schema(fields)))["clip_score"].to_pylist()


def test_cosines_are_of_one_row(clip):
    def lists(rows, of=None):
        return pa.array(rows, of or pa.list_(pa.float32()))

    # As many numbers in both columns, and not in both rows.
    assert scores(lists([[1, 0, 1], [1]]), lists([[1, 0], [1, 0]])) == [None, None]
    assert scores(lists([[1, 0], [1], [0, 2]]), lists([[1, 0], [1, 0], [0, 1]])) == [1.0, None, 1.0]
    assert scores(lists([[3], [1, 0, 0]]), lists([[2], [0, 0, 1]])) == [1.0, 0.0]
    assert scores(lists([[], [1], [1, None], [float("nan")], [0]]), lists([[], [], [1, 0], [1], [1]])) == [None] * 5
    # Slices, nulls, chunks, other types of lists.
    fixed = pa.array([[9, 9], [1, 0], None, [0, 1]], pa.list_(pa.float32(), 2)).slice(1)
    large = lists([[7], None, [1, 0], [1, 0], [0, 5]], pa.large_list(pa.float64())).slice(2)
    assert scores(fixed, large) == [1.0, None, 1.0]
    chunked = pa.chunked_array([lists([[1, 0], None]), lists([]), lists([[5], [0, 1]]).slice(1)])
    assert scores(chunked, lists([[1, 0], [1], [0, 1]])) == [1.0, None, 1.0]
    assert scores(lists([[1, 0]], pa.list_(pa.float16())), lists([[1, 0]])) == [1.0]
    assert scores(lists([None]), lists([None])) == [None] and scores(lists([]), lists([])) == []
    # A fingerprint is compared as bytes, whatever they are.
    assert scores(lists([[1.0]]), lists([[1.0]]), fingerprint=b"\xff") == [1.0]


def test_records_that_are_no_unicode(clip, drawings):
    class Named(os.PathLike):
        def __init__(self, path):
            self.path = path

        def __fspath__(self):
            return self.path

    itself = {}
    itself["bytes"] = itself
    cells = ["\ud800", Named(b"\xff.png"), Named(os.fsencode(drawings[0])), {"path": "\udcff"}, itself]
    records = [{"image": cell} for cell in cells]
    ImageClipEmbeddingRefiner(model="demo").refine_batch(records)
    assert [record["image_clip_emb_demo"] is None for record in records] == [True, True, False, True, True]
    reasons = [record["image_error"] or "" for record in records]
    assert all("is no UTF-8; rename it" in reasons[place] for place in (0, 1, 3)) and "a dict is no image" in reasons[4]
    records = [{"caption": "a\ud800"}, {"caption": "a red star"}]
    TextClipEmbeddingRefiner(model="demo").refine_batch(records)
    assert "no Unicode" in records[0]["caption_error"] and records[1]["caption_error"] is None
