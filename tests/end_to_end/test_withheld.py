"""Withdrawn, embargoed and unpublished shards: each command that hands out leaves them out, and says why."""

import json
import os
import pty
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from packager import api
from packager.cli.app import main
from packager.engine.files import atomic_files
from packager.engine.project.owner_id import project_owner
from tests.end_to_end.test_growing import by_name, release
from tests.helpers.error_lines import as_sentence
from tests.helpers.libtorrent_peer import ROOT
from tests.helpers.projects import Project, make_project
from tests.helpers.serve_process import serving
from tests.helpers.waiting import until

Capture = pytest.CaptureFixture[str]
OLD, NEW = "tones-rest-00001", "tones-rest-00002"
CATALOGUE = "tones-metadata-00001"
CLOSED = """
[[phases]]
name = "metadata"
title = "Metadata"
content = "catalogue"
[[phases]]
name = "audio"
title = "Audio"
where = "kind = 'audio'"
embargo = "2999-01-01"
[[phases]]
name = "rest"
title = "The rest"
"""


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Project:
    project = make_project(tmp_path_factory.mktemp("released") / "project", files=3)
    project.write_config(torrent='web_seeds = ["http://127.0.0.1:9/shards/"]\nalso_v1 = true')
    config = project.root / "packager.toml"
    config.write_text(config.read_text().replace('trackers = [["udp://tracker.example.org:6969/announce"]]', ""))
    project.release()
    return project


@pytest.fixture
def project(released: Project, tmp_path: Path) -> Project:
    return released.copy(tmp_path / "project")


def withdraw(project: Project, capsys: Capture, *more: str) -> dict:
    ran = project.run(capsys, "withdraw", "--yes", "notes.txt", "--reason", "x", "--redact", *more)
    assert ran.code == 0, ran.err
    return release(project, capsys)


def seed(capsys: Capture, *arguments: object) -> tuple[int, dict, str]:
    capsys.readouterr()
    code = main(["seed", *map(str, arguments), "--listen", "127.0.0.1:0", "--for", "0.1 s", "--json"])
    printed = capsys.readouterr()
    if code == 2:
        error = json.loads(printed.err.splitlines()[-1])
        return code, {}, f"{error['what']}; {error['fix']}"
    return code, json.loads(printed.out), printed.err


def shared(report: dict) -> set[str]:
    return {each["name"].removesuffix(".tar") for each in report["torrents"]}


def test_withdrawn_obsolete_shards_are_not_seeded_and_are_named(project: Project, capsys: Capture) -> None:
    document = withdraw(project, capsys)
    live = {name for name, shard in by_name(document).items() if not shard.get("obsolete")}
    for more in ((), ("--release", project.root / "site")):
        code, report, _ = seed(capsys, project.root / "shards", *more)
        assert (code, shared(report)) == (0, live)
        assert {(each["name"], each["cause"]) for each in report["withheld"]} == {
            (OLD, "withdrawn"),
            (CATALOGUE, "withdrawn"),
        }
    code, _, error = seed(capsys, project.root / "shards" / f"{OLD}.tar")
    assert code == 2
    assert "1 record in it was withdrawn" in error
    code, report, _ = seed(capsys, project.root / "shards", "--allow-withdrawn")
    assert (code, report["withheld"], shared(report)) == (0, [], live | {OLD, CATALOGUE})


def test_what_is_withdrawn_is_withheld_before_the_next_release_says_so(project: Project, capsys: Capture) -> None:
    tell = ("withdraw", "--yes", "notes.txt", "--reason", "x")
    with serving(project) as served:
        assert served.get(f"/shards/{OLD}.tar", method="HEAD")[0] == 200
        assert project.run(capsys, *tell).code == 0
        for name, status in ((OLD, 451), (CATALOGUE, 451), ("tones-audio-00001", 200)):
            until(lambda name=name, status=status: served.get(f"/shards/{name}.tar", method="HEAD")[0] == status)
        code, report, _ = seed(capsys, project.root / "shards")
        assert (code, {each["name"] for each in report["withheld"]}) == (0, {OLD, CATALOGUE})
        assert all(each["reason"].endswith("since the last release") for each in report["withheld"])
        ran = project.run(capsys, "export", OLD)
        assert (ran.code, "withdrawn since the last release; run: packager release" in as_sentence(ran.err)) == (
            2,
            True,
        )
        assert project.run(capsys, "withdraw", "--yes", "--undo", "notes.txt").code == 0
        assert seed(capsys, project.root / "shards")[1]["withheld"] == []
        until(lambda: served.get(f"/shards/{OLD}.tar", method="HEAD")[0] == 200)


