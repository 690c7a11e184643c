"""Runs a packager command in a process that a timer kills at an instant: no handler, no clean-up, as kill -9.

Run as a program it is a server: it has all modules loaded, and forks for each line of JSON on stdin, so
that an instant falls into the command's own work and not into the start of Python.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Ended:
    """How a run ended. killed: whether the timer did it."""

    killed: bool
    code: int
    seconds: float


class Killer:
    """A server of runs that may be killed."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def run(self, arguments: Sequence[str], seconds: float | None = None) -> Ended:
        """Run a command line; the process is killed after `seconds`, None: never."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([list(arguments), seconds]) + "\n")
        self._process.stdin.flush()
        status, took = json.loads(self._process.stdout.readline())
        killed = os.WIFSIGNALED(status)
        assert not killed or os.WTERMSIG(status) == signal.SIGALRM
        return Ended(killed, 0 if killed else os.WEXITSTATUS(status), took)


@contextmanager
def killer() -> Iterator[Killer]:
    """Yield a Killer; its server ends with the block."""
    command = [sys.executable, "-m", "tests.check.killing"]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield Killer(process)


def _serve() -> None:
    """Fork for each command line, and say how it ended."""
    from packager.cli.app import main

    for line in sys.stdin:
        arguments, seconds = json.loads(line)
        began = time.monotonic()
        child = os.fork()
        if not child:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            os.dup2(1, 2)
            signal.signal(signal.SIGALRM, signal.SIG_DFL)  # which ends the process at once
            if seconds:
                signal.setitimer(signal.ITIMER_REAL, seconds)
            os._exit(main(arguments))
        _, status = os.waitpid(child, 0)
        sys.stdout.write(json.dumps([status, time.monotonic() - began]) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    _serve()
