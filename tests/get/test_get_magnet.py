"""Magnet links that name members: made, read back by web seed and swarm, ignored by others, refused where hostile."""

import hashlib
import urllib.parse
from pathlib import Path

import libtorrent as lt
import pytest

from packager.cli.app import main
from packager.core.bittorrent.magnet import parse_magnet
from tests.end_to_end.test_hostile_addresses import listening
from tests.helpers.tagged_archive import NAME, Capture, Web, counting_peer, covering, files_of, get, member

SHA = "ab" * 32
BASE = f"magnet:?xt=urn:btih:{'1' * 40}&dn={NAME}.tar&xl=1000"


def link_of(web: Web, capsys: Capture, key: str) -> str:
    capsys.readouterr()
    assert main(["get", key, "--release", str(web.archive.output), "--magnet"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    return line


def test_a_link_names_the_range_and_leads_back_to_the_member(web: Web, tmp_path: Path, capsys: Capture) -> None:
    link = link_of(web, capsys, "id-9")
    web.site.sent = web.site.requests = 0
    code, report = get(capsys, link, "--to", tmp_path)
    assert (code, report["evidence"]["kind"], report["lookup_requests"]) == (0, "magnet", 0)
    assert files_of(tmp_path) == {member(9): web.archive.source(9)}
    assert (web.site.requests, web.site.sent) == (1, len(web.archive.source(9)))


def test_a_link_leads_to_the_member_by_the_swarm_alone(web: Web, tmp_path: Path, capsys: Capture) -> None:
    link = link_of(web, capsys, "id-9")
    with counting_peer(web.archive.torrent, web.archive.tar.parent) as peer:
        arguments = ["--no-web-seeds", "--peer", peer.address, "--listen", "127.0.0.1:0", "--timeout", "30 s"]
        code, report = get(capsys, link, *arguments, "--to", tmp_path)
        assert 0 < peer.uploaded <= covering(web.archive, 9)  # the last write is not counted where we hang up first
    assert (code, report["transferred_bytes"]) == (0, covering(web.archive, 9))
    assert files_of(tmp_path) == {member(9): web.archive.source(9)}


def test_several_links_are_taken_at_once(web: Web, tmp_path: Path, capsys: Capture) -> None:
    links = [link_of(web, capsys, "id-9"), link_of(web, capsys, "id-10")]
    assert get(capsys, *links, "--to", tmp_path)[0] == 0
    assert set(files_of(tmp_path)) == {member(9), member(10)}


def test_another_client_reads_the_link_as_the_whole_shards(web: Web, capsys: Capture) -> None:
    link = link_of(web, capsys, "id-9")
    theirs, whole = lt.parse_magnet_uri(link), lt.parse_magnet_uri(link.partition("&x.pk=")[0])
    assert theirs.info_hashes == whole.info_hashes
    assert (theirs.name, theirs.url_seeds, theirs.trackers) == (whole.name, whole.url_seeds, whole.trackers)
    assert list(theirs.file_priorities) == list(whole.file_priorities)


def test_the_page_of_a_shard_has_the_same_links(web: Web, capsys: Capture) -> None:
    page = (web.archive.output / "shards" / NAME / "index.html").read_text()
    assert link_of(web, capsys, "id-9").replace("&", "&amp;") in page
    assert len(page) < 200_000


@pytest.mark.parametrize(
    ("value", "what"),
    [
        (f"0:10:{SHA}:../../etc/passwd", "cannot be the path"),
        (f"0:10:{SHA}:/etc/passwd", "cannot be the path"),
        (f"0:10:{SHA}:a%00b", "cannot be the path"),
        (f"0:10:{SHA}:a%0Ab", "cannot be the path"),
        (f"0:10:{SHA}:%1B[31mred", "cannot be the path"),
        (f"0:10:{SHA}:con", "cannot be the path"),
        (f"0:10:{SHA}:" + "a/" * 2000 + "b", "cannot be the path"),
        (f"0:10:{SHA}:" + "a" * 5000, "is not OFFSET"),
        (f"991:10:{SHA}:a", "names bytes 991 to 1001 of 1000"),
        (f"999999999999999999:999999999999999999:{SHA}:a", "names bytes"),
        (f"-1:10:{SHA}:a", "is not OFFSET"),
        (f"0:1e3:{SHA}:a", "is not OFFSET"),
        (f"0:1234567890123456789:{SHA}:a", "is not OFFSET"),
        (f"0:10:{SHA[2:]}:a", "is not OFFSET"),
        (f"0:10:{SHA.upper()}:a", "is not OFFSET"),
        (f"0:10:{SHA}:", "is not OFFSET"),
        ("0:10:a", "is not OFFSET"),
        (f"٣:10:{SHA}:a", "is not OFFSET"),
    ],
)
def test_a_hostile_link_is_refused_and_nothing_is_written(
    tmp_path: Path, capsys: Capture, value: str, what: str
) -> None:
    code, error = get(capsys, f"{BASE}&x.pk={value}", "--to", tmp_path / "to")
    assert code == 2
    assert what in error["what"]
    assert not (tmp_path / "to").exists()


@pytest.mark.parametrize(
    ("link", "what"),
    [
        (BASE, "names a torrent but no file"),
        (f"magnet:?xt=urn:btih:{'1' * 40}&x.pk=0:10:{SHA}:a", "is not the name"),
        (f"magnet:?xt=urn:btih:{'1' * 40}&xl=1000&dn=..%2F..%2Fx&x.pk=0:10:{SHA}:a", "is not the name"),
        (f"magnet:?dn=a&xl=1000&x.pk=0:10:{SHA}:a", "names no torrent"),
        (f"{BASE}" + f"&x.pk=0:10:{SHA}:a" * 5000, "more than"),
    ],
)
def test_a_link_that_leads_nowhere_is_told(tmp_path: Path, capsys: Capture, link: str, what: str) -> None:
    code, error = get(capsys, link, "--to", tmp_path / "to")
    assert code == 2
    assert what in error["what"]


def test_an_address_of_a_link_that_is_none_of_the_webs_is_ignored(tmp_path: Path, capsys: Capture) -> None:
    for field in ("ws=file:%2F%2F%2Fetc%2Fpasswd", "ws=%2Frelative%2F", "tr=nothing", "so=3-", "x.pe=a"):
        code, report = get(capsys, f"{BASE}&{field}&x.pk=0:10:{SHA}:a", "--to", tmp_path / "to")
        assert (code, report["written"]) == (3, 0)


@pytest.mark.parametrize(
    "seed",
    ["sftp://user@127.0.0.1:{port}/x", "SFTP://user:pw@localhost:{port}/x", "s3://user@bucket/x", "file://u@/{here}"],
)
def test_a_link_never_leads_to_a_store_though_its_address_has_a_user_name(
    tmp_path: Path, capsys: Capture, seed: str
) -> None:
    here = tmp_path / "here"
    here.write_bytes(bytes(1000))
    digest = hashlib.sha256(bytes(10)).hexdigest()
    with listening() as listener:
        written = urllib.parse.quote(seed.format(port=listener.port, here=here), safe="")
        code, report = get(capsys, f"{BASE}&ws={written}&x.pk=0:10:{digest}:a", "--to", tmp_path / "to")
        assert (code, listener.arrived) == (3, [])
    assert "no source has it" in str(report)
    assert not files_of(tmp_path / "to")


def test_a_link_of_wrong_bytes_writes_nothing(web: Web, tmp_path: Path, capsys: Capture) -> None:
    link = link_of(web, capsys, "id-9")
    fields = link.partition("&x.pk=")[2].split(":")
    wrong = link.replace(fields[2], SHA)
    code, report = get(capsys, wrong, "--to", tmp_path / "to")
    assert (code, report["written"]) == (1, 0)
    assert files_of(tmp_path / "to") == {}


def test_a_member_field_survives_any_path() -> None:
    text = "Ærø/a b&c=d;e+f.flac"
    link = f"{BASE}&x.pk=0:10:{SHA}:{urllib.parse.quote(text)}"
    assert parse_magnet(link).members[0].path == text


def test_options_that_need_tags_or_a_release_do_not_go_with_a_link(tmp_path: Path, capsys: Capture) -> None:
    link = f"{BASE}&x.pk=0:10:{SHA}:a"
    for more in (["--rename", "{title}"], ["--release", str(tmp_path)], ["id-1"], ["--key", "RW"]):
        assert get(capsys, link, *more, "--to", tmp_path)[0] == 2


def test_a_swarm_that_nobody_is_known_of_is_told(tmp_path: Path, capsys: Capture) -> None:
    code, error = get(capsys, f"{BASE}&x.pk=0:10:{SHA}:a", "--from", "swarm", "--to", tmp_path)
    assert code == 2
    assert "names no tracker" in error["what"]


def test_a_link_to_bytes_beyond_its_torrent_is_given_up(web: Web, tmp_path: Path, capsys: Capture) -> None:
    link = link_of(web, capsys, "id-9")
    head, _, field = link.partition("&x.pk=")
    size = web.archive.tar.stat().st_size
    far = f"{head.replace(f'xl={size}', f'xl={100 * size}')}&x.pk={50 * size}:10:{field.split(':', 2)[2]}"
    with counting_peer(web.archive.torrent, web.archive.tar.parent) as peer:
        arguments = ["--no-web-seeds", "--peer", peer.address, "--listen", "127.0.0.1:0", "--timeout", "200 s"]
        code, report = get(capsys, far, *arguments, "--to", tmp_path / "to")
    assert (code, report["written"]) == (3, 0)
    assert "and the link says" in report["bad_members"][0]["reason"]
