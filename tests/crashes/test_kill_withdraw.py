"""A withdrawal cannot be made again from anything: killed at any of its steps it is noted, or not, and never halved."""

import json
import signal
from pathlib import Path

import pytest

from tests.helpers.failing_disk import FailingDisk, Fault
from tests.helpers.projects import Project, make_project

Capture = pytest.CaptureFixture[str]
BEFORE, NOW = "notes.txt", "empty.txt"


def noted(project: Project) -> list[str]:
    """Return the ids that are noted, in their order; raises where the file is not whole."""
    return [record["id"] for record in json.loads((project.root / "withdrawals.json").read_bytes())["records"]]


def test_a_withdrawal_killed_at_any_flush_is_noted_whole_or_not_at_all_and_once_when_run_again(
    tmp_path: Path, capsys: Capture, disk: FailingDisk
) -> None:
    project = make_project(tmp_path / "project", files=1)
    assert project.run(capsys, "scan").code == 0
    assert project.run(capsys, "withdraw", "--yes", BEFORE, "--reason", "before").code == 0
    first = (project.root / "withdrawals.json").read_bytes()
    withdraw = ("withdraw", "--yes", NOW, "--reason", "now")
    config = ("--config", project.root / "packager.toml")
    seen = set()
    for number in range(1, 100):
        (project.root / "withdrawals.json").write_bytes(first)
        ended = disk.run(Fault(project.root, "sync", -signal.SIGKILL, number), *withdraw, *config)
        if ended.code == 0:
            break
        assert ended.killed, ended
        seen.add(tuple(noted(project)))
        assert project.run(capsys, *withdraw).code == 0
        assert noted(project) == [BEFORE, NOW]
    assert seen == {(BEFORE,), (BEFORE, NOW)}
    assert noted(project) == [BEFORE, NOW]
