"""The built-in client on loopback: fetches, checks, mends, keeps and shares; survives a kill."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from packager import api
from packager.cli.app import main
from packager.engine.network.libtorrent_session import TorrentSession
from packager.mirror.state import MirrorFolder
from tests.helpers.http_server import Site, serving
from tests.helpers.libtorrent_peer import seeding
from tests.helpers.mirror_process import running
from tests.helpers.publisher import Archive, pack
from tests.helpers.waiting import PATIENCE, until
from tests.share.test_seed import Notes

Capture = pytest.CaptureFixture[str]
SHARDS = 6
LOCAL = api.RunOptions(listen="127.0.0.2:0")
FETCH = replace(LOCAL, stop_after=60)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Archive, Site]]:
    """An archive of shards of some pieces each, whose torrents name a web seed, and the server of both."""
    with serving({}) as site:
        root = tmp_path_factory.mktemp("archive") / "project"
        archive = pack(root, shards=SHARDS, size=700_000, torrent=f'web_seeds = ["{site.address}shards/"]')
        archive.publish(SHARDS)
        for shard in archive.shards:
            archive.files[f"shards/{shard.file}"] = archive.tar(shard.name)
        site.files = archive.files
        yield archive, site


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def assert_whole(archive: Archive, folder: Path, names: set[str]) -> None:
    assert {path.stem for path in folder.glob("*.tar")} == names
    assert not list(folder.glob(".*.partial"))
    for name in names:
        assert (folder / f"{name}.tar").read_bytes() == archive.tar(name)


def test_web_seeds_alone_give_every_byte(served: tuple[Archive, Site], tmp_path: Path) -> None:
    archive, site = served
    folder = tmp_path / "mirror"
    options = api.MirrorOptions(budget=2_300_000, key=archive.key, reserve=0)
    report = api.mirror_follow(site.address, folder, options, run=FETCH)
    assert report.complete
    assert report.fetched is not None
    assert report.fetched.complete == len(report.plan.chosen) == 3
    assert_whole(archive, folder, {each.name for each in report.plan.chosen})
    assert all(each.verified and each.on_disk == "complete" for each in api.mirror_status(folder).shards)
    again = api.mirror_sync(folder, run=FETCH)
    assert again.fetched is not None
    assert (again.complete, again.fetched.downloaded, again.plan.download_size) == (True, 0, 0)


@pytest.mark.parametrize("shards", [1, 2, 3])
def test_a_tar_that_is_checked_at_once_is_kept_as_verified(
    served: tuple[Archive, Site], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shards: int
) -> None:
    archive, site = served
    folder = tmp_path / "mirror"
    folder.mkdir()
    for shard in archive.shards[:shards]:
        (folder / shard.file).write_bytes(archive.tar(shard.name))
    add = TorrentSession.add

    def add_and_wait(downloads: TorrentSession, *arguments: object, **more: object) -> None:
        add(downloads, *arguments, **more)  # type: ignore[arg-type]
        until(lambda: all(each.state == "seeding" for each in downloads.status()))

    monkeypatch.setattr(TorrentSession, "add", add_and_wait)
    options = api.MirrorOptions(budget=shards * 750_000, key=archive.key, reserve=0)
    report = api.mirror_follow(site.address, folder, options, run=FETCH)
    assert report.complete
    assert [each.verified is not None for each in api.mirror_status(folder).shards] == [True] * shards


def test_without_anybody_who_has_it_the_rest_is_left_for_the_next_run(
    served: tuple[Archive, Site], tmp_path: Path
) -> None:
    archive, site = served
    arguments = ["follow", site.address, str(tmp_path / "mirror"), "--budget", "1 MB", "--reserve", "0"]
    arguments += ["--key", archive.key, "--listen", "127.0.0.2:0", "--no-web-seeds", "--for", "1s"]
    assert main(["mirror", *arguments]) == 3
    assert main(["mirror", "run", arguments[2], "--for", "1s"]) == 0
    folder = MirrorFolder(tmp_path / "mirror")
    assert len(folder.required().chosen) == 1
    assert not {name for name, proof in folder.proofs().items() if proof.verified}
    assert folder.live(0) is None


def test_bad_pieces_of_what_lies_here_are_fetched_again(served: tuple[Archive, Site], tmp_path: Path) -> None:
    archive, site = served
    folder = tmp_path / "mirror"
    folder.mkdir()
    for at, shard in enumerate(archive.shards[:3]):
        whole = archive.tar(shard.name)
        spoilt = (whole[:300_000] + bytes(1000) + whole[301_000:], whole[:400_000], whole)[at]
        (folder / shard.file).write_bytes(spoilt)
    options = api.MirrorOptions(budget=2_300_000, key=archive.key, reserve=0)
    report = api.mirror_follow(site.address, folder, options, run=FETCH)
    assert report.complete
    assert report.fetched is not None
    assert 0 < report.fetched.downloaded < 2 * 740_000
    assert_whole(archive, folder, {shard.name for shard in archive.shards[:3]})


def test_a_web_seed_that_sends_other_bytes_gives_nothing(served: tuple[Archive, Site], tmp_path: Path) -> None:
    archive, site = served
    true = dict(archive.files)
    try:
        for shard in archive.shards:
            archive.files[f"shards/{shard.file}"] = bytes(shard.size)
        how = replace(LOCAL, stop_after=2)
        folder = tmp_path / "mirror"
        options = api.MirrorOptions(budget=800_000, key=archive.key, reserve=0)
        report = api.mirror_follow(site.address, folder, options, run=how)
    finally:
        archive.files.update(true)
    assert not report.complete
    assert not list(folder.glob("*.tar"))
    assert api.mirror_sync(folder, run=FETCH).complete


def shares(folder: Path, capsys: Capture) -> bool:
    """Say whether the mirror's status says that its client runs, can be reached and has a shard to share."""
    capsys.readouterr()
    assert main(["mirror", "status", str(folder), "--json"]) in (0, 3)
    status = json.loads(capsys.readouterr().out)
    return bool(status["reachable"]) and any(each["seeding"] for each in status["shards"])


