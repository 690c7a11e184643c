"""Work that can be done on another machine: what goes there, what is done there, what is made of it here.

Machines share no memory and no home folder. What a task needs travels in it; what it makes is written where the
task says, or comes back in what it returns.
"""

from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Protocol, TypeAlias, TypeVar

from packager.errors import PackagerError

Task = TypeVar("Task")
Load = TypeVar("Load")
Made = TypeVar("Made")
Result = TypeVar("Result")
Tell: TypeAlias = Callable[[int], None]  # called with the bytes done since the last call


def _never(made: object) -> bool:  # noqa: ARG001 (what no job doubts by default)
    """Say no."""
    return False


@dataclass(frozen=True)
class Job(Generic[Task, Load, Made, Result]):
    """How one kind of task is done elsewhere.

    send: makes what travels, when the task's turn comes; to be under 1 MB where it can. there: a module's function
    that runs on a worker, with a folder of the worker's own that is gone afterwards. receive: makes the result of
    what came back, and puts in place what was written. doubtful: whether what came back may be that worker's own
    fault, so that another one is asked. name: what the user calls the task.
    """

    send: Callable[[Task], Load]
    there: Callable[[Load, Tell, Path], Made]
    receive: Callable[[Task, Made], Result]
    name: Callable[[Task], str]
    doubtful: Callable[[Made], bool] = _never


class WorkerPool(Protocol):
    """Workers on other machines, or processes that are treated so."""

    redone: int  # tasks that were begun again, because their worker died, hung or could not

    @property
    def size(self) -> int:
        """How many workers there are now."""

    def run(
        self, job: Job[Task, Load, Made, Result], tasks: Iterable[Task], tell: Tell
    ) -> Generator[tuple[Task, Result | PackagerError], None, None]:
        """Yield (task, its result or the PackagerError it raised) as tasks end, in any order.

        Tasks are drawn as workers are free. Raises IncompleteError where the workers are gone.
        """
