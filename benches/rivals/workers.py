"""Worker processes, as seen by the driver: started, given jobs, and stopped between their turns."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

HERE = Path(__file__).resolve().parent

# Maximum slowdown of a core, relative to its best speed, while engines are timed.
SLOWED = 0.15
# Seconds between speed checks while waiting for cores, and the maximum wait per turn.
PAUSE, WAIT = 0.05, 3.0


class Failed(Exception):
    """An engine failed to run a job; the message is the engine's."""


class Worker:
    """The process of an engine. It is stopped between turns, so that its spinning threads do not disturb others."""

    def __init__(self, command: list[str], threads: int):
        variables = ("OMP_NUM_THREADS", "RAYON_NUM_THREADS", "RTEN_NUM_THREADS")
        environment = os.environ | {variable: str(threads) for variable in variables} | {"PYTHONDONTWRITEBYTECODE": "1"}
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "bufsize": 1}
        self.process = subprocess.Popen(command, cwd=HERE, env=environment, **pipes)
        self.threads = threads
        self.version = self.answer()["version"]
        # Setting of the current job.
        self.way = ""
        self.process.send_signal(signal.SIGSTOP)

    def ask(self, do: str, **job) -> dict:
        """Send a job and return its answer."""
        self.begin(do, **job)
        return self.end()

    def begin(self, do: str, **job) -> None:
        """Send a job; `end` must follow."""
        self.process.send_signal(signal.SIGCONT)
        with suppress(BrokenPipeError):
            self.process.stdin.write(json.dumps({"do": do, **job}) + "\n")

    def end(self) -> dict:
        """Return the answer of the job."""
        try:
            return self.answer()
        finally:
            self.process.send_signal(signal.SIGSTOP)

    def answer(self) -> dict:
        line = self.process.stdout.readline()
        if not line:
            raise Failed(f"its process ended with exit code {self.process.wait()}")
        answer = json.loads(line)
        if "error" in answer:
            raise Failed(answer["error"])
        return answer

    def place(self, processors: set[int]) -> None:
        """Pin all threads of the process to these processors."""
        for thread in os.listdir(f"/proc/{self.process.pid}/task"):
            os.sched_setaffinity(int(thread), processors)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()


def python_worker(engine: str, threads: int) -> Worker:
    return Worker([sys.executable, "-W", "ignore", str(HERE / "worker.py"), engine], threads)


def processors(threads: int, turn: int) -> set[int]:
    """Return one processor per thread, different ones from turn to turn."""
    every = sorted(os.sched_getaffinity(0))
    return {every[(turn * threads + i) % len(every)] for i in range(threads)}


class Load:
    """Measures the processor time of other processes, which disturb the timings."""

    def __init__(self, workers: list[Worker]):
        self.pids = [worker.process.pid for worker in workers] + [os.getpid()]
        self.before = self.now()

    def now(self) -> tuple[int, int, int]:
        """Return the ticks of all processors: total, busy, and of our processes; zero if unknown."""
        try:
            fields = [int(field) for field in Path("/proc/stat").read_text().split("\n")[0].split()[1:9]]
            own = 0
            for pid in self.pids:
                after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
                own += int(after_name[11]) + int(after_name[12])
        except OSError:
            return 0, 0, 0
        idle = fields[3] + fields[4]
        return sum(fields), sum(fields) - idle, own

    def others(self) -> float:
        """Return the share of other processes since creation; zero if unknown."""
        total, busy, own = (now - before for now, before in zip(self.now(), self.before))
        return max(0.0, (busy - own) / total) if total > 0 else 0.0


class Cores:
    """Measures the current speed of processors with a small matrix product. It falls to half if another virtual machine
    uses the core's other hyperthread, which processor times do not show."""

    def __init__(self, binary: Path, best: float, patience: float):
        """`best` is in GFLOP/s, zero for the maximum observed; `patience` is the total waiting time in seconds."""
        self.workers = {processor: Worker([str(binary), "clippie"], 1) for processor in os.sched_getaffinity(0)}
        for processor, worker in self.workers.items():
            worker.place({processor})
        self.best_given, self.best, self.patience = best > 0, best, patience

    def slowed(self, chosen: set[int]) -> float:
        """Return the slowdown of the slowest of these processors relative to the best speed. All are measured at the
        same time, because a virtual machine's processors can be the two hyperthreads of one core."""
        workers = [self.workers[processor] for processor in chosen]
        for worker in workers:
            worker.begin("look")
        found = [worker.end()["gflops"] for worker in workers]
        if not self.best_given:
            self.best = max(self.best, *found)
        return 1 - min(found) / self.best

    def rest(self, chosen: set[int]) -> float:
        """Wait for these processors to reach full speed, within the remaining patience. Return the last slowdown."""
        until = time.monotonic() + min(WAIT, self.patience)
        with self.spending():
            while (slowed := self.slowed(chosen)) > SLOWED and time.monotonic() < until:
                time.sleep(PAUSE)
        return slowed

    @contextmanager
    def spending(self) -> Iterator[None]:
        """Subtract the duration of the block from the patience; nested blocks count once."""
        start, had = time.monotonic(), self.patience
        yield
        self.patience = max(0.0, had - (time.monotonic() - start))

    def close(self) -> None:
        for worker in self.workers.values():
            worker.close()
