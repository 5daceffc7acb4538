"""A hub on this machine: the paths and headers of Hugging Face that a download uses, for one repository of one model."""

import hashlib
import http.server
import json
import pathlib
import threading

COMMIT = "0123456789abcdef0123456789abcdef01234567"
REPOSITORY = "test/tiny"
NAME = f"hf-hub:{REPOSITORY}"
CHECKPOINT = "open_clip_model.safetensors"


class LocalHub:
    """Serves the files of ``folder`` at ``endpoint`` until it is closed. It connects to nothing."""

    def __init__(self, folder: pathlib.Path):
        self.files = {path.name: path.read_bytes() for path in folder.iterdir()}
        # Method, path and Range of all requests.
        self.seen: list[tuple[str, str, str | None]] = []
        # The checkpoint stops after this many bytes until the gate is open.
        self.stops_after: int | None = None
        self.gate = threading.Event()
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def endpoint(self) -> str:
        """The value for HF_ENDPOINT."""
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    @property
    def sha256(self) -> str:
        """Of the checkpoint; the weights file's name has sixteen digits of it."""
        return hashlib.sha256(self.files[CHECKPOINT]).hexdigest()

    def close(self) -> None:
        """Stop it."""
        self.gate.set()
        self.server.shutdown()
        self.server.server_close()


def _handler(hub: LocalHub) -> type:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_HEAD(self):
            self.answer(body=False)

        def do_GET(self):
            self.answer(body=True)

        def answer(self, body: bool):
            hub.seen.append((self.command, self.path, self.headers.get("Range")))
            if self.path == f"/api/models/{REPOSITORY}/revision/main":
                siblings = [{"rfilename": name} for name in hub.files]
                listed = {"sha": COMMIT, "siblings": siblings, "cardData": {"license": "mit"}}
                return self.send(200, json.dumps(listed).encode(), {}, body)
            of_file = f"/{REPOSITORY}/resolve/{COMMIT}/"
            data = hub.files.get(self.path.removeprefix(of_file)) if self.path.startswith(of_file) else None
            if data is None:
                # As on the real hub, whoever has no token does not learn what there is.
                return self.send(401, b"no", {"X-Error-Code": "RepoNotFound"}, body)
            headers = {
                "X-Repo-Commit": COMMIT,
                "X-Linked-ETag": f'"{hashlib.sha256(data).hexdigest()}"',
                "X-Linked-Size": str(len(data)),
            }
            status, first, whole = 200, 0, len(data)
            if (range_ := self.headers.get("Range")) is not None:
                first = int(range_.removeprefix("bytes=").removesuffix("-"))
                status, headers["Content-Range"] = 206, f"bytes {first}-{whole - 1}/{whole}"
            stops = hub.stops_after if body and self.path.endswith(CHECKPOINT) else None
            self.send(status, data[first:], headers, body, stops)

        def send(self, status: int, data: bytes, headers: dict[str, str], body: bool, stops: int | None = None):
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(data))}.items():
                self.send_header(name, value)
            self.end_headers()
            if not body:
                return
            if stops is not None:
                self.wfile.write(data[:stops])
                self.wfile.flush()
                hub.gate.wait()
                data = data[stops:]
            try:
                self.wfile.write(data)
            except (BrokenPipeError, ConnectionResetError):
                # A download that was cancelled.
                pass

        def log_message(self, *_):
            pass

    return Handler