def test_a_withdrawal_of_what_no_release_has_withholds_nothing(project: Project, capsys: Capture) -> None:
    (project.root / "source" / "new.txt").write_text("new")
    assert project.run(capsys, "scan").code == 0
    assert project.run(capsys, "withdraw", "--yes", "new.txt", "--reason", "x").code == 0
    assert seed(capsys, project.root / "shards")[1]["withheld"] == []


def test_a_renamed_copy_with_its_torrent_elsewhere_is_not_seeded_either(project: Project, capsys: Capture) -> None:
    withdraw(project, capsys)
    tar = project.root / "shards" / "copy.tar"
    shutil.copyfile(project.root / "shards" / f"{OLD}.tar", tar)
    shutil.copyfile(project.root / "site" / "torrents" / f"{OLD}.v1.torrent", project.root / "copy.torrent")
    code, _, error = seed(capsys, tar, "--torrent", project.root / "copy.torrent")
    assert (code, "was withdrawn" in error) == (2, True)


@pytest.mark.parametrize("version", ["v1", "v2", "hybrid"])
def test_no_other_torrent_of_a_withdrawn_tar_is_seeded(project: Project, capsys: Capture, version: str) -> None:
    withdraw(project, capsys)
    tar, made = project.root / "shards" / f"{OLD}.tar", project.root / "other.torrent"
    options = ["--format", version, "--piece-length", "32 KiB", "--to", str(made)]
    assert main(["torrent", str(tar), *options]) == 0
    code, _, error = seed(capsys, tar, "--torrent", made)
    assert (code, "was withdrawn" in error) == (2, True)


def test_kept_shards_with_a_withdrawn_record_are_not_seeded_and_stand_on_no_list(
    project: Project, capsys: Capture
) -> None:
    document = withdraw(project, capsys, "--keep-shards")
    shard = by_name(document)[OLD]
    assert not shard.get("obsolete")
    assert {each["name"] for each in seed(capsys, project.root / "shards")[1]["withheld"]} == {OLD, CATALOGUE}
    site = project.root / "site"
    for path in [*site.glob("*.txt"), *site.glob("phases/*/*.txt"), site / "feed.xml", *site.rglob("*.html")]:
        if path.name != "SHA256SUMS":
            assert shard["infohash_v1"] not in path.read_text() or path.parent.name in (OLD, "rest"), path
            assert shard["magnet"].replace("&", "&amp;") not in path.read_text(), path
    assert OLD not in {
        each["display_name"].removesuffix(".torrent") for each in json.loads((site / "torrents.json").read_text())
    }
    assert not (site / "metalinks" / f"{OLD}.meta4").exists()
    assert (site / "torrents" / f"{OLD}.torrent").exists()
    page = (site / "shards" / OLD / "index.html").read_text()
    assert "Please do not share it" in page
    assert "magnet:?" not in page
    ran = project.run(capsys, "export", OLD)
    assert (ran.code, "is not written: 1 record in it was withdrawn" in ran.err) == (2, True)


def test_what_is_lifted_again_may_be_handed_out_again(project: Project, capsys: Capture) -> None:
    withdraw(project, capsys)
    assert project.run(capsys, "withdraw", "--yes", "notes.txt", "--undo").code == 0
    document = release(project, capsys)
    assert document["withdrawals"][0]["lifted"] == 3
    code, report, _ = seed(capsys, project.root / "shards")
    assert (code, report["withheld"]) == (0, [])
    assert {OLD, CATALOGUE} <= shared(report)
    with serving(project) as served:
        assert served.get(f"/shards/{OLD}.tar", method="HEAD")[0] == 200


