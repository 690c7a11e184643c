"""A release killed at any instant, run again, ends as if it had not been killed; the site is never broken."""

import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.projects import Project, make_project

COMMAND = [sys.executable, "-m", "packager", "release", "--workers", "2", "--config"]


def start(project: Project, *more: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [*COMMAND, str(project.root / "packager.toml"), *more],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


def check_site(site: Path) -> None:
    """Assert that a site, where there is one, holds every file its sums name, as they name it."""
    if site.exists():
        subprocess.run(["sha256sum", "--strict", "--quiet", "-c", "SHA256SUMS"], cwd=site, check=True)


def kill_and_go_on(tmp_path: Path, seed: int, kills: int, *more: str) -> None:
    calm, stormy = Project(tmp_path / "calm"), make_project(tmp_path / "stormy", seed=seed)
    shutil.copytree(stormy.root, calm.root)
    began = time.monotonic()
    undisturbed = start(calm, *more)
    undisturbed.communicate(timeout=120)
    assert undisturbed.returncode == 0
    whole = time.monotonic() - began
    chance = random.Random(seed)
    print("seed", seed, "whole run", whole)
    for _ in range(kills):
        process = start(stormy, *more)
        try:
            process.wait(chance.uniform(0.2, 1.1) * whole)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
        _, errors = process.communicate()
        # A worker that was just starting tells on stderr that its parent is gone; whoever killed that asked for it.
        assert process.returncode == -signal.SIGKILL or (process.returncode == 0 and b"Traceback" not in errors)
        check_site(stormy.root / "output")
        if chance.random() < 0.2:
            shutil.rmtree(stormy.root / "output", ignore_errors=True)
    last = start(stormy, *more)
    _, errors = last.communicate(timeout=120)
    assert last.returncode == 0, errors.decode()
    assert stormy.published() == calm.published()
    assert not [path for path in stormy.root.rglob(".*") if path.name not in (".packager",)]


def test_a_release_killed_a_few_times_ends_as_an_undisturbed_one(tmp_path: Path) -> None:
    kill_and_go_on(tmp_path, seed=20261121, kills=8)


def test_a_virtual_release_killed_a_few_times_ends_as_an_undisturbed_one(tmp_path: Path) -> None:
    kill_and_go_on(tmp_path, 20261122, 4, "--virtual")


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", range(10))
def test_a_release_killed_many_times_ends_as_an_undisturbed_one(tmp_path: Path, seed: int) -> None:
    kill_and_go_on(tmp_path, seed=seed, kills=30)
