"""Worker processes that read tags. Results come in order, so that they do not depend on the number of workers."""

from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias

from packager.catalogue.tags.read_tags import Tags, read_many
from packager.engine.processes.local_workers import LocalWorkers
from packager.engine.processes.worker_pool import Job
from packager.errors import PackagerError
from packager.progress import Advance

_TASK = 32  # files in one task
_FEW = 64  # with fewer files, starting processes is not worth it


Unread: TypeAlias = tuple[bytes, int]  # a file's path and its size
Read: TypeAlias = Callable[[Sequence[Unread]], list[Tags]]


def read_folder(files: Sequence[Unread]) -> list[Tags]:
    """Return the tags of several local files, in order. This is a worker's task."""
    return read_many(path for path, _ in files)


class TagReaders:
    """Reads tags in order. It starts processes only if there are enough files."""

    def __init__(self, workers: int, read: Read = read_folder) -> None:
        """workers: maximum processes; 1 reads in this process. read: reads one task; must be picklable."""
        self.pool, self._read = LocalWorkers(workers), read

    def read(self, files: Sequence[Unread]) -> Iterator[Tags]:
        """Yield the tags of each file, in order. Raises IncompleteError if a process dies."""
        tasks = [files[first : first + _TASK] for first in range(0, len(files), _TASK)]
        if self.pool.size == 1 or len(files) < _FEW:
            for task in tasks:
                yield from self._read(task)
            return
        job: Job[int, tuple[Read, Sequence[Unread]], list[Tags], list[Tags]] = Job(
            prepare=lambda number: (self._read, tasks[number]), run=_run, finish=lambda _, tags: tags, name=str
        )
        done: dict[int, list[Tags]] = {}
        following = 0
        for number, tags in self.pool.run(job, range(len(tasks)), lambda _: None):
            if isinstance(tags, PackagerError):
                raise tags
            done[number] = tags
            while following in done:
                yield from done.pop(following)
                following += 1

    def close(self) -> None:
        """End the processes."""
        self.pool.close()


def _run(task: tuple[Read, Sequence[Unread]], _: Advance) -> list[Tags]:
    """Read a task in a worker."""
    read, files = task
    return read(files)
