"""The interfaces of other libraries. Those that are installed are used; the shapes are tested in any case."""

import pathlib
import pickle

import numpy
import PIL.Image
import pytest

import clippie_rs
from clippie_rs import clippie, errors
from clippie_rs.chroma import ClipEmbeddingFunction
from clippie_rs.langchain import ClipEmbeddings
from clippie_rs.sentence_transformers import ClipModel
from clippie_rs.sklearn import ClipTransformer

TEXTS = ["a white square below a red star", "two blue circles"]


def test_clippie(root, drawings):
    raw = clippie_rs.Clip.demo(normalize=False, orient=False)
    weights = clippie.load("demo")
    rows = clippie.encode_text(TEXTS, weights.text_encoder)
    assert rows.tobytes() == raw.encode_texts(TEXTS).tobytes()
    assert clippie.encode_text(TEXTS[0], weights.text_encoder).tobytes() == rows[0].tobytes()
    images = [PIL.Image.open(path) for path in drawings[:3]]
    expected = raw.encode_images(drawings[:3])
    assert clippie.encode_image(images, weights.image_encoder).tobytes() == expected.tobytes()
    single = clippie.encode_image(images[1], weights.image_encoder)
    assert (single.shape, single.tobytes()) == ((64,), expected[1].tobytes())
    path = root / "weights" / "demo.clippie"
    with open(path, "rb") as file:
        for model in (file, path, str(path)):
            assert clippie.load(model).image_encoder.fingerprint == raw.fingerprint
    with pytest.raises(errors.TextError):
        clippie.encode_text("word " * 200, weights.text_encoder)
    assert numpy.allclose(clippie.softmax([[0, numpy.log(3)]]), [[0.25, 0.75]])


def test_sentence_transformers(clip, drawings):
    model = ClipModel("demo")
    raw = clippie_rs.Clip.demo(normalize=False)
    assert model.encode(TEXTS).tobytes() == raw.encode_texts(TEXTS).tobytes()
    single = model.encode(TEXTS[0], normalize_embeddings=True, show_progress_bar=True)
    assert (single.shape, single.tobytes()) == ((64,), clip.encode_texts(TEXTS[0]).tobytes())
    image = PIL.Image.open(drawings[0])
    assert model.encode(image).tobytes() == raw.encode_images(drawings[0]).tobytes()
    mixed = model.encode([TEXTS[0], image, pathlib.Path(drawings[1])], normalize_embeddings=True)
    assert mixed[0].tobytes() == single.tobytes() and mixed[1:].tobytes() == clip.encode_images(drawings[:2]).tobytes()
    assert isinstance(model.encode(TEXTS, convert_to_numpy=False), list)
    assert model.get_sentence_embedding_dimension() == 64 and model.similarity(mixed, mixed).shape == (3, 3)
    assert model.encode([]).shape == (0, 64)
    for wrong in ({"precision": "int8"}, {"truncate_dim": 8}):
        with pytest.raises(errors.OptionError):
            model.encode(TEXTS, **wrong)


def test_langchain(clip, drawings):
    import asyncio

    embeddings = ClipEmbeddings(clip)
    expected = clip.encode_texts(TEXTS).tolist()
    assert embeddings.embed_documents(TEXTS) == expected and embeddings.embed_query(TEXTS[1]) == expected[1]
    assert embeddings.embed_image(drawings[:2]) == clip.encode_images(drawings[:2]).tolist()
    assert asyncio.run(embeddings.aembed_documents(TEXTS)) == expected
    assert asyncio.run(embeddings.aembed_query(TEXTS[0])) == expected[0]
    with pytest.raises(errors.OptionError, match="the model was opened with threads=None"):
        ClipEmbeddings(clip, threads=2)


def test_langchain_itself(clip):
    store = pytest.importorskip("langchain_core.vectorstores", reason="langchain-core is not installed")
    memory = store.InMemoryVectorStore(ClipEmbeddings("demo"))
    memory.add_texts(TEXTS)
    assert memory.similarity_search(TEXTS[1], k=1)[0].page_content == TEXTS[1]


