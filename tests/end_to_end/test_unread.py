"""What could not be read: named apart from warnings, exit 3, and published without only if that is allowed."""

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from packager.cli.app import main
from tests.helpers.error_lines import as_sentence
from tests.helpers.projects import Project, make_project

Capture = pytest.CaptureFixture[str]
NOBODY = 65534
DENIED = "cannot be read (Permission denied)"
CLOSED = {
    "album 1": f"the folder {DENIED}",
    "album 2/02 tone [b].wav": DENIED,
    "notes.txt": DENIED,
}


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Have run every command once, so that all code is loaded while root may read it."""
    project = make_project(tmp_path_factory.mktemp("loaded") / "project", files=1)
    config = ["--config", str(project.root / "packager.toml")]
    for command in (["release"], ["status"], ["replace", "--yes", "tones-rest-00001", "--reason", "x"], ["release"]):
        assert main([*command, *config]) == 0


@pytest.fixture
def project(loaded: None) -> Iterator[Project]:
    """A project of a user whom permissions bind, with 25 names that no shard can have."""
    folder = Path(tempfile.mkdtemp())
    root = os.geteuid() == 0
    if root:
        os.chown(folder, NOBODY, NOBODY)
        os.seteuid(NOBODY)
    try:
        project = make_project(folder / "project", files=6)
        for number in range(25):
            (project.source / f"what {number:02d}?.txt").write_text(str(number))
        yield project
    finally:
        if root:
            os.seteuid(0)
        for path, _, _ in os.walk(folder):
            os.chmod(path, 0o700)
        shutil.rmtree(folder)


def close(project: Project, *names: str) -> None:
    for name in names or CLOSED:
        (project.source / name).chmod(0)


def reopen(project: Project) -> None:
    for name in CLOSED:
        with suppress(FileNotFoundError):
            (project.source / name).chmod(0o755)


def release_of(project: Project) -> dict:
    return json.loads((project.root / "site" / "release.json").read_text())


def published_names(project: Project) -> set[str]:
    """Return the source paths of all members of live shards."""
    found: set[str] = set()
    for shard in release_of(project)["shards"]:
        if not shard.get("obsolete") and shard["phase"] != "metadata":
            rows = pq.read_table(project.root / "site" / shard["members_table"]["path"]).to_pylist()
            found |= {row["source_path"] or row["path"] for row in rows}
    return found


def catalogue(project: Project) -> dict[str, dict]:
    return {row["path"]: row for row in pq.read_table(project.root / ".packager" / "catalogue.parquet").to_pylist()}


def test_each_unread_part_is_named_beside_any_number_of_renames(project: Project, capsys: Capture) -> None:
    close(project)
    for command in (["scan"], ["release"], ["scan"]):  # an unchanged scan reports it again
        ran = project.run(capsys, *command)
        assert ran.code == 3
        for path, what in CLOSED.items():
            assert f"error: {path}: {what}" in ran.err
        assert ran.err.count("warning: ") == 1
        assert not (project.root / "site").exists()
        assert not list((project.root / "shards").glob("*"))
    assert "3 files and folders could not be read" in ran.err
    ran = project.run(capsys, "scan", "--json")
    report = json.loads(ran.out)
    assert (ran.code, report["unread_count"], report["warning_count"]) == (3, 3, 26)
    assert {each["where"]: each["what"] for each in report["unread"]} == CLOSED


def test_more_than_twenty_are_counted_and_all_are_in_a_file(project: Project, capsys: Capture) -> None:
    close(project, *(f"what {number:02d}?.txt" for number in range(25)))
    ran = project.run(capsys, "scan")
    assert ran.code == 3
    assert ran.err.count(f".txt: {DENIED}") == 20
    assert "error: 5 more files and folders cannot be read" in ran.err
    assert "error: 25 files and folders could not be read" in ran.err
    lines = (project.root / ".packager" / "unread.jsonl").read_text().splitlines()
    assert [json.loads(line)["what"] for line in lines] == [DENIED] * 25


def test_no_command_publishes_without_the_unread_parts_unless_that_is_allowed(
    project: Project, capsys: Capture
) -> None:
    close(project)
    assert [project.run(capsys, command).code for command in ("scan", "plan", "pack")] == [3, 3, 0]
    ran = project.run(capsys, "publish")
    assert ran.code == 3
    assert "album 1: the folder cannot be read (Permission denied), and 2 more" in ran.err
    assert "--allow-unread" in ran.err
    assert not (project.root / "site").exists()
    ran = project.run(capsys, "publish", "--allow-unread", "--json")
    assert (ran.code, json.loads(ran.out)["unread_count"]) == (3, 3)
    assert release_of(project)["unread"] == 3
    assert "3 files and folders of the collection could not be read" in _page(project)
    names = published_names(project)
    assert "album 0/00 tone [b].wav" in names
    assert not [name for name in names if name.startswith(tuple(CLOSED))]


def _page(project: Project) -> str:
    return (project.root / "site" / "index.html").read_text()


def test_status_names_what_the_last_scan_could_not_read(project: Project, capsys: Capture) -> None:
    close(project)
    project.run(capsys, "scan")
    for _ in range(2):  # without a plan, and with one
        ran = project.run(capsys, "status")
        assert "3 files and folders could not be read" in ran.out
        assert f"  notes.txt: {DENIED}" in ran.out
        assert json.loads(project.run(capsys, "status", "--json").out)["unread_count"] == 3
        project.run(capsys, "plan")
    reopen(project)
    assert project.run(capsys, "scan").code == 0
    assert "could not be read" not in project.run(capsys, "status").out


def test_what_can_be_read_again_goes_into_new_shards(project: Project, capsys: Capture) -> None:
    close(project)
    assert project.run(capsys, "release", "--allow-unread").code == 3
    before = release_of(project)
    reopen(project)
    assert project.run(capsys, "release").code == 0
    after = release_of(project)
    assert "unread" not in after
    assert "could not be read" not in _page(project)
    kept = {shard["name"]: shard["pieces_root"] for shard in after["shards"]}
    assert all(kept[shard["name"]] == shard["pieces_root"] for shard in before["shards"])
    assert {"album 1/01 tone [b].wav", "album 2/02 tone [b].wav", "notes.txt"} <= published_names(project)


@pytest.mark.parametrize("touched", [False, True], ids=["as published", "written to before"])
def test_a_published_file_that_cannot_be_read_now_is_neither_removed_nor_changed(
    project: Project, capsys: Capture, touched: bool
) -> None:
    assert project.run(capsys, "release").code == 0
    before, names, records = release_of(project), published_names(project), catalogue(project)
    if touched:
        (project.source / "notes.txt").write_text("other bytes than are published")
    close(project)
    assert project.run(capsys, "release").code == 3
    assert release_of(project) == before
    assert project.run(capsys, "release", "--allow-unread").code == 3
    after = release_of(project)
    assert (after["serial"], after["unread"], after["shards"]) == (2, 3, before["shards"])
    assert published_names(project) == names
    plan = json.loads((project.root / ".packager" / "plan" / "plan.json").read_text())
    assert (plan.get("removed", 0), plan.get("changed", 0), plan.get("sources_gone", [])) == (0, 0, [])
    unread = {path for path, row in catalogue(project).items() if row["unread"]}
    assert unread == {"album 1/01 tone [b].wav", "album 1/04 tone [b].wav", "album 2/02 tone [b].wav", "notes.txt"}
    assert {path: row | {"unread": False} for path, row in catalogue(project).items()} == records
    reopen(project)
    assert project.run(capsys, "release").code == 0
    assert "unread" not in release_of(project)
    assert len(release_of(project)["shards"]) == len(before["shards"]) + touched * 2  # and a newer catalogue


def test_a_disk_that_cannot_be_read_at_all_is_not_taken_for_an_empty_one(project: Project, capsys: Capture) -> None:
    assert project.run(capsys, "release").code == 0
    before = release_of(project)
    for path in project.source.iterdir():
        path.chmod(0)
    ran = project.run(capsys, "release", "--allow-unread")
    assert ran.code == 3
    assert release_of(project)["shards"] == before["shards"]
    project.source.chmod(0)
    ran = project.run(capsys, "release", "--allow-unread")
    assert ran.code == 3
    assert "the source cannot be read (Permission denied)" in ran.err


def test_a_first_scan_that_can_read_nothing_is_incomplete(project: Project, capsys: Capture) -> None:
    for path in project.source.iterdir():
        path.chmod(0)
    ran = project.run(capsys, "release", "--allow-unread")
    assert ran.code == 3
    assert "nothing in the source can be read" in ran.err


def test_a_replaced_shard_waits_for_its_unread_files(project: Project, capsys: Capture) -> None:
    assert project.run(capsys, "release").code == 0
    close(project, "notes.txt")
    assert project.run(capsys, "replace", "--yes", "tones-rest-00001", "--reason", "wrong titles").code == 0
    before = release_of(project)
    ran = project.run(capsys, "release", "--allow-unread")
    assert ran.code == 3
    assert 'tones-rest-00001: must be replaced, but 1 file of it ("notes.txt") cannot be read' in ran.err
    assert release_of(project) == before


@pytest.mark.parametrize("name", ["records.csv", "records.jsonl", "records.parquet", "records.sqlite"])
def test_a_records_file_that_cannot_be_read_is_incomplete(project: Project, capsys: Capture, name: str) -> None:
    records = project.root / name
    table = pa.table({"path": ["notes.txt"], "title": ["Notes"]})
    if name.endswith(".parquet"):
        pq.write_table(table, records)
    else:
        records.write_text("path,title\nnotes.txt,Notes\n")
    project.write_config(collection=f'[records]\nfiles = ["{name}"]')
    records.chmod(0)
    ran = project.run(capsys, "scan")
    assert ran.code == 3
    assert f"{name}: Permission denied; fix its permissions" in as_sentence(ran.err)


def test_a_record_of_an_unread_file_keeps_its_file(project: Project, capsys: Capture) -> None:
    (project.root / "records.csv").write_text("id,path,title\nN1,notes.txt,Notes\nN2,never.txt,Never\n")
    project.write_config(collection='[records]\nfiles = ["records.csv"]')
    assert project.run(capsys, "scan").code == 0
    close(project, "notes.txt")
    ran = project.run(capsys, "scan")
    assert ran.code == 3
    row = catalogue(project)["notes.txt"]
    assert (row["id"], row["title"], row["unread"]) == ("N1", "Notes", True)
    assert "N2" in {row["id"] for row in catalogue(project).values()}
