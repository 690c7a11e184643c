"""Pieces and files checked on other machines, which see them under the same paths; what is found comes back."""

import os
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Generic, TypeAlias, TypeVar

from packager.engine.hashing.check_tasks import FileCheck, Finding, PieceCheck, Task, run_check
from packager.engine.processes.worker_pool import Job, Tell, WorkerPool
from packager.engine.stores.stored_pieces import StoredPieceCheck
from packager.errors import PackagerError
from packager.units import GIB, KIB

Key = TypeVar("Key")

_GROUP = GIB  # bytes that travel as one task: seconds of work against some hundredths to hand it over
_PIECES = 512 * KIB  # bytes of expected hashes that travel as one task
_MOST = 2048  # files
Findings: TypeAlias = tuple[list[Finding], ...]


@dataclass(frozen=True)
class _Group(Generic[Key]):
    """Tasks that travel together."""

    members: tuple[tuple[Key, Task], ...]


class ClusterHashPool:
    """Runs tasks as `hash_pool.HashPool` does, on the workers of a cluster; a context manager."""

    def __init__(self, crew: WorkerPool) -> None:
        """Take the workers."""
        self._crew = crew
        self._runs = ExitStack()

    def __enter__(self) -> "ClusterHashPool":
        """Return this."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop what is out."""
        self._runs.close()

    def run(self, tasks: Iterable[tuple[Key, Task]], tell: Tell) -> Iterator[tuple[Key, Task, list[Finding]]]:
        """Yield (key, task, what it found) as tasks end, in any order. Raises IncompleteError where workers fail.

        What one worker cannot read another one is asked for, before it is said to be unreadable.
        """
        job: Job[_Group[Key], tuple[Task, ...], Findings, Findings] = Job(
            send=lambda group: tuple(_absolute(task) for _, task in group.members),
            there=check_at_worker,
            receive=lambda _, found: found,
            name=lambda _: "verify",
            doubtful=lambda found: any(each.verdict == "unreadable" for one in found for each in one),
        )
        results = self._crew.run(job, _groups(tasks), tell)
        self._runs.enter_context(closing(results))
        for group, found in results:
            if isinstance(found, PackagerError):
                raise found
            for (key, task), each in zip(group.members, found, strict=True):
                yield key, task, each


def check_at_worker(tasks: tuple[Task, ...], tell: Tell, scratch: Path) -> Findings:
    """Check tasks on a worker; nothing is written."""
    del scratch
    return tuple(run_check(task, tell) for task in tasks)


def _groups(tasks: Iterable[tuple[Key, Task]]) -> Iterator[_Group[Key]]:
    """Yield tasks in groups, drawn as they are asked for."""
    held: list[tuple[Key, Task]] = []
    size = hashes = files = 0
    for key, task in tasks:
        held.append((key, task))
        size += task.size
        hashes += len(task.expected) if isinstance(task, PieceCheck) else 0
        files += len(task.files) if isinstance(task, FileCheck) else len(task.parts)
        if size >= _GROUP or hashes >= _PIECES or files >= _MOST:
            yield _Group(tuple(held))
            held, size, hashes, files = [], 0, 0, 0
    if held:
        yield _Group(tuple(held))


def _absolute(task: Task) -> Task:
    """Return a task whose paths do not hang on this process's folder."""
    if isinstance(task, FileCheck):
        return FileCheck(tuple(replace(file, path=os.path.abspath(file.path)) for file in task.files))
    if isinstance(task, StoredPieceCheck):
        return task
    parts = (replace(part, path=None if part.path is None else os.path.abspath(part.path)) for part in task.parts)
    return replace(task, parts=tuple(parts))