def test_chroma(clip, drawings):
    function = ClipEmbeddingFunction("demo", threads=2)
    pixels = [numpy.asarray(PIL.Image.open(path).convert("RGB")) for path in drawings[:2]]
    rows = function([TEXTS[0], *pixels])
    assert [row.shape for row in rows] == [(64,)] * 3
    assert numpy.stack(rows[1:]).tobytes() == clip.encode_images(drawings[:2]).tobytes()
    assert function.embed_query(TEXTS)[1].tobytes() == clip.encode_texts(TEXTS)[1].tobytes()
    config = function.get_config()
    function.validate_config(config)
    again = ClipEmbeddingFunction.build_from_config(config)
    assert again.get_config() == config and function.name() == "clippie_rs" and function.default_space() == "cosine"
    with pytest.raises(errors.OptionError, match="another model"):
        ClipEmbeddingFunction.build_from_config({**config, "fingerprint": "0" * 32})
    with pytest.raises(errors.OptionError):
        function.validate_config_update(config, {**config, "fingerprint": "0" * 32})


def test_chroma_itself(drawings, tmp_path):
    chromadb = pytest.importorskip("chromadb", reason="chromadb is not installed")
    client = chromadb.PersistentClient(str(tmp_path))
    collection = client.create_collection("drawings", embedding_function=ClipEmbeddingFunction("demo"))
    pixels = [numpy.asarray(PIL.Image.open(path).convert("RGB")) for path in drawings]
    collection.add(ids=[pathlib.Path(path).name for path in drawings], images=pixels)
    found = client.get_collection("drawings").query(query_texts=["a white square below a red star"], n_results=1)
    assert found["ids"] == [["05.png"]]


def test_sklearn(clip, drawings):
    transformer = ClipTransformer("demo", kind="text", threads=1)
    expected = clip.encode_texts(TEXTS)
    columns = (TEXTS, numpy.array(TEXTS), numpy.array(TEXTS, dtype=object).reshape(-1, 1))
    for texts in columns:
        assert transformer.fit_transform(texts).tobytes() == expected.tobytes()
    images = ClipTransformer(clip).fit().transform(drawings[:2])
    assert images.tobytes() == clip.encode_images(drawings[:2]).tobytes()
    assert list(transformer.get_feature_names_out()) == [f"clip{index}" for index in range(64)]
    assert pickle.loads(pickle.dumps(transformer)).transform(TEXTS).tobytes() == expected.tobytes()
    with pytest.raises(errors.OptionError):
        ClipTransformer(kind="sound").fit()


def test_sklearn_itself(drawings):
    pytest.importorskip("sklearn", reason="scikit-learn is not installed")
    from sklearn.base import clone
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    pipeline = clone(make_pipeline(ClipTransformer("demo"), LogisticRegression()))
    labels = [index % 2 for index in range(len(drawings))]
    assert pipeline.fit(drawings, labels).predict(drawings).shape == (len(drawings),)
    assert pipeline[:-1].get_feature_names_out()[0] == "clip0"


def test_lancedb(clip, drawings, tmp_path):
    try:
        import lancedb
    except ImportError:
        with pytest.raises(ImportError, match="pip install lancedb"):
            import clippie_rs.lancedb  # noqa: F401
        return
    from lancedb.pydantic import LanceModel, Vector

    from clippie_rs.lancedb import ClipEmbeddings

    function = ClipEmbeddings.create(model="demo")

    class Photo(LanceModel):
        path: str = function.SourceField()
        vector: Vector(function.ndims()) = function.VectorField()

    table = lancedb.connect(tmp_path).create_table("photos", schema=Photo)
    table.add([{"path": path} for path in drawings])
    stored = table.to_arrow().column("vector").combine_chunks().flatten().to_numpy()
    assert stored.tobytes() == clip.encode_images(drawings).tobytes()
    best = table.search("a white square below a red star").limit(1).to_list()[0]
    assert pathlib.Path(best["path"]).name == "05.png"
