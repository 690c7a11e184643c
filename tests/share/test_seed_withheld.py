"""A seed that runs stops sharing what is withheld meanwhile, and says so."""

import os
import shutil
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from packager import api
from packager.cli.app import main
from packager.core.bittorrent import parse_torrent
from packager.core.releases import documents
from packager.core.reports.reports import SeedReport
from packager.engine.published.shareable_files import ShareableFiles
from packager.share import seed as seeding
from packager.share.seedable import find_seedable
from tests.helpers.projects import Project, make_project
from tests.helpers.waiting import PATIENCE, free_port, until
from tests.share.test_seed import Notes

Capture = pytest.CaptureFixture[str]
OLD = "tones-rest-00001"
CATALOGUE = "tones-metadata-00001"
AUDIO = "tones-audio-00001"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Project:
    project = make_project(tmp_path_factory.mktemp("released") / "project", files=3)
    project.write_config(torrent="also_v1 = true")
    config = project.root / "packager.toml"
    config.write_text(config.read_text().replace('trackers = [["udp://tracker.example.org:6969/announce"]]', ""))
    project.release()
    return project


@pytest.fixture
def project(made: Project, tmp_path: Path) -> Project:
    return made.copy(tmp_path / "project")


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seeding, "_RULE_SECONDS", 0.0)


def ran(project: Project, *arguments: str) -> None:
    assert main([*arguments, "--config", str(project.root / "packager.toml")]) == 0


def withdraw(project: Project, *more: str) -> None:
    ran(project, "withdraw", "--yes", "notes.txt", "--reason", "x", *more)


class Script:
    """What stops a seed: each step is run as soon as some line holds its text, one after another; then it ends."""

    def __init__(self, *steps: tuple[str, Callable[[], object]]) -> None:
        self.notes, self._steps = Notes(), list(steps)

    def __call__(self) -> bool:
        while self._steps and self.notes.until(self._steps[0][0])():
            self._steps.pop(0)[1]()
        return not self._steps

    def seed(self, *paths: Path, port: int = 0, **more: object) -> SeedReport:
        options = api.SeedOptions(listen=f"127.0.0.1:{port}", **more)  # type: ignore[arg-type]
        return api.seed(paths, options, stop=self, progress=self.notes)


def shared(report: SeedReport) -> set[str]:
    return {each.name.removesuffix(".tar") for each in report.torrents}


def nothing() -> None:
    """End."""


def answers(torrent: Path, port: int) -> bool:
    """Say whether a client at a port of loopback answers a handshake for a torrent's v1 infohash."""
    infohash = parse_torrent.parse_torrent(torrent.read_bytes(), torrent).infohash_v1
    assert infohash is not None
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as peer:
        peer.sendall(b"\x13BitTorrent protocol" + bytes(8) + infohash + b"-XX0000-" + bytes(12))
        try:
            return bool(peer.recv(1))
        except ConnectionResetError:
            return False


def test_what_is_withdrawn_while_it_is_shared_is_shared_no_longer(project: Project) -> None:
    port = free_port()
    torrents = [project.root / "site" / "torrents" / f"{OLD}{version}.torrent" for version in ("", ".v1")]
    other = project.root / "site" / "torrents" / f"{AUDIO}.torrent"

    def is_shared() -> None:
        assert all(answers(each, port) for each in (*torrents, other))

    def is_not_shared() -> None:
        until(lambda: not any(answers(each, port) for each in torrents))
        assert answers(other, port)

    script = Script(
        ("6 seeding", is_shared),
        ("", lambda: withdraw(project)),
        (f"shared: {CATALOGUE}", nothing),
        (f"shared: {OLD}", is_not_shared),
    )
    report = script.seed(project.root / "shards", port=port)
    assert shared(report) == {AUDIO}
    assert {(each.name, each.cause) for each in report.withheld} == {(OLD, "withdrawn"), (CATALOGUE, "withdrawn")}
    reason = "records that it contains or names were withdrawn since the last release; run: packager release"
    assert f"no longer shared: {OLD}: {reason}" in script.notes.lines
    assert not report.refused


@pytest.mark.parametrize("kept", [[], ["--keep-shards"]])
def test_what_a_new_release_withdraws_is_shared_no_longer_where_the_tars_and_the_release_are_copies(
    project: Project, tmp_path: Path, kept: list[str]
) -> None:
    site, tars = tmp_path / "site", tmp_path / "tars"
    shutil.copytree(project.root / "site", site)
    shutil.copytree(project.root / "shards", tars)

    def publish() -> None:
        withdraw(project, *kept)
        ran(project, "release", "--workers", "1")
        shutil.copyfile(project.root / "site" / "release.json", site / "next")
        (site / "next").rename(site / "release.json")

    script = Script(("6 seeding", publish), (f"shared: {OLD}", nothing))
    report = script.seed(tars, release=site)
    assert shared(report) == {AUDIO}
    assert {each.name for each in report.withheld} == {OLD, CATALOGUE}
    assert f"no longer shared: {OLD}: 1 record in it was withdrawn by the publisher" in "\n".join(script.notes.lines)


