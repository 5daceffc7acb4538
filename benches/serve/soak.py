"""An hour of mixed requests to `clippie-rs serve`: good, broken, huge, slow and broken off. Watches memory, handles and
threads, and compares every good answer with the first one.

    python benches/serve/soak.py --seconds 3600 --command target/release/clippie-rs

Exit code 1 if anything grew by more than 2 % after the first twentieth of the time, if an answer was wrong, if the server
panicked or ended. Needs nothing but Python.
"""

import argparse
import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
BOUNDARY = "----soak"
# Growth that is allowed, of each figure.
GROWTH = 0.02


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--command", type=Path, default=ROOT / "target" / "release" / "clippie-rs")
    parser.add_argument("--seconds", type=float, default=3600)
    parser.add_argument("--clients", type=int, default=6, help="threads that send requests; default: 6")
    parser.add_argument("--pause", type=float, default=0.05, help="seconds between the requests of a client")
    parser.add_argument("--port", type=int, default=3303)
    return parser.parse_args()


def form(fields: list[tuple[str, bytes]]) -> bytes:
    """A multipart body."""
    parts = []
    for name, value in fields:
        kind = f'name="{name}"' + ('; filename="a"\r\nContent-Type: image/jpeg' if name == "image" else "")
        parts.append(f"--{BOUNDARY}\r\nContent-Disposition: form-data; {kind}\r\n\r\n".encode() + value + b"\r\n")
    return b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()


def request(method: str, path: str, body: bytes = b"", kind: str = "application/json", length: int | None = None) -> bytes:
    head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
    if body or length is not None:
        head += f"Content-Type: {kind}\r\nContent-Length: {len(body) if length is None else length}\r\n"
    return head.encode() + b"\r\n" + body


def predict(entries: dict, fields: list[tuple[str, bytes]]) -> bytes:
    body = form([("entries", json.dumps(entries).encode()), *fields])
    return request("POST", "/predict", body, f"multipart/form-data; boundary={BOUNDARY}")


def answer(port: int, sent: bytes, patience: float = 60) -> tuple[int, bytes]:
    """Send a request; return the status and the body."""
    with socket.create_connection(("127.0.0.1", port), timeout=patience) as connection:
        try:
            connection.sendall(sent)
        except (BrokenPipeError, ConnectionResetError):
            pass  # refused before all of it was read
        received = b""
        try:
            while block := connection.recv(1 << 16):
                received += block
        except ConnectionResetError:
            pass
    head, _, body = received.partition(b"\r\n\r\n")
    status = int(head.split(b" ", 2)[1]) if head.startswith(b"HTTP/1.1 ") else 0
    return status, body


