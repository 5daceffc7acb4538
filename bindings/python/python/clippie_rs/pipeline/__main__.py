"""The command ``python -m clippie_rs.pipeline config.yaml``.

It exits with 0 when all partitions are finished, 1 when a run that had begun did not finish all of them, and 2 when the
configuration, the inputs or the output cannot be used, with nothing written.
"""

from __future__ import annotations

import argparse
import os
import sys
import traceback

from clippie_rs import allow_amx
from clippie_rs._messages import one_line
from clippie_rs.errors import Error
from clippie_rs.pipeline import load, run
from clippie_rs.pipeline.run import RunError


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m clippie_rs.pipeline",
        description="Run a pipeline over Parquet tables, a folder of photos or tars of WebDataset. Finished parts are "
        "skipped; the same command continues a run that ended early.",
        epilog="Exit codes: 0 all parts are finished, 1 some are not, 2 nothing was begun.",
    )
    parser.add_argument("config", help="the configuration, a YAML file; docs/pipelines.md describes it")
    parser.add_argument("--quiet", action="store_true", help="print errors alone")
    given = parser.parse_args(arguments)
    # This process is this command alone.
    allow_amx()

    def report(line: str) -> None:
        if not given.quiet:
            say(line)

    try:
        summary = run(load(given.config), report)
    except RunError as error:
        say(f"error: {error}")
        return 1
    except Error as error:
        say(f"error: {error}")
        return 2
    except KeyboardInterrupt:
        say("stopped; the same command continues after the finished parts")
        return 1
    except Exception:
        for line in traceback.format_exc().splitlines():
            say(line)
        say("error: this is a bug of clippie-rs; please report it with the lines above")
        return 1
    for error in summary.errors:
        say(f"error: {error}")
    if not given.quiet:
        try:
            print(summary, flush=True)
        except OSError as error:
            # What is left in the buffer would be an error once more, at the end of the process.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            # A reader that has seen enough is none.
            if not isinstance(error, BrokenPipeError):
                say(f"error: the summary cannot be written: {error.strerror}")
                return 1
    return 1 if summary.errors else 0


def say(line: str) -> None:
    """Print a line of messages. Names in it may be anyone's, so nothing in it changes a terminal."""
    print(one_line(line), file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
