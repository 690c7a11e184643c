"""A record is its source path or its id; a file that moved stays in its shard; what is withdrawn is the content."""

import json
import os
import shutil
from pathlib import Path

import pytest

from packager.core.releases import trust
from tests.end_to_end.test_growing import assert_frozen, by_name, new_shards, read_release, release
from tests.helpers.error_lines import as_sentence
from tests.helpers.first_releases import first_release
from tests.helpers.projects import Project
from tests.helpers.site_contents import rows, told, told_by_tar

Capture = pytest.CaptureFixture[str]
PHASES = '[[phases]]\nname = "all"\ntitle = "All"\n'
SECRET = b"not for the public"


def make(root: Path, files: dict[str, bytes], *, phases: str = PHASES, **options: str) -> Project:
    """Make a project of some files, and its first release."""
    return first_release(root, _release, files, phases=phases, **options)


def _release(root: Path, files: dict[str, bytes], **options: str) -> Project:
    project = Project(root)
    write(project, files)
    project.write_config(**options)
    project.release()
    return project


def write(project: Project, files: dict[str, bytes]) -> None:
    for name, data in files.items():
        path = project.source / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def move(project: Project, old: str, new: str) -> None:
    path = project.source / new
    path.parent.mkdir(parents=True, exist_ok=True)
    (project.source / old).rename(path)


def table(project: Project, name: str) -> list[dict]:
    return rows(project.root / "site" / "manifests" / f"{name}.members.parquet")


def current(project: Project, name: str = "tones-all-00001") -> dict[str, str | None]:
    """The current id of each member, by its id in the tar."""
    return {row["id"]: row["current_id"] for row in table(project, name)}


def anywhere(project: Project, texts: tuple[bytes, ...], tmp_path: Path) -> set[str]:
    """The files of the site, and of the shards since the last release but one, in which any text is."""
    found = {name for name, data in told(project.root / "site") if any(text in data for text in texts)}
    document = read_release(project)
    for shard in document["shards"]:
        if shard.get("since", 1) == document["serial"]:
            tar = project.root / "shards" / shard["file"]
            found |= {name for name, data in told_by_tar(tar, tmp_path / "out") if any(text in data for text in texts)}
    return found


# identity


@pytest.mark.parametrize("twin", ["A.txt", "ａ.txt"])
def test_a_twin_that_disappears_changes_no_identity(tmp_path: Path, capsys: Capture, twin: str) -> None:
    project = make(tmp_path / "p", {"a.txt": b"1", twin: b"2", "b.txt": b"3"})
    first = read_release(project)
    (project.source / twin).unlink()
    second = release(project, capsys)
    assert new_shards(first, second) == []
    assert_frozen(first, second)


def test_a_twin_that_appears_changes_no_identity(tmp_path: Path, capsys: Capture) -> None:
    project = make(tmp_path / "p", {"a.txt": b"1", "folder/x": b"2"})
    write(project, {"A.txt": b"new", "Folder/x": b"new too"})
    second = release(project, capsys)
    assert [row["id"] for row in table(project, "tones-all-00002")] == ["A.txt", "Folder/x"]
    assert new_shards(read_release(project), second) == []


def test_a_file_that_is_edited_as_a_twin_appears_is_a_new_version(tmp_path: Path, capsys: Capture) -> None:
    project = make(tmp_path / "p", {"LICENSE.txt": b"old", "b.txt": b"3"})
    write(project, {"LICENSE.txt": b"edited", "license.TXT": b"another"})
    release(project, capsys)
    marks = {row["id"]: row["superseded"] for row in table(project, "tones-all-00001")}
    assert marks == {"LICENSE.txt": "tones-all-00002", "b.txt": None}
    assert project.run(capsys, "replace", "--yes", "tones-all-00001", "--reason", "x").code == 0
    third = release(project, capsys)
    assert by_name(third)["tones-all-00001"]["obsolete"] is True


# a file that only moved


