"""The page on several machines: its commands do what it says, as far as one machine can, and its numbers are right."""

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from packager import api
from packager.cli.app import main
from tests.helpers.projects import Project, make_project
from tests.helpers.waiting import free_port, until

PAGE = (Path(__file__).parents[2] / "docs/how-to/run-on-several-machines.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```sh\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    project = make_project(tmp_path / "project", files=6)
    api.scan(project.root / "packager.toml", workers=1)
    api.plan(project.root / "packager.toml")
    monkeypatch.chdir(project.root)
    return project


@contextmanager
def started(line: str, folder: Path) -> Iterator[Path]:
    """Run a line of the page until the block ends; yield what it prints."""
    folder.mkdir()
    with open(folder / "log", "wb") as log:
        command = [sys.executable, "-m", *shlex.split(line)]
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, env=os.environ | {"PYTHONPATH": ""})
    try:
        yield folder / "log"
    finally:
        process.terminate()
        process.wait()


def test_the_commands_for_a_few_servers_pack_and_verify(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    [scheduler], [setting, worker], (pack, verify) = (
        block.splitlines() for block in BLOCKS if "127.0.0.1:8786" in block or "--port 8786 --dash" in block
    )
    monkeypatch.setenv(*setting.removeprefix("export ").split("="))
    port = str(free_port())
    scheduler, worker, pack, verify = (line.replace("8786", port) for line in (scheduler, worker, pack, verify))
    with (
        started(scheduler.replace("8787", "0"), tmp_path / "scheduler") as scheduler_log,
        started(worker, tmp_path / "worker") as worker_log,
    ):
        until(lambda: b"Scheduler at:" in scheduler_log.read_bytes(), lambda: "the scheduler")
        until(lambda: worker_log.read_bytes().count(b"Registered to:") == 2, lambda: "workers")
        assert main(shlex.split(pack)[1:]) == 0
        api.publish(project.root / "packager.toml")
        assert main([*shlex.split(verify)[1:], "--release", "site"]) == 0


def test_the_command_for_one_machine_packs(project: Project) -> None:
    [line] = [block for block in BLOCKS if "--cluster local" in block]
    assert main(shlex.split(line)[1:]) == 0


def test_the_days_in_the_table_are_those_that_estimate_tells(capsys: pytest.CaptureFixture[str]) -> None:
    [written] = re.findall(r"`(packager estimate [^`]*) --workers N`", PAGE)
    assert main([*shlex.split(written)[1:], "--workers", "160", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert f"{told['line_seconds'] / 86_400:.1f} days through one line of 10 Gbit/s" in PAGE
    assert f"{told['disk_seconds'] / 86_400:.1f} days at 1 GB/s" in PAGE
    assert told["hash_seconds"] == pytest.approx(told["size"] / told["rate"] / 160)
