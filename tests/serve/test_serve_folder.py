"""A shard that is kept as files, from the server: every file of it by its path, and single ones by `get`."""

import subprocess
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import libtorrent as lt
import pytest

from packager.core.bittorrent import parse_torrent
from packager.core.bittorrent.magnet import parse_magnet
from tests.helpers.libtorrent_peer import local_session
from tests.helpers.projects import Project, whole_folder
from tests.helpers.serve_process import serving
from tests.helpers.tagged_archive import get
from tests.helpers.waiting import free_port, until
from tests.share.test_seed_folder import NAME, files_of, released

Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def by_libtorrent(held: Project, to: Path) -> dict[str, bytes]:
    """Fetch the shard by libtorrent from its web seed alone, and return its files."""
    session = local_session()
    params = lt.load_torrent_file(str(held.root / "site/torrents" / f"{NAME}.torrent"))
    params.save_path = str(to)
    params.flags &= ~(lt.torrent_flags.auto_managed | lt.torrent_flags.paused)
    handle = session.add_torrent(params)
    until(lambda: handle.status().is_seeding, lambda: (handle.status().state, handle.status().progress))
    handle.force_recheck()
    until(lambda: handle.status().state == lt.torrent_status.states.seeding, lambda: handle.status().state)
    session.remove_torrent(handle)
    return files_of(to / NAME)


# libtorrent 2.1.1 finds pieces bad that come from a web seed for a v2-only folder, its own torrents' too.
@pytest.mark.parametrize("version", ["hybrid", "v1"])
def test_libtorrent_fetches_a_folder_that_exists_nowhere(tmp_path: Path, capsys: Capture, version: str) -> None:
    port = free_port()
    held = released(tmp_path / "project", capsys, version, web_seed=f"http://127.0.0.1:{port}/shards/")
    right = files_of(whole_folder(held, tmp_path / "whole"))
    with serving(held, port=port):
        assert by_libtorrent(held, tmp_path / "got") == right


@pytest.mark.interop
def test_aria2_fetches_a_folder_that_exists_nowhere_and_its_pad_files(
    tmp_path: Path, capsys: Capture, program: Callable[[str], str]
) -> None:
    port = free_port()
    held = released(tmp_path / "project", capsys, "v1", web_seed=f"http://127.0.0.1:{port}/shards/")
    right = files_of(whole_folder(held, tmp_path / "whole"))
    command = [program("aria2c"), "--quiet", "--no-conf", "--enable-dht=false", "--bt-enable-lpd=false"]
    command += ["--seed-time=0", "--interface=127.0.0.1", f"--listen-port={free_port()}", "--bt-stop-timeout=60"]
    torrent = held.root / "site/torrents" / f"{NAME}.torrent"
    with serving(held, port=port):
        subprocess.run([*command, "-d", tmp_path / "got", torrent], check=True, timeout=120, capture_output=True)
    assert files_of(tmp_path / "got" / NAME) == right


def file_url(path: str) -> str:
    return f"/shards/{NAME}/{quote(path)}"


def test_every_file_and_range_of_it_is_answered_and_nothing_else(tmp_path: Path, capsys: Capture) -> None:
    held = released(tmp_path / "project", capsys)
    right = files_of(whole_folder(held, tmp_path / "whole"))
    with serving(held, "--check-pieces") as served:
        for path, data in right.items():
            status, headers, body = served.get(file_url(path))
            assert (status, body) == (200, data), path
            assert headers["Content-Type"] == "application/octet-stream"
            assert served.get(file_url(path), method="HEAD")[1]["Content-Length"] == str(len(data))
        metainfo = parse_torrent.parse_torrent(
            (held.root / "site/torrents" / f"{NAME}.torrent").read_bytes(), "torrent"
        )
        pads = {"/".join(file.path[1:]): file.length for file in metainfo.files if file.pad}
        assert pads
        for path, size in pads.items():
            assert served.get(file_url(path))[::2] == (200, bytes(size))
            status, headers, body = served.get(file_url(path), {"Range": "bytes=5-6"})
            assert (status, headers["Content-Range"], body) == (206, f"bytes 5-6/{size}", b"\0\0")
            status, headers, _ = served.get(file_url(path), method="HEAD")
            assert (status, headers["Content-Length"]) == (200, str(size))
        path = "data/Album/01 one.flac"
        for wanted, start, stop in (("0-0", 0, 1), ("16384-40000", 16_384, 40_001), ("-5", 299_995, 300_000)):
            status, headers, body = served.get(file_url(path), {"Range": f"bytes={wanted}"})
            assert (status, body) == (206, right[path][start:stop])
            assert headers["Content-Range"] == f"bytes {start}-{stop - 1}/300000"
        assert served.get(file_url(path), {"Range": "bytes=300000-"})[0] == 416
        assert b"multipart" not in served.get(file_url(path), {"Range": "bytes=0-1"})[2]
        status, _, body = served.get(file_url(path), {"Range": "bytes=0-1,299998-"})
        assert status == 206
        assert right[path][:2] in body
        assert right[path][-2:] in body
        for none in (
            f"/shards/{NAME}",
            f"/shards/{NAME}/",
            file_url("data"),
            file_url("data/x"),
            f"/shards/{NAME}.tar",
            file_url(".pad/0"),
            file_url(".pad/05"),
            file_url(".pad/16385"),
            file_url(".pad/-1"),
            file_url(".pad/x"),
            file_url(".pad/"),
            file_url("data/.pad/5"),
            "/shards/none/.pad/5",
        ):
            assert served.get(none)[0] == 404, none
        (held.source / "cover.jpg").write_bytes(b"another")
        assert served.get(file_url("data/cover.jpg"))[0] == 503
    assert "cover.jpg" in served.logged() + "".join(served.said)


def test_get_takes_one_file_of_a_folder_and_links_name_it_by_number(tmp_path: Path, capsys: Capture) -> None:
    port = free_port()
    held = released(tmp_path / "project", capsys, web_seed=f"http://127.0.0.1:{port}/shards/")
    right = (held.source / "Album/02 two.flac").read_bytes()
    with serving(held, port=port) as served:
        code, report = get(capsys, "Album/02 two.flac", "--release", served.url, "--to", tmp_path / "got")
        assert code == 0, report
        (file,) = (path for path in (tmp_path / "got").rglob("*") if path.is_file())
        assert file.read_bytes() == right
        code, report = get(capsys, "Album/02 two.flac", "--release", served.url, "--magnet")
        assert code == 0, report
        (link,) = report["magnets"]
        (chosen,) = parse_magnet(link).chosen
        told = lt.load_torrent_file(str(held.root / "site/torrents" / f"{NAME}.torrent")).ti.layout()
        assert told.file_path(chosen[0]) == f"{NAME}/data/Album/02 two.flac"
        assert chosen[1] == chosen[0] + 1
        priorities = lt.parse_magnet_uri(link).file_priorities
        assert [number for number, priority in enumerate(priorities) if priority] == [chosen[0]]
        code, report = get(capsys, link, "--to", tmp_path / "by link")
        assert code == 0, report
        (file,) = (path for path in (tmp_path / "by link").rglob("*") if path.is_file())
        assert file.read_bytes() == right
