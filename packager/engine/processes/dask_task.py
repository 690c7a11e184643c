"""What runs in a Dask worker: one task at a time, which says how far it is and stops when no one wants it."""

import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import distributed

from packager import __version__
from packager.engine.files.write_errors import system_error
from packager.engine.processes.worker_pool import TaskStopped
from packager.errors import IncompleteError, PackagerError
from packager.progress import Advance

Load = TypeVar("Load")
Made = TypeVar("Made")

TOPIC = "packager"  # of what is told while a task runs: (key, "begun", "done" or "left", worker's address, bytes)
_EVERY_SECONDS = 0.5
_one_at_a_time = threading.Lock()  # the engine keeps buffers for one task a process


@dataclass(frozen=True)
class RemoteTask(Generic[Load, Made]):
    """A task on its way. version: of the packager that sends it."""

    run: Callable[[Load, Advance], Made]
    load: Load
    version: str = __version__


@dataclass(frozen=True)
class RemoteResult(Generic[Made]):
    """A task that ended on a worker. done: bytes; here: the failure may be this worker's own, and another do better."""

    worker: str
    made: Made | PackagerError
    done: int = 0
    here: bool = False


def dask_setup(worker: object) -> None:
    """Leave Ctrl-C to the client; called by Dask in a worker that the client itself has started."""
    del worker
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def run_remote_task(task: RemoteTask[Load, Made]) -> RemoteResult[Made]:
    """Do a task in this worker; what the user can fix is a result, a bug keeps its traceback."""
    worker = distributed.get_worker()
    address, key = str(worker.address), str(worker.get_current_task())
    if task.version != __version__:
        return RemoteResult(address, wrong_version(address, __version__, task.version), here=True)
    with _one_at_a_time:
        events = _TaskEvents(worker, key)
        events.report("begun")
        before = tempfile.tempdir
        scratch = tempfile.tempdir = tempfile.mkdtemp(prefix="packager-", dir=worker.local_directory)
        try:
            return RemoteResult(address, task.run(task.load, events.advance), events.done)
        except PackagerError as error:
            return RemoteResult(address, error, here=_by_system(error))
        except OSError as error:
            if error.errno is None:
                raise
            return RemoteResult(address, system_error(error), here=True)
        finally:
            tempfile.tempdir = before
            shutil.rmtree(scratch, ignore_errors=True)
            events.report("left")


def wrong_version(worker: str, found: str | None, wanted: str) -> IncompleteError:
    """Return the error of a worker that has another packager, or none."""
    what = f"has archive-packager {found}, and this machine {wanted}" if found else "has no archive-packager"
    return IncompleteError(f"worker {worker}", what, f"install archive-packager {wanted} there, and start it again")


def _by_system(error: BaseException) -> bool:
    """Return whether an error was made of what the system refused."""
    seen: list[BaseException] = []  # an error may be raised from itself
    cause: BaseException | None = error
    while cause is not None and cause not in seen:
        seen.append(cause)
        cause = cause.__cause__
    return any(isinstance(each, OSError) for each in seen)


class _TaskEvents:
    """Reports to the client how far a task is, twice a second at most."""

    def __init__(self, worker: Any, key: str) -> None:
        self._worker, self._key = worker, key
        self.done, self._reported_at = 0, time.monotonic()

    def report(self, what: str) -> None:
        """Report now."""
        self._worker.log_event(TOPIC, [self._key, what, str(self._worker.address), self.done])

    def advance(self, amount: int) -> None:
        """Add to what is done. Raises Stopped where the task is not wanted any more."""
        self.done += amount
        now = time.monotonic()
        if now - self._reported_at < _EVERY_SECONDS:
            return
        self._reported_at = now
        if not self._wanted():
            raise TaskStopped
        self.report("done")

    def _wanted(self) -> bool:
        """Return whether the scheduler still waits for the task: its client lives, and did not give it to another."""
        if self._worker.status.name in ("closing", "closed", "failed"):
            return False
        state = self._worker.state.tasks.get(self._key)
        return state is not None and state.state not in ("cancelled", "released", "forgotten")
