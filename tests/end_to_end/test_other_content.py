"""Files that are left out because their ids are withdrawn, although their content is another: plan names them."""

import json
from pathlib import Path

import pytest

from tests.end_to_end.test_growing import release
from tests.end_to_end.test_moved_and_withdrawn import Capture, make, move, read_release, write
from tests.helpers.projects import Project

LINE = "is left out: its id is withdrawn, though the content is not what was withdrawn"


def withdrawn(root: Path, capsys: Capture, files: dict[str, bytes], *ids: str) -> Project:
    """Make a project whose second release withdraws records."""
    project = make(root, files)
    named = list(ids)
    assert project.run(capsys, "withdraw", "--yes", *named, "--reason", "x").code == 0
    ran = project.run(capsys, "release")
    assert (ran.code, "left out" in ran.out) == (0, False), "what is withdrawn at its old place needs no line"
    return project


def planned(project: Project, capsys: Capture) -> dict:
    for command in ("scan", "plan"):
        ran = project.run(capsys, command, "--json")
        assert ran.code == 0, ran.err
    return json.loads(ran.out)["plan"]


@pytest.mark.parametrize("data", [b"harmless", b"fine", b""], ids=["other size", "equal size", "empty"])
def test_a_file_of_another_content_is_named_with_the_way_out(tmp_path: Path, capsys: Capture, data: bytes) -> None:
    project = withdrawn(tmp_path / "p", capsys, {"a": b"a", "b": b"evil"}, "b")
    write(project, {"b": data, "c": b"c"})
    ran = project.run(capsys, "release")
    assert f'1 file {LINE}\n  b (id "b")\n' in ran.out
    assert "packager withdraw --undo b\n" in ran.out
    assert LINE in project.run(capsys, "plan").out, "also of a plan that did not change"
    assert LINE in project.run(capsys, "pack").out
    report = json.loads(project.run(capsys, "pack", "--json").out)
    assert report["other_content"] == {"files": 1, "named": [{"path": "b", "record": "b"}]}
    assert project.run(capsys, "withdraw", "--yes", "--undo", "b").code == 0
    before = read_release(project)
    assert "left out" not in project.run(capsys, "plan").out
    assert len(release(project, capsys)["shards"]) > len(before["shards"])


def test_the_withdrawn_content_at_its_place_has_no_line_and_is_read_once(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = withdrawn(tmp_path / "p", capsys, {"a": b"a", "b": b"evil", "empty": b""}, "b", "empty")
    (project.source / "b").touch()
    assert "other_content" not in planned(project, capsys)
    monkeypatch.setattr("packager.pack.content.source_hashes.open_members", None)  # no source file can be read
    write(project, {"new": b"another new file"})
    plan = planned(project, capsys)
    assert ("other_content" in plan, plan["withdrawn_files"]) == (False, 0)


def test_the_content_of_another_withdrawn_record_is_named_as_that(tmp_path: Path, capsys: Capture) -> None:
    project = withdrawn(tmp_path / "p", capsys, {"a": b"a", "b": b"evil 1", "c": b"evil 2"}, "b", "c")
    for old, new in (("b", "x"), ("c", "b"), ("x", "c")):
        move(project, old, new)
    plan = planned(project, capsys)
    assert plan["withdrawn_named"] == [{"path": "b", "record": "c"}, {"path": "c", "record": "b"}]
    assert "other_content" not in plan


def test_twenty_files_are_named_and_all_are_counted(tmp_path: Path, capsys: Capture) -> None:
    ids = [f"b{number:02d}" for number in range(23)]
    project = withdrawn(tmp_path / "p", capsys, {"a": b"a"} | {each: each.encode() for each in ids}, *ids)
    write(project, dict.fromkeys(ids, b"harmless"))
    ran = project.run(capsys, "release")
    assert "23 files are left out: their ids are withdrawn" in ran.out
    assert '  b19 (id "b19")\n  and 3 more files\n' in ran.out


def test_a_file_that_cannot_be_read_any_more_does_not_stop_the_plan(tmp_path: Path, capsys: Capture) -> None:
    project = withdrawn(tmp_path / "p", capsys, {"a": b"a", "b": b"evil"}, "b")
    write(project, {"b": b"fine"})
    assert project.run(capsys, "scan").code == 0
    (project.source / "b").unlink()
    assert project.run(capsys, "plan").code == 0
