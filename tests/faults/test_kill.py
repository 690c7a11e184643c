"""A command killed at any instant and run again leaves what an undisturbed one leaves; the site is never broken."""

import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.faults.site_reader import reading
from tests.projects import Project, make_project

Change = Callable[[Project], None]
# What tells of the run and not of its result: who has the lock, when our own files were written, how long that took.
_OF_THE_RUN = {
    "lock": rb"(?s).*",
    "mtimes.parquet": rb"(?s).*",
    "packed.json": rb'"seconds": [0-9.]+',
    "scanned.json": rb'"catalogue": \[[^]]*\]',
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


WITHDRAW = ("withdraw", "--id", "album 1/01 tone [b].wav", "--reason", "x")
# A collection's first two releases, by single commands; what happens to it before each.
TWO_RELEASES: dict[str, tuple[Change, tuple[str, ...]]] = {
    "scan": (age, ("scan",)),
    "plan": (leave, ("plan",)),
    "pack": (leave, ("pack", "--workers", "2")),
    "publish": (leave, ("publish",)),
    "withdraw": (leave, WITHDRAW),
    "scan again": (grow, ("scan",)),
    "plan again": (leave, ("plan",)),
    "pack again": (leave, ("pack", "--virtual", "--workers", "1")),
    "publish again": (leave, ("publish",)),
}
VIRTUAL: dict[str, tuple[Change, tuple[str, ...]]] = {
    "release": (age, ("release", "--virtual", "--workers", "1")),
    "materialise": (leave, ("materialise", "tones-audio-00001", "tones-rest-00001", "--workers", "1")),
    "withdraw": (leave, WITHDRAW),
    "scan again": (grow, ("scan",)),
    "plan again": (leave, ("plan",)),
    "pack again": (drop_tars, ("pack", "--virtual", "--workers", "2")),
    "publish again": (leave, ("publish",)),
    "release of nothing new": (leave, ("release", "--virtual")),
}


def start(project: Project, arguments: tuple[str, ...]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "packager", *arguments, "--config", str(project.root / "packager.toml")],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


def run(project: Project, arguments: tuple[str, ...]) -> float:
    """Run a command to its end and return the seconds that it took."""
    began = time.monotonic()
    process = start(project, arguments)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors.decode()
    return time.monotonic() - began


def kill(project: Project, arguments: tuple[str, ...], after: float, *, group: bool) -> bool:
    """Run a command and kill it, or all its processes at once, after some seconds; say whether it had not ended."""
    process = start(project, arguments)
    try:
        process.wait(after)
    except subprocess.TimeoutExpired:
        (os.killpg if group else os.kill)(process.pid, signal.SIGKILL)
    _, errors = process.communicate()
    # A worker that was just starting tells on stderr that its parent is gone; whoever killed that asked for it.
    assert process.returncode in (0, -signal.SIGKILL), errors.decode()
    return process.returncode != 0


def left(project: Project) -> dict[str, bytes]:
    """Return every file below a project by its path, without what tells of the run."""
    found = {}
    for path in sorted(project.root.rglob("*")):
        if path.is_file():
            data = path.read_bytes()
            pattern = _OF_THE_RUN.get(path.name)
            found[str(path.relative_to(project.root))] = re.sub(pattern, b"", data) if pattern else data
    return found


@dataclass(frozen=True)
class Step:
    """A command, the project as it is before it, what an undisturbed run leaves, and the seconds that takes."""

    name: str
    arguments: tuple[str, ...]
    before: Project
    expected: dict[str, bytes]
    seconds: float


def undisturbed(root: Path, seed: int, commands: dict[str, tuple[Change, tuple[str, ...]]]) -> list[Step]:
    """Run commands one after the other and keep what is there before and after each."""
    project = make_project(root / "calm", seed=seed, files=5)
    steps = []
    for number, (name, (change, arguments)) in enumerate(commands.items()):
        change(project)
        before = Project(root / f"before {number}")
        shutil.copytree(project.root, before.root)
        seconds = run(project, arguments)
        steps.append(Step(name, arguments, before, left(project), seconds))
    return steps


def storm(root: Path, steps: list[Step], chance: random.Random, kills: int) -> None:
    """Kill each step in turn at a random instant, run it again and compare, until so many had not ended when killed."""
    number = killed = 0
    while killed < kills:
        number, step = number + 1, steps[number % len(steps)]
        project = Project(root / str(number))
        shutil.copytree(step.before.root, project.root)
        with reading(project.root / "output") as seen:
            killed += kill(
                project, step.arguments, chance.uniform(0.15, 1.05) * step.seconds, group=chance.random() < 0.5
            )
            run(project, step.arguments)
        assert not seen.broken, (step.name, number, seen.broken)
        assert seen.serials
        assert seen.serials == sorted(seen.serials)
        found = left(project)
        different = {path for path in found | step.expected if found.get(path) != step.expected.get(path)}
        assert not different, (step.name, number, different)
        shutil.rmtree(project.root)


def test_every_command_killed_at_some_instant_and_run_again_ends_as_an_undisturbed_one(tmp_path: Path) -> None:
    steps = undisturbed(tmp_path, 20261121, TWO_RELEASES)
    storm(tmp_path, steps, random.Random(20261121), 9)


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("commands", [TWO_RELEASES, VIRTUAL], ids=["tars", "virtual"])
@pytest.mark.parametrize("seed", range(3))
def test_three_hundred_kills_leave_what_undisturbed_commands_leave(
    tmp_path: Path, seed: int, commands: dict[str, tuple[Change, tuple[str, ...]]]
) -> None:
    steps = undisturbed(tmp_path, seed, commands)
    storm(tmp_path, steps, random.Random(seed), 50)
