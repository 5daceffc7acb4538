"""Models by name, from a hub on this machine: progress, Ctrl-C, what is kept, and names that there are not."""

import os
import subprocess

import pytest
from local_hub import CHECKPOINT, NAME, LocalHub

import clippie_rs
from clippie_rs import errors


@pytest.fixture
def hub(root, monkeypatch, tmp_path):
    """A hub with a small model, and the settings that lead there and to an empty folder of models."""
    for name in os.environ:
        if name.upper().startswith(("CLIPPIE_", "HF_", "HUGGING")) or name.upper().endswith("_PROXY"):
            if name != "CLIPPIE_RS_COMMAND":
                monkeypatch.delenv(name)
    hub = LocalHub(root / "tests" / "goldens" / "import" / "open_clip")
    monkeypatch.setenv("HF_ENDPOINT", hub.endpoint)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "no-hf"))
    monkeypatch.setenv("CLIPPIE_HOME", str(tmp_path / "home"))
    yield hub
    hub.close()


@pytest.fixture
def home(tmp_path):
    """Lists the files of the folder of models, except locks."""

    def files():
        home = tmp_path / "home"
        found = [path.relative_to(home).as_posix() for path in home.rglob("*") if path.is_file()]
        return sorted(path for path in found if not path.startswith("locks/"))

    return files


def model_file(hub):
    return f"models/test--tiny-{hub.sha256[:16]}.clippie"


def test_progress_of_a_download_and_no_request_after_it(hub, home, drawings, tmp_path, monkeypatch):
    events = []
    clip = clippie_rs.Clip.from_name(NAME, events.append)
    assert home() == [model_file(hub)]
    assert events[0] == {
        "event": "plan",
        "name": NAME,
        "total": sum(len(data) for data in hub.files.values()),
        "license": "mit",
    }
    size = len(hub.files[CHECKPOINT])
    downloads = [event for event in events if event["event"] == "download"]
    done = [event["done"] for event in downloads if event["file"] == CHECKPOINT]
    assert done == sorted(done) and done[-1] == size and {event["file"] for event in downloads} == set(hub.files)
    last = {event["event"]: event for event in events}
    assert last["convert"]["done"] == last["convert"]["total"] > 0
    rows = clip.encode_images(drawings)

    # What is on this computer needs no hub, whatever the settings say.
    hub.seen.clear()
    for setting in ({}, {"HF_HUB_OFFLINE": "1"}, {"HF_ENDPOINT": "http://127.0.0.1:9"}):
        with monkeypatch.context() as patch:
            for name, value in setting.items():
                patch.setenv(name, value)
            events.clear()
            again = clippie_rs.ImageEncoder.from_name(NAME, events.append)
            assert again.fingerprint == clip.fingerprint and again.encode(drawings).tobytes() == rows.tobytes()
    assert (hub.seen, events) == ([], [])

    # The same as the command makes of the same files.
    binary = os.environ.get("CLIPPIE_RS_COMMAND")
    if binary:
        for name, data in hub.files.items():
            (tmp_path / name).write_bytes(data)
        converted = tmp_path / "converted.clippie"
        subprocess.run([binary, "convert", tmp_path / CHECKPOINT, converted], check=True, capture_output=True)
        other = clippie_rs.Clip.open(converted)
        assert other.encode_images(drawings).tobytes() == rows.tobytes()


def test_control_c_leaves_no_model_and_the_next_call_continues(hub, home, script, drawings):
    half = len(hub.files[CHECKPOINT]) // 2
    hub.stops_after = half
    printed = script(
        """if True:
        import os, signal, sys, threading, time, clippie_rs
        # What a shell starts in the background ignores it.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        sent = []
        def interrupt():
            sent.append(time.perf_counter())
            os.kill(os.getpid(), signal.SIGINT)
        def progress(event):
            # The hub says no more from now on.
            if event["event"] == "download" and event["done"] == int(sys.argv[2]) and not sent:
                threading.Timer(0.2, interrupt).start()
        try:
            clippie_rs.Clip.from_name(sys.argv[1], progress)
        except KeyboardInterrupt:
            print(time.perf_counter() - sent[0])
        """,
        NAME,
        str(half),
    )
    assert float(printed) < 0.5
    left = home()
    assert left and all(path.startswith("downloads/") for path in left), left

    hub.stops_after = None
    hub.gate.set()
    hub.seen.clear()
    clip = clippie_rs.Clip.from_name(NAME)
    assert home() == [model_file(hub)]
    assert [range_ for method, path, range_ in hub.seen if method == "GET" and path.endswith(CHECKPOINT)] == [f"bytes={half}-"]
    assert clip.encode_images(drawings).shape == (len(drawings), clip.embed_dim)


def test_an_exception_of_progress_and_a_token_leave_no_model(hub, home):
    def fail(event):
        raise LookupError(event["event"])

    with pytest.raises(LookupError, match="plan"):
        clippie_rs.Clip.from_name(NAME, fail)
    token = clippie_rs.CancelToken()
    with pytest.raises(clippie_rs.Cancelled):
        clippie_rs.Clip.from_name(NAME, lambda event: token.cancel(), cancel=token)
    assert not [path for path in home() if path.startswith("models/")]


def test_damaged_downloads_and_names_that_there_are_not(hub, home):
    with pytest.raises(errors.OptionError, match="no model is called `MobileCLIP2-S2` .*one is called `mobileclip2-s2`"):
        clippie_rs.Clip.from_name("MobileCLIP2-S2")
    with pytest.raises(errors.OptionError, match="hf-hub:ORG/REPO"):
        clippie_rs.ImageEncoder.from_name("hf-hub:tiny")
    with pytest.raises(errors.NetworkError, match="no public repository test/none") as caught:
        clippie_rs.TextEncoder.from_name("hf-hub:test/none")
    assert isinstance(caught.value, OSError) and isinstance(caught.value, clippie_rs.Error)
    hub.files[CHECKPOINT] = b"no checkpoint"
    with pytest.raises(errors.CheckpointError, match=CHECKPOINT):
        clippie_rs.Clip.from_name(NAME)
    assert not [path for path in home() if path.startswith("models/")]
