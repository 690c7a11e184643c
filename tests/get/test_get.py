"""One track out of a release, without its shard: what is written, what it costs at the server, what is refused."""

import shutil
from pathlib import Path

import pytest

from packager.cli.app import main
from tests.helpers.tagged_archive import (
    NAME,
    TRACKS,
    Capture,
    Web,
    counting_peer,
    covering,
    files_of,
    get,
    isrc,
    member,
    path,
)

MIB = 1 << 20


def test_a_track_costs_its_own_bytes_and_six_requests_at_the_server(web: Web, tmp_path: Path, capsys: Capture) -> None:
    code, report = get(capsys, "id-20", "--release", web.release, "--to", tmp_path / "to")
    assert code == 0
    assert files_of(tmp_path / "to") == {member(20): web.archive.source(20)}
    length = len(web.archive.source(20))
    assert report["transferred_bytes"] == report["bytes"] == length
    assert report["lookup_requests"] == web.site.requests - 1 <= 6
    assert report["lookup_bytes"] == web.site.sent - length <= MIB
    assert web.site.sent <= covering(web.archive, 20) + MIB
    assert report["shards_size"] == web.archive.tar.stat().st_size


def test_a_peer_sends_the_covering_pieces_alone(web: Web, tmp_path: Path, capsys: Capture) -> None:
    web.archive.lay(web.site, tars=False)
    del web.site.files[f"shards/{NAME}.tar"]
    with counting_peer(web.archive.torrent, web.archive.tar.parent) as peer:
        arguments = ["--release", web.release, "--no-web-seeds", "--peer", peer.address, "--listen", "127.0.0.1:0"]
        code, report = get(capsys, "id-33", *arguments, "--to", tmp_path / "to")
        assert 0 < peer.uploaded <= covering(web.archive, 33)  # the last write is not counted where we hang up first
    assert code == 0
    assert files_of(tmp_path / "to") == {member(33): web.archive.source(33)}
    assert report["transferred_bytes"] == covering(web.archive, 33)
    assert web.site.sent == report["lookup_bytes"] <= MIB


@pytest.mark.parametrize(
    ("key", "numbers"),
    [
        ("id-5", [5]),
        (path(5), [5]),
        (member(5), [5]),
        (isrc(5), [5]),
        ("us-s1z-99-00005", [5]),
        ("US S1Z 99 00007", [7, 8]),
    ],
)
def test_an_id_a_path_and_an_isrc_lead_to_their_members(
    web: Web, tmp_path: Path, capsys: Capture, key: str, numbers: list[int]
) -> None:
    for release in (web.release, web.archive.output):
        code, report = get(capsys, key, "--release", release, "--to", tmp_path / Path(release).name)
        assert code == 0
        wanted = {member(number): web.archive.source(number) for number in numbers}
        assert files_of(tmp_path / Path(release).name) == wanted
        assert report["lookup_requests"] <= 6


def test_a_local_tar_beside_the_release_is_asked_before_any_network(web: Web, tmp_path: Path, capsys: Capture) -> None:
    code, report = get(capsys, "id-1", "--release", web.archive.output, "--to", tmp_path / "to")
    assert (code, report["transferred_bytes"], web.site.requests) == (0, 0, 0)
    assert files_of(tmp_path / "to") == {member(1): web.archive.source(1)}


def test_a_damaged_local_tar_is_passed_over_for_the_web_seed(web: Web, tmp_path: Path, capsys: Capture) -> None:
    tars = tmp_path / "tars"
    tars.mkdir()
    (tars / f"{NAME}.tar").write_bytes(bytes(web.archive.tar.stat().st_size))
    code, report = get(capsys, "id-1", "--release", web.release, "--from", tars, "--to", tmp_path / "to")
    assert (code, report["transferred_bytes"]) == (0, len(web.archive.source(1)))
    assert files_of(tmp_path / "to") == {member(1): web.archive.source(1)}


def test_names_come_by_layout_play_order_and_from_the_source(web: Web, tmp_path: Path, capsys: Capture) -> None:
    keys = ["id-1", "id-0", "--release", web.archive.output]
    assert get(capsys, *keys, "--rename", "{artist}/{title}", "--number", "--to", tmp_path / "tags")[0] == 0
    assert sorted(files_of(tmp_path / "tags")) == ["Artist/1 Title 0.bin", "Artist/2 Title 1.bin"]
    assert get(capsys, *keys, "--source-names", "--to", tmp_path / "source")[0] == 0
    assert sorted(files_of(tmp_path / "source")) == [path(0), path(1)]


def test_a_second_run_writes_nothing_and_a_file_of_another_is_never_written_over(
    web: Web, tmp_path: Path, capsys: Capture
) -> None:
    arguments = ["id-1", "id-2", "--release", web.archive.output, "--to", tmp_path]
    assert get(capsys, *arguments)[0] == 0
    (tmp_path / member(2)).write_bytes(b"mine")
    code, report = get(capsys, *arguments)
    assert (code, report["unchanged"], report["written"], len(report["blocked"])) == (3, 1, 0, 1)
    assert (tmp_path / member(2)).read_bytes() == b"mine"
    assert get(capsys, *arguments, "--overwrite")[0] == 0
    assert (tmp_path / member(2)).read_bytes() == web.archive.source(2)