def test_a_file_that_moved_stays_in_its_shard_with_its_new_path(tmp_path: Path, capsys: Capture) -> None:
    project = make(tmp_path / "p", {"a.txt": b"one", "b.txt": b"two", "c.txt": b"six"})
    first = read_release(project)
    move(project, "a.txt", "folder/new.txt")
    move(project, "b.txt", "B2.txt")
    second = release(project, capsys)
    assert new_shards(first, second) == []
    assert_frozen(first, second)
    assert current(project) == {"a.txt": "folder/new.txt", "b.txt": "B2.txt", "c.txt": None}
    assert {row["current_path"] for row in table(project, "tones-all-00001")} == {"folder/new.txt", "B2.txt", None}
    assert "is published; nothing changed." in project.run(capsys, "release").out
    write(project, {"folder/new.txt": b"a new version"})
    third = release(project, capsys)
    assert new_shards(second, third) == ["tones-all-00002"]
    marks = {row["id"]: row["superseded"] for row in table(project, "tones-all-00001")}
    assert marks == {"a.txt": "tones-all-00002", "b.txt": None, "c.txt": None}
    move(project, "folder/new.txt", "a.txt")
    fourth = release(project, capsys)
    assert new_shards(third, fourth) == []
    assert current(project) == {"a.txt": None, "b.txt": "B2.txt", "c.txt": None}
    assert current(project, "tones-all-00002") == {"folder/new.txt": "a.txt"}


def test_a_folder_that_is_renamed_moves_all_its_files(tmp_path: Path, capsys: Capture) -> None:
    files = {f"Old [x]/{name}": name.encode() * 3 for name in ("1.txt", "2.txt", "100%.txt", "é")} | {"e": b""}
    project = make(tmp_path / "p", files)
    (project.source / "Old [x]").rename(project.source / "new")
    move(project, "e", "empty")
    second = release(project, capsys)
    assert [shard["name"] for shard in second["shards"]] == ["tones-all-00001"]
    names = {name.replace("Old [x]", "new") for name in files if name != "e"} | {"empty"}
    assert set(current(project).values()) == names


def test_a_file_that_moved_while_another_takes_its_path_stays_too(tmp_path: Path, capsys: Capture) -> None:
    project = make(tmp_path / "p", {"log": b"old log", "b": b"two"})
    move(project, "log", "log.1")
    write(project, {"log": b"newest!"})
    release(project, capsys)
    assert current(project) == {"log": "log.1", "b": None}
    assert [row["id"] for row in table(project, "tones-all-00002")] == ["log"]


def test_equal_size_alone_is_no_move(tmp_path: Path, capsys: Capture) -> None:
    project = make(tmp_path / "p", {"a": b"abc", "b": b"two"})
    first = read_release(project)
    (project.source / "a").unlink()
    write(project, {"c": b"xyz"})
    second = release(project, capsys)
    assert new_shards(first, second) == ["tones-all-00002"]
    assert current(project) == {"a": None, "b": None}


def test_a_record_keeps_its_id_wherever_its_file_goes(tmp_path: Path, capsys: Capture) -> None:
    project = Project(tmp_path / "p")
    write(project, {"a.txt": b"one", "b.txt": b"two"})
    (project.root / "records.csv").write_text("id,path\nr-1,a.txt\nr-2,b.txt\n")
    project.write_config(phases=PHASES, collection='[records]\nfiles = ["records.csv"]')
    first = release(project, capsys)
    move(project, "a.txt", "x/a.txt")
    (project.root / "records.csv").write_text("id,path\nr-1,x/a.txt\nr-2,b.txt\n")
    second = release(project, capsys)
    assert new_shards(first, second) == []
    assert current(project) == {"r-1": None, "r-2": None}
    assert [row["current_path"] for row in table(project, "tones-all-00001")] == ["x/a.txt", None]
    (project.root / "records.csv").write_text("id,path\nother,x/a.txt\nr-2,b.txt\n")
    third = release(project, capsys)  # another id is another record, as the records file says
    assert [row["id"] for row in table(project, "tones-all-00002")] == ["other"]
    assert new_shards(second, third) == ["tones-all-00002"]


def test_a_file_that_gets_a_record_stays_in_its_shard(tmp_path: Path, capsys: Capture) -> None:
    project = make(tmp_path / "p", {"a.txt": b"one", "b.txt": b"two"})
    first = read_release(project)
    (project.root / "records.csv").write_text("id,path\nr-1,a.txt\n")
    project.write_config(phases=PHASES, collection='[records]\nfiles = ["records.csv"]')
    assert new_shards(first, release(project, capsys)) == []
    assert current(project) == {"a.txt": "r-1", "b.txt": None}


