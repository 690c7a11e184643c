"""How shards are shared out over the cores: a process a shard, and threads where processes would leave cores idle."""

from collections.abc import Sequence
from dataclasses import replace

from packager.pack.shard import ShardTask

_LANES = 3  # what one process keeps busy with threads: reading, and two kinds of pieces' hashes
_QUICK = 32 << 30  # bytes: what takes less than a minute is done before started processes have paid for their start
_LARGE = 256 << 10  # bytes a member: below it the interpreter's own work counts, which threads do not share


def crew(tasks: Sequence[ShardTask], workers: int) -> tuple[int, list[ShardTask]]:
    """Return how many processes to use, and the tasks with the threads that each may use; the order is kept.

    tasks: those whose sources are read, largest first. The last ones, when fewer are left than workers, get the
    cores of those that have ended.
    """
    size, members = sum(task.shard.size for task in tasks), sum(task.shard.rows for task in tasks)
    if 1 < workers <= _LANES and size < _QUICK and size > members * _LARGE:
        return 1, [replace(task, threads=workers) for task in tasks]
    last = len(tasks) % workers
    if not last:
        return workers, list(tasks)
    threads = -(-workers // last)
    return workers, [*tasks[:-last], *(replace(task, threads=threads) for task in tasks[-last:])]