def test_a_manifest_beside_the_tar_is_enough_to_withhold_it(project: Project, tmp_path: Path, capsys: Capture) -> None:
    withdraw(project, capsys, "--keep-shards")
    alone = tmp_path / "alone"
    alone.mkdir()
    shutil.copyfile(project.root / "shards" / f"{OLD}.tar", alone / f"{OLD}.tar")
    for path in (project.root / "site").rglob(f"{OLD}.*"):
        shutil.copyfile(path, alone / path.name)
    code, _, error = seed(capsys, alone)
    assert (code, "was withdrawn" in error) == (2, True)
    assert seed(capsys, alone, "--allow-withdrawn")[0] == 0


def test_no_client_is_given_a_withheld_shard(project: Project, tmp_path: Path, capsys: Capture) -> None:
    withdraw(project, capsys)
    watched = tmp_path / "watched"
    watched.mkdir()
    assert main(["seed", str(project.root / "shards"), "--client", f"watch:{watched}"]) == 0
    assert f"not given: {OLD}: 1 record in it was withdrawn" in capsys.readouterr().out
    assert {path.stem for path in watched.glob("*.torrent")} == {"tones-audio-00001", "tones-metadata-00002", NEW}


def test_a_superseded_shard_without_withdrawn_records_may_be_seeded(project: Project, capsys: Capture) -> None:
    assert project.run(capsys, "replace", "--yes", OLD, "--reason", "x").code == 0
    release(project, capsys)
    code, report, _ = seed(capsys, project.root / "shards")
    assert (code, report["withheld"]) == (0, [])
    assert OLD in shared(report)


def test_an_embargoed_shard_is_packed_and_not_handed_out(tmp_path: Path, capsys: Capture) -> None:
    project = make_project(tmp_path / "project", files=2)
    project.write_config(phases=CLOSED)
    release(project, capsys)
    tar = project.root / "shards" / "tones-audio-00001.tar"
    torrent = project.root / ".packager" / "packed" / tar.stem / f"{tar.stem}.torrent"
    assert tar.exists()
    for more in ((), ("--torrent", torrent), ("--torrent", torrent, "--allow-withdrawn")):
        code, _, error = seed(capsys, tar, *more)
        assert (code, 'its phase "audio" is under embargo until 2999-01-01' in error) == (2, True), error
    code, report, _ = seed(capsys, project.root / "shards")
    assert (code, [each["cause"] for each in report["withheld"]]) == (0, ["embargoed"])
    assert main(["extract", str(tar), "--to", str(tmp_path / "out")]) == 0  # to this machine alone
    project.write_config(phases=CLOSED.replace("2999", "2001"))
    release(project, capsys)
    assert seed(capsys, tar)[1]["withheld"] == []


def test_a_tar_that_no_plan_has_any_more_is_not_seeded(tmp_path: Path, capsys: Capture) -> None:
    project = make_project(tmp_path / "project", files=3)
    project.write_config(phases=CLOSED)
    release(project, capsys)
    (tar,) = (project.root / "shards").glob("*-audio-*.tar")
    torrent = project.root / ".packager" / "packed" / tar.stem / f"{tar.stem}.torrent"
    assert project.run(capsys, "withdraw", "--yes", "--where", "kind = 'audio'", "--reason", "x").code == 0
    release(project, capsys)
    code, _, error = seed(capsys, tar, "--torrent", torrent)
    assert (code, "no release lists it" in error) == (2, True)


def test_nothing_is_seeded_before_the_first_release(tmp_path: Path, capsys: Capture) -> None:
    project = make_project(tmp_path / "project", files=1)
    for command in ("scan", "plan", "pack"):
        assert project.run(capsys, command).code == 0
    code, _, error = seed(capsys, project.root / "shards")
    assert (code, "no release lists it yet; publish it first: packager release" in error.lower()) == (2, True)


def test_a_server_refuses_withdrawn_obsolete_shards_whole_and_kept_ones_where_they_were_withdrawn(
    project: Project, tmp_path: Path, capsys: Capture
) -> None:
    withdraw(project, capsys)
    with serving(project) as served:
        until(lambda: f"{OLD}: not served: 1 record in it was withdrawn" in "".join(served.said))
        for name, status in ((OLD, 451), (CATALOGUE, 451), (NEW, 200)):
            for method in ("GET", "HEAD"):
                assert served.get(f"/shards/{name}.tar", method=method)[0] == status, (name, method)
        assert served.get(f"/shards/{OLD}.tar", {"Range": "bytes=0-9"})[0] == 451
        assert served.get(f"/shards/{OLD}.tar", {"If-None-Match": "*"})[0] == 451
        assert served.get(f"/torrents/{OLD}.torrent")[0] == 200
        assert served.get(f"/shards/{OLD}/")[0] == 200


