"""The next release of a published collection, killed at any instant and run again, ends as an undisturbed one."""

import os
import random
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from packager.cli.app import main
from tests.faults.test_kill import check_site, start
from tests.projects import Project, make_project


def grow(project: Project) -> None:
    """Add, change, touch and remove files, and take a record back."""
    (project.source / "new.txt").write_bytes(b"new\n")
    (project.source / "notes.txt").write_bytes(b"changed\n")
    (project.source / "empty.txt").unlink()
    for path in (project.source / "album 0").iterdir():
        os.utime(path, (1_000_000_000, 1_000_000_000))
    arguments = ["--id", "album 1/01 tone [b].wav", "--reason", "x", "--supersede"]
    assert main(["withdraw", *arguments, "--config", str(project.root / "packager.toml")]) == 0


def storm(tmp_path: Path, seed: int, kills: int) -> None:
    calm, stormy = Project(tmp_path / "calm"), make_project(tmp_path / "stormy", seed=seed, files=9)
    assert main(["release", "--workers", "1", "--config", str(stormy.root / "packager.toml")]) == 0
    grow(stormy)
    shutil.copytree(stormy.root, calm.root)
    began = time.monotonic()
    undisturbed = start(calm)
    _, errors = undisturbed.communicate(timeout=120)
    assert undisturbed.returncode == 0, errors.decode()
    whole = time.monotonic() - began
    chance = random.Random(seed)
    print("seed", seed, "whole run", whole)
    for _ in range(kills):
        process = start(stormy)
        try:
            process.wait(chance.uniform(0.2, 1.1) * whole)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
        _, errors = process.communicate()
        assert process.returncode in (0, -signal.SIGKILL), errors.decode()
        check_site(stormy.root / "output")
    last = start(stormy)
    _, errors = last.communicate(timeout=120)
    assert last.returncode == 0, errors.decode()
    assert stormy.published() == calm.published()


def test_a_second_release_killed_a_few_times_ends_as_an_undisturbed_one(tmp_path: Path) -> None:
    storm(tmp_path, seed=20261121, kills=6)


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", range(5))
def test_a_second_release_killed_many_times_ends_as_an_undisturbed_one(tmp_path: Path, seed: int) -> None:
    storm(tmp_path, seed=seed, kills=30)
