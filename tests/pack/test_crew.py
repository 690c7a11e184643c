"""Who packs: a process a shard, threads for cores that would be idle, one process alone for a quick run."""

from dataclasses import dataclass, replace
from typing import cast

import pytest

from packager.pack.crew import crew
from packager.pack.shard import ShardTask

GIB = 1 << 30


@dataclass(frozen=True)
class Planned:
    """Of a shard, what is asked."""

    size: int
    rows: int


@dataclass(frozen=True)
class Task:
    """Of a task, what is asked and told."""

    shard: Planned
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
    used, made = crew(given, workers)
    assert (used, [task.threads for task in made]) == (processes, threads)
    assert [replace(task, threads=1) for task in made] == given


def test_a_quick_run_of_large_files_on_few_cores_starts_no_processes() -> None:
    used, made = crew(tasks(4, size=GIB, rows=250), 2)
    assert used == 1
    assert [task.threads for task in made] == [2] * 4


def test_tiny_files_are_left_to_processes_since_threads_share_one_interpreter() -> None:
    assert crew(tasks(2, size=GIB, rows=65_536), 2) == (2, tasks(2, size=GIB, rows=65_536))