@pytest.mark.parametrize("container", ["tar", "folder"])
def test_what_has_no_tar_is_made_of_files_that_moved(tmp_path: Path, capsys: Capture, container: str) -> None:
    phases = PHASES + f'container = "{container}"\n'
    project = make(tmp_path / "p", {"a.txt": b"one", "b.txt": b"two"}, phases=phases)
    if container == "tar":
        (project.root / "shards" / "tones-all-00001.tar").unlink()
        config = project.root / "packager.toml"
        config.write_text(config.read_text().replace("[shards]", "[shards]\nwrite_tars = false"))
    move(project, "a.txt", "new/a.txt")
    second = release(project, capsys)
    assert [shard["name"] for shard in second["shards"]] == ["tones-all-00001"]
    if container == "tar":
        ran = project.run(capsys, "export", "tones-all-00001", "--to", str(tmp_path / "made"))
        assert ran.code == 0, ran.err
        assert (tmp_path / "made" / "tones-all-00001.tar").stat().st_size == by_name(second)["tones-all-00001"]["size"]


def test_a_lost_state_folder_knows_what_moved(tmp_path: Path, capsys: Capture) -> None:
    project = make(tmp_path / "p", {"a.txt": b"one", "b.txt": b"two", "private.txt": SECRET})
    move(project, "a.txt", "new.txt")
    withdraw(project, capsys, "private.txt", "--keep-shards")
    second = release(project, capsys)
    shutil.rmtree(project.root / ".packager")
    (project.source / "new.txt").unlink()
    move(project, "private.txt", "renamed.txt")
    write(project, {"c.txt": b"three"})
    third = release(project, capsys)
    assert new_shards(second, third) == ["tones-all-00002"]
    assert [row["id"] for row in table(project, "tones-all-00002")] == ["c.txt"]
    assert current(project) == {"a.txt": "new.txt", "b.txt": None}


# withdrawn means the content


def withdraw(project: Project, capsys: Capture, *arguments: str) -> dict:
    ran = project.run(capsys, "withdraw", "--yes", *arguments, "--reason", "asked for", "--json")
    assert ran.code == 0, ran.err
    return json.loads(ran.out)


def test_withdrawn_content_stays_out_under_another_name(tmp_path: Path, capsys: Capture) -> None:
    project = make(tmp_path / "p", {"keep.txt": b"keep", "private.txt": SECRET})
    withdraw(project, capsys, "private.txt", "--redact")
    release(project, capsys)
    move(project, "private.txt", "renamed.txt")
    ran = project.run(capsys, "release", "--workers", "1")
    assert ran.code == 0, ran.err
    assert '1 file is left out: the content is withdrawn\n  renamed.txt (withdrawn as "private.txt")' in ran.out
    assert anywhere(project, (SECRET, b"renamed.txt"), tmp_path) == set()
    assert "renamed.txt" in project.run(capsys, "pack").out


@pytest.mark.parametrize("place", ["copy.txt", "folder/deep/copy.txt", "keep2.txt"])
def test_a_copy_of_withdrawn_content_is_left_out_of_every_phase(tmp_path: Path, capsys: Capture, place: str) -> None:
    phases = (
        '[[phases]]\nname = "metadata"\ntitle = "M"\ncontent = "catalogue"\n'
        '[[phases]]\nname = "deep"\ntitle = "Deep"\nwhere = "path LIKE \'%deep%\'"\ncontainer = "folder"\n'
        '[[phases]]\nname = "all"\ntitle = "All"\n'
    )
    files = {"keep.txt": b"keep", "deep/x.txt": b"deep", "private.txt": SECRET}
    project = make(tmp_path / "p", files, phases=phases)
    withdraw(project, capsys, "private.txt")
    write(project, {place: SECRET, "new.txt": b"N" * len(SECRET)})
    release(project, capsys)
    assert anywhere(project, (SECRET, place.encode()), tmp_path) == set()
    assert {row["id"] for row in table(project, "tones-all-00002")} == {"keep.txt", "new.txt"}


