"""Shards shared with peers on loopback: read, never written; what is not right is not shared."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import libtorrent as lt
import pytest

from packager import api
from packager.cli.app import main
from packager.core.reports.evidence import Evidence
from packager.errors import InputError, TrustError
from tests.docs.test_check_how_to import commands
from tests.helpers.libtorrent_peer import ROOT, local_session
from tests.helpers.projects import Project, make_project
from tests.helpers.waiting import PATIENCE, free_port

Capture = pytest.CaptureFixture[str]
LOCAL = api.SeedOptions(listen="127.0.0.1:0")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    project = make_project(tmp_path_factory.mktemp("released") / "project")
    # The v1 torrent beside each hybrid one is of the same pieces; no tracker, so nobody is told anything.
    project.write_config(size="256 KiB", torrent="also_v1 = true")
    config = project.root / "packager.toml"
    config.write_text(config.read_text().replace('trackers = [["udp://tracker.example.org:6969/announce"]]', ""))
    assert main(["release", "--json", "--config", str(config), "--workers", "1"]) == 0
    return project.root


@pytest.fixture
def project(made: Path, tmp_path: Path) -> Project:
    shutil.copytree(made, tmp_path / "project")
    return Project(tmp_path / "project")


def tars(project: Project) -> list[Path]:
    return sorted((project.root / "shards").glob("*.tar"))


def torrent_of(project: Project, tar: Path, version: str = "") -> Path:
    return project.root / "site" / "torrents" / f"{tar.stem}{version}.torrent"


class Notes:
    """A progress that keeps what it is told."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.ended = time.monotonic() + PATIENCE

    def begin(self, what: str, _total: int | None, _unit: str = "B") -> None:
        self.lines.append(what)

    def advance(self, amount: int) -> None:
        assert amount >= 0

    def note(self, text: str) -> None:
        self.lines.append(text)

    def detail(self, text: str) -> None:
        self.lines.append(text)

    def end(self) -> None:
        pass

    def until(self, text: str) -> Callable[[], bool]:
        """What stops a seed when some line holds `text`, and fails after PATIENCE."""

        def stop() -> bool:
            assert time.monotonic() < self.ended, self.lines
            return any(text in line for line in self.lines)

        return stop


def fetch(torrent: Path, port: int, folder: Path) -> Path:
    """Fetch a torrent whole from the one peer at a port of loopback, by libtorrent."""
    session = local_session()
    params = lt.load_torrent_file(str(torrent))
    params.save_path, params.trackers, params.peers = str(folder), [], [("127.0.0.1", port)]
    handle = session.add_torrent(params)
    end = time.monotonic() + PATIENCE
    while not handle.status().is_seeding:
        assert time.monotonic() < end, handle.status().state
        session.wait_for_alert(100)
        session.pop_alerts()
        handle.connect_peer(("127.0.0.1", port))
    session.remove_torrent(handle)
    return folder / f"{torrent.name.split('.')[0]}.tar"


def test_a_tracker_that_is_away_is_named_once(project: Project, tmp_path: Path) -> None:
    tracker, notes, tar = f"http://127.0.0.1:{free_port()}/announce", Notes(), tars(project)[0]
    named = tmp_path / "named.torrent"  # a hybrid, which is announced twice
    named.write_bytes(lt.bencode({**lt.bdecode(torrent_of(project, tar).read_bytes()), b"announce": tracker.encode()}))
    options = replace(LOCAL, torrent=named, allow_hosts=("127.0.0.1",), stop_after=2.0)
    api.seed(tar.rename(tmp_path / tar.name), options, progress=notes)
    assert len([line for line in notes.lines if line.startswith(f"tracker {tracker}: ")]) == 1, notes.lines
    assert len([line for line in notes.lines if line.startswith("listening on port ")]) == 1, notes.lines


@contextmanager
def running(*arguments: object) -> Iterator["subprocess.Popen[str]"]:
    listen = [] if "--listen" in arguments else ["--listen", "127.0.0.1:0"]
    command = [sys.executable, "-m", "packager", "seed", *map(str, arguments), *listen]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize(("end", "more"), [(signal.SIGINT, ["--verify"]), (signal.SIGTERM, [])])
def test_peers_get_every_byte_by_both_torrents_and_ctrl_c_ends_it_in_order(
    project: Project, tmp_path: Path, end: signal.Signals, more: list[str]
) -> None:
    port = free_port()
    before = {tar: (tar.read_bytes(), tar.stat().st_mtime_ns) for tar in tars(project)}
    tar = max(tars(project), key=lambda tar: tar.stat().st_size)
    with running(project.root / "shards", "--listen", f"127.0.0.1:{port}", "--json", *more) as process:
        for version in ("", ".v1"):
            folder = tmp_path / f"peer{version}"
            folder.mkdir()
            assert fetch(torrent_of(project, tar, version), port, folder).read_bytes() == before[tar][0]
        process.send_signal(end)
        out, err = process.communicate()
    assert process.returncode == 0, err
    report = json.loads(out)
    assert (report["port"], report["refused"]) == (port, [])
    assert len(report["torrents"]) == 2 * len(before)
    assert {each["state"] for each in report["torrents"]} == {"seeding"}
    assert {each["verified"] for each in report["torrents"]} == {bool(more)}
    assert report["uploaded"] >= 2 * tar.stat().st_size
    assert before == {tar: (tar.read_bytes(), tar.stat().st_mtime_ns) for tar in tars(project)}
    assert sorted(path.name for path in (project.root / "shards").iterdir()) == [tar.name for tar in tars(project)]


