"""`packager mirror` with each of Debian's clients, from a signed release served over HTTP to tars found right."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from packager.cli.app import main
from packager.engine.clients.client_url import VARIABLE
from packager.mirror.state import MirrorFolder
from tests.helpers.bittorrent_clients import CLIENTS, Running, seeds
from tests.helpers.http_server import Site, serving
from tests.helpers.publisher import Archive, pack, withdrawn_from
from tests.helpers.waiting import until

pytestmark = pytest.mark.interop
Capture = pytest.CaptureFixture[str]
SHARDS = 40


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Archive, Site]]:
    """An archive of 40 shards with v1-only twins, whose torrents name a web seed and no tracker, and its server."""
    with serving({}) as site:
        torrent = f'also_v1 = true\nweb_seeds = ["{site.address}shards/"]'
        archive = pack(tmp_path_factory.mktemp("archive") / "project", shards=SHARDS, size=300_000, torrent=torrent)
        archive.files = site.files
        archive.files |= {f"shards/{shard.file}": archive.tar(shard.name) for shard in archive.shards}
        yield archive, site


@pytest.fixture(params=list(CLIENTS))
def running(
    request: pytest.FixtureRequest, program: Callable[[str], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Running]:
    for name in ("http_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    (tmp_path / "home").mkdir()
    with CLIENTS[str(request.param)](program(str(request.param)), tmp_path / "home") as client:
        monkeypatch.setenv(VARIABLE, client.password)
        yield client


def run(capsys: Capture, *arguments: str) -> dict[str, object]:
    """Run a `packager mirror` command and return its report."""
    capsys.readouterr()
    code = main(["mirror", *arguments, "--json"])
    printed = capsys.readouterr()
    assert code == 0, printed.err
    return dict(json.loads(printed.out))


def follow_sync_and_check(
    archive: Archive, site: Site, client: Running, folder: Path, capsys: Capture, *, first: int, then: int
) -> None:
    """Follow a release of `first` shards, sync to one of `then`; each shard handed over once, fetched and right."""
    archive.publisher.signed.clear()
    archive.publish(first)
    to = [str(folder)]
    asked = ["follow", site.address, "--key", archive.key, "--budget", "1 GB", "--reserve", "0", *to]
    asked += ["--warn-age", "36500 d"]
    report = run(capsys, *asked, "--client", client.spec)
    names = [shard.name for shard in archive.shards]
    assert sorted(report["added"]) == names[:first]  # type: ignore[call-overload]
    until(lambda: seeds(client.open(), first), client.open().held)
    before = client.open().held().keys()

    for again in ([*asked, "--client", client.spec], ["sync", *to]):
        assert run(capsys, *again)["added"] == []
    assert client.open().held().keys() == before

    archive.publish(then)
    assert sorted(run(capsys, "sync", *to)["added"]) == names[first:then]  # type: ignore[call-overload]
    until(lambda: seeds(client.open(), then), client.open().held)
    assert run(capsys, "sync", *to)["added"] == []

    assert main(["verify", str(folder), "--workers", "1"]) == 0
    status = run(capsys, "status", *to)
    shards: list[dict[str, object]] = status["shards"]  # type: ignore[assignment]
    assert [each["name"] for each in shards] == names[:then]
    assert {(each["on_disk"], each["bad"], each["progress"], each["seeding"]) for each in shards} == {
        ("complete", 0, 1.0, True)
    }
    assert all(each["verified"] for each in shards)
    held = {path.stem: path.read_bytes() for path in folder.glob("*.tar")}
    assert held == {name: archive.tar(name) for name in names[:then]}
    assert client.password not in (MirrorFolder(folder).state / "mirror.json").read_text()

    archive.publish(then, change=withdrawn_from(archive.shards[0].name))
    assert run(capsys, "sync", *to)["stopped"] == names[:1]
    stopped = archive.shards[0].file
    until(lambda: not any(e.seeding for e in client.open().held().values() if e.name == stopped), client.open().held)
    assert {each.name for each in client.open().held().values() if each.seeding} == {
        shard.file for shard in archive.shards[1:then]
    }
    assert run(capsys, "sync", *to)["stopped"] == []
    pruned = run(capsys, "prune", *to, "--yes")
    assert [Path(str(each["path"])).stem for each in pruned["files"]] == names[:1]  # type: ignore[attr-defined]
    assert not (folder / archive.shards[0].file).exists()


def test_a_release_is_fetched_by_a_client_once(
    archive: tuple[Archive, Site], running: Running, tmp_path: Path, capsys: Capture
) -> None:
    follow_sync_and_check(*archive, running, tmp_path / "mirror", capsys, first=3, then=5)


@pytest.mark.soak
def test_forty_shards_are_fetched_by_a_client_once(
    archive: tuple[Archive, Site], running: Running, tmp_path: Path, capsys: Capture
) -> None:
    follow_sync_and_check(*archive, running, tmp_path / "mirror", capsys, first=30, then=SHARDS)