def test_a_server_gives_only_the_data_of_other_members_of_a_kept_shard(project: Project, capsys: Capture) -> None:
    withdraw(project, capsys, "--keep-shards")
    start = (project.root / "shards" / f"{OLD}.tar").read_bytes().index(b"island")
    with serving(project) as served:
        path = f"/shards/{OLD}.tar"
        assert [served.get(path, method=method)[0] for method in ("GET", "HEAD")] == [451, 451]
        assert served.get(path, {"Range": "bytes=0-511"})[0] == 451
        assert served.get(path, {"Range": f"bytes={start}-{start + 6}"})[::2] == (206, b"island\n")


def test_a_withdrawn_shard_is_not_extracted(project: Project, tmp_path: Path, capsys: Capture) -> None:
    withdraw(project, capsys)
    for name in (OLD, CATALOGUE):
        assert main(["extract", str(project.root / "shards" / f"{name}.tar"), "--to", str(tmp_path / name)]) == 2
        assert f"{name}: is not extracted" in capsys.readouterr().err
        assert not (tmp_path / name).exists()
    assert main(["extract", str(project.root / "shards" / f"{NEW}.tar"), "--to", str(tmp_path / NEW)]) == 0


def test_get_gives_members_of_a_kept_shard_and_no_link_to_it(project: Project, tmp_path: Path, capsys: Capture) -> None:
    withdraw(project, capsys, "--keep-shards")
    of = ["--release", str(project.root / "site"), "--to", str(tmp_path / "got")]
    assert main(["get", "notes.txt", *of]) == 2
    assert main(["get", "empty.txt", *of]) == 0
    for more in (["empty.txt"], ["--where", "path = 'empty.txt'"]):
        capsys.readouterr()
        assert main(["get", *more, *of, "--magnet"]) == 2
        assert "no link to it is handed out" in capsys.readouterr().err


def test_inspect_names_what_is_withheld(project: Project, capsys: Capture) -> None:
    withdraw(project, capsys)
    found = api.inspect(str(project.root / "site" / "release.json"))
    assert [each.name for each in found.facts.withheld] == [CATALOGUE, OLD]  # type: ignore[union-attr]
    assert main(["inspect", str(project.root / "site" / "release.json")]) == 0
    assert "it is an earlier catalogue" in capsys.readouterr().out


def test_publish_sends_no_withheld_tar_and_deletes_at_once_what_was_sent(
    project: Project, tmp_path: Path, capsys: Capture
) -> None:
    there = tmp_path / "there"
    to = ("--to", f"file://{there}")
    assert project.run(capsys, "publish", *to, "--with-shards").code == 0
    assert (there / "shards" / f"{OLD}.tar").exists()
    withdraw(project, capsys)
    ran = project.run(capsys, "publish", *to)  # without the tars, and within the time of grace
    assert ran.code == 0
    assert f"{OLD}.tar: 1 record in it was withdrawn" in ran.out
    assert sorted(path.stem for path in (there / "shards").glob("*.tar")) == ["tones-audio-00001"]
    assert project.run(capsys, "publish", *to, "--with-shards").code == 0
    assert {path.stem for path in (there / "shards").glob("*.tar")} == {
        "tones-audio-00001",
        "tones-metadata-00002",
        NEW,
    }


def test_a_kept_shard_with_a_withdrawn_record_is_not_sent(project: Project, tmp_path: Path, capsys: Capture) -> None:
    withdraw(project, capsys, "--keep-shards")
    report = json.loads(
        project.run(capsys, "publish", "--to", f"file://{tmp_path / 'there'}", "--with-shards", "--json").out
    )
    assert OLD in {each["name"] for each in report["upload"]["withheld"]}
    assert not (tmp_path / "there" / "shards" / f"{OLD}.tar").exists()


def tars(project: Project) -> set[str]:
    return {path.name for path in (project.root / "shards").iterdir()}