def test_a_mirror_killed_in_the_middle_goes_on_and_shares_what_it_has(
    served: tuple[Archive, Site], tmp_path: Path, capsys: Capture
) -> None:
    archive, site = served
    folder, names = tmp_path / "mirror", {shard.name for shard in archive.shards}
    site.fault = "stalls"  # so that until the kill only the one shard can be whole that the peer has
    with seeding(archive.root / "site" / archive.shards[0].torrent.path, archive.root / "shards") as peer:
        arguments = ["follow", site.address, "--budget", "10 MB", "--reserve", "0", "--key", archive.key]
        arguments += ["--warn-age", "36500 d"]
        arguments += ["--listen", "127.0.0.2:0", "--peer", peer]
        assert main(["mirror", *arguments[:2], str(folder), *arguments[2:], "--no-fetch"]) == 0
        with running(folder, "run", "--peer", peer) as mirror:
            mirror.until(lambda: bool(mirror.proved()))
            mirror.kill()
            assert mirror.proved() == {archive.shards[0].name}
            site.fault = ""
            mirror.start()
            mirror.until(lambda: mirror.proved() == names)
            mirror.until(lambda: shares(folder, capsys))
            assert mirror.end() == 0
    assert_whole(archive, folder, names)
    assert not (MirrorFolder(folder).state / "live.json").exists()
    assert main(["mirror", "status", str(folder)]) == 0


def test_a_mirror_that_runs_takes_a_new_release_and_warns_of_one_that_is_refused(
    served: tuple[Archive, Site], tmp_path: Path
) -> None:
    packed, site = served
    archive = Archive(packed.root, packed.shards)
    before, site.files = site.files, archive.files
    archive.files |= {path: data for path, data in before.items() if path.startswith("shards/")}
    archive.publish(1)
    folder, notes = MirrorFolder(tmp_path / "mirror"), Notes()

    def stop() -> bool:
        """Publish release 2 when the first shard is here, break it once it is taken, and end at the warning."""
        proved = [proof for proof in folder.proofs().values() if proof.verified]
        if archive.publisher.head.release.serial == 1 and proved:
            archive.publish(2)
        elif len(proved) == 2:
            archive.files["release.json"] = b"{"
        return any("malformed" in note for note in notes.lines)

    try:
        options = api.MirrorOptions(budget=10**8, key=archive.key, reserve=0)
        api.mirror_follow(site.address, folder.folder, options, fetch=False)
        how = replace(LOCAL, stop_after=PATIENCE)
        api.mirror_run(folder.folder, how, check_every=0.2, stop=stop, progress=notes)
    finally:
        site.files = before
    assert folder.required().followed.serial == 2
    assert [proof.verified is not None for proof in folder.proofs().values()] == [True, True]
