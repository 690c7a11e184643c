"""Real Dask clusters for tests: a scheduler and workers as processes of their own, each with a folder of its own."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from tests.helpers.waiting import until

REPOSITORY = Path(__file__).parents[2]
NO_VARIABLES: Mapping[str, str] = MappingProxyType({})


@dataclass
class Cluster:
    """A scheduler's address, and its workers by their names."""

    root: Path
    address: str
    scheduler: subprocess.Popen[bytes]
    environment: Mapping[str, str]
    workers: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    _numbers: int = 0

    def add(self, name: str = "") -> str:
        """Start a worker, not waiting for it, and return its name."""
        self._numbers += 1
        name = name or f"worker-{self._numbers}"
        folder = self.root / name
        folder.mkdir()
        options = [self.address, "--name", name, "--nthreads", "1", "--no-nanny", "--no-dashboard"]
        options += ["--host", "127.0.0.1", "--memory-limit", "0", "--local-directory", str(folder)]
        self.workers[name] = _start(folder, "worker", *options, environment=self.environment)
        return name

    def wait_for(self, count: int) -> None:
        """Wait until so many workers are there."""
        until(lambda: sum(_is_up(self.root / name) for name in self.workers) >= count, lambda: "workers")

    def replace_dead(self) -> int:
        """Start a new worker for each that has died, whose disk is gone with it; return how many these were."""
        dead = [name for name, worker in self.workers.items() if worker.poll() is not None]
        for name in dead:
            del self.workers[name]
            self.add()
        return len(dead)

    def writing(self) -> list[str]:
        """Return the workers that are writing a tar now."""
        return [name for name, worker in self.workers.items() if _writes(worker.pid)]

    def go_on(self) -> None:
        """Let workers go on that were stopped."""
        for worker in self.workers.values():
            worker.send_signal(signal.SIGCONT)


@contextmanager
def cluster(root: Path, workers: int, environment: Mapping[str, str] = NO_VARIABLES) -> Iterator[Cluster]:
    """Start a scheduler and workers, and end them. environment: of the workers, beside the usual one."""
    folder = root / "scheduler"
    folder.mkdir(parents=True)
    file = folder / "scheduler.json"
    options = [
        "--host",
        "127.0.0.1",
        "--port",
        "0",
        "--dashboard-address",
        "127.0.0.1:0",
        "--scheduler-file",
        str(file),
    ]
    scheduler = _start(folder, "scheduler", *options, environment=NO_VARIABLES)
    made: Cluster | None = None
    try:
        until(lambda: file.exists() and b'"address"' in file.read_bytes(), lambda: "the scheduler")
        address = file.read_text().partition('"address": "')[2].partition('"')[0]
        made = Cluster(root, address, scheduler, environment)
        for _ in range(workers):
            made.add()
        made.wait_for(workers)
        yield made
    finally:
        for process in [scheduler, *(made.workers.values() if made else ())]:
            process.kill()
            process.wait()


def _start(folder: Path, *arguments: str, environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    settings = {
        "DASK_DISTRIBUTED__WORKER__MEMORY__SPILL": "False",
        "DASK_DISTRIBUTED__WORKER__PROFILE__ENABLED": "False",
    }
    own = {**os.environ, **environment, "PYTHONPATH": str(REPOSITORY), **settings}
    with open(folder / "log", "wb") as log:
        command = [sys.executable, "-m", "dask", *arguments]
        return subprocess.Popen(command, cwd=folder, env=own, stdout=log, stderr=log)


def _is_up(folder: Path) -> bool:
    """Say whether a worker has told that the scheduler took it."""
    return b"Registered to:" in (folder / "log").read_bytes()


def _writes(process: int) -> bool:
    try:
        descriptors = list(Path(f"/proc/{process}/fd").iterdir())
        return any(os.readlink(each).endswith(".partial") for each in descriptors)
    except OSError:
        return False
