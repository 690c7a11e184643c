"""A command killed at any instant and run again leaves what an undisturbed one leaves; the site is never broken."""

import os
import random
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.helpers.failing_disk import FailingDisk
from tests.helpers.projects import Project, make_project
from tests.helpers.site_reader import reading

Change = Callable[[Project], None]
# What tells of the run and not of its result: who has the lock, when our own files were written, how long that took.
_OF_THE_RUN = {
    "lock": rb"(?s).*",
    "mtimes.parquet": rb"(?s).*",
    "owner": rb"(?s).*",
    "packed.json": rb'"seconds": [0-9.]+',
    "scanned.json": rb'"catalogue": \[[^]]*\]',
    "written.json": rb"(?s).*",  # a tar's times
    "withdrawals.json": rb'"date": "[^"]*"',
}


def leave(project: Project) -> None:
    """Change nothing."""


def age(project: Project) -> None:
    """Make files old: the tags of one that was written just now are read again by the next scan, others not."""
    for path in project.source.rglob("*"):
        os.utime(path, (1_100_000_000, 1_100_000_000))


def grow(project: Project) -> None:
    """Add, change, touch and remove files."""
    (project.source / "new.txt").write_bytes(b"new\n")
    (project.source / "notes.txt").write_bytes(b"changed\n")
    (project.source / "empty.txt").unlink()
    age(project)
    for path in (project.source / "album 0").iterdir():
        os.utime(path, (1_000_000_000, 1_000_000_000))


def drop_tars(project: Project) -> None:
    """Remove the tars, so that the next pass writes none."""
    shutil.rmtree(project.root / "shards")


WITHDRAW = ("withdraw", "--yes", "album 1/01 tone [b].wav", "--reason", "x")
# A collection's first two releases, by single commands; what happens to it before each.
TWO_RELEASES: dict[str, tuple[Change, tuple[str, ...]]] = {
    "scan": (age, ("scan",)),
    "plan": (leave, ("plan",)),
    "pack": (leave, ("pack", "--workers", "2")),
    "publish": (leave, ("publish",)),
    "withdraw": (leave, WITHDRAW),
    "scan again": (grow, ("scan",)),
    "plan again": (leave, ("plan",)),
    "pack again": (leave, ("pack", "--no-tars", "--workers", "1")),
    "publish again": (leave, ("publish",)),
}
VIRTUAL: dict[str, tuple[Change, tuple[str, ...]]] = {
    "release": (age, ("release", "--no-tars", "--workers", "1")),
    "export": (leave, ("export", "tones-audio-00001", "tones-rest-00001", "--workers", "1")),
    "withdraw": (leave, WITHDRAW),
    "scan again": (grow, ("scan",)),
    "plan again": (leave, ("plan",)),
    "pack again": (drop_tars, ("pack", "--no-tars", "--workers", "2")),
    "publish again": (leave, ("publish",)),
    "release of nothing new": (leave, ("release", "--no-tars")),
}


def run(disk: FailingDisk, project: Project, arguments: tuple[str, ...]) -> int:
    """Run a command to its end and return the changes that it made."""
    ended = disk.calm(project.root, *arguments, "--config", project.root / "packager.toml")
    assert ended.code == 0, ended.err
    return ended.calls


def left(project: Project) -> dict[str, bytes]:
    """Return every file below a project by its path, without what tells of the run."""
    found = {}
    for path in sorted(project.root.rglob("*")):
        if path.is_file() and path.name != "last-pack.json":  # how fast a run was that took more than a second
            data = path.read_bytes()
            pattern = _OF_THE_RUN.get(path.name.partition(".")[2] if path.parent.name == "tars" else path.name)
            found[str(path.relative_to(project.root))] = re.sub(pattern, b"", data) if pattern else data
    return found


@dataclass(frozen=True)
class Step:
    """A command, the project as it is before it, what an undisturbed run leaves, and the changes that this takes."""

    name: str
    arguments: tuple[str, ...]
    before: Project
    expected: dict[str, bytes]
    changes: int


def undisturbed(
    disk: FailingDisk, root: Path, seed: int, commands: dict[str, tuple[Change, tuple[str, ...]]]
) -> list[Step]:
    """Run commands one after the other and keep what is there before and after each."""
    project = make_project(root / "calm", seed=seed, files=5)
    steps = []
    for number, (name, (change, arguments)) in enumerate(commands.items()):
        change(project)
        before = Project(root / f"before {number}")
        shutil.copytree(project.root, before.root)
        changes = run(disk, project, arguments)
        steps.append(Step(name, arguments, before, left(project), changes))
    return steps


def storm(disk: FailingDisk, root: Path, steps: list[Step], chance: random.Random, kills: int) -> None:
    """Kill each step in turn before one of its changes, run it again and compare, until so many were killed."""
    number = killed = 0
    while killed < kills:
        number, step = number + 1, steps[number % len(steps)]
        project = Project(root / str(number))
        shutil.copytree(step.before.root, project.root)
        with reading(project.root / "site") as seen:
            arguments = (*step.arguments, "--config", project.root / "packager.toml")
            group = chance.random() < 0.5
            ended = disk.kill(project.root, chance.randint(1, step.changes), *arguments, group=group)
            killed += ended.killed
            assert ended.killed or ended.code == 0, ended.err
            run(disk, project, step.arguments)
        assert not seen.broken, (step.name, number, seen.broken)
        assert seen.serials == sorted(seen.serials)
        found = left(project)
        different = {path for path in found | step.expected if found.get(path) != step.expected.get(path)}
        assert not different, (step.name, number, different)
        shutil.rmtree(project.root)


def test_every_command_killed_at_some_instant_and_run_again_ends_as_an_undisturbed_one(
    tmp_path: Path, disk: FailingDisk
) -> None:
    steps = undisturbed(disk, tmp_path, 20261121, TWO_RELEASES)
    storm(disk, tmp_path, steps, random.Random(20261121), len(steps))


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("commands", [TWO_RELEASES, VIRTUAL], ids=["tars", "virtual"])
@pytest.mark.parametrize("seed", range(3))
def test_three_hundred_kills_leave_what_undisturbed_commands_leave(
    tmp_path: Path, disk: FailingDisk, seed: int, commands: dict[str, tuple[Change, tuple[str, ...]]]
) -> None:
    steps = undisturbed(disk, tmp_path, seed, commands)
    storm(disk, tmp_path, steps, random.Random(seed), 50)