def test_wrong_bytes_never_get_a_name(web: Web, tmp_path: Path, capsys: Capture) -> None:
    web.site.fault, web.site.only = "wrong bytes", f"shards/{NAME}.tar"
    code, report = get(capsys, "id-1", "--release", web.release, "--to", tmp_path / "to")
    assert (code, report["written"]) == (1, 0)
    assert "its SHA-256 is not" in report["bad_members"][0]["reason"]
    assert files_of(tmp_path / "to") == {}


def test_where_no_source_answers_the_command_is_incomplete(web: Web, tmp_path: Path, capsys: Capture) -> None:
    code, report = get(capsys, "id-1", "--release", web.release, "--no-web-seeds", "--to", tmp_path / "to")
    assert (code, report["unreachable"]) == (3, True)


@pytest.mark.parametrize("key", ["id-99", "nothing", "", "USS1Z9999999", "../../etc/passwd"])
def test_a_key_that_no_member_has_is_told(web: Web, tmp_path: Path, capsys: Capture, key: str) -> None:
    code, error = get(capsys, "id-1", key, "--release", web.release, "--to", tmp_path / "to")
    assert code == 2
    assert "no member of the release" in error["what"]
    assert not (tmp_path / "to").exists()


def test_sql_finds_members_in_whole_tables_within_a_stated_bound(web: Web, tmp_path: Path, capsys: Capture) -> None:
    where = ["--where", "album = 'Album 2' AND track < 3"]
    code, report = get(capsys, *where, "--release", web.release, "--to", tmp_path / "to")
    assert (code, report["evidence"]["kind"]) == (0, "release")
    assert files_of(tmp_path / "to") == {member(number): web.archive.source(number) for number in (24, 25)}
    code, error = get(capsys, *where, "--release", web.release, "--metadata-limit", "1 KiB", "--to", tmp_path / "to")
    assert code == 2
    assert "more than the 1 KiB that may be fetched" in error["what"]
    code, report = get(capsys, "--where", "true", "--release", web.archive.output, "--dry-run")
    assert (code, report["selected"]) == (0, TRACKS)
    code, report = get(capsys, "--path", "*", "--where", "track = 1", "--release", web.archive.output, "-n")
    some = report["selected"]
    assert (code, 0 < some < TRACKS) == (0, True)
    code, report = get(capsys, "--path", "*", "--release", web.archive.output, "-n")
    assert (code, report["selected"] > some) == (0, True)
    code, error = get(capsys, "--path", "nosuch*", "--release", web.archive.output)
    assert (code, error["where"], "matches no member" in error["what"]) == (2, "--path", True)


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        ([], "no record named"),
        (["id-1", "--where", "true"], "cannot be used with RECORD"),
        (["--where", "size >"], "syntax"),
        (["--where", "title = 'none'"], "matches no member"),
        (["--where", "true", "--shard", "tones-all-00002"], 'no "tones-all-00002"'),
        (["id-1", "--phase", "all"], "needs --path or --where"),
        (["id-1", "--from", "ftp://x/"], "does not begin"),
    ],
)
def test_what_is_asked_wrongly_is_told(
    web: Web, tmp_path: Path, capsys: Capture, arguments: list[str], what: str
) -> None:
    code, error = get(capsys, *arguments, "--release", web.archive.output, "--to", tmp_path / "to")
    assert code == 2
    assert what in error["what"]


def test_a_release_without_an_index_says_what_else_can_be_done(web: Web, tmp_path: Path, capsys: Capture) -> None:
    shutil.copytree(web.archive.output, tmp_path / "old")
    (tmp_path / "old/lookup.json").unlink()
    code, error = get(capsys, "id-1", "--release", tmp_path / "old")
    assert code == 2
    assert "--where" in error["fix"]


def test_a_web_seed_that_is_down_is_not_asked_for_every_member(web: Web, tmp_path: Path, capsys: Capture) -> None:
    web.site.fault, web.site.only = "503", f"shards/{NAME}.tar"
    where = ["--where", "track = 1", "--release", web.archive.output, "--from", tmp_path, "--to", tmp_path / "to"]
    away = web.archive.tar.rename(web.archive.tar.with_suffix(".away"))
    try:
        code, report = get(capsys, *where)
    finally:
        away.rename(web.archive.tar)
    assert (code, report["unreachable"], len(report["bad_members"])) == (3, True, 5)
    assert web.site.requests == 2 * 4  # two members, four tries each


def test_a_release_on_the_web_may_name_its_own_host_and_one_in_a_folder_may_not(
    web: Web, tmp_path: Path, capsys: Capture
) -> None:
    assert main(["get", "id-2", "--release", web.release, "--to", str(tmp_path / "web")]) == 0
    assert (tmp_path / "web" / member(2)).read_bytes() == web.archive.source(2)
    shutil.copytree(web.archive.output, tmp_path / "site")
    asked = web.site.requests
    assert main(["get", "id-2", "--release", str(tmp_path / "site"), "--to", str(tmp_path / "folder")]) == 1
    assert "not contacted: is at a loopback address" in capsys.readouterr().err
    assert web.site.requests == asked
