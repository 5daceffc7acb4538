"""Requests per second, latencies, first answer and idle memory of `clippie-rs serve` and of Immich's service.

    python benches/serve/compare.py --service machine-learning --python venv/bin/python --work target/rivals

README.md says what is measured and how.
"""

import argparse
import asyncio
import itertools
import os
import signal
import subprocess
import time
from pathlib import Path

import immich
import load

PORTS = {"clippie-rs": 3103, "clippie-rs, int8": 3104, "immich": 3203}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--service", type=Path, required=True, help="folder machine-learning of Immich's sources")
    parser.add_argument("--python", type=Path, required=True, help="interpreter with its packages")
    parser.add_argument("--work", type=Path, default=Path("target/rivals"), help="folder of exported models")
    parser.add_argument("--command", type=Path, default=Path("target/release/clippie-rs"))
    parser.add_argument("--clients", default="1,2,8,32")
    parser.add_argument("--seconds", type=float, default=5, help="of a turn")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--int8", action="store_true", help="also with the weights in 8 bits, WEIGHTS-int8.clippie")
    parser.add_argument("--idle", type=float, default=12, help="seconds before memory is read")
    return parser.parse_args()


def start_clippie(engine: str, chosen: argparse.Namespace) -> subprocess.Popen:
    command = [chosen.command, "serve", "--immich", "--host", "127.0.0.1", "--port", str(PORTS[engine])]
    precision = "-int8" if engine.endswith("int8") else ""
    for model in immich.MODELS:
        weights = chosen.work / model.weights / f"{model.weights}{precision}.clippie"
        command += ["--alias", f"{model.name}={weights}"]
    environment = os.environ | {"MACHINE_LEARNING_MODEL_TTL": "10", "MACHINE_LEARNING_MODEL_TTL_POLL_S": "1"}
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    return subprocess.Popen(command, env=environment, start_new_session=True, **quiet)


def stop(process: subprocess.Popen) -> None:
    os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(15)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def memory(process: subprocess.Popen) -> tuple[float, float]:
    """Resident and private megabytes of a process and its children."""
    children = subprocess.run(["pgrep", "-g", str(process.pid)], capture_output=True, text=True).stdout.split()
    resident = private = 0
    for pid in children:
        try:
            rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
        except OSError:
            continue
        fields = {line.split(":")[0]: line.split()[1] for line in rollup.splitlines() if line.endswith("kB")}
        resident += int(fields["Rss"])
        private += int(fields["Private_Clean"]) + int(fields["Private_Dirty"])
    return resident / 1024, private / 1024


def begin(engine: str, chosen: argparse.Namespace, cache: Path, setting: tuple[int, int]) -> tuple:
    """Start a service; return it and the milliseconds to its first answer to a text."""
    port = PORTS[engine]
    request = load.text_request(port, immich.MODELS[0].name, "a dog on a beach")
    begun = time.perf_counter()
    if engine == "immich":
        process = immich.start(chosen.python.absolute(), chosen.service, cache.absolute(), port, setting)
    else:
        process = start_clippie(engine, chosen)
    return process, 1e3 * load.first_answer(port, request, begun)


def warm(engine: str, photos: list[bytes]) -> None:
    port = PORTS[engine]
    for model in immich.MODELS:
        requests = [load.image_request(port, model.name, photos[0]), load.text_request(port, model.name, "warm")]
        for clients in (1, 4):
            asyncio.run(load.drive(port, itertools.cycle(requests), clients, 1.0))


def rate(engine: str, model: immich.Served, kind: str, photos: list[bytes], clients: int, seconds: float, seed: int):
    port = PORTS[engine]
    if kind == "photos":
        requests = itertools.cycle([load.image_request(port, model.name, photo) for photo in photos])
    else:
        requests = (load.text_request(port, model.name, text) for text in load.texts(seed))
    return asyncio.run(load.drive(port, requests, clients, seconds))


def median(figures: list[load.Figures]) -> load.Figures:
    return sorted(figures, key=lambda figure: figure.per_second)[len(figures) // 2]


def main() -> None:
    chosen = arguments()
    cache = chosen.work / "immich"
    immich.export(chosen.work, cache)
    photos = load.previews(16)

    tried = {}
    for setting in immich.SETTINGS:
        process, _ = begin("immich", chosen, cache, setting)
        warm("immich", photos)
        tried[setting] = rate("immich", immich.MODELS[0], "photos", photos, 8, chosen.seconds, 0).per_second
        stop(process)
    setting = max(tried, key=tried.get)
    print(f"Immich's service is fastest with {setting[0]} workers and {setting[1]} threads a model: {tried}")

    engines = [engine for engine in PORTS if chosen.int8 or not engine.endswith("int8")]
    running, first = {}, {}
    for engine in engines:
        running[engine], first[engine] = begin(engine, chosen, cache, setting)
        warm(engine, photos)
    print("| model | requests | clients | " + " | ".join(f"{engine} a second | p50 | p99 ms" for engine in engines) + " | times |")
    print("|---" * (4 + 3 * len(engines)) + "|")
    for model, kind in itertools.product(immich.MODELS, ("photos", "texts")):
        for clients in map(int, chosen.clients.split(",")):
            turns = {engine: [] for engine in engines}
            for number in range(chosen.rounds):
                for engine in engines:
                    turns[engine].append(
                        rate(engine, model, kind, photos, clients, chosen.seconds, 100 * clients + number)
                    )
            medians = {engine: median(of) for engine, of in turns.items()}
            columns = [model.case, kind, str(clients)]
            for figures in medians.values():
                columns += [f"{figures.per_second:.1f}", f"{figures.p50:.1f}", f"{figures.p99:.1f}"]
            theirs = medians["immich"].per_second
            times = ", ".join(f"{medians[engine].per_second / theirs:.2f}" for engine in engines if engine != "immich")
            errors = sum(figure.errors for figures in turns.values() for figure in figures)
            note = f" ({errors} errors)" if errors else ""
            print(f"| {' | '.join(columns)} | {times}{note} |", flush=True)
    time.sleep(chosen.idle)
    for engine, process in running.items():
        resident, private = memory(process)
        print(f"{engine}: first answer after {first[engine]:.0f} ms, idle {resident:.0f} MB resident, {private:.0f} private")
        stop(process)


if __name__ == "__main__":
    main()
