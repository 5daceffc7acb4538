"""Workers as the driver sees them: started, asked, and halted while it is not their turn."""

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

# Share of its best that a core may lack while engines are timed.
SLOWED = 0.15
# Seconds between looks at cores that are waited for, and the most that a turn waits.
PAUSE, WAIT = 0.05, 3.0


class Failed(Exception):
    """An engine cannot do a job; the reason in its own words."""


class Worker:
    """One engine's process. Between its turns it is stopped, so that no thread of its pool spins in another's."""

    def __init__(self, command: list[str], threads: int):
        variables = ("OMP_NUM_THREADS", "RAYON_NUM_THREADS", "RTEN_NUM_THREADS")
        environment = os.environ | {variable: str(threads) for variable in variables} | {"PYTHONDONTWRITEBYTECODE": "1"}
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "bufsize": 1}
        self.process = subprocess.Popen(command, cwd=HERE, env=environment, **pipes)
        self.threads = threads
        self.version = self.answer()["version"]
        # How it runs the job that it has.
        self.way = ""
        self.process.send_signal(signal.SIGSTOP)

    def ask(self, do: str, **job) -> dict:
        """Sends a job and waits for its answer."""
        self.begin(do, **job)
        return self.end()

    def begin(self, do: str, **job) -> None:
        """Sends a job; `end` is next."""
        self.process.send_signal(signal.SIGCONT)
        with suppress(BrokenPipeError):
            self.process.stdin.write(json.dumps({"do": do, **job}) + "\n")

    def end(self) -> dict:
        """Waits for the answer."""
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
        """From now on all its threads run on these processors alone."""
        for thread in os.listdir(f"/proc/{self.process.pid}/task"):
            os.sched_setaffinity(int(thread), processors)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()


def python_worker(engine: str, threads: int) -> Worker:
    return Worker([sys.executable, "-W", "ignore", str(HERE / "worker.py"), engine], threads)


def processors(threads: int, turn: int) -> set[int]:
    """As many processors as there are threads, others from turn to turn."""
    every = sorted(os.sched_getaffinity(0))
    return {every[(turn * threads + i) % len(every)] for i in range(threads)}


class Load:
    """How much of the processors' time goes to others than the workers, by which timings are disturbed."""

    def __init__(self, workers: list[Worker]):
        self.pids = [worker.process.pid for worker in workers] + [os.getpid()]
        self.before = self.now()

    def now(self) -> tuple[int, int, int]:
        """Ticks of all processors, those that were busy, and those of our own processes; zero where unknown."""
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
        """Their share since this was made; zero where the system does not tell."""
        total, busy, own = (now - before for now, before in zip(self.now(), self.before))
        return max(0.0, (busy - own) / total) if total > 0 else 0.0


class Cores:
    """What processors do of a small product now: down to half of their best where a stranger's machine has a core's
    other hyperthread, which no count of processor time tells."""

    def __init__(self, binary: Path, best: float, patience: float):
        """`best` in GFLOP/s, zero for the most that will have been seen; `patience` in seconds, for all that waits for
        them."""
        self.workers = {processor: Worker([str(binary), "clippie"], 1) for processor in os.sched_getaffinity(0)}
        for processor, worker in self.workers.items():
            worker.place({processor})
        self.told, self.best, self.patience = best > 0, best, patience

    def slowed(self, chosen: set[int]) -> float:
        """The share of the best that the slowest of these processors lacks, while all of them work: a virtual machine's
        may be the two hyperthreads of one core."""
        workers = [self.workers[processor] for processor in chosen]
        for worker in workers:
            worker.begin("look")
        found = [worker.end()["gflops"] for worker in workers]
        if not self.told:
            self.best = max(self.best, *found)
        return 1 - min(found) / self.best

    def rest(self, chosen: set[int]) -> float:
        """Waits a little for these processors to be left alone, as long as patience lasts; the last look."""
        until = time.monotonic() + min(WAIT, self.patience)
        with self.spending():
            while (slowed := self.slowed(chosen)) > SLOWED and time.monotonic() < until:
                time.sleep(PAUSE)
        return slowed

    @contextmanager
    def spending(self) -> Iterator[None]:
        """What is done meanwhile costs patience, once."""
        start, had = time.monotonic(), self.patience
        yield
        self.patience = max(0.0, had - (time.monotonic() - start))

    def close(self) -> None:
        for worker in self.workers.values():
            worker.close()
