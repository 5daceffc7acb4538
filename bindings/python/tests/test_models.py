"""Opening models: options, pickles, errors, downloads."""

import copy
import pickle
import re
import shutil

import pytest

import clippie_rs
from clippie_rs import errors


def test_a_file_and_its_towers(root, clip, drawings):
    path = root / "weights" / "demo.clippie"
    opened = clippie_rs.Clip.open(path)
    assert (opened.fingerprint, opened.embed_dim, opened.name) == (clip.fingerprint, 64, clip.name)
    assert len(clip.fingerprint) == 32 and set(clip.fingerprint) <= set("0123456789abcdef")
    image, text = clippie_rs.ImageEncoder.open(str(path)), clippie_rs.TextEncoder.open(path)
    expected = clip.encode_images(drawings[:2]), clip.encode_texts("a red star")
    assert image.encode(drawings[:2]).tobytes() == opened.image.encode(drawings[:2]).tobytes() == expected[0].tobytes()
    assert text.encode("a red star").tobytes() == opened.text.encode("a red star").tobytes() == expected[1].tobytes()
    assert image.fingerprint == text.fingerprint == clip.fingerprint and image.name == text.name == clip.name
    assert (image.embed_dim, image.image_size, text.context_length) == (64, 64, clip.context_length)
    assert text.logit_scale == clip.logit_scale and text.logit_bias is None


def test_load_takes_names_and_paths(root, clip, tmp_path, monkeypatch):
    path = root / "weights" / "demo.clippie"
    for model in ("demo", path, str(path)):
        loaded = clippie_rs.load(model, threads=1)
        assert isinstance(loaded, clippie_rs.Clip) and loaded.fingerprint == clip.fingerprint
        assert loaded.options["threads"] == 1
    assert clippie_rs.load(clip) is clip
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own").write_bytes(path.read_bytes())
    assert clippie_rs.load("own").fingerprint == clip.fingerprint
    with pytest.raises(errors.OptionError):
        clippie_rs.load(clip, threads=3)


@pytest.mark.parametrize("options", [{"threads": 1}, {"threads": 3}, {"batch_size": 1}, {"copy_weights": True}])
def test_options_that_never_change_results(clip, drawings, options):
    other = clippie_rs.Clip.demo(**options)
    assert other.options == {**clip.options, **options}
    assert other.encode_images(drawings).tobytes() == clip.encode_images(drawings).tobytes()
    assert other.fingerprint == clip.fingerprint
    other.release()
    assert other.encode_images(drawings).tobytes() == clip.encode_images(drawings).tobytes()


def test_options_that_change_embeddings_change_the_fingerprint(clip, drawings):
    raw = clippie_rs.Clip.demo(normalize=False)
    rows = raw.encode_images(drawings[:3])
    assert abs((rows**2).sum(axis=1) - 1).min() > 1e-3
    assert len({clip.fingerprint, raw.fingerprint, clippie_rs.Clip.demo(orient=False).fingerprint}) == 3


def test_the_tiles_of_a_processor_change_no_embedding(clip, drawings):
    # Allowed before models are opened; this one has floats, which do not use them.
    assert clippie_rs.allow_amx() is None
    assert clippie_rs.Clip.demo().encode_images(drawings).tobytes() == clip.encode_images(drawings).tobytes()
    try:
        tiles = clippie_rs.Clip.demo(isa="amx")
    except errors.OptionError as error:
        assert re.match('^isa is "amx", which this machine cannot run; it can run ', str(error))
    else:
        assert tiles.encode_images(drawings).tobytes() == clip.encode_images(drawings).tobytes()


def test_options_that_cannot_be_used():
    with pytest.raises(TypeError, match="^thread: there is no such option; there are threads, batch_size"):
        clippie_rs.Clip.demo(thread=2)
    with pytest.raises(TypeError, match="^threads: "):
        clippie_rs.Clip.demo(threads="two")
    refused = {"threads": 0, "batch_size": 0, "isa": "vax"}
    for name, value in refused.items():
        with pytest.raises(errors.OptionError, match=f"^{name} is "):
            clippie_rs.Clip.demo(**{name: value})
    with pytest.raises(clippie_rs.Error, match="language"):
        clippie_rs.Clip.demo(language="de")
    slow = clippie_rs.Clip.demo(isa="portable")
    assert slow.options["isa"] == "portable" and slow.encode_texts("a star").shape == (1, 64)


