"""Work that other processes do, here or on other machines: what goes there, what is done there, what is made of it.

Machines share no memory and no home folder. What a task needs travels in it; what it makes is written where the
task says, or comes back in what it returns.
"""

import os
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from packager.errors import PackagerError
from packager.progress import Advance

Task = TypeVar("Task")
Load = TypeVar("Load")
Made = TypeVar("Made")
Result = TypeVar("Result")


class TaskStopped(Exception):  # noqa: N818 (not an error: the run was asked to stop)
    """Raised inside a task when the run stops; never reaches a user."""


def available_cores() -> int:
    """Return the cores that this process may run on: what `--workers auto` means."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _never(made: object) -> bool:  # noqa: ARG001 (what no job doubts by default)
    """Say no."""
    return False


@dataclass(frozen=True)
class Job(Generic[Task, Load, Made, Result]):
    """How one kind of task is done elsewhere.

    send: makes what travels, when the task's turn comes; to another machine under 1 MB where it can. there: a module's
    function that runs on a worker; there, what it leaves in the temporary folder is removed. receive: makes the result
    of what came back, and puts in place what was written. doubtful: whether what came back may be that worker's own
    fault, so that another one is asked. name: what the user calls the task.
    """

    prepare: Callable[[Task], Load]
    run: Callable[[Load, Advance], Made]
    finish: Callable[[Task, Made], Result]
    name: Callable[[Task], str]
    doubtful: Callable[[Made], bool] = _never


def direct_job(run: Callable[[Task, Advance], Result]) -> Job[Task, Task, Result, Result]:
    """Return the job of tasks that travel as they are, and whose results come back as they are."""
    return Job(prepare=lambda task: task, run=run, finish=lambda _, result: result, name=str)


class WorkerPool(Protocol):
    """Processes of this machine, or workers on others."""

    retried_tasks: int  # tasks that were begun again, because their worker died, hung or could not

    @property
    def size(self) -> int:
        """How many workers there are at most, or now."""

    def run(
        self, job: Job[Task, Load, Made, Result], tasks: Iterable[Task], advance: Advance
    ) -> Generator[tuple[Task, Result | PackagerError], None, None]:
        """Yield (task, its result or the PackagerError it raised) as tasks end, in any order.

        Tasks are drawn as workers are free. Raises IncompleteError if the workers are gone.
        """
