"""The whole scan on real folders: names, faults, what a second scan does, any number of workers."""

import json
import os
import unicodedata

import pyarrow.parquet as pq
import pytest

from packager import paths
from packager.errors import InputError
from packager.model import CATALOGUE
from tests.helpers.catalogue_projects import SETTLED, CatalogueProject, told

RENAMED = {
    b"latin1-\xe9.flac": "the name is not UTF-8",
    b"new\nline.txt": "the name contains a character that other systems or programs read differently",
    b"Twin.txt": "the name differs from another only by case or by Unicode normalisation",
    b"twin.txt": "the name differs from another only by case or by Unicode normalisation",
    unicodedata.normalize(
        "NFC", "é.txt"
    ).encode(): "the name differs from another only by case or by Unicode normalisation",
    unicodedata.normalize(
        "NFD", "é.txt"
    ).encode(): "the name differs from another only by case or by Unicode normalisation",
    b"100%.flac": "the name contains a character that other systems or programs read differently",
    b"space ": "the name ends in a dot or a space",
    b"dot.": "the name ends in a dot or a space",
    b"CON": "the name is reserved on Windows",
    "rtl\u202e.txt".encode(): "the name contains a character that other systems or programs read differently",
}


def test_every_name_that_cannot_stand_gets_a_member_name_and_is_told(project: CatalogueProject) -> None:
    kept = [b"[b]a[/b].txt", "日本.txt".encode(), b"plain.txt", b".hidden"]
    for name in (*RENAMED, *kept):
        project.put(name)
    report = project.scan()
    rows = pq.read_table(project.project.catalogue).to_pylist()
    members = {paths.decode_path(row["path"], row["path_b64"]): row["member"] for row in rows}
    assert set(members) == {*RENAMED, *kept}
    assert all(members[name] == name.decode() for name in kept)
    assert all(paths.is_safe_path(member) for member in members.values())
    assert len({paths.collision_key(member) for member in members.values()}) == len(members)
    assert len({row["id"] for row in rows}) == len(rows)
    names = {issue.where: issue.what for issue in report.warnings if issue.what.startswith("named ")}
    assert names == {
        paths.display_text(name): f'named "{members[name]}" in its shard: {why}' for name, why in RENAMED.items()
    }


def test_a_folders_name_is_changed_for_all_below_it(project: CatalogueProject) -> None:
    project.put("50%/a.txt")
    project.put("50%/b%/c.txt")
    report = project.scan()
    folder = paths.safe_name(b"50%")
    members = {record: row["member"] for record, row in project.rows().items()}
    assert members == {"50%/a.txt": f"{folder}/a.txt", "50%/b%/c.txt": f"{folder}/{paths.safe_name(b'b%')}/c.txt"}
    assert report.warning_count == 2


def test_a_long_path_gets_a_short_member_path(project: CatalogueProject) -> None:
    path = "/".join(["f" * 200] * 6) + "/song.flac"
    project.put(path)
    report = project.scan()
    (row,) = project.rows().values()
    assert row["path"] == path
    assert row["member"].startswith("long-paths~/")
    assert row["member"].endswith(".flac")
    assert "the path has more than 1,024 bytes" in report.warnings[0].what


def test_a_broken_audio_file_is_kept_with_its_fault(project: CatalogueProject) -> None:
    project.put("bad.flac", b"fLaC")
    report = project.scan()
    fault = "its tags cannot be read: file said 1 bytes, read 0 bytes"
    assert project.rows()["bad.flac"] == {
        "id": "bad.flac",
        "path": "bad.flac",
        "member": "bad.flac",
        "kind": "audio",
        "size": 4,
        "mtime_ns": SETTLED,
        "fault": fault,
        "unread": False,
    }
    assert told(report) == {"bad.flac": fault}


def test_kinds_are_told_by_extension(project: CatalogueProject) -> None:
    for name in ("a.FLAC", "b.caf", "c.JPG", "d.cue", "e.bin", "flac", ".mp3"):
        project.put(name)
    report = project.scan()
    kinds = {key: row["kind"] for key, row in project.rows().items()}
    expected = ["audio", "audio", "artwork", "metadata", "other", "other", "other"]
    assert kinds == dict(zip(("a.FLAC", "b.caf", "c.JPG", "d.cue", "e.bin", "flac", ".mp3"), expected, strict=True))
    assert report.kinds == {"audio": 2, "artwork": 1, "metadata": 1, "other": 3}
    assert report.tags_read == 1


def test_a_second_scan_rereads_nothing_and_changes_nothing(project: CatalogueProject) -> None:
    for name in ("sine.flac", "sine.ogg", "sine.mp3"):
        project.put_media(name)
    project.put("bad.flac", b"fLaC")
    project.put("a.txt")
    first = project.scan()
    bytes_before = project.project.catalogue.read_bytes()
    second = project.scan()
    assert (first.tags_read, first.changed, first.files) == (4, True, 5)
    assert (second.tags_read, second.changed, second.files) == (0, False, 5)
    assert project.project.catalogue.read_bytes() == bytes_before
    assert second.warnings == first.warnings


