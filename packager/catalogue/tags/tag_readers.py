"""Worker processes that read tags: in order and in bounded tasks, so that nothing hangs on how many there are."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import TypeAlias

from packager.catalogue.tags.read_tags import Tags, read_many
from packager.engine.processes.child_processes import spawn_context
from packager.errors import IncompleteError

_TASK = 32  # files a worker is given at once
_FEW = 64  # below this, starting processes costs more than it saves


Unread: TypeAlias = tuple[bytes, int]  # a file's path and its size
Read: TypeAlias = Callable[[Sequence[Unread]], list[Tags]]


def read_folder(files: Sequence[Unread]) -> list[Tags]:
    """Return the tags of several files of this machine, in order: a worker's task."""
    return read_many(path for path, _ in files)


class TagReaders:
    """Reads tags in order, by as many processes as it is allowed; starts them only when there is enough to read."""

    def __init__(self, workers: int, read: Read = read_folder) -> None:
        """Allow `workers` processes; 1 reads in this one. read: what reads a task, which can be pickled."""
        self._workers, self._read = workers, read
        self._pool: ProcessPoolExecutor | None = None

    def read(self, files: Sequence[Unread]) -> Iterator[Tags]:
        """Yield the tags of each file, in order. Raises IncompleteError where a process dies."""
        if self._workers == 1 or len(files) < _FEW:
            for first in range(0, len(files), _TASK):
                yield from self._read(files[first : first + _TASK])
            return
        if self._pool is None:
            self._pool = ProcessPoolExecutor(self._workers, mp_context=spawn_context())
        tasks = [files[first : first + _TASK] for first in range(0, len(files), _TASK)]
        try:
            for some in self._pool.map(self._read, tasks):
                yield from some
        except BrokenProcessPool as error:
            mend = "run the command again, with fewer workers where memory is short"
            raise IncompleteError("scan", "a worker process died while it read tags", mend) from error

    def close(self) -> None:
        """End the processes."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
