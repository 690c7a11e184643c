"""Divides shards among CPU cores: one process for each shard, and threads if cores would be idle otherwise."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from packager.core.config.store_url import StoreUrl
from packager.pack.shard.pack_shard import ShardTask

_THREADS = 3  # that one process can use: reading, members and pieces, blocks
_QUICK = 2 << 30  # bytes, about two seconds of work: too few to start processes
_LARGE = 256 << 10  # mean bytes of a member; with smaller members, threads do not help
_START = 1.0  # seconds of work; with less, starting processes is not worth it
_RATE, _A_MEMBER, _A_SHARD = 0.7e9, 60e-6, 0.02  # bytes a second of one core; seconds


@dataclass(frozen=True)
class WorkerPlan:
    """The maximum number of processes. auto: start fewer if more would not help."""

    count: int
    auto: bool = False


def plan_workers(tasks: Sequence[ShardTask], cores: WorkerPlan, more: int = 0) -> tuple[int, list[ShardTask]]:
    """Return the number of processes, and the tasks with their numbers of threads, in the same order.

    tasks: those that read source files, largest first. When fewer tasks than cores are left, they get the cores of the
    tasks that have ended. more: number of other shards, which do not read source files.
    """
    workers = cores.count
    size, members = sum(task.shard.size for task in tasks), sum(task.shard.rows for task in tasks)
    if 1 < workers <= _THREADS and size < _QUICK and size > members * _LARGE:
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
    """Return whether packing a shard waits for a store and not for a CPU core."""
    return isinstance(task.source, StoreUrl) or isinstance(task.project.shards_location, StoreUrl)