def test_only_what_changed_is_reread(project: CatalogueProject) -> None:
    for name in ("sine.flac", "sine.ogg", "sine.mp3", "sine.opus"):
        project.put_media(name)
    project.scan()
    project.put_media("alac.m4a", "a.m4a")  # new
    project.put_media("sine.opus", "sine.mp3")  # other size
    os.utime(project.source / "sine.flac", ns=(SETTLED, SETTLED + 1))  # other time
    (project.source / "sine.ogg").unlink()
    report = project.scan()
    assert (report.tags_read, report.changed) == (3, True)
    assert {key: row["codec"] for key, row in project.rows().items()} == {
        "a.m4a": "alac",
        "sine.flac": "flac",
        "sine.mp3": "opus",
        "sine.opus": "opus",
    }


def test_a_file_as_young_as_the_scan_is_reread(project: CatalogueProject) -> None:
    path = project.put_media("sine.flac")
    os.utime(path)
    project.scan()
    assert project.scan().tags_read == 1  # it may have been written again in the same tick


@pytest.mark.parametrize("damage", [b"", b"PAR1 not a table"])
def test_a_files_table_that_is_no_use_is_as_none(project: CatalogueProject, damage: bytes) -> None:
    project.put_media("sine.flac")
    project.scan()
    project.project.files.write_bytes(damage)
    assert project.scan().tags_read == 1
    pq.write_table(pq.read_table(project.project.files).drop(["stem"]), project.project.files)
    assert project.scan().tags_read == 1


def test_any_number_of_workers_gives_the_same_bytes(project: CatalogueProject) -> None:
    for number in range(80):
        project.put_media(("sine.flac", "sine.mp3")[number % 2], f"{number}.{('flac', 'mp3')[number % 2]}")
        project.put(f"{number}.ogg", b"OggS broken" * (number % 3))
    bytes_by_workers = set()
    for workers in (1, 2, 3):
        project.project.files.unlink(missing_ok=True)
        report = project.scan(workers)
        assert report.tags_read == 160
        state = project.project.state
        bytes_by_workers.add(
            (
                project.project.catalogue.read_bytes(),
                project.project.files.read_bytes(),
                (state / "warnings.jsonl").read_bytes(),
            )
        )
    assert len(bytes_by_workers) == 1


def test_the_catalogue_has_the_contracts_columns(project: CatalogueProject) -> None:
    project.put("a.txt")
    project.scan()
    assert pq.read_schema(project.project.catalogue) == CATALOGUE


@pytest.mark.parametrize("folders", [(), ("folder", "other")])
def test_a_source_without_a_file_is_refused(project: CatalogueProject, folders: tuple[str, ...]) -> None:
    for folder in folders:
        (project.source / folder).mkdir()
    with pytest.raises(InputError, match=r"the source contains no file; name the folder"):
        project.scan()
    assert not project.project.catalogue.exists()


def test_packagers_own_files_in_the_source_are_left_out(project: CatalogueProject) -> None:
    project.source = project.root  # as `packager init .` has it
    for name in ("packager.toml", "song.txt", "site/index.html", "shards/a.tar"):
        project.put(name)
    (project.root / "source").rmdir()
    project.scan()
    report = project.scan()
    assert list(project.rows()) == ["song.txt"]
    assert told(report) == dict.fromkeys(
        (".packager", "packager.toml", "shards", "site"), "written by packager, left out"
    )
    assert not report.changed


def test_all_warnings_are_written_and_the_first_are_told(project: CatalogueProject) -> None:
    class Notes:
        def __init__(self) -> None:
            self.notes: list[str] = []
            self.calls: list[tuple[object, ...]] = []
            self.files = 0

        def begin(self, what: str, total: int | None, unit: str = "B") -> None:
            self.calls.append((what, total, unit))

        def advance(self, amount: int) -> None:
            self.files += amount

        def detail(self, text: str) -> None:
            self.notes.append(text)

        def end(self) -> None:
            self.calls.append(("end",))

    for number in range(1005):
        project.put(f"{number:04}%.txt", b"")
    notes = Notes()
    report = project.scan(progress=notes)
    assert (report.warning_count, len(report.warnings), len(notes.notes), notes.files) == (1005, 1000, 1005, 1005)
    assert notes.calls == [("Scanning", None, "file"), ("end",)]
    lines = (project.project.state / "warnings.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(lines) == 1005
    assert json.loads(lines[-1])["where"] == "1004%.txt"
    assert notes.notes[0].startswith('warning: 0000%.txt: named "0000_~')
    [group] = report.warning_kinds
    assert group.sentence == '1,005 files get a safe name in the shard, such as "0000%.txt"'


def test_a_scan_that_fails_leaves_the_last_catalogue_and_no_scratch(project: CatalogueProject) -> None:
    project.put("a.txt")
    project.scan()
    before = project.project.catalogue.read_bytes()
    project.put("b.txt")
    project.write_records("r.csv", b"id,path\n1,a.txt\n2,a.txt\n")
    with pytest.raises(InputError):
        project.scan()
    assert project.project.catalogue.read_bytes() == before
    assert sorted(path.name for path in project.project.state.iterdir()) == [
        "catalogue.parquet",
        "files.parquet",
        "scanned.json",
        "unread.jsonl",
        "warnings.jsonl",
    ]