def test_published_copies_are_withdrawn_too(tmp_path: Path, capsys: Capture) -> None:
    project = make(tmp_path / "p", {"keep.txt": b"keep", "private.txt": SECRET, "copy.txt": SECRET})
    report = withdraw(project, capsys, "private.txt")
    assert report["same_content"] == ["copy.txt"]
    second = release(project, capsys)
    assert {each["id"] for each in second["withdrawals"]} == {"private.txt", "copy.txt"}
    assert anywhere(project, (SECRET,), tmp_path) == set()
    ran = project.run(capsys, "withdraw", "--yes", "--undo", "private.txt")
    assert (ran.code, 'undo both: "private.txt" "copy.txt"' in as_sentence(ran.err)) == (2, True), ran.err


def test_content_that_is_withdrawn_before_it_is_published_stays_out(tmp_path: Path, capsys: Capture) -> None:
    project = Project(tmp_path / "p")
    write(project, {"keep.txt": b"keep", "private.txt": SECRET})
    project.write_config(phases=PHASES)
    assert project.run(capsys, "scan").code == 0
    withdraw(project, capsys, "private.txt", "--redact")
    move(project, "private.txt", "renamed.txt")
    release(project, capsys)
    assert anywhere(project, (SECRET, b"renamed.txt"), tmp_path) == set()


def test_every_version_of_a_withdrawn_record_stays_out(tmp_path: Path, capsys: Capture) -> None:
    project = make(tmp_path / "p", {"keep.txt": b"keep", "private.txt": SECRET})
    write(project, {"private.txt": b"second version"})
    release(project, capsys)
    write(project, {"private.txt": b"third, not published"})
    assert project.run(capsys, "scan").code == 0
    withdraw(project, capsys, "private.txt")
    release(project, capsys)
    write(project, {"1": SECRET, "2": b"second version", "3": b"third, not published", "4": b"fine"})
    release(project, capsys)
    assert anywhere(project, (SECRET, b"second version", b"third, not published"), tmp_path) == set()


def test_withdrawn_content_stays_out_if_the_note_of_it_is_lost(tmp_path: Path, capsys: Capture) -> None:
    project = make(tmp_path / "p", {"keep.txt": b"keep", "private.txt": SECRET})
    withdraw(project, capsys, "private.txt", "--redact")
    release(project, capsys)
    (project.root / "withdrawals.json").unlink()
    move(project, "private.txt", "renamed.txt")
    release(project, capsys)
    assert anywhere(project, (SECRET, b"renamed.txt"), tmp_path) == set()


def test_withdrawn_content_that_comes_while_packing_leaves_no_shard(tmp_path: Path, capsys: Capture) -> None:
    project = make(tmp_path / "p", {"keep.txt": b"keep", "private.txt": SECRET})
    withdraw(project, capsys, "private.txt")
    release(project, capsys)
    new = project.source / "new.txt"
    new.write_bytes(b"n" * len(SECRET))
    assert project.run(capsys, "scan").code == 0
    assert project.run(capsys, "plan").code == 0
    status = new.stat()
    new.write_bytes(SECRET)
    os.utime(new, ns=(status.st_atime_ns, status.st_mtime_ns))
    before = {path.name for path in (project.root / "shards").iterdir()}
    ran = project.run(capsys, "pack")
    assert (ran.code, "new.txt: has the content of a withdrawn record" in ran.err) == (3, True), ran.err
    assert {path.name for path in (project.root / "shards").iterdir()} == before
    os.utime(new)
    release(project, capsys)
    assert anywhere(project, (SECRET, b"new.txt"), tmp_path) == set()


def test_the_catalogue_of_a_phase_that_was_removed_ends_with_a_withdrawal(tmp_path: Path, capsys: Capture) -> None:
    catalogue = '[[phases]]\nname = "metadata"\ntitle = "M"\ncontent = "catalogue"\n'
    project = make(tmp_path / "p", {"keep.txt": b"keep", "private.txt": SECRET}, phases=catalogue + PHASES)
    project.write_config(phases=PHASES)
    assert "obsolete" not in by_name(release(project, capsys))["tones-metadata-00001"]
    withdraw(project, capsys, "private.txt", "--redact")
    document = release(project, capsys)
    assert by_name(document)["tones-metadata-00001"]["obsolete"] is True
    assert "tones-metadata-00001" not in (project.root / "site" / "magnets.txt").read_text()
    assert release(project, capsys)["serial"] == document["serial"]


