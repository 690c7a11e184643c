"""Who packs: a process a shard, threads for cores that would be idle, one process alone for a quick run."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import pytest

from packager.core.config.store_url import StoreUrl
from packager.engine.stores.base import Place
from packager.pack.shard.pack_shard import ShardTask
from packager.pack.worker_plan import WorkerPlan, plan_workers

GIB = 1 << 30


@dataclass(frozen=True)
class Planned:
    """Of a shard, what is asked."""

    size: int
    rows: int


@dataclass(frozen=True)
class Lies:
    """Of the project, what is asked."""

    shards_location: Place = Path("shards")


@dataclass(frozen=True)
class Task:
    """Of a task, what is asked and told."""

    shard: Planned
    source: Place = Path("source")
    project: Lies = Lies()
    threads: int = 1


def tasks(count: int, size: int = 64 * GIB, rows: int = 10_000) -> list[ShardTask]:
    return cast("list[ShardTask]", [Task(Planned(size + count - number, rows)) for number in range(count)])


@pytest.mark.parametrize(
    ("count", "workers", "processes", "threads"),
    [
        (8, 4, 4, [1] * 8),
        (5, 4, 4, [1, 1, 1, 1, 4]),
        (6, 4, 4, [1, 1, 1, 1, 2, 2]),
        (7, 4, 4, [1, 1, 1, 1, 2, 2, 2]),
        (1, 4, 4, [4]),
        (1, 2, 2, [2]),
        (3, 1, 1, [1, 1, 1]),
        (0, 4, 4, []),
    ],
)
def test_the_last_shards_get_the_cores_that_would_be_idle(
    count: int, workers: int, processes: int, threads: list[int]
) -> None:
    given = tasks(count)
    used, made = plan_workers(given, WorkerPlan(workers))
    assert (used, [task.threads for task in made]) == (processes, threads)
    assert [replace(task, threads=1) for task in made] == given


def test_a_quick_run_of_large_files_on_few_cores_starts_no_processes() -> None:
    used, made = plan_workers(tasks(4, size=GIB // 4, rows=250), WorkerPlan(2))
    assert used == 1
    assert [task.threads for task in made] == [2] * 4


def test_tiny_files_are_left_to_processes_since_threads_share_one_interpreter() -> None:
    assert plan_workers(tasks(2, size=GIB, rows=65_536), WorkerPlan(2)) == (2, tasks(2, size=GIB, rows=65_536))


def test_what_is_done_before_processes_have_started_is_done_by_this_one_unless_a_number_was_asked_for() -> None:
    small = tasks(4, size=1 << 20, rows=100)
    assert plan_workers(small, WorkerPlan(8, auto=True)) == (1, small)
    assert plan_workers(small, WorkerPlan(8, auto=True), more=3000)[0] == 8
    assert plan_workers(small, WorkerPlan(8))[0] == 8
    stored = cast("list[ShardTask]", [replace(task, source=StoreUrl("s3", "bucket", "a")) for task in small])
    assert plan_workers(stored, WorkerPlan(8, auto=True))[0] == 8
