"""Seed counts of a release's shards: which trackers to ask, and the totals of their answers.

Counts are not signed and not in release.json, because they can be faked. No network and no file is used here.
"""

import datetime as dt
import statistics
from collections.abc import Iterable, Mapping
from typing import Literal, TypeAlias

from packager.core.bittorrent.magnet import parse_magnet
from packager.core.bittorrent.scrape import Swarm, SwarmCounts, shard_counts
from packager.errors import InputError
from packager.model import FrozenStruct, Release, ReleaseShard, ShardName, Uint63

MOST_TRACKERS = 16  # that are asked: those with the most shards
_LOOKED_AT = 1000  # the first trackers of a release; limits memory

Questions: TypeAlias = dict[str, list[Swarm]]  # tracker's announce URL -> swarms, in their order


class Counted(FrozenStruct, frozen=True, kw_only=True):
    """A shard's counts, and when they were counted (RFC 3339)."""

    counts: SwarmCounts
    at: str


class SeedCounts(FrozenStruct, frozen=True, kw_only=True):
    """seed-counts.json: the last counts of each shard."""

    format: Uint63
    type: Literal["seed-counts"]
    shards: dict[ShardName, Counted]


class SeedSpread(FrozenStruct, frozen=True, kw_only=True):
    """A summary of the counts, without obsolete shards. at: of the newest count."""

    at: str
    known: int
    of: int
    without: int  # without a seeder
    fewest: int
    median: int


def swarms(shard: ReleaseShard) -> tuple[Swarm, ...]:
    """Return the possible swarms of a shard's seeds.

    A hybrid torrent has two, with its infohash v1 and with its infohash v2 cut to 20 bytes (BEP 52). Most clients
    join both. An extra v1-only torrent has its own.
    """
    return tuple(dict.fromkeys(bytes.fromhex(each)[:20] for each in shard.infohashes))


def questions(release: Release) -> Questions:
    """Return the questions to each tracker: the swarms of the shards with it in their magnets, each once.

    At most MOST_TRACKERS, those with the most shards first.
    """
    asked: dict[str, dict[Swarm, None]] = {}
    for shard in release.shards:
        for tracker in _trackers(shard):
            if tracker in asked or len(asked) < _LOOKED_AT:
                asked.setdefault(tracker, {}).update(dict.fromkeys(swarms(shard)))
    most = sorted(asked, key=lambda tracker: -len(asked[tracker]))[:MOST_TRACKERS]
    return {tracker: list(asked[tracker]) for tracker in most}


def _trackers(shard: ReleaseShard) -> tuple[str, ...]:
    """Return the trackers of a shard's magnet link; empty if it is invalid."""
    try:
        return parse_magnet(shard.magnet).trackers
    except InputError:
        return ()


def by_shard(release: Release, counts: Mapping[Swarm, SwarmCounts]) -> dict[ShardName, SwarmCounts]:
    """Return the counts of each shard with known seeders."""
    found = {shard.name: shard_counts(counts, swarms(shard)) for shard in release.shards}
    return {name: each for name, each in found.items() if each.seeders is not None}


def merge_counts(
    before: Mapping[ShardName, Counted], now: Mapping[ShardName, SwarmCounts], at: str
) -> dict[ShardName, Counted]:
    """Return updated counts: the new ones, and for other shards the last ones."""
    return {**before, **{name: Counted(counts=counts, at=at) for name, counts in now.items()}}


def spread(release: Release, counted: Mapping[ShardName, Counted]) -> SeedSpread | None:
    """Return the summary of the counts; None if there are none."""
    shards = [shard.name for shard in release.shards if not shard.obsolete]
    had = [counted[name] for name in shards if name in counted]
    seeders = [each.counts.seeders for each in had if each.counts.seeders is not None]
    if not seeders:
        return None
    return SeedSpread(
        at=max(each.at for each in had),
        known=len(seeders),
        of=len(shards),
        without=seeders.count(0),
        fewest=min(seeders),
        median=statistics.median_low(seeders),
    )


def newest(times: Iterable[str | None]) -> str | None:
    """Return the latest of some RFC 3339 instants in UTC; None if there is none that can be read."""
    read = [(found, time) for time in times if time and (found := _instant(time)) is not None]
    return max(read)[1] if read else None


def is_older(time: str, *, now: str, seconds: float) -> bool:
    """Return whether a time from `newest` is more than this many seconds ago."""
    then, here = _instant(time), _instant(now)
    return then is None or here is None or (here - then).total_seconds() > seconds


def _instant(text: str) -> dt.datetime | None:
    """Return the instant of an untrusted text, in UTC if it has no offset; None if it is invalid."""
    try:
        found = dt.datetime.fromisoformat(text)
        return found.astimezone(dt.UTC) if found.tzinfo else found.replace(tzinfo=dt.UTC)
    except (ValueError, OverflowError):
        return None
