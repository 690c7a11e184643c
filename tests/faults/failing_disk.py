"""Commands run on a disk that fails on demand: shim.c, preloaded into them and all they start."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

FOR_EVER = 1 << 40


@dataclass(frozen=True)
class Fault:
    """Calls number `first` to `last` of a kind on files under a folder fail.

    calls: write, read, sync or open. error: an errno; 0 for reads that return one byte; below 0 the number of a signal
    that the process gets then.
    """

    under: Path
    calls: str
    error: int
    first: int = 1
    last: int = FOR_EVER


@dataclass(frozen=True)
class Ended:
    """How a command ended, and how many calls of the fault's kind it made."""

    code: int
    err: str
    calls: int


@dataclass(frozen=True)
class FailingDisk:
    """The shim, built."""

    shim: Path

    def run(self, project: Path, fault: Fault, *arguments: str, ahead: int = 0) -> Ended:
        """Run a packager command on a project's packager.toml with calls failing. ahead: seconds, of its clock."""
        process = self.start(project, fault, *arguments, ahead=ahead)
        _, err = process.communicate(timeout=120)
        counter = self.shim.with_name("counter")
        return Ended(process.returncode, err, int.from_bytes(counter.read_bytes(), sys.byteorder))

    def start(self, project: Path, fault: Fault, *arguments: str, ahead: int = 0) -> "subprocess.Popen[str]":
        """Start what `run` runs."""
        counter = self.shim.with_name("counter")
        counter.write_bytes(bytes(8))
        told = {
            "LD_PRELOAD": os.fspath(self.shim),
            "FAULT_UNDER": os.fspath(fault.under.resolve()),
            "FAULT_CALLS": fault.calls,
            "FAULT_ERRNO": str(fault.error),
            "FAULT_FROM": str(fault.first),
            "FAULT_TO": str(fault.last),
            "FAULT_COUNTER": os.fspath(counter),
            "FAULT_CLOCK": str(ahead),
        }
        return subprocess.Popen(
            [sys.executable, "-m", "packager", *arguments, "--config", str(project / "packager.toml")],
            env=os.environ | told,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )


def build(folder: Path, compiler: str) -> FailingDisk:
    """Compile the shim into a folder."""
    shim = folder / "shim.so"
    source = Path(__file__).with_name("shim.c")
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o", shim, source, "-ldl"], check=True)
    return FailingDisk(shim)
