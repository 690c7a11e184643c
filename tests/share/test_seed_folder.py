"""Shards that are kept as files, shared from where their files lie, and single files taken out of them by clients."""

import base64
import subprocess
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import libtorrent as lt
import pytest

from packager import api
from packager.core.bittorrent import parse_torrent
from packager.engine.published.published_shard import open_published_shard, shard_files
from packager.errors import InputError
from tests.helpers.bittorrent_clients import PASSWORD, made, qbittorrent, transmission, until
from tests.helpers.http_server import Site, serving
from tests.helpers.libtorrent_peer import local_session
from tests.helpers.projects import Project, whole_folder
from tests.helpers.waiting import PATIENCE, free_port
from tests.pack.test_folder_container import FILES, project
from tests.share.test_seed import Notes, running

NAME = "tones-all-00001"
Capture = pytest.CaptureFixture[str]
LOCAL = api.SeedOptions(listen="127.0.0.1:0")


def released(
    root: Path, capsys: Capture, version: str = "hybrid", *, web_seed: str = "", also_v1: bool = False
) -> Project:
    """A release in one folder, known to no tracker."""
    held = project(root, version=version, also_v1=also_v1)
    config = root / "packager.toml"
    text = config.read_text().replace('trackers = [["udp://tracker.example.org:6969/announce"]]', "")
    config.write_text(text.replace('"https://files.example.org/shards/"', f'"{web_seed}"' if web_seed else ""))
    assert held.run(capsys, "release").code == 0
    return held


def files_of(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and ".pad" not in path.parts
    }


@pytest.mark.parametrize(("version", "suffix"), [("hybrid", ""), ("hybrid", ".v1"), ("v2", "")])
def test_a_peer_gets_every_file_from_the_tag_files_here_and_the_members_at_the_source(
    tmp_path: Path, capsys: Capture, version: str, suffix: str
) -> None:
    held = released(tmp_path / "project", capsys, version, also_v1=bool(suffix))
    port = free_port()
    torrent = held.root / "site/torrents" / f"{NAME}{suffix}.torrent"
    with running(held.root / "shards", "--from", held.source, "--listen", f"127.0.0.1:{port}"):
        session = local_session()
        params = lt.load_torrent_file(str(torrent))
        params.save_path, params.trackers, params.url_seeds = str(tmp_path), [], []
        handle = session.add_torrent(params)
        end = time.monotonic() + PATIENCE
        while not handle.status().is_seeding:
            assert time.monotonic() < end, handle.status().state
            handle.connect_peer(("127.0.0.1", port))
            session.wait_for_alert(100)
            session.pop_alerts()
    assert files_of(tmp_path / NAME) == files_of(whole_folder(held, tmp_path / "whole"))


def test_a_whole_folder_is_shared_and_one_with_a_bad_file_is_not(tmp_path: Path, capsys: Capture) -> None:
    held = released(tmp_path / "project", capsys)
    folder = whole_folder(held, tmp_path / "whole")
    output = held.root / "site"
    notes = Notes()
    report = api.seed([folder], replace(LOCAL, release=output), stop=notes.until("1 seeding"), progress=notes)
    assert [(each.name, each.state) for each in report.torrents] == [(NAME, "seeding")]
    before = files_of(folder)
    (folder / "data/cover.jpg").write_bytes(bytes(16_385))
    notes = Notes()
    report = api.seed([folder], replace(LOCAL, release=output), stop=notes.until("1 incomplete"), progress=notes)
    assert report.uploaded == 0
    assert files_of(folder) == before | {"data/cover.jpg": bytes(16_385)}


def test_without_the_members_it_is_said_which_is_missing_and_how_to_name_them(tmp_path: Path, capsys: Capture) -> None:
    held = released(tmp_path / "project", capsys)
    with pytest.raises(InputError, match=r"data/100_~\w+\.mp3 is missing or does not have 70000 bytes; .*--from"):
        api.seed([held.root / "shards"], replace(LOCAL, stop_after=0))
    (held.source / "cover.jpg").write_bytes(b"short")
    with pytest.raises(InputError, match=r"cover\.jpg"):
        api.seed([held.root / "shards"], replace(LOCAL, source=held.source, stop_after=0))


def test_a_full_check_proves_a_folder_or_names_its_bad_pieces(tmp_path: Path, capsys: Capture) -> None:
    held = released(tmp_path / "project", capsys, also_v1=True)
    shards = [held.root / "shards"]
    report = api.seed(shards, replace(LOCAL, source=held.source, verify=True, workers=1, stop_after=0))
    assert {each.verified for each in report.torrents} == {True}
    assert len(report.torrents) == 2
    (held.source / "cover.jpg").write_bytes(bytes(16_385))
    with pytest.raises(InputError, match="2 bad pieces"):
        api.seed(shards, replace(LOCAL, source=held.source, verify=True, workers=1, stop_after=0))


def test_a_whole_folder_is_given_to_a_client_and_one_without_its_members_is_not(
    tmp_path: Path, capsys: Capture
) -> None:
    held = released(tmp_path / "project", capsys)
    folder = whole_folder(held, tmp_path / "whole")
    watched = made(tmp_path / "watched")
    report = api.seed([folder], api.SeedOptions(release=held.root / "site", client=f"watch:{watched}", workers=1))
    assert [(each.name, each.state) for each in report.added] == [(NAME, "added")]
    assert len(list(watched.glob("*.torrent"))) == 1
    other = made(tmp_path / "other")
    report = api.seed([held.root / "shards"], api.SeedOptions(source=held.source, client=f"watch:{other}", workers=1))
    assert ["a client needs the members in this folder" in refused.what for refused in report.refused] == [True]