def test_what_a_release_that_a_mirror_accepts_withdraws_is_shared_no_longer(project: Project, tmp_path: Path) -> None:
    mirror = tmp_path / "mirror"
    site = str(project.root / "site")
    options = [str(mirror), "--yes", "--client", "none", "--budget", "1 GB", "--reserve", "0", "--allow-unsigned"]
    for tar in (project.root / "shards").glob("*.tar"):
        mirror.mkdir(exist_ok=True)
        shutil.copyfile(tar, mirror / tar.name)
    assert main(["mirror", "follow", site, *options]) in (0, 3)

    def publish() -> None:
        withdraw(project)
        ran(project, "release", "--workers", "1")
        assert main(["mirror", "sync", str(mirror), "--yes"]) in (0, 3)

    script = Script(("seeding", publish), (f"shared: {OLD}", nothing))
    report = script.seed(mirror, release=mirror / ".packager-mirror" / "release")
    assert shared(report) == {AUDIO}


def test_a_seed_with_nothing_left_ends_and_one_that_allows_withdrawn_shards_goes_on(project: Project) -> None:
    tar = project.root / "shards" / f"{OLD}.tar"
    script = Script(("2 seeding", lambda: withdraw(project)), ("is never said", nothing))
    report = script.seed(tar)
    assert (report.torrents, [each.name for each in report.withheld]) == ((), [OLD])
    assert script.notes.lines[-1] == "nothing is left to share"
    ran(project, "withdraw", "--yes", "--undo", "notes.txt")
    looks: list[bool] = []
    script = Script(("2 seeding", lambda: withdraw(project)), *[("", lambda: looks.append(True))] * 3)
    report = script.seed(tar, allow_withdrawn=True)
    assert (shared(report), report.withheld, len(looks)) == ({OLD}, (), 3)


def test_what_is_withdrawn_while_tars_are_proved_is_never_shared(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    prove = seeding.verify_tars_to_seed

    def prove_and_withdraw(*arguments: object, **more: object) -> object:
        withdraw(project)
        return prove(*arguments, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(seeding, "verify_tars_to_seed", prove_and_withdraw)
    script = Script(("2 seeding", nothing))
    report = script.seed(project.root / "shards", verify=True, workers=1)
    assert shared(report) == {AUDIO}
    assert not any("6 seeding" in line or "4 seeding" in line for line in script.notes.lines)


def test_a_release_that_is_not_readable_for_a_time_stops_nothing_and_is_asked_again(project: Project) -> None:
    note = project.root / "withdrawals.json"

    def broken() -> None:
        note.write_text("{")

    def repair() -> None:
        note.unlink()
        withdraw(project)

    script = Script(("6 seeding", broken), ("cannot check what is withheld", repair), (f"shared: {OLD}", nothing))
    report = script.seed(project.root / "shards")
    assert shared(report) == {AUDIO}


def test_the_rule_is_asked_at_most_every_few_seconds_and_reads_only_what_changed(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seeding, "_RULE_SECONDS", 5.0)
    asked: list[float] = []
    read: list[object] = []
    clock = [0.0]
    refresh, from_bytes = ShareableFiles.refresh, documents.from_bytes

    def counted(hand_outs: ShareableFiles) -> bool:
        asked.append(clock[0])
        return refresh(hand_outs)

    def reading(data: bytes, kind: type, where: object) -> object:
        read.append(where)
        return from_bytes(data, kind, where)

    def ticks() -> Iterator[bool]:
        for second in range(1, 13):
            clock[0] = float(second)
            if second == 7:
                path = project.root / ".packager" / "plan" / "plan.json"
                os.utime(path, ns=(1, 1))
            yield False
        yield True

    monkeypatch.setattr(ShareableFiles, "refresh", counted)
    seedables = find_seedable(
        [project.root / "shards"], ShareableFiles(lambda: "2026-12-01T00:00:00Z"), release=None, torrent=None
    )
    monkeypatch.setattr(documents, "from_bytes", reading)
    ticking = ticks()
    seeding.seed(
        seedables,
        api.SeedOptions(listen="127.0.0.1:0"),
        workers=1,
        stop=lambda: next(ticking),
        clock=lambda: clock[0],
        progress=Notes(),
    )
    assert asked == [0.0, 5.0, 10.0]
    assert [str(each) for each in read if "plan.json" in str(each)] == [str(project.root / ".packager/plan/plan.json")]
    others = [each for each in read if not str(each).endswith(".manifest.json")]
    assert len(others) <= 3  # the plan, the last release and the withdrawals of the one project that changed
