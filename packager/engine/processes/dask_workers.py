"""The workers of one Dask scheduler: who is there, who hangs, and how a task is handed to one of them."""

import time
from collections.abc import Iterable
from typing import Any, TypeVar

from packager import __version__
from packager.engine.processes.dask_task import RemoteTask, run_remote_task, wrong_version
from packager.errors import IncompleteError
from packager.progress import Progress

Load = TypeVar("Load")
Made = TypeVar("Made")

_LOOK_SECONDS = 2.0  # between two looks at who is there


class DaskWorkers:
    """The workers of one scheduler. Use it from one thread."""

    def __init__(self, client: Any, address: str, worker_timeout: float, progress: Progress) -> None:
        """Take a connected client; Dask's has no types."""
        self.client = client
        self._address, self._worker_timeout, self._progress = address, worker_timeout, progress
        self._there: frozenset[str] = frozenset()
        self._hung: set[str] = set()
        self._looked = -_LOOK_SECONDS
        self._seen = time.monotonic()  # when a worker was there

    @property
    def count(self) -> int:
        """How many workers can be given a task now. Raises IncompleteError if there was none for too long."""
        now = time.monotonic()
        if now - self._looked >= _LOOK_SECONDS:
            self._looked = now
            try:
                self._there = frozenset(map(str, self.client.nthreads()))
            except (OSError, TimeoutError) as error:
                raise self.gone() from error
            self._hung &= self._there
        count = len(self._there - self._hung)
        if count:
            self._seen = now
        elif now - self._seen > self._worker_timeout:
            raise IncompleteError(self._address, "has no worker that answers", "start some, and run the command again")
        return count

    def check_versions(self) -> None:
        """Raise IncompleteError if a worker has another packager than this one, or none."""
        try:
            found = self.client.get_versions(packages=["archive-packager"])["workers"]
        except (OSError, TimeoutError) as error:
            raise self.gone() from error
        for worker, told in sorted(found.items()):
            version = told["packages"].get("archive-packager")
            if version != __version__:
                raise wrong_version(worker, version, __version__)

    def submit(self, task: RemoteTask[Load, Made], key: str, shunned: set[str]) -> Any:
        """Hand a task to Dask, which chooses the worker, and return its future.

        Workers that are shunned get it only if there is no other.
        """
        avoided = shunned | self._hung
        others = sorted(self._there - avoided) if avoided & self._there else []
        return self.client.submit(
            run_remote_task, task, key=key, pure=False, workers=others or None, allow_other_workers=bool(others)
        )

    def are_hung(self, overdue: Iterable[tuple[str, str]]) -> None:
        """Give no more to the workers that have these tasks. overdue: a task's key, and who began it, "" for no one."""
        try:
            held = self.client.processing()
        except (OSError, TimeoutError) as error:
            raise self.gone() from error
        for key, begun_by in overdue:
            worker = begun_by or next((worker for worker, keys in held.items() if key in keys), "")
            if worker:
                self._hung.add(worker)
                self._progress.note(
                    f"worker {worker}: no sign for {self._worker_timeout:.0f} s; its work is given to others"
                )

    def hear(self, worker: str) -> None:
        """Take note that a worker lives."""
        self._hung.discard(worker)

    def is_overdue(self, heard: float) -> bool:
        """Return whether what was heard last at this time was heard too long ago."""
        return time.monotonic() - heard > self._worker_timeout

    def has_scheduler(self) -> bool:
        """Return whether the scheduler is there, or may come back."""
        return self.client.status in ("running", "connecting")

    def gone(self) -> IncompleteError:
        """Return the error that ends a run whose scheduler is gone."""
        return IncompleteError(self._address, "the scheduler is gone", "start it, and run the command again")
