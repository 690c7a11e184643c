"""Commands run on a disk that fails on demand, or killed at a call of their own: shim.c, preloaded into them.

A process that is killed leaves what its calls to the system made of the files. So the instants that differ are the
calls that change a file, and "killed before the tenth of them" is the same instant on any machine.

Run as a program this is a server: it has all modules loaded, and forks for each line of JSON on stdin.
"""

import importlib
import json
import multiprocessing.util
import os
import pkgutil
import signal
import struct
import subprocess
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

FOR_EVER = 1 << 40
ROOT = Path(__file__).parents[2]
_CALLER, _COMMAND, _GROUP = 0, 1, -1  # times the command's process: who gets a signal, see shim.c
_NUMBERS = "7l"


@dataclass(frozen=True)
class Fault:
    """Calls number `first` to `last` of a kind on files under a folder fail, all or the first of `every` so many.

    calls: write, read, sync, open or change, which is whatever changes a file, its name or its times. error: an errno;
    0 for reads that return one byte; below 0 the number of a signal that the process gets then. ahead: seconds, of the
    clock.
    """

    under: Path
    calls: str
    error: int
    first: int = 1
    last: int = FOR_EVER
    ahead: int = 0
    every: int = 1


@dataclass(frozen=True)
class Ended:
    """How a command ended, and how many calls of the fault's kind it made. code: below 0 the signal that ended it."""

    code: int
    err: str
    calls: int

    @property
    def killed(self) -> bool:
        return self.code == -signal.SIGKILL


@dataclass(frozen=True)
class FailingDisk:
    """The shim, built, and a server of commands that it is preloaded into."""

    shim: Path
    server: "subprocess.Popen[str]"

    def run(self, fault: Fault, *arguments: object) -> Ended:
        """Run a packager command with calls failing."""
        return self._ask(fault, arguments, _CALLER)

    def calm(self, under: Path, *arguments: object) -> Ended:
        """Run a packager command with no call failing, and count those that change files under a folder."""
        return self._ask(Fault(under, "change", 0, FOR_EVER), arguments, _CALLER)

    def kill(self, under: Path, before: int, *arguments: object, group: bool = False, first: str = "") -> Ended:
        """Run a packager command that is killed before its change number `before`, from 1, under a folder.

        group: with the processes that it started. first: Python that is run before.
        """
        fault = Fault(under, "change", -signal.SIGKILL, before)
        return self._ask(fault, arguments, _GROUP if group else _COMMAND, first)

    def start(self, fault: Fault, *arguments: object) -> "subprocess.Popen[bytes]":
        """Start a packager command with calls failing, as a process and session of its own.

        It gets the signals, also for the calls of processes that it starts.
        """
        self.arm(fault)
        return subprocess.Popen(
            [sys.executable, "-m", "packager", *map(str, arguments)],
            env=self.environment | {"FAULT_MAIN": "1"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )

    @property
    def environment(self) -> dict[str, str]:
        """Return the environment of processes that faults meet."""
        return _environment(self.shim)

    def arm(self, fault: Fault) -> None:
        """Count from 0 again, and let calls fail from now on."""
        numbers = struct.pack(_NUMBERS, 0, fault.first, fault.last, fault.every, fault.error, 0, fault.ahead)
        with open(_shared(self.shim), "r+b") as shared:
            shared.write(numbers + struct.pack("16s4096s", fault.calls.encode(), os.fsencode(fault.under.resolve())))

    def _ask(self, fault: Fault, arguments: Sequence[object], target: int, first: str = "") -> Ended:
        """Have the server run a command line."""
        assert self.server.stdin is not None
        assert self.server.stdout is not None
        self.arm(fault)
        self.server.stdin.write(json.dumps([target, first, list(map(str, arguments))]) + "\n")
        self.server.stdin.flush()
        status = int(self.server.stdout.readline())
        calls = int.from_bytes(_shared(self.shim).read_bytes()[:8], sys.byteorder)
        return Ended(os.waitstatus_to_exitcode(status), _log(self.shim).read_text(errors="replace"), calls)


@contextmanager
def failing_disk(folder: Path, compiler: str) -> Iterator[FailingDisk]:
    """Compile the shim into a folder, and serve commands on it until the block ends."""
    shim = folder / "shim.so"
    source = Path(__file__).with_name("shim.c")
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o", shim, source, "-ldl"], check=True)
    _shared(shim).write_bytes(bytes(8192))
    command = [sys.executable, "-m", "tests.helpers.failing_disk", shim]
    environment = _environment(shim)
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield FailingDisk(shim, process)


def _shared(shim: Path) -> Path:
    return shim.with_name("shared")


def _log(shim: Path) -> Path:
    return shim.with_name("log")


def _environment(shim: Path) -> dict[str, str]:
    """Return the environment of processes that faults meet."""
    ours = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    return ours | {"LD_PRELOAD": os.fspath(shim), "FAULT_SHARED": os.fspath(_shared(shim))}


def serve(shim: Path) -> None:
    """Fork for each command line, and say how it ended."""
    from packager import cli

    for command in pkgutil.iter_modules(cli.__path__, "packager.cli."):
        importlib.import_module(command.name)
    for line in sys.stdin:
        target, first, arguments = json.loads(line)
        child = os.fork()
        if not child:
            _become(shim, target, first, arguments)
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{status}\n")
        sys.stdout.flush()


def _become(shim: Path, target: int, first: str, arguments: Sequence[str]) -> None:
    """Be the process of a command until its end."""
    from packager.cli.app import main

    code = 1
    try:
        os.setpgid(0, 0)
        os.dup2(os.open(os.devnull, os.O_RDWR), 0)
        os.dup2(0, 1)
        os.dup2(os.open(_log(shim), os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 2)
        exec(first, {})
        with open(_shared(shim), "r+b") as shared:
            _, *others, _, ahead = struct.unpack(_NUMBERS, shared.read(struct.calcsize(_NUMBERS)))
            shared.seek(0)
            shared.write(struct.pack(_NUMBERS, 0, *others, target * os.getpid(), ahead))
        code = main(arguments)
    except BaseException:  # noqa: BLE001 (else the child would go on as a server)
        traceback.print_exc()
    finally:
        multiprocessing.util._exit_function()  # as Python ends, which a fork must not
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    serve(Path(sys.argv[1]))
