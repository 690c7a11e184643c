"""status says how long packing will take by the last run that packed, or nothing."""

import json
from pathlib import Path

import pytest

from packager.engine.project.load_project import load_project
from packager.engine.project.state_files import note_last_pack
from tests.helpers.projects import Project, make_project

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def planned(tmp_path: Path, capsys: Capture) -> Project:
    project = make_project(tmp_path / "project", files=3)
    assert [project.run(capsys, command).code for command in ("scan", "plan")] == [0, 0]
    return project


def status(project: Project, capsys: Capture) -> dict[str, float | None]:
    found: dict[str, float | None] = json.loads(project.run(capsys, "status", "--json").out)
    return found


def test_nothing_is_said_before_anything_was_packed(planned: Project, capsys: Capture) -> None:
    assert status(planned, capsys)["remaining_seconds"] is None


def test_it_is_the_bytes_over_the_time_on_the_wall(planned: Project, capsys: Capture) -> None:
    assert planned.run(capsys, "pack", "--phase", "rest").code == 0
    _, project = load_project(planned.root / "packager.toml")
    assert (project.state / "last-pack.json").is_file()
    note_last_pack(project, 4096, 0.5)  # too short to say anything
    assert status(planned, capsys)["remaining_seconds"] is None
    note_last_pack(project, 4096, 2.0)
    found = status(planned, capsys)
    assert found["remaining_bytes"]
    assert found["remaining_seconds"] == found["remaining_bytes"] / 2048
    assert "at the rate of the last run." in planned.run(capsys, "status").out