def test_a_tar_of_another_size_is_not_shared_and_the_others_are(project: Project, capsys: Capture) -> None:
    first, *_, last = tars(project)
    os.truncate(first, first.stat().st_size - 1)
    capsys.readouterr()
    arguments = ["seed", str(first), str(last), "--listen", "127.0.0.1:0", "--for", "1s"]
    assert main(arguments) == 1
    printed = capsys.readouterr()
    assert f"not shared: {first}: has" in printed.out
    assert f"packager repair {first}" in printed.out
    assert "so peers cannot find it" in printed.err
    with pytest.raises(InputError, match="packager repair"):
        api.seed([first], replace(LOCAL, stop_after=0))


def test_a_full_check_refuses_a_bad_tar_and_shares_the_others_at_once(project: Project) -> None:
    bad = tars(project)[0]
    data = bytearray(bad.read_bytes())
    data[len(data) // 2] ^= 1
    bad.write_bytes(data)
    report = api.seed([project.root / "shards"], replace(LOCAL, verify=True, workers=1, stop_after=0))
    assert [(refused.where, "1 bad piece" in refused.what) for refused in report.refused] == [(str(bad), True)]
    assert {each.verified for each in report.torrents} == {True}  # the session may not have begun yet


def test_libtorrent_shares_no_byte_of_a_bad_tar_and_writes_none(project: Project) -> None:
    bad = max(tars(project), key=lambda tar: tar.stat().st_size)
    data = bytearray(bad.read_bytes())
    data[len(data) // 2] ^= 1
    bad.write_bytes(data)
    notes = Notes()
    report = api.seed([bad], LOCAL, stop=notes.until("2 incomplete"), progress=notes)
    assert [(each.state, each.verified) for each in report.torrents] == [("incomplete", False)] * 2
    assert bad.read_bytes() == data


def test_a_v1_torrent_of_other_bytes_is_not_proved_by_the_first_one(project: Project) -> None:
    one, other = tars(project)[:2]
    folder = project.root / "site" / "torrents"
    size = min(one.stat().st_size, other.stat().st_size)
    assert size
    metainfo = lt.bdecode((folder / f"{one.stem}.v1.torrent").read_bytes())
    metainfo[b"info"][b"pieces"] = bytes(len(metainfo[b"info"][b"pieces"]))
    (folder / f"{one.stem}.v1.torrent").write_bytes(lt.bencode(metainfo))
    with pytest.raises(TrustError, match=r"\.v1\.torrent: .* release\.json says"):
        api.seed([one], replace(LOCAL, stop_after=0))
    (project.root / "site" / "release.json").unlink()  # its documents are all that is left of the release
    notes = Notes()
    report = api.seed([one], replace(LOCAL, verify=True, workers=1), stop=notes.until("1 incomplete"), progress=notes)
    assert [(each.version, each.state, each.verified) for each in report.torrents] == [
        ("hybrid", "seeding", True),
        ("v1", "incomplete", False),
    ]


def test_each_torrent_says_what_vouches_for_it(project: Project, capsys: Capture) -> None:
    tar = tars(project)[0]
    site = str(project.root / "site")
    report = api.seed([tar], replace(LOCAL, stop_after=0))
    assert [each.evidence for each in report.torrents] == [
        Evidence(kind="release", name=site, serial=1, collection="tones")
    ] * 2
    report = api.seed([tar], replace(LOCAL, torrent=torrent_of(project, tar), stop_after=0))
    assert [each.evidence.kind for each in report.torrents] == ["torrent"]
    capsys.readouterr()
    assert main(["seed", str(tar), "--listen", "127.0.0.1:0", "--for", "0 s"]) == 0
    assert capsys.readouterr().out.startswith(f"Compared with release 1 of tones in {site}/.\n")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["/nowhere"], "not found"),
        (["."], "contains no tar"),
        (["SHARDS", "--torrent", "x.torrent"], "is for one tar, but"),
        (["SHARDS", "--for", "soon"], "is not a time"),
        (["SHARDS", "--listen", ":70000"], "is not [HOST]:PORT"),
        (["SHARDS", "--listen", "localhost:0"], "is not an IP address"),
        (["SHARDS", "--upload-limit", "fast"], "is not a rate"),
        (["SHARDS", "--release", "nowhere"], "no release.json is there"),
    ],
)
def test_a_wrong_argument_is_a_sentence(
    project: Project, arguments: list[str], sentence: str, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project.source)
    capsys.readouterr()
    shards = str(project.root / "shards")
    given = [shards if argument == "SHARDS" else argument for argument in arguments]
    listen = [] if "--listen" in given else ["--listen", "127.0.0.1:0"]
    assert main(["seed", *given, *listen]) == 2
    assert sentence in capsys.readouterr().err


def test_shards_are_seeded_as_the_page_says(project: Project, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project.root)
    (project.root / "watched").mkdir()
    for command in commands("seed.md"):
        if "--client" in command:
            assert main([*command[:-1], "watch:watched"]) == 0, capsys.readouterr().err
            continue
        end = command.index("--for") if "--for" in command else len(command)
        assert main([*command[:end], "--listen", "127.0.0.1:0", "--for", "1 s"]) == 0, capsys.readouterr().err
