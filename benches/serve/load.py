"""Clients of /predict: requests as Immich's server sends them, over connections that stay open."""

import asyncio
import io
import itertools
import json
import random
import time
from dataclasses import dataclass

BOUNDARY = "----formdata-undici-041592653589"


def previews(count: int) -> list[bytes]:
    """Return JPEG files as Immich's previews are: 1440 pixels, quality 80, all different."""
    from PIL import Image, ImageDraw

    made = []
    for number in range(count):
        rng = random.Random(number)
        image = Image.effect_noise((1440, 1080), 40).convert("RGB")
        draw = ImageDraw.Draw(image)
        for _ in range(60):
            x, y = rng.randrange(1440), rng.randrange(1080)
            colour = tuple(rng.randrange(256) for _ in range(3))
            draw.ellipse((x, y, x + rng.randrange(20, 400), y + rng.randrange(20, 400)), fill=colour)
        out = io.BytesIO()
        image.save(out, "JPEG", quality=80)
        made.append(out.getvalue())
    return made


def form(port: int, fields: list[tuple[str, bytes | str]]) -> bytes:
    """Return a request as Node's `FormData` and `fetch` make it."""
    parts = []
    for name, value in fields:
        if isinstance(value, bytes):
            kind = f'name="{name}"; filename="blob"\r\nContent-Type: application/octet-stream'
        else:
            kind, value = f'name="{name}"', value.encode()
        parts.append(f"--{BOUNDARY}\r\nContent-Disposition: form-data; {kind}\r\n\r\n".encode() + value + b"\r\n")
    body = b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()
    head = (
        f"POST /predict HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: keep-alive\r\n"
        f"Content-Type: multipart/form-data; boundary={BOUNDARY}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def image_request(port: int, model: str, image: bytes) -> bytes:
    return form(port, [("entries", json.dumps({"clip": {"visual": {"modelName": model}}})), ("image", image)])


def text_request(port: int, model: str, text: str) -> bytes:
    entry = {"modelName": model, "options": {"language": "en"}}
    return form(port, [("entries", json.dumps({"clip": {"textual": entry}})), ("text", text)])


def texts(seed: int):
    """Yield texts of some ten tokens that no cache has seen."""
    words = "a dog cat red blue beach snow tree house car under over near with two small large happy photo of".split()
    rng = random.Random(seed)
    for number in itertools.count():
        yield " ".join(rng.choice(words) for _ in range(7)) + f" {number}"


@dataclass
class Figures:
    """Of one load."""

    per_second: float
    p50: float
    p99: float
    errors: int


async def ask(connection, port: int, request: bytes):
    """Send a request; return the connection, the status and the body."""
    reader, writer = connection or await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    await writer.drain()
    head = await reader.readuntil(b"\r\n\r\n")
    lines = head.decode("latin-1").lower().split("\r\n")
    fields = dict(line.split(": ", 1) for line in lines[1:] if ": " in line)
    body = await reader.readexactly(int(fields["content-length"]))
    if fields.get("connection") == "close":
        writer.close()
        return None, int(lines[0].split()[1]), body
    return (reader, writer), int(lines[0].split()[1]), body


async def drive(port: int, requests, clients: int, seconds: float) -> Figures:
    """Let clients ask one request after the other."""
    spans, errors = [], 0
    end = time.perf_counter() + seconds

    async def client() -> None:
        nonlocal errors
        connection = None
        while (begun := time.perf_counter()) < end:
            try:
                connection, status, _ = await ask(connection, port, next(requests))
            except (OSError, asyncio.IncompleteReadError):
                # A connection that the service has closed meanwhile.
                connection, status = None, None
            if status == 200:
                spans.append(time.perf_counter() - begun)
            elif status is not None:
                errors += 1

    begun = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(clients)))
    spans.sort()
    at = lambda share: spans[min(len(spans) - 1, int(share * len(spans)))] * 1e3 if spans else float("nan")
    return Figures(len(spans) / (time.perf_counter() - begun), at(0.5), at(0.99), errors)


def first_answer(port: int, request: bytes, begun: float, patience: float = 120) -> float:
    """Seconds from `begun` to an answer, asking again until the service listens."""

    async def once():
        _, status, _ = await ask(None, port, request)
        return status

    while time.perf_counter() < begun + patience:
        try:
            if asyncio.run(once()) == 200:
                return time.perf_counter() - begun
        except (OSError, asyncio.IncompleteReadError):
            pass
        time.sleep(0.002)
    raise SystemExit(f"no answer on port {port}")
