"""A published collection that grows and changes: what was published stays, and only what is new is planned."""

import json
import os
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from packager.cli.app import main
from tests.helpers.error_lines import as_sentence
from tests.helpers.projects import PHASES, Project, make_project, write_tone

Capture = pytest.CaptureFixture[str]
FROZEN = ("size", "infohash_v1", "infohash_v2", "pieces_root", "added", "members")


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project whose first release is out."""
    project = make_project(tmp_path_factory.mktemp("released") / "project", files=12)
    project.release()
    return project


@pytest.fixture
def project(released: Project, tmp_path: Path) -> Project:
    return released.copy(tmp_path / "project")


def release(project: Project, capsys: Capture) -> dict:
    ran = project.run(capsys, "release", "--workers", "1")
    assert ran.code == 0, ran.err
    return read_release(project)


def read_release(project: Project) -> dict:
    return json.loads((project.root / "site" / "release.json").read_text())


def by_name(document: dict) -> dict[str, dict]:
    return {shard["name"]: shard for shard in document["shards"]}


def assert_frozen(before: dict, after: dict) -> None:
    """Every shard of one release stands in the next, the same torrents and tar."""
    now = by_name(after)
    for name, shard in by_name(before).items():
        assert {field: shard[field] for field in FROZEN} == {field: now[name][field] for field in FROZEN}, name


def new_shards(before: dict, after: dict) -> list[str]:
    return [name for name in by_name(after) if name not in by_name(before)]


def members(project: Project, name: str) -> list[dict]:
    return pq.read_table(project.root / "site" / "manifests" / f"{name}.members.parquet").to_pylist()


def stat_of(project: Project) -> dict[str, tuple[int, int]]:
    return {path.name: (path.stat().st_ino, path.stat().st_mtime_ns) for path in (project.root / "shards").iterdir()}


def test_new_files_go_into_new_shards_of_their_phase_and_nothing_else_is_touched(
    project: Project, capsys: Capture
) -> None:
    first, tars = read_release(project), stat_of(project)
    write_tone(project.source / "album 0" / "new.wav", 3000)
    (project.source / "new.txt").write_bytes(b"new\n")
    second = release(project, capsys)
    assert second["serial"] == 2
    assert_frozen(first, second)
    added = new_shards(first, second)
    audio = max(shard["number"] for shard in first["shards"] if shard["phase"] == "audio")
    assert added == ["tones-metadata-00002", f"tones-audio-{audio + 1:05d}", "tones-rest-00002"]
    assert {by_name(second)[name]["since"] for name in added} == {2}
    assert [row["path"] for row in members(project, "tones-rest-00002")] == ["new.txt"]
    assert {name: tar for name, tar in stat_of(project).items() if name in tars} == tars
    old = by_name(second)["tones-metadata-00001"]
    assert (old["obsolete"], old["obsolete_since"], old["superseded_by"]) == (True, 2, ["tones-metadata-00002"])
    phases = {phase["name"]: phase for phase in second["phases"]}
    assert (phases["metadata"]["shards"], phases["rest"]["shards"]) == (1, 2)
    assert (phases["rest"]["records"], phases["rest"]["files"]) == (5, 5)


def test_a_changed_file_is_a_new_version_and_the_old_one_is_marked(project: Project, capsys: Capture) -> None:
    first = read_release(project)
    (project.source / "notes.txt").write_bytes(b"other bytes, and more of them\n")
    same_size = project.source / "Ærø é.txt"
    same_size.write_bytes(same_size.read_bytes().upper())
    second = release(project, capsys)
    assert_frozen(first, second)
    marks = {row["path"]: row["superseded"] for row in members(project, "tones-rest-00001")}
    assert {path for path, by in marks.items() if by == "tones-rest-00002"} == {"notes.txt", "Ærø é.txt"}
    assert set(marks.values()) == {None, "tones-rest-00002"}
    assert sorted(row["path"] for row in members(project, "tones-rest-00002")) == ["notes.txt", "Ærø é.txt"]
    rest = next(phase for phase in second["phases"] if phase["name"] == "rest")
    assert (rest["records"], rest["files"]) == (4, 6)
    (project.source / "notes.txt").write_bytes(b"third\n")
    third = release(project, capsys)
    assert_frozen(second, third)
    marks = {row["path"]: row["superseded"] for row in members(project, "tones-rest-00001")}
    assert marks["notes.txt"] == "tones-rest-00002"
    marks = {row["path"]: row["superseded"] for row in members(project, "tones-rest-00002")}
    assert marks == {"notes.txt": "tones-rest-00003", "Ærø é.txt": None}


def test_a_file_that_is_back_to_an_older_version_is_a_new_version_again(project: Project, capsys: Capture) -> None:
    path = project.source / "notes.txt"
    was = path.read_bytes()
    path.write_bytes(b"changed")
    second = release(project, capsys)
    path.write_bytes(was)
    third = release(project, capsys)
    assert "tones-rest-00003" in new_shards(second, third)


def test_other_times_tags_orders_and_texts_leave_every_shard_of_files_where_it_is(
    project: Project, capsys: Capture
) -> None:
    first, tars = read_release(project), stat_of(project)
    for path in project.source.rglob("*"):
        os.utime(path, (1_000_000_000, 1_000_000_000))
    project.write_config(size="128 KiB", phases=PHASES.replace("size DESC", "size ASC").replace("Metadata", "Records"))
    config = project.root / "packager.toml"
    config.write_text(config.read_text().replace("Tones & <noises>", "Other title").replace("CC0-1.0", "CC-BY-4.0"))
    second = release(project, capsys)
    assert_frozen(first, second)
    assert new_shards(first, second) == []
    assert second["collection"]["title"] == "Other title"
    assert stat_of(project) == tars
    assert "is published; nothing changed." in project.run(capsys, "release").out


def test_files_that_were_touched_are_read_once_and_not_again(project: Project, capsys: Capture) -> None:
    for path in project.source.rglob("*"):
        os.utime(path, (1_000_000_000, 1_000_000_000))
    assert read_by_plan(project, capsys) == 15
    (project.source / "new.txt").write_bytes(b"x")
    assert read_by_plan(project, capsys) == 0


def read_by_plan(project: Project, capsys: Capture) -> int:
    """How many files of the source a plan opens after a scan, empty ones not counted."""
    opened = []
    real = os.open

    def watched(path: object, *arguments: object, **options: object) -> int:
        opened.append(os.fsdecode(path) if isinstance(path, bytes) else "")
        return real(path, *arguments, **options)

    assert project.run(capsys, "scan").code == 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "open", watched)
        assert project.run(capsys, "plan").code == 0
    return sum(path.startswith(str(project.source)) and os.path.getsize(path) > 0 for path in opened)


@pytest.mark.parametrize("gone", [None, "album 1/01 tone [b].wav"])
def test_members_of_a_replaced_shard_keep_their_order_whatever_the_config_says_now(
    project: Project, capsys: Capture, gone: str | None
) -> None:
    names = [f"tones-audio-0000{number}" for number in (1, 2, 3)]
    old = [row["id"] for name in names for row in members(project, name)]
    project.write_config(size="1 MiB", phases=PHASES.replace("size DESC", "size ASC"))
    (project.source / "album 1" / "new.wav").write_bytes(b"RIFF, not quite")
    if gone:
        assert project.run(capsys, "withdraw", "--yes", gone, "--reason", "x", "--keep-shards").code == 0
    assert project.run(capsys, "replace", "--yes", *names, "--reason", "x").code == 0
    assert release(project, capsys)["serial"] == 2
    kept = [each for each in old if each != gone]
    assert [row["id"] for row in members(project, "tones-audio-00004")] == [*kept, "album 1/new.wav"]


def test_a_file_that_is_gone_stays_published(project: Project, capsys: Capture) -> None:
    first = read_release(project)
    shutil.rmtree(project.source / "album 1")
    plan = project.run(capsys, "scan").code or json.loads(project.run(capsys, "plan", "--json").out)["plan"]
    assert plan["removed"] == 4
    second = release(project, capsys)
    assert_frozen(first, second)
    assert new_shards(first, second) == ["tones-metadata-00002"]
    assert second["catalogue_records"] == first["catalogue_records"] - 4


def test_records_stay_in_the_phase_that_published_them(project: Project, capsys: Capture) -> None:
    first = read_release(project)
    early = '[[phases]]\nname = "texts"\ntitle = "Texts"\nwhere = "kind = \'metadata\'"\n'
    project.write_config(phases=PHASES.replace('[[phases]]\nname = "audio"', f'{early}[[phases]]\nname = "audio"'))
    (project.source / "notes.txt").write_bytes(b"changed")
    (project.source / "new.txt").write_bytes(b"new")
    second = release(project, capsys)
    assert_frozen(first, second)
    assert [row["path"] for row in members(project, "tones-texts-00001")] == ["new.txt"]
    assert [row["path"] for row in members(project, "tones-rest-00002")] == ["notes.txt"]
    phases = [phase["name"] for phase in second["phases"]]
    assert phases == ["metadata", "texts", "audio", "rest"]


def test_a_published_phase_that_the_config_has_no_more_stays_published(project: Project, capsys: Capture) -> None:
    first = read_release(project)
    project.write_config(phases='[[phases]]\nname = "all"\ntitle = "All"\n')
    (project.source / "new.txt").write_bytes(b"new")
    second = release(project, capsys)
    assert_frozen(first, second)
    assert new_shards(first, second) == ["tones-all-00001"]
    assert [phase["state"] for phase in second["phases"]] == ["published"] * 4


def test_another_name_or_content_of_what_is_published_is_refused(project: Project, capsys: Capture) -> None:
    config = project.root / "packager.toml"
    text = config.read_text()
    config.write_text(text.replace('name = "tones"', 'name = "noises"'))
    ran = project.run(capsys, "plan")
    assert (ran.code, "is not the published collection" in ran.err) == (2, True)
    config.write_text(text.replace('content = "catalogue"', ""))
    ran = project.run(capsys, "plan")
    assert (ran.code, 'the phase is published with "catalogue"' in ran.err) == (2, True)


def test_a_budget_counts_what_is_published(tmp_path: Path, capsys: Capture) -> None:
    project = make_project(tmp_path / "project", files=6)
    phases = '[[phases]]\nname = "some"\ntitle = "Some"\nbudget = "{}"\n[[phases]]\nname = "rest"\ntitle = "Rest"\n'
    project.write_config(phases=phases.format("100 KiB"))
    first = release(project, capsys)
    for number in range(8):
        write_tone(project.source / f"more {number}.wav", 8000)
    second = release(project, capsys)
    assert_frozen(first, second)
    some = next(phase for phase in second["phases"] if phase["name"] == "some")
    assert some["size"] <= 100 << 10
    project.write_config(phases=phases.format("1 MiB"))
    write_tone(project.source / "last.wav", 8000)
    third = release(project, capsys)
    assert_frozen(second, third)
    added = [name for name in new_shards(second, third) if "some" in name]
    assert [row["path"] for name in added for row in members(project, name)] == ["last.wav"]


def test_a_phase_that_is_not_out_yet_is_cut_anew_while_published_ones_grow(tmp_path: Path, capsys: Capture) -> None:
    project = make_project(tmp_path / "project", files=9)
    for command in (("scan",), ("plan",), ("pack", "--phase", "metadata"), ("publish", "--phase", "metadata")):
        assert project.run(capsys, *command).code == 0
    first = read_release(project)
    write_tone(project.source / "first.wav", 9000)
    for command in (("scan",), ("plan",), ("pack",), ("publish", "--phase", "audio")):
        ran = project.run(capsys, *command)
        assert ran.code == 0, ran.err
    second = read_release(project)
    assert_frozen(first, second)
    assert new_shards(first, second)[0] == "tones-metadata-00002"
    assert members(project, "tones-audio-00001")[0]["path"] == "first.wav"
    assert [phase["state"] for phase in second["phases"]] == ["published", "published", "next"]
    third = release(project, capsys)
    assert_frozen(second, third)
    assert {shard["since"] for shard in third["shards"] if shard["phase"] == "rest"} == {3}


def test_twins_of_published_hybrids_come_and_go_without_a_source(project: Project, capsys: Capture) -> None:
    first = read_release(project)
    moved = project.root / "moved"
    shutil.copytree(project.source, moved)
    for path in project.source.rglob("*.wav"):
        os.truncate(path, path.stat().st_size)  # the bytes stay; the time tells of a write
    shutil.rmtree(project.root / "shards")
    project.write_config(torrent="also_v1 = true")
    second = release(project, capsys)
    assert_frozen(first, second)
    assert all("twin_infohash" in shard for shard in second["shards"])
    assert (project.root / "site" / "magnets-v1.txt").read_text().count("\n") == len(second["shards"])
    project.write_config()
    third = release(project, capsys)
    assert not any("twin_infohash" in shard for shard in third["shards"])
    assert not list((project.root / "site" / "torrents").glob("*.v1.torrent"))


def test_pages_say_what_changed_and_old_ones_stay_at_their_addresses(project: Project, capsys: Capture) -> None:
    (project.source / "notes.txt").write_bytes(b"changed")
    release(project, capsys)
    (project.source / "more.txt").write_bytes(b"more")
    release(project, capsys)
    site = project.root / "site"
    assert {path.name for path in (site / "releases").iterdir()} == {
        f"{n}.{e}" for n in (1, 2, 3) for e in ("html", "json")
    }
    second = (site / "releases" / "2.html").read_text()
    assert "tones-rest-00002" in second
    assert "tones-rest-00003" not in second
    assert "a newer catalogue" in second
    assert "newer in" in (site / "shards" / "tones-rest-00001" / "index.html").read_text()
    assert "Obsolete" in (site / "shards" / "tones-metadata-00001" / "index.html").read_text()
    assert "Release 3: 2 new shards, 1 shard obsolete" in (site / "feed.xml").read_text()
    assert "tones-metadata-00002.tar" not in (site / "magnets.txt").read_text()
    assert json.loads((site / "torrents.json").read_text())[0]["obsolete"] is True


def test_status_knows_published_shards_and_what_is_new(project: Project, capsys: Capture) -> None:
    (project.source / "new.txt").write_bytes(b"new")
    for command in ("scan", "plan"):
        assert project.run(capsys, command).code == 0
    told = json.loads(project.run(capsys, "status", "--json").out)
    rest = next(phase for phase in told["phases"] if phase["name"] == "rest")
    assert (rest["state"], rest["packed"], rest["shards"]) == ("published", 1, 2)
    assert told["unknown_tars"] == []
    assert told["next"] == "packager pack"


def test_an_embargo_keeps_a_phase_closed_and_the_site_says_until_when(tmp_path: Path, capsys: Capture) -> None:
    project = make_project(tmp_path / "project", files=6)
    closed = PHASES.replace('title = "Audio"\n', 'title = "Audio"\nembargo = "2999-05-01"\n')
    project.write_config(phases=closed)
    first = release(project, capsys)
    states = {phase["name"]: (phase["state"], phase.get("embargo")) for phase in first["phases"]}
    assert states["audio"] == ("next", "2999-05-01T00:00:00Z")
    assert states["rest"] == ("published", None)
    site = project.root / "site"
    assert "under embargo until" in (site / "index.html").read_text()
    assert not list(site.rglob("*audio-0*"))
    assert "closed until 2999-05-01" in project.run(capsys, "status").out
    ran = project.run(capsys, "publish", "--phase", "audio")
    assert (ran.code, '"audio" is under embargo until 2999-05-01' in ran.err) == (2, True)
    project.write_config(phases=closed.replace("2999-05-01", "2001-05-01"))
    assert json.loads(project.run(capsys, "status", "--json").out)["remaining_bytes"] == 0  # the plan stands
    second = release(project, capsys)
    assert_frozen(first, second)
    assert {phase["state"] for phase in second["phases"]} == {"published"}
    assert {shard["since"] for shard in second["shards"] if shard["phase"] == "audio"} == {2}
    project.write_config(phases=closed)
    ran = project.run(capsys, "publish")
    assert (ran.code, "but the phase is published" in ran.err) == (2, True)


def test_a_lost_state_folder_is_made_again_from_the_site(project: Project, capsys: Capture) -> None:
    (project.source / "notes.txt").write_bytes(b"changed")
    assert project.run(capsys, "withdraw", "--yes", "empty.txt", "--reason", "x", "--keep-shards").code == 0
    second = release(project, capsys)
    before = project.published()
    shutil.rmtree(project.root / ".packager")
    assert release(project, capsys) == second
    assert project.published() == before
    shutil.rmtree(project.root / ".packager")
    (project.source / "new.txt").write_bytes(b"new")
    third = release(project, capsys)
    assert third["serial"] == 3
    assert_frozen(second, third)
    assert new_shards(second, third) == ["tones-metadata-00003", "tones-rest-00003"]


def test_a_site_that_is_not_whole_makes_no_state(project: Project, capsys: Capture) -> None:
    shutil.rmtree(project.root / ".packager")
    table = project.root / "site" / "manifests" / "tones-rest-00001.members.parquet"
    whole = table.read_bytes()
    table.write_bytes(whole[:-1])
    ran = project.run(capsys, "release")
    assert (ran.code, "release.json says; restore the published site" in as_sentence(ran.err)) == (1, True)
    table.unlink()
    ran = project.run(capsys, "release")
    assert (ran.code, "not found; restore the published site" in as_sentence(ran.err)) == (1, True)
    table.write_bytes(whole)
    assert release(project, capsys)["serial"] == 1


def test_shards_that_are_folders_grow_and_are_replaced_like_tars(tmp_path: Path, capsys: Capture) -> None:
    project = make_project(tmp_path / "project", files=4)
    project.write_config(phases='[[phases]]\nname = "all"\ntitle = "All"\ncontainer = "folder"\n')
    first = release(project, capsys)
    (project.source / "new.txt").write_bytes(b"new")
    (project.source / "notes.txt").write_bytes(b"changed")
    second = release(project, capsys)
    assert_frozen(first, second)
    assert sorted(row["path"] for row in members(project, "tones-all-00002")) == ["new.txt", "notes.txt"]
    assert project.run(capsys, "withdraw", "--yes", "new.txt", "--reason", "x").code == 0
    third = release(project, capsys)
    assert_frozen(second, third)
    assert by_name(third)["tones-all-00002"]["superseded_by"] == ["tones-all-00003"]
    assert [row["path"] for row in members(project, "tones-all-00003")] == ["notes.txt"]
    assert release(project, capsys) == third


def test_inspect_walks_the_chain_and_names_where_it_breaks(project: Project, capsys: Capture) -> None:
    (project.source / "new.txt").write_bytes(b"new")
    release(project, capsys)
    document = project.root / "site" / "release.json"
    assert main(["inspect", str(document)]) == 0
    shown = capsys.readouterr().out
    assert "serials 1 to 2 follow from one another" in shown
    assert "tones-metadata-00001  2      tones-metadata-00002  a newer catalogue" in shown
    older = document.parent / "releases" / "1.json"
    whole = older.read_bytes()
    older.unlink()
    older.write_bytes(whole + b"\n")
    assert main(["inspect", str(document)]) == 1
    assert "releases/1.json: is not the release that serial 2 follows" in capsys.readouterr().out
    older.unlink()
    assert main(["inspect", str(document)]) == 0
    assert "not checked: releases/ is not beside it" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"added": "2026-01-01T00:00:00Z"}, "release 2: changed shard: added of tones-rest-00001"),
        ({"piece_length": 1 << 20}, "release 2: changed shard: piece_length of tones-rest-00001"),
        ({"since": 2}, "release 2: changed shard: since of tones-rest-00001"),
        ({"sha256": "0" * 64}, "release 2: changed shard: sha256 of tones-rest-00001"),
    ],
)
def test_inspect_names_what_a_release_does_not_keep_of_the_one_before_it(
    project: Project, capsys: Capture, change: dict, fault: str
) -> None:
    (project.source / "new.txt").write_bytes(b"new")
    document = release(project, capsys)
    by_name(document)["tones-rest-00001"] |= change
    path = project.root / "site/release.json"
    path.write_text(json.dumps(document, indent=2))
    assert main(["inspect", str(path)]) == 1
    assert fault in capsys.readouterr().out


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"since": 7}, "is listed since serial 7, in serial 2"),
        ({"obsolete_since": 2}, "is not obsolete, but has obsolete_since, superseded_by or reason"),
        ({"obsolete": True, "obsolete_since": 3}, "is obsolete since serial 3, which is not possible"),
        ({"superseded_by": ["x"]}, '"x" cannot replace it'),
        ({"withdrawn": 99}, "99 of its 4 members are withdrawn"),
    ],
)
def test_what_a_release_says_of_a_shards_end_must_fit(
    project: Project, capsys: Capture, change: dict, fault: str
) -> None:
    (project.source / "new.txt").write_bytes(b"new")
    document = release(project, capsys)
    by_name(document)["tones-rest-00001"] |= change
    path = project.root / "release.json"
    path.write_text(json.dumps(document, indent=2))
    assert main(["inspect", str(path)]) == 1
    assert fault in capsys.readouterr().out


def test_plan_tells_what_stays_and_what_changed(project: Project, capsys: Capture) -> None:
    (project.source / "notes.txt").write_bytes(b"changed")
    (project.source / "empty.txt").unlink()
    assert project.run(capsys, "scan").code == 0
    told = project.run(capsys, "plan").out
    assert "15 published records stay in their shards, 1 of them gone from the collection, 1 other changed" in told
    assert "obsolete: tones-metadata-00001 (a newer catalogue)" in told