def test_status_lists_what_to_delete_and_prune_deletes_it(project: Project, capsys: Capture) -> None:
    ran = project.run(capsys, "withdraw", "--yes", "notes.txt", "--reason", "x")
    assert f"{OLD}.tar: " in ran.out
    assert "1 tar should be deleted after the next release" in ran.out
    assert "Run: packager prune" in ran.out
    assert project.run(capsys, "prune", "--yes").out == "Nothing to delete.\n"  # nothing is obsolete yet
    release(project, capsys)
    ran = project.run(capsys, "status")
    assert "2 tars should be deleted (" in ran.out
    assert "Run: packager prune" in ran.out
    before = tars(project)
    ran = project.run(capsys, "prune")
    assert (ran.code, "--yes" in ran.err, tars(project)) == (2, True, before)
    ran = project.run(capsys, "prune", "--dry-run")
    assert (ran.code, "Dry run: would delete 2 tars" in ran.out, tars(project)) == (0, True, before)
    ran = project.run(capsys, "prune", "-y")
    assert ran.code == 0
    assert ran.out.splitlines()[-1].startswith("Deleted 2 tars, ")
    assert before - tars(project) == {f"{OLD}.tar", f"{CATALOGUE}.tar"}
    assert "should be deleted" not in project.run(capsys, "status").out
    assert release(project, capsys)["serial"] == 2  # and none is written again


def test_prune_deletes_only_what_this_project_made(project: Project, capsys: Capture) -> None:
    shards = project.root / "shards"
    ran = project.run(capsys, "replace", "--yes", OLD, "--reason", "x")
    assert f"{OLD}.tar: " in ran.out
    release(project, capsys)
    (shards / f"{OLD}.tar").write_bytes(b"somebody's own")
    (shards / f"{CATALOGUE}.tar").write_bytes(b"")
    (shards / "stranger-rest-00001.tar").write_bytes(b"x")
    ours = atomic_files.partial_path(shards / f"{OLD}.tar", project_owner(project.root / ".packager"))
    ours.write_bytes(b"begun")
    (shards / f".{OLD}.tar.0123.partial").write_bytes(b"begun by another project")
    before = tars(project)
    with pytest.MonkeyPatch.context() as patch:
        flushed: list[Path] = []
        patch.setattr("packager.engine.files.atomic_files.fsync_folder", flushed.append)
        report = api.prune(project.root / "packager.toml")
    assert shards in flushed
    assert before - tars(project) == {ours.name}
    assert [Path(each.where).name for each in report.kept] == [f"{OLD}.tar"]


def test_prune_takes_the_bag_files_of_a_folder_and_no_member(tmp_path: Path, capsys: Capture) -> None:
    project = make_project(tmp_path / "project", files=2)
    project.write_config(phases='[[phases]]\nname = "all"\ntitle = "All"\ncontainer = "folder"\n')
    release(project, capsys)
    old = project.root / "shards" / "tones-all-00001"
    assert project.run(capsys, "replace", "--yes", "tones-all-00001", "--reason", "x").code == 0
    release(project, capsys)
    (old / "data").mkdir()
    (old / "data" / "mine.txt").write_bytes(b"mine")
    assert len(api.prune(project.root / "packager.toml").files) == 1
    assert [path.name for path in old.rglob("*") if path.is_file()] == ["mine.txt"]


@pytest.mark.parametrize(("answer", "code", "left"), [("y", 0, 0), ("n", 130, 2), ("", 130, 2)])
def test_prune_asks_on_a_terminal(project: Project, capsys: Capture, answer: str, code: int, left: int) -> None:
    withdraw(project, capsys)
    controller, terminal = pty.openpty()
    command = [sys.executable, "-m", "packager", "prune", "--config", str(project.root / "packager.toml")]
    with subprocess.Popen(command, cwd=ROOT, stdin=terminal, stdout=subprocess.DEVNULL, stderr=terminal) as process:
        os.close(terminal)
        asked = b""
        while not asked.rstrip().endswith(b"]:"):
            asked += os.read(controller, 1000)
        os.write(controller, answer.encode() + b"\n")
        assert process.wait(30) == code
    os.close(controller)
    assert len(tars(project) & {f"{OLD}.tar", f"{CATALOGUE}.tar"}) == left
