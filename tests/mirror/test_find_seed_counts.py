"""Where a mirror's seed counts come from: the release's list, its trackers, or the DHT; and what it takes by them."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
import pytest

from packager.core.bittorrent.scrape import SwarmCounts
from packager.core.releases.release_lists import torrents_json
from packager.core.releases.seed_counts import Counted, swarms
from packager.errors import IncompleteError
from packager.mirror import find_seed_counts
from packager.mirror.state import MirrorFolder
from tests.helpers.error_lines import as_sentence
from tests.helpers.publisher import Archive, pack
from tests.helpers.trackers import bep15, udp_tracker
from tests.mirror.test_attacks import Mirror

Capture = pytest.CaptureFixture[str]
Told = dict[bytes, tuple[int, int, int]]
NEW, OLD = "2099-01-01T00:00:00Z", "2020-01-01T00:00:00Z"


@pytest.fixture(scope="module")
def told() -> Told:
    """What the tracker tells; a swarm that is not in it has nobody."""
    return {}


@pytest.fixture(scope="module")
def packed(told: Told, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Archive]:
    """Six shards whose torrents name a tracker that runs."""
    with udp_tracker(bep15(lambda swarm: told.get(swarm, (0, 0, 0)))) as tracker:
        root = tmp_path_factory.mktemp("archive") / "project"
        yield pack(root, shards=6, torrent=f'trackers = [["{tracker}"]]')


@pytest.fixture
def mirror(packed: Archive, told: Told, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mirror]:
    for name in ("http_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    told.clear()
    archive = Archive(packed.root, packed.shards)
    archive.publish(6)
    with archive.served() as site:
        yield Mirror(archive, site, tmp_path / "mirror")


def follow(mirror: Mirror, *more: str) -> int:
    """Follow with room for two shards of six."""
    wishes = ("--key", mirror.archive.key, "--strategy", "rarest", "--budget", "190 kB")
    return mirror.run("follow", mirror.site.address, "--reserve", "0", "--client", "none", *wishes, *more)


def chosen(mirror: Mirror) -> set[str]:
    return {each.name for each in MirrorFolder(mirror.folder).required().chosen}


def tell(mirror: Mirror, told: Told, seeders: Sequence[int]) -> None:
    """Let the tracker count seeds of each shard, in one of its two swarms each."""
    for at, (shard, count) in enumerate(zip(mirror.archive.shards, seeders, strict=True)):
        told[swarms(shard)[at % 2]] = (count, 0, 0)


def publish_counts(mirror: Mirror, seeders: Sequence[int], at: str) -> None:
    """Put counts into torrents.json, as its publisher does."""
    counted = {
        shard.name: Counted(counts=SwarmCounts(seeders=count), at=at)
        for shard, count in zip(mirror.archive.shards, seeders, strict=True)
    }
    mirror.archive.files["torrents.json"] = torrents_json(mirror.archive.publisher.head.release, counted)


def names(mirror: Mirror, *numbers: int) -> set[str]:
    return {mirror.archive.shards[number].name for number in numbers}


def test_where_the_list_has_no_counts_the_trackers_are_asked_and_the_rarest_taken(
    mirror: Mirror, told: Told, capsys: Capture
) -> None:
    tell(mirror, told, (4, 3, 1, 5, 1, 9))
    assert follow(mirror) == 0
    assert chosen(mirror) == names(mirror, 2, 4)
    printed = capsys.readouterr().out
    assert "Seeders: from its trackers, of 2" in printed
    assert "; known for 6 of 6 shards." in printed


def test_new_counts_of_the_list_are_taken_and_nobody_is_asked(mirror: Mirror, told: Told, capsys: Capture) -> None:
    tell(mirror, told, (4, 3, 1, 5, 1, 9))
    publish_counts(mirror, (7, 7, 7, 2, 7, 2), NEW)
    assert follow(mirror, "--json") == 0
    counted = json.loads(capsys.readouterr().out)["plan"]["counted_by"]
    assert counted == {"source": "list", "counted_at": NEW, "known": 6, "total": 6, "trackers": []}
    assert chosen(mirror) == names(mirror, 3, 5)


def test_old_counts_of_the_list_give_way_to_those_of_trackers(mirror: Mirror, told: Told) -> None:
    tell(mirror, told, (4, 3, 1, 5, 1, 9))
    publish_counts(mirror, (7, 7, 7, 2, 7, 2), OLD)
    assert follow(mirror) == 0
    assert chosen(mirror) == names(mirror, 2, 4)


def test_old_counts_are_better_than_none(mirror: Mirror, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(find_seed_counts, "questions", lambda _: {"udp://127.0.0.1:1/announce": [b"x" * 20]})
    publish_counts(mirror, (7, 7, 7, 2, 7, 2), OLD)
    assert follow(mirror) == 0
    assert chosen(mirror) == names(mirror, 3, 5)
    printed = capsys.readouterr().out
    assert "Seeders: from the release's list, of 2020-01-01 00:00" in printed
    assert "udp://127.0.0.1:1/announce: " in printed


def test_one_can_say_whom_to_ask(mirror: Mirror, told: Told, capsys: Capture) -> None:
    tell(mirror, told, (4, 3, 1, 5, 1, 9))
    publish_counts(mirror, (7, 7, 7, 2, 7, 2), NEW)
    assert follow(mirror, "--seed-counts", "trackers") == 0
    assert chosen(mirror) == names(mirror, 2, 4)
    capsys.readouterr()
    assert mirror.run("sync", "--dry-run", "--json") == 0
    assert json.loads(capsys.readouterr().out)["plan"]["counted_by"]["source"] == "trackers"
    publish_counts(mirror, (7, 7, 7, 2, 7, 2), OLD)
    assert follow(mirror, "--seed-counts", "list", "--dry-run", "--json") == 0
    assert json.loads(capsys.readouterr().out)["plan"]["counted_by"]["source"] == "list"
    assert follow(mirror, "--seed-counts", "traker") == 2
    assert 'did you mean "trackers"?' in as_sentence(capsys.readouterr().err)


@pytest.mark.parametrize("more", [("--strategy", "popular"), ("--budget", "1 MB")])
def test_nobody_is_asked_where_the_choice_does_not_hang_on_it(
    more: Sequence[str], mirror: Mirror, capsys: Capture
) -> None:
    assert follow(mirror, *more, "--json") == 0
    counted = json.loads(capsys.readouterr().out)["plan"]["counted_by"]
    assert counted == {"source": "nobody", "counted_at": None, "known": 0, "total": 6, "trackers": []}


def test_a_condition_on_seeders_has_the_trackers_asked(mirror: Mirror, told: Told) -> None:
    tell(mirror, told, (4, 3, 1, 5, 1, 9))
    assert follow(mirror, "--budget", "1 MB", "--where", "seeders > 4") == 0
    assert chosen(mirror) == names(mirror, 3, 5)


def test_the_dht_is_asked_where_no_tracker_answers_and_it_is_used(
    mirror: Mirror, told: Told, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    found = {swarms(shard)[0]: SwarmCounts(seeders=at) for at, shard in enumerate(mirror.archive.shards)}
    monkeypatch.setattr(find_seed_counts, "questions", lambda _: {})
    monkeypatch.setattr(find_seed_counts, "dht_counts", lambda asked, **_: {swarm: found[swarm] for swarm in asked})
    assert follow(mirror, "--dry-run") == 0
    assert "Seeders: " not in capsys.readouterr().out
    assert follow(mirror, "--dht") == 0
    assert chosen(mirror) == names(mirror, 0, 1)
    assert "Seeders: from the DHT (peers, seeds or not)" in capsys.readouterr().out


def test_a_dht_that_does_not_answer_is_said_to_be_so(
    mirror: Mirror, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    def silent(*_: object, **__: object) -> dict[bytes, SwarmCounts]:
        raise IncompleteError("DHT", "no node of it answers")

    monkeypatch.setattr(find_seed_counts, "dht_counts", silent)
    assert follow(mirror, "--seed-counts", "dht") == 0
    printed = capsys.readouterr()
    assert "no seed counts from the DHT: DHT: no node of it answers" in printed.err
    assert "Seeders: " not in printed.out


def test_a_mirror_kept_before_counts_could_be_chosen_is_read(mirror: Mirror) -> None:
    assert follow(mirror) == 0
    path = mirror.folder / ".packager-mirror" / "mirror.json"
    kept = json.loads(path.read_bytes())
    assert kept["settings"].pop("counts") == "auto"
    path.write_bytes(msgspec.json.encode(kept))
    path.with_name("mirror.json.sha256").unlink()  # which that version did not write
    assert mirror.run("sync") == 0
