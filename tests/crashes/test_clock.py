"""A clock that jumps: no date of a release goes back, what was opened stays open, and nothing is read or lost by it."""

import json
import os
from pathlib import Path

import pytest

from tests.helpers.failing_disk import FOR_EVER, FailingDisk, Fault
from tests.helpers.projects import PHASES, Project, make_project

DAY = 86_400
Capture = pytest.CaptureFixture[str]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project whose releases are dated by the clock, and one of whose phases was under embargo until this year."""
    project = make_project(tmp_path / "project", files=3)
    project.write_config(phases=PHASES.replace('title = "Audio"\n', 'title = "Audio"\nembargo = "2026-01-01"\n'))
    config = project.root / "packager.toml"
    config.write_text(config.read_text().replace('date = "2026-11-21"\n', ""))
    return project


def run(disk: FailingDisk, project: Project, days: int, *arguments: str) -> None:
    """Run a command whose clock is so many days ahead; it must end well."""
    ended = disk.run(
        Fault(project.root, "write", 0, FOR_EVER, ahead=days * DAY),
        *arguments,
        "--config",
        project.root / "packager.toml",
    )
    assert ended.code == 0, ended.err


def dates(value: object) -> list[str]:
    """Return every date that stands in a document's fields."""
    if isinstance(value, dict):
        own = [each for name, each in value.items() if name in ("date", "added")]
        return own + [date for each in value.values() for date in dates(each)]
    return [date for each in value for date in dates(each)] if isinstance(value, list) else []


def test_a_clock_that_goes_back_between_commands_leaves_every_date_in_order(
    project: Project, disk: FailingDisk
) -> None:
    run(disk, project, 0, "release", "--workers", "1")
    document = project.root / "site" / "release.json"
    first = json.loads(document.read_bytes())
    (project.source / "new.txt").write_bytes(b"new")
    run(disk, project, -400, "withdraw", "--yes", "notes.txt", "--reason", "x", "--keep-shards")
    run(disk, project, 1, "scan")
    run(disk, project, -400, "release", "--workers", "1")
    second = json.loads(document.read_bytes())
    assert second["serial"] == 2
    assert {phase["state"] for phase in second["phases"]} == {"published"}
    assert set(dates(second)) == {first["date"]}
    assert json.loads((project.root / "withdrawals.json").read_bytes())["records"][0]["date"] == first["date"]
    assert json.loads((project.root / ".packager" / "plan" / "plan.json").read_bytes())["date"] == first["date"]


def test_a_date_in_the_config_before_the_last_releases_is_refused(project: Project, capsys: Capture) -> None:
    assert project.run(capsys, "release", "--workers", "1").code == 0
    before = project.published()
    config = project.root / "packager.toml"
    config.write_text(config.read_text().replace("[release]\n", '[release]\ndate = "2020-01-01"\n'))
    (project.source / "new.txt").write_bytes(b"new")
    ran = project.run(capsys, "release", "--workers", "1")
    assert ran.code == 2
    assert 'release.date: "2020-01-01T00:00:00Z" is before the last release, of 2' in ran.err
    assert {name: data for name, data in project.published().items() if name in before} == before


def test_files_of_any_time_are_released_once(tmp_path: Path, capsys: Capture) -> None:
    project = make_project(tmp_path / "project", files=3)
    for name, time in (("notes.txt", 4_000_000_000), ("cover 100%.png", -1_000_000), ("empty.txt", 0)):
        os.utime(project.source / name, (time, time))
    assert project.run(capsys, "release", "--workers", "1").code == 0
    again = project.run(capsys, "release", "--workers", "1", "--json")
    done = json.loads(again.out)
    assert (done["scan"]["changed"], done["plan"]["changed"], done["pack"]["packed"]) == (False, False, 0)
    assert not done["publish"]["changed"]
