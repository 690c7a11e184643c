"""Records taken back and shards replaced: nowhere in the release that follows but among its withdrawals."""

import io
import json
import os
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from packager.cli.app import main
from tests.end_to_end.test_growing import assert_frozen, by_name, new_shards, read_release, release
from tests.helpers.error_lines import as_sentence
from tests.helpers.projects import PHASES, Project, make_project
from tests.helpers.site_contents import rows, told, told_by_tar

Capture = pytest.CaptureFixture[str]
RECORDS = "id,path,title,artist\nr-17,notes.txt,Secret title,Hidden artist\nr-18,empty.txt,Nothing,Nobody\n"
WITHDRAWN = (b"r-17", b"notes.txt", b"Secret title", b"Hidden artist")


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project whose first release is out, with a records file."""
    project = make_project(tmp_path_factory.mktemp("released") / "project", files=12)
    (project.root / "records.csv").write_text(RECORDS)
    project.write_config(collection='[records]\nfiles = ["records.csv"]')
    project.release()
    return project


@pytest.fixture
def project(released: Project, tmp_path: Path) -> Project:
    return released.copy(tmp_path / "project")


def where_told(site: Path, texts: tuple[bytes, ...] = WITHDRAWN) -> set[str]:
    """The files of a site in which any of some texts stands."""
    return {name for name, data in told(site) if any(text in data for text in texts)}


def test_a_withdrawn_record_stands_only_among_the_withdrawals(project: Project, capsys: Capture) -> None:
    first = read_release(project)
    ran = project.run(
        capsys, "withdraw", "--yes", "r-17", "--reason", "asked for by the artist", "--redact", "--keep-shards"
    )
    assert ran.code == 0, ran.err
    assert "1 record is withdrawn from the next release; 1 shard (" in ran.out
    assert "with them is kept" in ran.out
    second = release(project, capsys)
    assert_frozen(first, second)
    [withdrawal] = second["withdrawals"]
    assert (withdrawal["id"], withdrawal["reason"], withdrawal["since"]) == ("r-17", "asked for by the artist", 2)
    assert withdrawal["shards"] == ["tones-rest-00001"]
    assert "title" not in withdrawal
    site = project.root / "site"
    assert where_told(site) == {"release.json", "releases/2.json"}
    assert where_told(site, WITHDRAWN[1:]) == set()
    shard = by_name(second)["tones-rest-00001"]
    assert (shard["withdrawn"], shard.get("obsolete")) == (1, None)
    table = rows(site / "manifests" / "tones-rest-00001.members.parquet")
    assert len(table) == shard["members"] - 1
    assert json.loads((site / "manifests" / "tones-rest-00001.manifest.json").read_text())["withdrawn"] == 1
    assert second["catalogue_records"] == first["catalogue_records"] - 1
    assert "1 record withdrawn" in (site / "feed.xml").read_text()


def test_without_redact_the_release_tells_title_and_artist(project: Project, capsys: Capture) -> None:
    assert project.run(capsys, "withdraw", "--yes", "r-17", "--reason", "x", "--keep-shards").code == 0
    [withdrawal] = release(project, capsys)["withdrawals"]
    assert (withdrawal["title"], withdrawal["artist"]) == ("Secret title", "Hidden artist")
    site = project.root / "site"
    assert where_told(site, WITHDRAWN[2:]) == {"release.json", "releases/2.json"}
    assert where_told(site, WITHDRAWN[:1]) == {"release.json", "releases/2.json", "releases/2.html"}
    ran = project.run(capsys, "withdraw", "--yes", "r-17", "--reason", "x", "--redact")
    assert ran.code == 0, ran.err
    release(project, capsys)
    assert where_told(site, WITHDRAWN[2:]) == {"releases/2.json"}
    assert where_told(site, WITHDRAWN[:1]) == {"release.json", "releases/2.json", "releases/3.json"}


def test_withdraw_replaces_the_shards_that_hold_it(project: Project, tmp_path: Path, capsys: Capture) -> None:
    first = read_release(project)
    ran = project.run(capsys, "withdraw", "--yes", "--path", "*.txt", "--where", "id <> 'r-18'", "--reason", "x")
    assert ran.code == 0, ran.err
    assert "will be replaced" in ran.out
    second = release(project, capsys)
    assert_frozen(first, second)
    old = by_name(second)["tones-rest-00001"]
    assert (old["obsolete"], old["obsolete_since"], old["superseded_by"]) == (True, 2, ["tones-rest-00002"])
    assert old["reason"] == "records of it were withdrawn"
    new = rows(project.root / "site" / "manifests" / "tones-rest-00002.members.parquet")
    assert [row["id"] for row in new] == ["cover 100%.png", "r-18"]
    assert sorted(each["id"] for each in second["withdrawals"]) == ["r-17", "Ærø é.txt"]
    live = [shard["name"] for shard in second["shards"] if not shard.get("obsolete")]
    for name in live:
        for path, data in told_by_tar(project.root / "shards" / f"{name}.tar", tmp_path / "unpacked"):
            assert not [text for text in WITHDRAWN if text in data], path
    rest = next(phase for phase in second["phases"] if phase["name"] == "rest")
    assert (rest["records"], rest["files"], rest["shards"]) == (2, 2, 1)
    assert "tones-rest-00001.tar" not in (project.root / "site" / "magnets.txt").read_text()
    third = release(project, capsys)
    assert third["serial"] == 2


def test_withdraw_replaces_the_shards_unless_it_is_told_to_keep_them(project: Project, capsys: Capture) -> None:
    kept = project.run(capsys, "withdraw", "--yes", "r-17", "--reason", "x", "--keep-shards", "--dry-run")
    assert (kept.code, "1 shard (" in kept.out, "with them is kept. Dry run" in kept.out) == (0, True, True)
    replaced = project.run(capsys, "withdraw", "--yes", "r-17", "--reason", "x", "--dry-run", "--json")
    assert json.loads(replaced.out)["replace"] is True
    assert project.run(capsys, "withdraw", "--yes", "r-17", "--reason", "x", "--keep-shards").code == 0
    assert project.run(capsys, "withdraw", "--yes", "r-17", "--reason", "x").code == 0  # on second thoughts
    assert by_name(release(project, capsys))["tones-rest-00001"]["obsolete"] is True


def test_a_withdrawn_record_is_never_planned_again(project: Project, capsys: Capture) -> None:
    assert project.run(capsys, "withdraw", "--yes", "r-17", "--reason", "x").code == 0
    second = release(project, capsys)
    (project.source / "notes.txt").write_bytes(b"a new version of what was taken back")
    (project.root / "withdrawals.json").unlink()  # the release itself says it
    third = release(project, capsys)
    assert new_shards(second, third) == []
    assert [each["id"] for each in third["withdrawals"]] == ["r-17"]
    assert where_told(project.root / "site", (b"a new version",)) == set()


def test_a_record_that_is_not_published_yet_is_left_out(tmp_path: Path, capsys: Capture) -> None:
    project = make_project(tmp_path / "project", files=3)
    assert project.run(capsys, "scan").code == 0
    assert project.run(capsys, "plan").code == 0
    assert project.run(capsys, "pack").code == 0
    ran = project.run(capsys, "withdraw", "--yes", "notes.txt", "--reason", "x")
    assert (ran.code, "in no published shard" in ran.out) == (0, True)
    ran = project.run(capsys, "publish")
    assert (ran.code, "the plan: is out of date: records were withdrawn since" in ran.err) == (2, True)
    ran = project.run(capsys, "pack")
    assert (ran.code, "the plan: is out of date: records were withdrawn since" in ran.err) == (2, True)
    first = release(project, capsys)
    assert [each["id"] for each in first["withdrawals"]] == ["notes.txt"]
    assert where_told(project.root / "site", (b"notes.txt",)) == {
        "release.json",
        "releases/1.json",
        "releases/1.html",
    }


def test_a_record_that_the_catalogue_has_no_more_can_be_withdrawn(project: Project, capsys: Capture) -> None:
    (project.source / "Ærø é.txt").unlink()
    release(project, capsys)
    ran = project.run(capsys, "withdraw", "--yes", "Ærø é.txt", "--reason", "x", "--keep-shards")
    assert ran.code == 0, ran.err
    third = release(project, capsys)
    assert third["withdrawals"][0]["shards"] == ["tones-rest-00001"]
    assert where_told(project.root / "site", ("Ærø".encode(),)) == {
        "release.json",
        "releases/3.json",
        "releases/3.html",
    }


def test_every_version_of_a_withdrawn_record_is_withdrawn(project: Project, capsys: Capture) -> None:
    (project.source / "notes.txt").write_bytes(b"second version")
    release(project, capsys)
    assert project.run(capsys, "withdraw", "--yes", "r-17", "--reason", "x", "--redact", "--keep-shards").code == 0
    third = release(project, capsys)
    assert third["withdrawals"][0]["shards"] == ["tones-rest-00001", "tones-rest-00002"]
    assert where_told(project.root / "site", WITHDRAWN[1:]) == set()
    assert rows(project.root / "site" / "manifests" / "tones-rest-00002.members.parquet") == []


def test_what_is_noted_can_be_undone_until_a_release_says_it(project: Project, capsys: Capture) -> None:
    noted = project.root / "withdrawals.json"
    assert project.run(capsys, "withdraw", "--yes", "r-17", "--reason", "x", "--dry-run").code == 0
    assert not noted.exists()
    assert project.run(capsys, "withdraw", "--yes", "r-17", "--reason", "x", "--keep-shards").code == 0
    assert [record["id"] for record in json.loads(noted.read_text())["records"]] == ["r-17"]
    assert project.run(capsys, "withdraw", "--yes", "r-17", "--undo").code == 0
    assert json.loads(noted.read_text())["records"] == []
    assert release(project, capsys)["serial"] == 1
    assert project.run(capsys, "withdraw", "--yes", "r-17", "--reason", "x", "--keep-shards").code == 0
    assert release(project, capsys)["serial"] == 2
    assert project.run(capsys, "withdraw", "--yes", "r-17", "--undo").code == 0
    third = release(project, capsys)
    [withdrawal] = third["withdrawals"]
    assert (withdrawal["id"], withdrawal["since"], withdrawal["lifted"]) == ("r-17", 2, 3)
    assert "withdrawn" not in by_name(third)["tones-rest-00001"]
    assert "r-17" in {
        row["id"] for row in rows(project.root / "site" / "manifests" / "tones-rest-00001.members.parquet")
    }
    assert "1 withdrawal lifted" in (project.root / "site" / "feed.xml").read_text()
    assert release(project, capsys)["serial"] == 3
    assert project.run(capsys, "withdraw", "--yes", "r-17", "--reason", "again", "--keep-shards").code == 0
    again = release(project, capsys)["withdrawals"]
    assert [(each["since"], each.get("lifted"), each["reason"]) for each in again] == [(2, 3, "x"), (4, None, "again")]


def test_without_a_terminal_yes_is_needed_to_withdraw_and_to_replace(project: Project, capsys: Capture) -> None:
    for command in (("withdraw", "r-17"), ("replace", "tones-audio-00001")):
        ran = project.run(capsys, *command, "--reason", "x")
        assert (ran.code, "there is no terminal to ask on" in ran.err, "--yes" in ran.err) == (2, True, True), ran.err
        assert not (project.root / "withdrawals.json").exists()
        assert project.run(capsys, *command, "--reason", "x", "-n").code == 0
        assert not (project.root / "withdrawals.json").exists()


def test_a_record_is_named_by_its_id_path_or_isrc_or_on_stdin(
    project: Project, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalogue = pq.read_table(project.root / ".packager" / "catalogue.parquet").to_pylist()
    record = next(row for row in catalogue if row["id"] == "r-17")

    def found(*names: str) -> list[str]:
        ran = project.run(capsys, "withdraw", *names, "--reason", "x", "-n", "--json")
        return [each["id"] for each in json.loads(ran.out)["records"]]

    assert found(record["path"]) == found("r-17") == ["r-17"]
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{record['path']}\n\nr-18\n"))
    assert found("-") == ["r-17", "r-18"]
    lines = [f"{line},{isrc}" for line, isrc in zip(RECORDS.splitlines(), ("isrc", "us-s1z-99-00001", ""), strict=True)]
    (project.root / "records.csv").write_text("\n".join(lines))
    assert project.run(capsys, "scan").code == 0
    assert found("USS1Z9900001") == found("US-S1Z-99-00001") == ["r-17"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--reason", "x"), "no record named"),
        (("nosuch", "--reason", "x"), 'no record has the id, path or ISRC "nosuch"'),
        (("--path", "*.nosuch", "--reason", "x"), "no record matches"),
        (("--where", "popularty > 1", "--reason", "x"), 'did you mean "popularity"?'),
        (("r-17",), "--reason is missing"),
        (("r-17", "--reason", "a\nb"), "is not one line of at most 1,000 characters"),
        (("r-17", "--undo"), "none of these records is withdrawn"),
    ],
)
def test_what_cannot_be_withdrawn_is_a_sentence(
    project: Project, capsys: Capture, arguments: tuple[str, ...], sentence: str
) -> None:
    ran = project.run(capsys, "withdraw", "--yes", *arguments)
    assert (ran.code, sentence in as_sentence(ran.err)) == (2, True), ran.err
    assert ran.err.count("\n") <= 2


def test_a_shard_whose_tags_were_wrong_is_superseded_with_a_note(
    project: Project, tmp_path: Path, capsys: Capture
) -> None:
    first = read_release(project)
    (project.root / "records.csv").write_text(RECORDS.replace("Secret title", "Right title"))
    ran = project.run(capsys, "replace", "--yes", "tones-rest-00001.tar", "--reason", "the titles were wrong")
    assert ran.code == 0, ran.err
    second = release(project, capsys)
    assert_frozen(first, second)
    old = by_name(second)["tones-rest-00001"]
    assert (old["obsolete"], old["reason"]) == (True, "the titles were wrong")
    assert old["superseded_by"] == ["tones-rest-00002"]
    table = rows(project.root / "site" / "manifests" / "tones-rest-00002.members.parquet")
    assert {row["title"] for row in table if row["id"] == "r-17"} == {"Right title"}
    before = rows(project.root / "site" / "manifests" / "tones-rest-00001.members.parquet")
    assert [row["id"] for row in table] == [row["id"] for row in before]
    ran = project.run(capsys, "replace", "--yes", "tones-rest-00001", "--reason", "x")
    assert (ran.code, "is obsolete already, replaced by tones-rest-00002" in ran.err) == (2, True)
    ran = project.run(capsys, "replace", "--yes", "tones-rest-0002", "--reason", "x")
    assert (ran.code, 'did you mean "tones-rest-00002"?' in as_sentence(ran.err)) == (2, True)


def test_the_catalogues_own_shard_can_be_superseded(project: Project, capsys: Capture) -> None:
    assert project.run(capsys, "replace", "--yes", "tones-metadata-00001", "--reason", "cut short").code == 0
    second = release(project, capsys)
    old = by_name(second)["tones-metadata-00001"]
    assert (old["superseded_by"], old["reason"]) == (["tones-metadata-00002"], "cut short")
    assert project.run(capsys, "replace", "--yes", "tones-rest-00001", "--reason", "x").code == 0
    assert project.run(capsys, "replace", "--yes", "tones-rest-00001", "--undo").code == 0
    assert release(project, capsys)["serial"] == 2


def test_a_shard_is_not_replaced_while_a_file_of_it_is_missing(project: Project, capsys: Capture) -> None:
    (project.source / "notes.txt").unlink()
    (project.root / "records.csv").write_text(RECORDS.replace("notes.txt", ""))
    assert project.run(capsys, "replace", "--yes", "tones-rest-00001", "--reason", "x").code == 0
    ran = project.run(capsys, "release")
    assert (ran.code, 'must be replaced, but 1 record of it ("r-17")' in ran.err) == (2, True), ran.err
    assert project.run(capsys, "withdraw", "--yes", "r-17", "--reason", "x", "--keep-shards").code == 0
    second = release(project, capsys)
    assert by_name(second)["tones-rest-00001"]["obsolete"] is True


def test_the_tars_of_obsolete_shards_are_no_strangers(project: Project, capsys: Capture) -> None:
    assert project.run(capsys, "withdraw", "--yes", "r-17", "--reason", "x").code == 0
    release(project, capsys)
    told_status = json.loads(project.run(capsys, "status", "--json").out)
    assert told_status["unknown_tars"] == []
    names = [Path(each["path"]).name for each in told_status["to_delete"]]
    assert names == ["tones-metadata-00001.tar", "tones-rest-00001.tar"]
    (project.root / "shards" / "tones-rest-00001.tar").unlink()
    assert "is published; nothing changed." in project.run(capsys, "release").out


def test_a_virtual_shard_is_replaced_as_well(tmp_path: Path, capsys: Capture) -> None:
    project = make_project(tmp_path / "project", files=3)
    config = project.root / "packager.toml"
    config.write_text(config.read_text().replace("[shards]", "[shards]\nwrite_tars = false"))
    first = release(project, capsys)
    assert project.run(capsys, "withdraw", "--yes", "notes.txt", "--reason", "x").code == 0
    (project.source / "new.txt").write_bytes(b"new")
    second = release(project, capsys)
    assert_frozen(first, second)
    assert not list((project.root / "shards").glob("*.tar"))
    assert new_shards(first, second) == ["tones-metadata-00002", "tones-rest-00002"]


def test_a_killed_release_of_a_withdrawal_is_simply_run_again(
    project: Project, tmp_path: Path, capsys: Capture
) -> None:
    calm = Project(tmp_path / "calm")
    shutil.copytree(project.root, calm.root)
    for each in (project, calm):
        text = (each.root / "withdrawals.json", "2026-11-21T00:00:00Z")
        assert each.run(capsys, "withdraw", "--yes", "r-17", "--reason", "x", "--keep-shards").code == 0
        noted = json.loads(text[0].read_text())
        noted["records"][0]["date"] = text[1]
        text[0].write_text(json.dumps(noted, indent=2, ensure_ascii=False) + "\n")
    for command in (("scan",), ("plan",), ("pack",)):
        assert project.run(capsys, *command).code == 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("packager.publish.swap_folder.swap_site", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        assert project.run(capsys, "publish").code == 130
    assert len(json.loads((project.root / "site" / "release.json").read_text())["withdrawals"]) == 0
    for each in (project, calm):
        release(each, capsys)
    for name in ("release.json", "manifests/tones-rest-00001.members.parquet"):
        assert (project.root / "site" / name).read_bytes() == (calm.root / "site" / name).read_bytes()
    assert os.path.exists(project.root / "site" / "releases" / "2.html")


def test_a_shard_with_withdrawn_members_is_still_proved_and_mended_by_its_torrent(
    project: Project, capsys: Capture
) -> None:
    shutil.copytree(project.root / "shards", project.root / "elsewhere")
    assert project.run(capsys, "withdraw", "--yes", "r-17", "--reason", "x", "--keep-shards").code == 0
    release(project, capsys)
    tar, other = (project.root / folder / "tones-rest-00001.tar" for folder in ("shards", "elsewhere"))
    assert main(["verify", str(tar)]) == 0
    data = bytearray(tar.read_bytes())
    data[5000] ^= 1
    tar.write_bytes(data)
    assert main(["verify", str(tar)]) == 1
    assert main(["repair", str(tar), "--from", str(other)]) == 0
    assert tar.read_bytes() == other.read_bytes()
    capsys.readouterr()
    assert main(["rebuild", str(tar), "--from", str(project.source), "--to", str(project.root / "x.tar")]) == 2
    assert "1 of its 4 members were withdrawn" in capsys.readouterr().err


def test_an_older_note_lifts_no_newer_withdrawal(project: Project, capsys: Capture) -> None:
    note = project.root / "withdrawals.json"
    records = ("r-17", "r-18", "cover 100%.png")
    assert project.run(capsys, "withdraw", "--yes", *records, "--reason", "asked for").code == 0
    release(project, capsys)
    assert project.run(capsys, "withdraw", "--yes", *records, "--undo").code == 0
    release(project, capsys)
    older = note.read_bytes()
    assert project.run(capsys, "withdraw", "--yes", *records, "--reason", "again").code == 0
    release(project, capsys)
    note.write_bytes(older)  # a backup of it
    (project.source / "new.txt").write_bytes(b"new")
    last = release(project, capsys)
    told = [(each["since"], each.get("lifted")) for each in last["withdrawals"]]
    assert told == [(2, 3)] * 3 + [(4, None)] * 3
    ran = project.run(capsys, "withdraw", "--yes", *records, "--undo")
    assert ran.code == 0, ran.err
    assert [each.get("lifted") for each in release(project, capsys)["withdrawals"]] == [3] * 3 + [6] * 3


@pytest.mark.parametrize("again", [(), ("--redact",), ("--keep-shards",)])
def test_a_withdrawal_that_is_lifted_and_meant_again_before_a_release_is_the_one_that_it_was(
    project: Project, capsys: Capture, again: tuple[str, ...]
) -> None:
    note = project.root / "withdrawals.json"
    assert project.run(capsys, "withdraw", "--yes", "r-17", "--redact", "--reason", "asked for").code == 0
    second = release(project, capsys)
    before = json.loads(note.read_text())
    assert project.run(capsys, "withdraw", "--yes", "--undo", "r-17").code == 0
    assert project.run(capsys, "withdraw", "--yes", "r-17", "--reason", "again", *again).code == 0
    assert json.loads(note.read_text()) == before
    assert release(project, capsys)["serial"] == second["serial"]


@pytest.mark.parametrize(
    "note", [("withdraw", "--yes", "r-17", "--reason", "x"), ("replace", "--yes", "tones-audio-00001", "--reason", "x")]
)
def test_status_says_that_what_was_noted_waits_for_a_release(
    project: Project, capsys: Capture, note: tuple[str, ...]
) -> None:
    def following() -> str:
        return str(json.loads(project.run(capsys, "status", "--json").out)["next"])

    assert following() == ""
    assert project.run(capsys, *note).code == 0
    assert following() == "packager release"
    undo = ("withdraw", "--yes", "--undo", "r-17") if note[0] == "withdraw" else ()
    if undo:
        assert project.run(capsys, *undo).code == 0
        assert following() == ""
        assert project.run(capsys, *note).code == 0
    release(project, capsys)
    assert following() == ""


@pytest.mark.parametrize("phases", [PHASES, PHASES[PHASES.index('[[phases]]\nname = "audio"') :]])
def test_all_that_is_published_can_be_withdrawn(tmp_path: Path, capsys: Capture, phases: str) -> None:
    project = make_project(tmp_path / "project", files=3)
    project.write_config(phases=phases)
    release(project, capsys)
    assert project.run(capsys, "withdraw", "--yes", "--path", "*", "--reason", "asked for").code == 0
    second = release(project, capsys)
    assert {shard["phase"] for shard in second["shards"] if not shard.get("obsolete")} <= {"metadata"}
    assert len(second["withdrawals"]) == 7
    assert "is published; nothing changed." in project.run(capsys, "release").out
    assert project.run(capsys, "withdraw", "--yes", "--path", "*", "--undo").code == 0
    third = release(project, capsys)
    assert {shard["phase"] for shard in third["shards"] if not shard.get("obsolete")} >= {"audio", "rest"}


def test_a_lost_state_folder_is_made_again_before_anything_is_withdrawn(project: Project, capsys: Capture) -> None:
    (project.source / "notes.txt").write_bytes(b"the second version")
    shutil.rmtree(project.root / ".packager")
    ran = project.run(capsys, "withdraw", "--yes", "r-17", "--reason", "x")
    assert (ran.code, "r-17: tones-rest-00001" in ran.out) == (0, True), ran.err
    shutil.rmtree(project.root / ".packager")
    assert project.run(capsys, "replace", "--yes", "tones-rest-00001", "--reason", "x").code == 0


@pytest.mark.parametrize("size", [14, 15])
def test_withdraw_warns_of_a_file_that_changed_since_the_scan(project: Project, capsys: Capture, size: int) -> None:
    (project.source / "notes.txt").write_bytes(b"n" * size)
    ran = project.run(capsys, "withdraw", "--yes", "r-17", "--reason", "x")
    assert "warning: notes.txt: changed since the scan" in ran.out
    assert "its content now is not withdrawn: run packager scan, then withdraw it again" in ran.out
    assert project.run(capsys, "scan").code == 0
    assert "warning" not in project.run(capsys, "withdraw", "--yes", "r-17", "--reason", "x").out
    (project.source / "notes.txt").rename(project.source / "other.txt")
    assert project.run(capsys, "release", "--workers", "1").code == 0
    assert where_told(project.root / "site", (b"other.txt",)) == set()
