"""Seed counts by shard: whom to ask for which swarms, and what answers come to."""

import msgspec

from packager.core.bittorrent.scrape import SwarmCounts
from packager.core.releases.seed_counts import (
    MOST_TRACKERS,
    Counted,
    SeedSpread,
    by_shard,
    is_older,
    merge_counts,
    newest,
    questions,
    spread,
    swarms,
)
from tests.helpers.made_up_releases import make_release, make_shard

TRACKER = "udp://tracker.example.org:6969/announce"


def test_a_hybrid_shard_with_a_twin_has_three_swarms_and_a_v2_shard_its_infohash_cut() -> None:
    shard = make_shard(also_v1=True)
    assert shard.infohash_v1
    assert shard.infohash_v2
    assert shard.twin_infohash
    expected = (shard.infohash_v1, shard.infohash_v2[:40], shard.twin_infohash)
    assert swarms(shard) == tuple(bytes.fromhex(each) for each in expected)
    assert [each.hex() for each in swarms(make_shard(version="v2"))] == [shard.infohash_v2[:40]]


def test_each_tracker_is_asked_for_the_swarms_of_the_shards_that_name_it() -> None:
    one, two = make_shard(), make_shard(number=2)
    two = msgspec.structs.replace(two, magnet=two.magnet + "&tr=http%3A%2F%2Fother.example%2Fannounce")
    three = msgspec.structs.replace(make_shard(number=3), magnet="no magnet")
    asked = questions(make_release(shards=[one, two, three, two]))
    assert asked == {
        TRACKER: [*swarms(one), *swarms(two)],
        "http://other.example/announce": [*swarms(two)],
    }


def test_of_too_many_trackers_those_are_asked_that_most_shards_name() -> None:
    shard = make_shard()
    many = "".join(f"&tr=udp%3A%2F%2F{at}.example%3A1" for at in range(100))
    shards = [msgspec.structs.replace(shard, magnet=shard.magnet.replace("&tr=", many + "&tr=")), make_shard(number=2)]
    asked = questions(make_release(shards=shards))
    assert len(asked) == MOST_TRACKERS
    assert next(iter(asked)) == TRACKER


def test_a_shards_counts_are_the_best_of_its_swarms_and_never_their_sum() -> None:
    shard, other = make_shard(), make_shard(number=2)
    v1, v2 = swarms(shard)
    found = by_shard(
        make_release(shards=[shard, other]),
        {
            v1: SwarmCounts(seeders=3, leechers=0, completed=7),
            v2: SwarmCounts(seeders=2, leechers=4),
            b"x" * 20: SwarmCounts(seeders=9),
        },
    )
    assert found == {shard.name: SwarmCounts(seeders=3, leechers=4, completed=7)}


def test_what_was_not_counted_now_keeps_what_was_counted_last_and_when() -> None:
    one, two = make_shard().name, make_shard(number=2).name
    before = {name: Counted(counts=SwarmCounts(seeders=1), at="2026-01-01T00:00:00Z") for name in (one, two)}
    after = merge_counts(before, {two: SwarmCounts(seeders=5)}, "2026-02-01T00:00:00Z")
    assert after == {one: before[one], two: Counted(counts=SwarmCounts(seeders=5), at="2026-02-01T00:00:00Z")}


def test_how_the_shards_stand_together_leaves_obsolete_ones_out() -> None:
    shards = [make_shard(number=number) for number in range(1, 7)]
    shards[5] = msgspec.structs.replace(shards[5], obsolete=True)
    times = ("2026-01-01T00:00:00Z", "2026-03-01T00:00:00Z")
    counted = {
        shard.name: Counted(counts=SwarmCounts(seeders=seeders), at=times[at % 2])
        for at, (shard, seeders) in enumerate(zip(shards, (4, 0, 0, 2, None, 0), strict=True))
    }
    assert spread(make_release(shards=shards), counted) == SeedSpread(
        at=times[1], known=4, of=5, without=2, fewest=0, median=0
    )
    assert spread(make_release(shards=shards), {}) is None


def test_times_of_strangers_are_read_or_passed_over() -> None:
    assert newest([None, "", "yesterday", "0001-01-01T00:00:00+23:59"]) is None
    assert newest(["2026-01-01T00:00:00Z", "2026-01-01T00:00:00-01:00", None]) == "2026-01-01T00:00:00-01:00"
    assert newest(["2026-01-02 10:00:00"]) == "2026-01-02 10:00:00"
    now = "2026-01-08T00:00:00Z"
    assert is_older("2026-01-01T00:00:00Z", now=now, seconds=6 * 86_400)
    assert not is_older("2026-01-01T00:00:01Z", now=now, seconds=7 * 86_400)
    assert not is_older("2027-01-01T00:00:00Z", now=now, seconds=1)