def on_the_web(held: Project, site: Site, tmp_path: Path) -> Path:
    """Put the shard's folder where its torrent's web seed says."""
    folder = whole_folder(held, tmp_path / "whole")
    site.files |= {f"shards/{NAME}/{path}": data for path, data in files_of(folder).items()}
    return folder


WANTED = "data/Album/02 two.flac"


def number_of(held: Project, path: str) -> int:
    """The number of a file in the torrent's list, from 0, by the layout."""
    published = open_published_shard(shard_files(held.root / f"site/manifests/{NAME}.manifest.json"))
    paths = published.members["path"].to_pylist()
    number = published.layout.file_number(paths.index(path.removeprefix("data/")))  # type: ignore[attr-defined]
    told = parse_torrent.parse_torrent((held.root / f"site/torrents/{NAME}.torrent").read_bytes(), "x")
    listed = told.files[number]
    assert "/".join(listed.path[1:]) == path
    return int(number)


@pytest.mark.interop
def test_aria2_selects_one_file_and_fetches_no_other(
    tmp_path: Path, capsys: Capture, program: Callable[[str], str]
) -> None:
    aria2c = program("aria2c")
    with serving({}) as site:
        held = released(tmp_path / "project", capsys, "v1", web_seed=f"{site.address}shards/")
        folder = on_the_web(held, site, tmp_path)
        torrent = held.root / "site/torrents" / f"{NAME}.torrent"
        got = tmp_path / "got"
        command = [aria2c, f"--select-file={number_of(held, WANTED) + 1}", "--seed-time=0", "--enable-dht=false"]
        command += ["--bt-enable-lpd=false", "--no-conf", f"--listen-port={free_port()}", f"--dir={got}", str(torrent)]
        subprocess.run(command, check=True, timeout=60, capture_output=True, env={"HOME": str(tmp_path)})
        assert (got / NAME / WANTED).read_bytes() == (folder / WANTED).read_bytes()
        assert site.sent < 2 * FILES["Album/02 two.flac"]


@pytest.mark.interop
def test_transmission_selects_one_file_of_a_v1_torrent(
    tmp_path: Path, capsys: Capture, program: Callable[[str], str]
) -> None:
    daemon = program("transmission-daemon")
    with serving({}) as site, transmission(daemon, made(tmp_path / "home")) as client:
        held = released(tmp_path / "project", capsys, "v1", web_seed=f"{site.address}shards/")
        folder = on_the_web(held, site, tmp_path)
        torrent = (held.root / "site/torrents" / f"{NAME}.torrent").read_bytes()
        number = number_of(held, WANTED)
        got = tmp_path / "got"
        unwanted = [other for other in range(len(FILES) + 5) if other != number]
        address = client.spec.removeprefix("transmission:").replace("archivist@", "")
        with httpx.Client(auth=("archivist", PASSWORD), trust_env=False) as http:
            session = http.post(address).headers["X-Transmission-Session-Id"]

            def ask(method: str, **arguments: object) -> dict[str, Any]:
                body = {"method": method, "arguments": arguments}
                answer = http.post(address, headers={"X-Transmission-Session-Id": session}, json=body).json()
                assert answer["result"] == "success", answer
                return dict(answer["arguments"])

            added = ask(
                "torrent-add",
                metainfo=base64.b64encode(torrent).decode(),
                **{"download-dir": str(got), "files-unwanted": unwanted},
            )
            assert "torrent-added" in added
            until(lambda: ask("torrent-get", fields=["leftUntilDone"])["torrents"][0]["leftUntilDone"] == 0)
        assert (got / NAME / WANTED).read_bytes() == (folder / WANTED).read_bytes()
        assert site.sent < 2 * FILES["Album/02 two.flac"]


@pytest.mark.interop
def test_qbittorrent_selects_one_file_of_a_hybrid(
    tmp_path: Path, capsys: Capture, program: Callable[[str], str]
) -> None:
    nox = program("qbittorrent-nox")
    with serving({}) as site, qbittorrent(nox, made(tmp_path / "home")) as client:
        held = released(tmp_path / "project", capsys, web_seed=f"{site.address}shards/")
        folder = on_the_web(held, site, tmp_path)
        torrent = held.root / "site/torrents" / f"{NAME}.torrent"
        got = tmp_path / "got"
        address = client.spec.removeprefix("qbittorrent:").replace("admin@", "")
        with httpx.Client(base_url=f"{address}/api/v2/", trust_env=False) as http:
            http.post("auth/login", data={"username": "admin", "password": client.password}).raise_for_status()
            stopped = {"paused": "true", "stopped": "true", "savepath": str(got)}
            http.post("torrents/add", data=stopped, files={"torrents": torrent.read_bytes()}).raise_for_status()
            until(lambda: len(http.get("torrents/info").json()) == 1)
            (held_one,) = http.get("torrents/info").json()
            listed = http.get("torrents/files", params={"hash": held_one["hash"]}).json()
            (number,) = (file["index"] for file in listed if file["name"] == f"{NAME}/{WANTED}")
            others = "|".join(str(file["index"]) for file in listed if file["index"] != number)
            http.post("torrents/filePrio", data={"hash": held_one["hash"], "id": others, "priority": 0})
            for word in ("resume", "start"):
                http.post(f"torrents/{word}", data={"hashes": held_one["hash"]})
            until(lambda: http.get("torrents/files", params={"hash": held_one["hash"]}).json()[number]["progress"] == 1)
        assert (got / NAME / WANTED).read_bytes() == (folder / WANTED).read_bytes()
        assert site.sent < 2 * FILES["Album/02 two.flac"]