def test_files_that_cannot_be_opened(tmp_path, script):
    with pytest.raises(FileNotFoundError, match="missing.clippie: no such file; check the path") as caught:
        clippie_rs.Clip.open("missing.clippie")
    assert caught.value.path == "missing.clippie" and isinstance(caught.value, clippie_rs.Error)
    with pytest.raises(IsADirectoryError):
        clippie_rs.Clip.open(tmp_path)
    (tmp_path / "other").write_bytes(b"x" * 100)
    with pytest.raises(errors.WeightsError, match="not a .clippie weights file"):
        clippie_rs.ImageEncoder.open(tmp_path / "other")
    with pytest.raises(errors.OptionError, match="is a model name, not a file"):
        clippie_rs.TextEncoder.open("mobileclip2-s2")
    # Root may open every file, so not as root.
    script(
        """if True:
        import os, sys, clippie_rs
        path = sys.argv[1]
        os.chmod(path, 0)
        if os.geteuid() == 0:
            os.seteuid(65534)
        for opens in (clippie_rs.Clip.open, clippie_rs.Clip.demo().encode_images):
            try:
                opens(path)
            except PermissionError as error:
                assert isinstance(error, clippie_rs.Error) and path in str(error), error
            else:
                sys.exit("opened")
        """,
        str(tmp_path / "other"),
    )


def test_representations_are_the_calls_that_open_it(root, clip, monkeypatch):
    monkeypatch.chdir(root)
    cases = {
        clip: "Clip.demo()",
        clippie_rs.Clip.demo(threads=2, orient=False): "Clip.demo(threads=2, orient=False)",
        clip.image: "ImageEncoder.demo()",
        clippie_rs.TextEncoder.open("weights/demo.clippie", batch_size=4): (
            f"TextEncoder.open('{root}/weights/demo.clippie', batch_size=4)"
        ),
    }
    for model, expected in cases.items():
        assert repr(model) == expected
    assert repr(clippie_rs.CancelToken()) == "CancelToken()"


def test_pickles_open_the_same_model(root, clip, drawings, tmp_path):
    path = shutil.copy(root / "weights" / "demo.clippie", tmp_path / "model.clippie")
    models = [
        clippie_rs.Clip.demo(threads=2),
        clippie_rs.Clip.open(path, normalize=False),
        clippie_rs.ImageEncoder.open(path, orient=False),
        clippie_rs.TextEncoder.open(path, refuse_long_texts=True),
        clip.image,
        clip.text,
    ]
    for model in models:
        for again in (pickle.loads(pickle.dumps(model)), copy.deepcopy(model)):
            assert type(again) is type(model) and repr(again) == repr(model)
            assert again.fingerprint == model.fingerprint and again.options == model.options
    again = pickle.loads(pickle.dumps(models[2]))
    assert again.encode(drawings[0]).tobytes() == models[2].encode(drawings[0]).tobytes()

    function, arguments = models[1].__reduce__()
    with pytest.raises(errors.OptionError, match="is another model now"):
        function(*arguments[:-1], clip.fingerprint)
    pickled = pickle.dumps(models[1])
    del models
    (tmp_path / "model.clippie").unlink()
    with pytest.raises(FileNotFoundError, match="model.clippie"):
        pickle.loads(pickled)


def test_names(script, tmp_path):
    with pytest.raises(errors.OptionError, match="no-such-model"):
        clippie_rs.Clip.from_name("no-such-model")
    assert clippie_rs.Clip.from_name("demo").fingerprint == clippie_rs.Clip.demo().fingerprint
    # No network: nothing listens at this port.
    script(
        """if True:
        import clippie_rs
        from clippie_rs import errors
        events = []
        def progress(event):
            events.append(event)
            if event["event"] == "retry":
                raise LookupError("of the caller")
        for model in (clippie_rs.Clip, clippie_rs.ImageEncoder, clippie_rs.TextEncoder):
            try:
                model.from_name("mobileclip2-s0", progress)
            except LookupError:
                assert events[-1]["event"] == "retry" and events[-1]["reason"] and events[-1]["wait"] >= 0, events
            except errors.NetworkError as error:
                assert isinstance(error, OSError) and not events, error
            else:
                raise SystemExit("opened")
        token = clippie_rs.CancelToken()
        try:
            clippie_rs.Clip.from_name("mobileclip2-s0", lambda event: token.cancel(), cancel=token)
        except (clippie_rs.Cancelled, errors.NetworkError):
            pass
        """,
        HF_ENDPOINT="http://127.0.0.1:9",
        CLIPPIE_HOME=str(tmp_path),
        HF_HOME=str(tmp_path / "hf"),
    )
    script(
        """if True:
        import clippie_rs
        try:
            clippie_rs.Clip.from_name("mobileclip2-s0")
        except clippie_rs.errors.OptionError as error:
            assert "HF_HUB_OFFLINE" in str(error), error
        """,
        HF_HUB_OFFLINE="1",
        CLIPPIE_HOME=str(tmp_path),
        HF_HOME=str(tmp_path / "hf"),
    )
