"""Tars that were packed and never published, and that no plan has any more: listed, and deleted by prune."""

import json
from pathlib import Path

import pytest

from tests.end_to_end.test_growing import release
from tests.end_to_end.test_moved_and_withdrawn import Capture, make, write
from tests.helpers.projects import Project

CLOSED = """
[[phases]]
name = "closed"
title = "Closed"
where = "starts_with(path, 'secret')"
embargo = "2999-01-01"
%s
[[phases]]
name = "all"
title = "All"
"""
FILES = {"a": b"open", "secret 1": bytes(30_000), "secret 2": b"2" * 30_000, "secret 3": b"3" * 30_000}
WHY = "it is in no release and not in the plan"


def project_of(root: Path, capsys: Capture, *, more: str = "", size: str = "64 KiB") -> Project:
    return make(root, FILES, phases=CLOSED % more, size=size)


def withdraw(project: Project, capsys: Capture, *ids: str) -> list[str]:
    """Withdraw records; return the names of what should be deleted after the next release."""
    named = list(ids)
    ran = project.run(capsys, "withdraw", "--yes", *named, "--reason", "x", "--json")
    assert ran.code == 0, ran.err
    return [Path(each["path"]).name for each in json.loads(ran.out)["to_delete"]]


def listed(project: Project, capsys: Capture, *command: str) -> dict[str, str]:
    """Return the names that a command lists for deletion, and why."""
    report = json.loads(project.run(capsys, *command, "--json").out)
    return {Path(each["path"]).name: each["reason"] for each in report.get("to_delete", report.get("files"))}


def there(project: Project) -> set[str]:
    return {path.name for path in (project.root / "shards").iterdir()}


def documents(project: Project) -> set[str]:
    return {path.name for path in (project.root / ".packager" / "packed").iterdir()}


def test_a_tar_that_no_release_and_no_plan_has_is_listed_and_deleted(tmp_path: Path, capsys: Capture) -> None:
    project = project_of(tmp_path / "p", capsys, size="1 MiB")
    tar = "tones-closed-00001.tar"
    assert tar in there(project)
    assert withdraw(project, capsys, "secret 1", "secret 2", "secret 3") == [tar]
    assert listed(project, capsys, "prune", "--dry-run") == {}  # the plan has it until the next one
    release(project, capsys)
    assert listed(project, capsys, "status") == {tar: WHY}
    assert json.loads(project.run(capsys, "status", "--json").out)["unknown_tars"] == []
    assert withdraw(project, capsys, "a") == ["tones-all-00001.tar", tar]
    (project.root / "shards" / "mine.tar").write_bytes(b"mine")
    assert listed(project, capsys, "prune", "--yes") == {tar: WHY}
    assert there(project) == {"tones-all-00001.tar", "mine.tar"}
    assert documents(project) == {"tones-all-00001"}
    assert not (project.root / ".packager" / "tars" / "tones-closed-00001.json").exists()
    assert project.run(capsys, "prune", "--yes").out == "Nothing to delete.\n"


def test_a_tar_of_the_same_name_is_replaced_and_the_last_ones_are_left_over(tmp_path: Path, capsys: Capture) -> None:
    project = project_of(tmp_path / "p", capsys)
    tars = sorted(name for name in there(project) if "closed" in name)
    assert len(tars) == 3
    last = tars[-1]
    assert withdraw(project, capsys, "secret 1") == [last]
    assert project.run(capsys, "scan").code == project.run(capsys, "plan").code == 0
    assert listed(project, capsys, "status") == {last: WHY}, "the next pack replaces the others"
    release(project, capsys)
    assert listed(project, capsys, "prune", "--yes") == {last: WHY}
    assert sorted(name for name in there(project) if "closed" in name) == tars[:-1]
    assert project.run(capsys, "pack").out.startswith("Nothing to pack: ")


def test_only_the_tag_files_of_a_folder_that_no_plan_has_are_deleted(tmp_path: Path, capsys: Capture) -> None:
    project = project_of(tmp_path / "p", capsys, more='container = "folder"', size="1 MiB")
    folder = project.root / "shards" / "tones-closed-00001"
    assert (folder / "bagit.txt").exists()
    (folder / "mine.txt").write_bytes(b"mine")
    assert withdraw(project, capsys, "secret 1", "secret 2", "secret 3") == [folder.name]
    release(project, capsys)
    assert listed(project, capsys, "status") == {folder.name: WHY}
    assert listed(project, capsys, "prune", "--yes") == {folder.name: WHY}
    assert [path.name for path in folder.iterdir()] == ["mine.txt"]
    assert documents(project) == {"tones-all-00001"}


def test_before_the_first_release_the_tars_of_an_earlier_plan_are_listed(tmp_path: Path, capsys: Capture) -> None:
    project = Project(tmp_path / "p")
    write(project, FILES)
    project.write_config(phases=CLOSED % "", size="1 MiB")
    for command in ("scan", "plan", "pack"):
        assert project.run(capsys, command).code == 0
    project.write_config(phases=(CLOSED % "").replace('"closed"', '"later"'), size="1 MiB")
    assert project.run(capsys, "plan").code == 0
    assert listed(project, capsys, "status") == {"tones-closed-00001.tar": WHY}
    assert listed(project, capsys, "prune", "--yes") == {"tones-closed-00001.tar": WHY}
    assert there(project) == {"tones-all-00001.tar"}


@pytest.mark.parametrize("size", [0, 1])
def test_a_tar_that_another_program_wrote_stays(tmp_path: Path, capsys: Capture, size: int) -> None:
    project = project_of(tmp_path / "p", capsys, size="1 MiB")
    tar = project.root / "shards" / "tones-closed-00001.tar"
    virtual = size == 0
    if virtual:  # packed without a tar, so that one of the right size is not this project's
        mark = project.root / ".packager" / "packed" / tar.stem / "packed.json"
        mark.write_text(mark.read_text().replace('"virtual": false', '"virtual": true'))
        assert '"virtual": true' in mark.read_text()
        (project.root / ".packager" / "tars" / f"{tar.stem}.json").unlink()
    else:
        tar.write_bytes(tar.read_bytes() + b"\0")
    withdraw(project, capsys, "secret 1", "secret 2", "secret 3")
    assert project.run(capsys, "scan").code == project.run(capsys, "plan").code == 0
    assert listed(project, capsys, "prune", "--yes") == {}
    assert tar.exists()
    assert json.loads(project.run(capsys, "status", "--json").out)["unknown_tars"] == [tar.name]
