"""Pieces and files hashed by processes here, which are kept while many tasks stream through them, or by a cluster."""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing
from functools import partial
from types import TracebackType
from typing import Any, Self, TypeAlias, TypeVar

from packager.engine.hashing.check_tasks import FileCheck, PieceCheck, Runnable
from packager.engine.processes.local_workers import LocalWorkers
from packager.engine.processes.worker_pool import Job, WorkerPool
from packager.errors import PackagerError
from packager.native.hashes import lanes
from packager.progress import Advance

Key = TypeVar("Key")
Found = TypeVar("Found")
Group: TypeAlias = list[tuple[Key, Runnable[Found]]]

SPAN = 32 << 20  # bytes that a task should have
MOST = 1024  # pieces of a task: what is found of three tasks fits a pipe that no one reads
_ONE_IS_ENOUGH = 500 << 20  # bytes a second: one core hashes more
_WIDE = 256 << 20  # bytes that a task may have so that its pieces are enough to be hashed side by side
# Of tasks that travel to another machine together: seconds of work against some hundredths to hand it over.
_GROUP_BYTES, _GROUP_HASHES, _GROUP_FILES = 1 << 30, 512 << 10, 2048


def pieces_of_task(piece_length: int, *, v1: bool) -> int:
    """Return how many pieces a task should have, of which SHA-1 is taken with v1."""
    return min(MOST, max(1, SPAN // piece_length, min(lanes(), _WIDE // piece_length) if v1 else 1))


class HashPool:
    """Runs tasks on `count` processes, in this one where that is 1, or on a cluster's workers; a context manager."""

    def __init__(self, count: int, rate: int = 0, *, cluster: WorkerPool | None = None) -> None:
        """Say how many; nothing is started yet.

        rate: bytes a second that all processes may read together, 0 for no limit. A rate that one process can keep up
        with is left to one. cluster: whose workers see the same files under the same paths; a rate does not bound them.
        """
        self._opened = ExitStack()
        self.count = 1 if 0 < rate <= _ONE_IS_ENOUGH else count
        self._rate = 0 if cluster else rate / self.count
        self._cluster = cluster

    def __enter__(self) -> Self:
        """Make ready."""
        self._workers = self._cluster or self._opened.enter_context(LocalWorkers(self.count, prefetch=True))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop what is out; what it found is lost."""
        self._opened.close()

    def run(
        self, tasks: Iterable[tuple[Key, Runnable[Found]]], advance: Advance
    ) -> Iterator[tuple[Key, Runnable[Found], Found]]:
        """Yield (key, task, what it found) as tasks end, in any order.

        tasks: drawn when a process is free for one. advance: called with bytes as they are read; if it raises, the
        run ends. What one worker of a cluster cannot read another one is asked for, before it is said to be unreadable.
        Raises IncompleteError if a process dies, and what a task raised.
        """
        there = self._cluster is not None
        job: Job[Group[Key, Found], list[Runnable[Found]], list[Found], list[Found]] = Job(
            prepare=lambda group: [_absolute(task) if there else task for _, task in group],
            run=partial(run_all, rate=self._rate),
            finish=lambda _, found: found,
            name=lambda _: "verify",
            doubtful=_has_unreadable,
        )
        results = self._workers.run(job, _groups(tasks) if there else ([each] for each in tasks), advance)
        self._opened.enter_context(closing(results))
        for group, found in results:
            if isinstance(found, PackagerError):
                raise found
            for (key, task), each in zip(group, found, strict=True):
                yield key, task, each


def run_all(tasks: list[Runnable[Found]], advance: Advance, *, rate: float) -> list[Found]:
    """Run tasks where they are and return what each finds. rate: bytes a second, 0 for no limit."""
    paced = _paced(advance, rate)
    return [task.run(paced) for task in tasks]


def _has_unreadable(found: list[Any]) -> bool:
    """Return whether checks found something that cannot be read."""
    return any(each.verdict == "unreadable" for one in found for each in one)


def _absolute(task: Any) -> Any:
    """Return a check that another process can run in its own folder."""
    return task.absolute()


def _groups(tasks: Iterable[tuple[Key, Runnable[Found]]]) -> Iterator[Group[Key, Found]]:
    """Yield tasks in groups, drawn as they are asked for."""
    held: Group[Key, Found] = []
    size = hashes = files = 0
    for key, task in tasks:
        assert isinstance(task, PieceCheck | FileCheck)
        held.append((key, task))
        size += task.size
        hashes += len(task.expected) if isinstance(task, PieceCheck) else 0
        files += len(task.files) if isinstance(task, FileCheck) else len(task.parts)
        if size >= _GROUP_BYTES or hashes >= _GROUP_HASHES or files >= _GROUP_FILES:
            yield held
            held, size, hashes, files = [], 0, 0, 0
    if held:
        yield held


def _paced(advance: Advance, rate: float, clock: Callable[[], float] = time.monotonic) -> Advance:
    """Return a `advance` that sleeps where bytes come faster than `rate` a second; 0: as it is."""
    if not rate:
        return advance
    free = clock()  # when the bytes so far are paid for

    def paced(size: int) -> None:
        nonlocal free
        advance(size)
        now = clock()
        free = max(free, now - 1) + size / rate  # a pause of the disk is made up for one second at most
        if free > now:
            time.sleep(free - now)

    return paced
