"""How shards are shared out over the cores: a process a shard, and threads where processes would leave cores idle."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from packager.core.config.store_url import StoreUrl
from packager.pack.shard.pack_shard import ShardTask

_LANES = 3  # what one process keeps busy with threads: reading, members and pieces, blocks
_QUICK = 2 << 30  # bytes: what takes two seconds is done before started processes have paid for their start
_LARGE = 256 << 10  # bytes a member: below it the interpreter's own work counts, which threads do not share
_START = 1.0  # seconds of work below which processes would only have started
_RATE, _A_MEMBER, _A_SHARD = 0.7e9, 60e-6, 0.02  # bytes a second of one core; seconds


@dataclass(frozen=True)
class WorkerPlan:
    """How many processes may work at once. auto: whether fewer are started where more would gain nothing."""

    count: int
    auto: bool = False


def plan_workers(tasks: Sequence[ShardTask], cores: WorkerPlan, more: int = 0) -> tuple[int, list[ShardTask]]:
    """Return how many processes to use, and the tasks with the threads that each may use; the order is kept.

    tasks: those whose sources are read, largest first. The last ones, when fewer are left than cores, get the
    cores of those that have ended. more: shards beside these, of which no source is read.
    """
    workers = cores.count
    size, members = sum(task.shard.size for task in tasks), sum(task.shard.rows for task in tasks)
    if 1 < workers <= _LANES and size < _QUICK and size > members * _LARGE:
        return 1, [replace(task, threads=workers) for task in tasks]
    seconds = size / _RATE + members * _A_MEMBER + (len(tasks) + more) * _A_SHARD
    if cores.auto and seconds < _START and not any(_waits(task) for task in tasks):
        return 1, list(tasks)
    last = len(tasks) % workers
    if not last:
        return workers, list(tasks)
    threads = -(-workers // last)
    return workers, [*tasks[:-last], *(replace(task, threads=threads) for task in tasks[-last:])]


def _waits(task: ShardTask) -> bool:
    """Say whether a shard's packing waits for a store rather than for a core."""
    return isinstance(task.source, StoreUrl) or isinstance(task.project.shards_location, StoreUrl)
