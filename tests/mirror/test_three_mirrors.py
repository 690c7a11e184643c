"""Three mirrors that never talk, each with room for 40 % of a collection, cover all of it; a real tracker between."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import pairwise
from pathlib import Path

import pytest

from packager import api
from packager.cli.app import main
from packager.core.releases.mirror_strategies import choose_shards, documents_of
from packager.mirror.state import MirrorFolder
from packager.model import Release
from tests.helpers.libtorrent_peer import ROOT
from tests.helpers.mirror_process import Running, running
from tests.helpers.opentracker import counted, seeds_of, tracking
from tests.helpers.publisher import Archive, pack
from tests.helpers.waiting import free_port, until

SHARDS = 40
MIRRORS = ("first", "second", "third")


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@contextmanager
def origin(archive: Archive) -> Iterator[None]:
    """The publisher's own seed, found through the tracker alone."""
    command = [
        sys.executable,
        "-m",
        "packager",
        "seed",
        archive.root / "shards",
        "--listen",
        "127.0.0.1:0",
        "--allow-host",
        "127.0.0.1",
    ]
    with subprocess.Popen(
        [*command, "--verify"], cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            yield
        finally:
            process.kill()


def killed_and_finished(mirror: Running) -> None:
    """Kill a mirror when it has some shards and not all, start it again, and wait until all are proved."""
    mirror.until(lambda: len(mirror.proved()) >= 2)
    mirror.kill()
    names = {each.name for each in MirrorFolder(mirror.folder).required().chosen}
    assert mirror.proved() < names
    mirror.arguments = [each for each in mirror.arguments if not each.startswith("--download-limit")]
    mirror.start()
    mirror.until(lambda: mirror.proved() == names)


# Half a minute, or minutes: peers turn a mirror that was killed away until they give up its old connections. No limit
# of the rate could slow it down for an order to end: libtorrent has none for peers of the local network.
@pytest.mark.soak
@pytest.mark.timeout(1200)
@pytest.mark.interop
def test_three_mirrors_of_40_percent_cover_every_shard_though_each_is_killed_in_the_middle(
    program: Callable[[str], str], tmp_path: Path
) -> None:
    path, port = program("opentracker"), free_port()
    torrent = f'trackers = [["udp://127.0.0.1:{port}/announce"]]'
    archive = pack(tmp_path / "project", shards=SHARDS, size=300_000, torrent=torrent)
    archive.publish(SHARDS)
    total = sum(shard.size + documents_of(shard) for shard in archive.shards)
    budget = total * 40 // 100
    held: list[set[str]] = []
    with ExitStack() as stack:
        site = stack.enter_context(archive.served())
        tracker = stack.enter_context(tracking(path, tmp_path / "tracker", port, archive.shards))
        stack.enter_context(origin(archive))
        until(lambda: all(seeds_of(tracker, archive.shards).values()))
        for number, name in enumerate(MIRRORS):
            counts = seeds_of(tracker, archive.shards)
            archive.files["torrents.json"] = counted(archive.files["torrents.json"], counts)
            arguments = [
                "follow",
                site.address,
                str(tmp_path / name),
                "--budget",
                str(budget),
                "--reserve",
                "0",
                "--key",
                archive.key,
            ]
            arguments += ["--mirror-id", name, "--listen", f"127.0.0.{number + 2}:{free_port()}"]
            # the port is the same before and after the kill, so the tracker counts one seed and not two
            assert main(["mirror", *arguments, "--no-fetch"]) == 0
            mirror = stack.enter_context(running(tmp_path / name, "run", "--download-limit=500 kB"))
            killed_and_finished(mirror)
            held.append(mirror.proved())
            expected = {shard.name: 1 + sum(shard.name in names for names in held) for shard in archive.shards}
            until(lambda: seeds_of(tracker, archive.shards) == expected, lambda: seeds_of(tracker, archive.shards))  # noqa: B023
    assert set.union(*held) == {shard.name for shard in archive.shards}  # likely, and so for these shards and names
    assert all(len(one | other) > len(one) for one, other in pairwise(held))
    for name, names in zip(MIRRORS, held, strict=True):
        tars = list((tmp_path / name).glob("*.tar"))
        assert {tar.stem for tar in tars} == names
        assert sum(tar.stat().st_size for tar in tars) <= budget
        assert all(tar.read_bytes() == archive.tar(tar.stem) for tar in tars)
        assert not list((tmp_path / name).glob(".*.partial"))
        assert api.verify(tmp_path / name, workers=1).ok
        assert [each.bad for each in api.mirror_status(tmp_path / name).shards] == [0] * len(names)


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Release:
    archive = pack(tmp_path_factory.mktemp("archive") / "project", shards=SHARDS, size=60_000)
    return archive.publish(SHARDS).release


def left_out(release: Release, trial: int, *, counted: bool) -> int:
    """How many shards none of three mirrors with room for 40 % chooses; counted: each sees those before it as seeds."""
    budget = sum(shard.size + documents_of(shard) for shard in release.shards) * 40 // 100
    seeds = {shard.name: 1 for shard in release.shards}
    missing = set(seeds)
    for name in MIRRORS:
        chosen = choose_shards(release, budget=budget, mirror_id=f"{name} {trial}".encode(), seeds=dict(seeds))
        missing -= {each.name for each in chosen}
        for each in chosen:
            seeds[each.name] += counted
    return len(missing)


def test_mirrors_that_begin_before_anybody_counted_seeds_cover_what_chance_gives(release: Release) -> None:
    missing = sum(left_out(release, trial, counted=False) for trial in range(50))
    assert 0.74 < 1 - missing / (50 * SHARDS) < 0.82  # 1 - 0.6 ** 3 = 0.784


def test_mirrors_that_see_each_other_counted_leave_hardly_a_shard_out(release: Release) -> None:
    missing = [left_out(release, trial, counted=True) for trial in range(100)]
    assert missing.count(0) >= 90
    assert sum(missing) <= 15  # of 4,000
