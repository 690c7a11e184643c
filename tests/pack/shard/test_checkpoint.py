"""A large shard whose pass was killed goes on from its last note, and ends as if it had not been killed."""

import os
import random
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from packager.cli.app import main
from packager.engine.files import atomic_files
from packager.engine.project.owner_id import project_owner
from packager.pack.shard import checkpoint
from packager.units import MIB
from tests.helpers.projects import Project

Capture = pytest.CaptureFixture[str]
SHARD = "tones-all-00001"
# Notes after every member; the process is killed when so many notes are written, as by a power cut.
KILLED = """
import os, signal, sys
from packager.cli.app import main
from packager.engine.files import atomic_files
from packager.engine.project.owner_id import project_owner
from packager.pack.shard import checkpoint
checkpoint.SECONDS = 0.0
write, left = atomic_files.write_bytes, int(sys.argv[1])
def write_bytes(path, data):
    global left
    write(path, data)
    left -= path.name == checkpoint.FILE
    if not left:
        os.kill(os.getpid(), signal.SIGKILL)
atomic_files.write_bytes = write_bytes
main(sys.argv[2:])
"""


@pytest.fixture
def project(tmp_path: Path, capsys: Capture) -> Project:
    """A project whose one shard has some 40 MiB in members of many sizes, planned."""
    project = Project(tmp_path / "project")
    project.source.mkdir(parents=True)
    chance = random.Random(5)
    for number in range(30):
        size = (0, 1, 511, 512, 70_000, 3 * MIB, 5 * MIB - 7)[number % 7]
        (project.source / f"{number:02d}.bin").write_bytes(chance.randbytes(size))
    project.write_config(size="64 MiB", phases='[[phases]]\nname = "all"\ntitle = "All"\n')
    for command in ("scan", "plan"):
        assert project.run(capsys, command).code == 0
    return project


def killed(project: Project, notes: int, *more: str) -> None:
    """Pack until so many notes are written, and kill it."""
    command = ["pack", *more, "--config", str(project.root / "packager.toml")]
    ran = subprocess.run([sys.executable, "-c", KILLED, str(notes), *command], capture_output=True, check=False)
    assert ran.returncode == -signal.SIGKILL, ran.stderr


def packed(project: Project) -> dict[str, bytes]:
    """Return what packing made, without the seconds that it took."""
    folder = project.root / ".packager" / "packed" / SHARD
    found = {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "packed.json"}
    return found | {path.name: path.read_bytes() for path in (project.root / "shards").glob("*") if path.is_file()}


def note(project: Project) -> Path:
    return project.root / ".packager" / "packed" / SHARD / checkpoint.FILE


@pytest.fixture
def expected(project: Project, tmp_path: Path, capsys: Capture) -> dict[str, bytes]:
    """What packing makes that is not killed."""
    calm = Project(tmp_path / "calm")
    shutil.copytree(project.root, calm.root)
    assert calm.run(capsys, "pack", "--workers", "1").code == 0
    return packed(calm)


@pytest.mark.parametrize(("workers", "more"), [("2", ()), ("1", ("--no-tars",))])
def test_a_killed_pass_goes_on_and_what_was_read_is_not_read_again(
    project: Project, expected: dict[str, bytes], capsys: Capture, workers: str, more: tuple[str, ...]
) -> None:
    killed(project, 2, "--workers", workers, *more)
    killed(project, 1, "--workers", workers, *more)
    begun = checkpoint._read(note(project))
    assert begun is not None
    assert begun.start >= 10 * MIB
    for path in sorted(project.source.iterdir())[: begun.members - 3]:
        path.unlink()
    assert project.run(capsys, "pack", "--workers", workers, *more).code == 0
    tars = {} if not more else {f"{SHARD}.tar": expected[f"{SHARD}.tar"]}
    assert packed(project) | tars == expected
    assert not note(project).exists()
    assert os.listdir(project.root / "shards") == ([f"{SHARD}.tar"] if not more else [])


@pytest.mark.parametrize("other", [False, True], ids=["cut", "begun anew by another command"])
def test_a_note_is_of_no_use_without_the_bytes_that_it_stands_for(
    project: Project, expected: dict[str, bytes], capsys: Capture, *, other: bool
) -> None:
    killed(project, 3)
    beside = atomic_files.partial_path(
        project.root / "shards" / f"{SHARD}.tar", project_owner(project.root / ".packager")
    )
    size = beside.stat().st_size
    os.truncate(beside, MIB if other else 30 * MIB)
    if other:
        os.truncate(beside, size)
    assert project.run(capsys, "pack").code == 0
    assert packed(project) == expected


def test_what_a_note_stands_for_is_durable_before_it_is(
    project: Project, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    fsync, replace = os.fsync, os.replace

    def note_fsync(descriptor: int) -> None:
        fsync(descriptor)
        done.append(f"fsync {Path(os.readlink(f'/proc/self/fd/{descriptor}')).name}")

    def note_replace(old: Path, new: Path) -> None:
        replace(old, new)
        done.append(f"now {new.name}")

    monkeypatch.setattr(checkpoint, "SECONDS", 0.0)
    monkeypatch.setattr(os, "fsync", note_fsync)
    monkeypatch.setattr(os, "replace", note_replace)
    assert project.run(capsys, "pack", "--workers", "1").code == 0
    tar = atomic_files.partial_path(
        project.root / "shards" / f"{SHARD}.tar", project_owner(project.root / ".packager")
    ).name
    steps = [each for each in done if each in (f"fsync {tar}", f"now {checkpoint.FILE}")]
    assert len(steps) > 5
    assert steps == [f"fsync {tar}", f"now {checkpoint.FILE}"] * (len(steps) // 2) + [f"fsync {tar}"]


def test_notes_of_a_pass_that_wrote_no_tar_are_no_tar(
    project: Project, expected: dict[str, bytes], capsys: Capture
) -> None:
    killed(project, 1)
    killed(project, 2, "--no-tars")
    assert os.listdir(project.root / "shards") == []
    assert project.run(capsys, "pack").code == 0
    assert packed(project) == expected


def test_a_note_of_another_plan_is_not_used(project: Project, capsys: Capture) -> None:
    killed(project, 3)
    (project.source / "00.bin").write_bytes(b"new")
    for command in ("scan", "plan", "pack"):
        assert project.run(capsys, command).code == 0
    assert not note(project).exists()
    shard = str(project.root / "shards" / f"{SHARD}.tar")
    documents = str(project.root / ".packager" / "packed" / SHARD / f"{SHARD}.manifest.json")
    assert project.run(capsys, "pack").code == 0
    assert main(["verify", shard, "--manifest", documents]) == 0


def test_a_source_that_changed_leaves_nothing_of_a_pass_that_goes_on(project: Project, capsys: Capture) -> None:
    killed(project, 3)
    last = project.source / "29.bin"
    last.write_bytes(last.read_bytes() + b"x")
    assert project.run(capsys, "pack").code == 3
    assert os.listdir(project.root / "shards") == []