class Soak:
    """The requests, and what was found wrong."""

    def __init__(self, port: int):
        self.port, self.wrong, self.counts, self.first = port, [], Counter(), {}
        self.lock = threading.Lock()
        photo = (ROOT / "examples" / "drawings" / "01.png").read_bytes()
        jpeg = (ROOT / "examples" / "photos" / "cat.jpg").read_bytes()
        visual = {"clip": {"visual": {"modelName": "demo"}}}
        # Requests by name, each with the statuses that are right.
        self.good = {
            "drawing": (predict(visual, [("image", photo)]), (200,)),
            "photo": (predict(visual, [("image", jpeg)]), (200,)),
            "health": (request("GET", "/ping"), (200,)),
        }
        for text in ("a red star", "ein Stern", "two blue circles " * 40):
            entries = {"clip": {"textual": {"modelName": "demo"}}}
            self.good[f"text {text[:12]}"] = (predict(entries, [("text", text.encode())]), (200,))
        for inputs in (["a dog"], ["a red star", "a cat", "three green squares"]):
            body = json.dumps({"input": inputs, "model": "demo"}).encode()
            self.good[f"embeddings {len(inputs)}"] = (request("POST", "/v1/embeddings", body), (200,))
        # Photos that cannot be read are answered as Immich's container answers them.
        faces = {"facial-recognition": {"detection": {"modelName": "buffalo_l"}}}
        self.bad = {
            "faces": (predict(faces, [("image", jpeg)]), (501,)),
            "half a photo": (predict(visual, [("image", jpeg[: len(jpeg) // 2])]), (200, 500)),
            "no photo": (predict(visual, [("image", b"GIF89a" + bytes(range(256)))]), (500,)),
            "nothing": (predict(visual, [("image", b"")]), (400, 500)),
            "no text": (predict({"clip": {"textual": {"modelName": "demo"}}}, [("text", b"")]), (400,)),
            "no entries": (predict({}, [("image", photo)]), (200, 400, 422)),
            "no such model": (request("POST", "/v1/embeddings", b'{"input":"a","model":"no"}'), (404,)),
            "no JSON": (request("POST", "/v1/embeddings", b"{"), (400, 422)),
            "many texts": (
                request("POST", "/v1/embeddings", json.dumps({"input": ["a"] * 100_000, "model": "demo"}).encode()),
                (400, 413, 422),
            ),
            "too large": (request("POST", "/predict", b"x" * 1000, length=1 << 40), (413, 400)),
            "no form": (request("POST", "/predict", b"\0" * 5000, "multipart/form-data; boundary=x"), (400, 422)),
            "no path": (request("GET", "/../../etc/passwd"), (400, 404)),
            "a method": (request("DELETE", "/predict"), (404, 405)),
        }

    def fail(self, what: str) -> None:
        with self.lock:
            self.wrong.append(what)
            print(what, file=sys.stderr, flush=True)

    def once(self, dice: random.Random) -> None:
        kind = dice.random()
        if kind < 0.6:
            name = dice.choice(list(self.good))
            sent, statuses = self.good[name]
            status, body = answer(self.port, sent)
            with self.lock:
                known = self.first.setdefault(name, body)
            if status not in statuses or body != known:
                self.fail(f"{name}: status {status}, {'the same' if body == known else 'another'} body")
        elif kind < 0.85:
            name = dice.choice(list(self.bad))
            sent, statuses = self.bad[name]
            status, _ = answer(self.port, sent)
            # A server that refuses while a body is on its way may close before the answer is read.
            if status not in statuses and not (status == 0 and len(sent) > 100_000):
                self.fail(f"{name}: status {status}")
        elif kind < 0.95:
            name = "broken off"
            sent, _ = dice.choice(list(self.good.values()))
            with socket.create_connection(("127.0.0.1", self.port), timeout=10) as connection:
                connection.sendall(sent[: dice.randrange(1, len(sent))])
                if dice.random() < 0.5:
                    # Without goodbye.
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        else:
            name = "slow"
            sent, _ = dice.choice(list(self.good.values()))
            with socket.create_connection(("127.0.0.1", self.port), timeout=10) as connection:
                for byte in sent[: dice.randrange(1, 20)]:
                    try:
                        connection.sendall(bytes([byte]))
                    except (BrokenPipeError, ConnectionResetError):
                        break  # given up
                    time.sleep(0.1)
        with self.lock:
            self.counts[name] += 1

    def client(self, seed: int, until: float, pause: float) -> None:
        dice = random.Random(seed)
        while time.monotonic() < until:
            try:
                self.once(dice)
            except OSError as error:
                self.fail(f"no connection: {error}")
                time.sleep(1)
            time.sleep(pause * 2 * dice.random())


def figures(pid: int) -> dict[str, float]:
    """Resident and private megabytes, handles, threads."""
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    fields = {line.split(":")[0]: line.split()[1] for line in rollup.splitlines() if line.endswith("kB")}
    private = int(fields["Private_Clean"]) + int(fields["Private_Dirty"])
    threads = len(os.listdir(f"/proc/{pid}/task"))
    return {"resident": int(fields["Rss"]) / 1024, "private": private / 1024, "threads": threads}


def handles(pid: int) -> int:
    """Open files that are no connections, which come and go."""
    found = 0
    for name in os.listdir(f"/proc/{pid}/fd"):
        try:
            found += not os.readlink(f"/proc/{pid}/fd/{name}").startswith("socket:")
        except OSError:
            pass
    return found


def main() -> int:
    chosen = arguments()
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        command = [chosen.command, "serve", "-m", "demo", "--immich", "--host", "127.0.0.1", "--port", str(chosen.port)]
        with log.open("wb") as output:
            server = subprocess.Popen([*command, "-q"], stdout=output, stderr=output)
        soak = Soak(chosen.port)
        until = time.monotonic() + 30
        while time.monotonic() < until:
            try:
                if answer(chosen.port, request("GET", "/ping"))[0] == 200:
                    break
            except OSError:
                time.sleep(0.05)
        begun = time.monotonic()
        end = begun + chosen.seconds
        clients = [threading.Thread(target=soak.client, args=(seed, end, chosen.pause)) for seed in range(chosen.clients)]
        for client in clients:
            client.start()
        seen: list[dict[str, float]] = []
        step = chosen.seconds / 60
        while time.monotonic() < end and server.poll() is None:
            time.sleep(min(step, max(0.0, end - time.monotonic())))
            try:
                seen.append(figures(server.pid) | {"handles": handles(server.pid)})
            except OSError:
                break
            print(f"{time.monotonic() - begun:6.0f} s", sum(soak.counts.values()), seen[-1], flush=True)
        for client in clients:
            client.join()
        time.sleep(2)
        alive = server.poll() is None
        server.send_signal(signal.SIGTERM)
        status = server.wait(30)
        said = log.read_text(errors="replace")
    print(dict(soak.counts))
    for name in seen[0] if seen else []:
        # The most of a quarter of the time, from a twentieth on, and of the last quarter: requests come and go.
        values = [one[name] for one in seen]
        before, after = max(values[3:18]), max(values[-15:])
        print(f"{name}: {before:.1f} at first, {after:.1f} at last, {max(values):.1f} at most")
        if after > before * (1 + GROWTH):
            soak.fail(f"{name} grew from {before:.1f} to {after:.1f}")
    if not alive or status != 0:
        soak.fail(f"the server ended with status {status}")
    if "panic" in said:
        soak.fail(said[-2000:])
    print("nothing wrong" if not soak.wrong else f"{len(soak.wrong)} findings")
    return 1 if soak.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