def test_a_lifted_withdrawal_is_published_again_and_recorded(tmp_path: Path, capsys: Capture) -> None:
    project = make(tmp_path / "p", {"keep.txt": b"keep", "private.txt": SECRET})
    withdraw(project, capsys, "private.txt", "--redact")
    release(project, capsys)
    move(project, "private.txt", "renamed.txt")
    release(project, capsys)
    assert project.run(capsys, "withdraw", "--yes", "--undo", "private.txt").code == 0
    third = release(project, capsys)
    [withdrawal] = third["withdrawals"]
    assert (withdrawal["since"], withdrawal["lifted"]) == (2, third["serial"])
    assert [row["id"] for row in table(project, "tones-all-00003")] == ["renamed.txt"]


@pytest.mark.parametrize("at_once", [True, False])
def test_a_release_is_refused_if_nothing_knows_the_content_of_a_redacted_withdrawal(
    tmp_path: Path, capsys: Capture, *, at_once: bool
) -> None:
    project = make(tmp_path / "project", {"a.txt": b"a", "b.txt": SECRET, "empty.txt": b""})
    assert project.run(capsys, "withdraw", "--yes", "b.txt", "--redact", "--reason", "x").code == 0
    release(project, capsys)
    shutil.rmtree(project.root / ".packager")
    if not at_once:
        release(project, capsys)  # takes the site over, while the note is there
    (project.root / "withdrawals.json").unlink()
    move(project, "b.txt", "c.txt")
    before = read_release(project)
    for command in ("release", "plan"):
        ran = project.run(capsys, command)
        assert (ran.code, "would not be recognised" in ran.err, "withdraw --undo" in ran.err) == (2, True, True)
    assert read_release(project) == before
    move(project, "c.txt", "b.txt")
    assert project.run(capsys, "scan").code == 0
    assert project.run(capsys, "withdraw", "--yes", "b.txt", "--redact", "--reason", "x").code == 0
    move(project, "b.txt", "c.txt")
    release(project, capsys)
    assert anywhere(project, (SECRET, b"c.txt"), tmp_path) == set()


def test_what_the_release_describes_needs_no_note_and_no_state(tmp_path: Path, capsys: Capture) -> None:
    project = make(tmp_path / "project", {"a.txt": b"a", "b.txt": SECRET, "empty.txt": b""})
    assert project.run(capsys, "withdraw", "--yes", "b.txt", "--reason", "x").code == 0
    release(project, capsys)
    shutil.rmtree(project.root / ".packager")
    (project.root / "withdrawals.json").unlink()
    move(project, "b.txt", "c.txt")
    release(project, capsys)
    assert anywhere(project, (SECRET, b"c.txt"), tmp_path) == set()


def test_a_withdrawal_is_lifted_after_the_state_folder_was_lost(tmp_path: Path, capsys: Capture) -> None:
    project = make(tmp_path / "p", {"keep.txt": b"keep", "private.txt": SECRET})
    withdraw(project, capsys, "private.txt", "--redact")
    followed = trust.pin((project.root / "site" / "release.json").read_bytes()).followed
    release(project, capsys)
    followed = trust.accept_release(followed, (project.root / "site" / "release.json").read_bytes(), b"").followed
    shutil.rmtree(project.root / ".packager")
    assert project.run(capsys, "withdraw", "--yes", "--undo", "private.txt").code == 0
    third = release(project, capsys)
    trust.accept_release(followed, (project.root / "site" / "release.json").read_bytes(), b"")
    assert by_name(third)["tones-all-00001"]["withdrawn"] == 1  # its rows are lost, so it stays withheld
    assert [row["id"] for row in table(project, "tones-all-00003")] == ["private.txt"]


def test_empty_files_are_no_content(tmp_path: Path, capsys: Capture) -> None:
    project = make(tmp_path / "p", {"keep.txt": b"keep", "empty": b"", "other": b""})
    report = withdraw(project, capsys, "empty")
    assert report["same_content"] == []
    release(project, capsys)
    assert {row["id"] for row in table(project, "tones-all-00002")} == {"keep.txt", "other"}


def test_the_record_of_a_file_that_moved_is_withdrawn_by_its_new_path(tmp_path: Path, capsys: Capture) -> None:
    project = make(tmp_path / "p", {"keep.txt": b"keep", "private.txt": SECRET})
    move(project, "private.txt", "moved.txt")
    release(project, capsys)
    report = withdraw(project, capsys, "--path", "moved.*", "--redact")
    assert [record["shards"] for record in report["records"]] == [["tones-all-00001"]]
    third = release(project, capsys)
    assert by_name(third)["tones-all-00001"]["superseded_by"] == ["tones-all-00002"]
    move(project, "moved.txt", "private.txt")
    release(project, capsys)
    assert anywhere(project, (SECRET, b"private.txt"), tmp_path) == set()


# embargo and budget


CLOSED = """
[[phases]]
name = "metadata"
title = "Metadata"
content = "catalogue"
[[phases]]
name = "audio"
title = "Audio"
where = "contains(path, 'audio')"
budget = "40 KB"
embargo = "2999-01-01"
[[phases]]
name = "later"
title = "Later"
where = "contains(path, 'a')"
{later}
[[phases]]
name = "rest"
title = "The rest"
where = "true"
"""


@pytest.mark.parametrize(
    ("later", "goes"),
    [
        ("", {None: 2}),
        ('embargo = "2998-01-01"', {None: 2}),
        ('embargo = "2999-01-01"', {"later": 2}),
        ('embargo = "3000-01-01"\nbudget = "35 KB"', {"later": 1, None: 1}),
    ],
)
def test_nothing_of_a_closed_phase_goes_out_before(
    tmp_path: Path, capsys: Capture, later: str, goes: dict[str | None, int]
) -> None:
    files = {f"audio {number}": bytes([number]) * 18_000 for number in range(3)} | {"b": b"b", "cat": b"cat"}
    project = make(tmp_path / "p", files, phases=CLOSED.format(later=later))
    document = read_release(project)
    states = {phase["name"]: phase["state"] for phase in document["phases"]}
    assert states["audio"] != "published"
    assert states["rest"] == "published"
    secret = tuple(f"audio {number}".encode() for number in range(3)) + tuple(bytes([n]) * 18_000 for n in range(3))
    assert anywhere(project, secret, tmp_path) == set()
    report = json.loads(project.run(capsys, "plan", "--json").out)["plan"]
    [audio] = [phase for phase in report["phases"] if phase["name"] == "audio"]
    assert audio["over_budget"] == 2
    assert {part["phase"]: part["files"] for part in audio["overflow"]} == goes
    text = project.run(capsys, "plan").out
    assert ("audio: 2 files (35.2 KiB) exceed its budget; they " in text) == (len(goes) == 1)


def test_files_over_an_open_budget_go_to_the_next_phase(tmp_path: Path, capsys: Capture) -> None:
    phases = CLOSED.format(later="").replace('embargo = "2999-01-01"\n', "")
    files = {f"audio {number}": bytes([number]) * 18_000 for number in range(3)}
    project = make(tmp_path / "p", files, phases=phases)
    assert {row["id"] for row in table(project, "tones-later-00001")} == {"audio 1", "audio 2"}
    assert 'audio: 2 files (35.2 KiB) exceed its budget; they go to "later"' in project.run(capsys, "plan").out


def test_an_embargo_that_is_set_after_the_plan_is_kept(tmp_path: Path, capsys: Capture) -> None:
    project = Project(tmp_path / "p")
    write(project, {"audio": b"a", "b": b"b"})
    open_phases = CLOSED.format(later="").replace('embargo = "2999-01-01"\n', "")
    project.write_config(phases=open_phases)
    for command in ("scan", "plan", "pack"):
        assert project.run(capsys, command).code == 0
    project.write_config(phases=CLOSED.format(later=""))
    ran = project.run(capsys, "publish")
    assert (ran.code, "the plan: is out of date: an embargo changed since" in ran.err) == (2, True)
    release(project, capsys)
    assert anywhere(project, (b"audio.",), tmp_path) == set()
