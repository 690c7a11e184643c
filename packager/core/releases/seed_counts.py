"""How many seeds each shard of a release has, as somebody counted them: whom to ask for what, and what it comes to.

Counts are not signed and no part of release.json: trackers can be lied to. Nothing is asked or read here.
"""

import datetime as dt
import statistics
from collections.abc import Iterable, Mapping
from typing import Literal, TypeAlias

from packager.core.bittorrent.magnet import parse_magnet
from packager.core.bittorrent.scrape import Swarm, SwarmCounts, shard_counts
from packager.errors import InputError
from packager.model import FrozenStruct, Release, ReleaseShard, ShardName, Uint63

MOST_TRACKERS = 16  # that are asked: those that most shards name
_LOOKED_AT = 1000  # trackers of a release, the first: bounds memory

Questions: TypeAlias = dict[str, list[Swarm]]  # tracker's announce URL -> swarms, in their order


class Counted(FrozenStruct, frozen=True, kw_only=True):
    """A shard's counts, and when they were taken (RFC 3339)."""

    counts: SwarmCounts
    at: str


class SeedCounts(FrozenStruct, frozen=True, kw_only=True):
    """seed-counts.json: the last counts that were had of each shard."""

    format: Uint63
    type: Literal["seed-counts"]
    shards: dict[ShardName, Counted]


class SeedSpread(FrozenStruct, frozen=True, kw_only=True):
    """How the shards of a release stand together, obsolete ones left out; at: of the newest count."""

    at: str
    known: int
    of: int
    without: int  # have no seeder
    fewest: int
    median: int


def swarms(shard: ReleaseShard) -> tuple[Swarm, ...]:
    """Return the swarms that seeds of a shard can be in.

    A hybrid torrent has two, by its infohash v1 and by its infohash v2 cut to 20 bytes (BEP 52), which most
    clients join both; an extra v1-only torrent has one of its own.
    """
    return tuple(dict.fromkeys(bytes.fromhex(each)[:20] for each in shard.infohashes))


def questions(release: Release) -> Questions:
    """Return what each tracker is to be asked: the swarms of the shards whose magnets name it, each once.

    At most MOST_TRACKERS, first those that most shards name.
    """
    asked: dict[str, dict[Swarm, None]] = {}
    for shard in release.shards:
        for tracker in _trackers(shard):
            if tracker in asked or len(asked) < _LOOKED_AT:
                asked.setdefault(tracker, {}).update(dict.fromkeys(swarms(shard)))
    most = sorted(asked, key=lambda tracker: -len(asked[tracker]))[:MOST_TRACKERS]
    return {tracker: list(asked[tracker]) for tracker in most}


def _trackers(shard: ReleaseShard) -> tuple[str, ...]:
    """Return the trackers of a shard's magnet; none where it is not one."""
    try:
        return parse_magnet(shard.magnet).trackers
    except InputError:
        return ()


def by_shard(release: Release, counts: Mapping[Swarm, SwarmCounts]) -> dict[ShardName, SwarmCounts]:
    """Return the counts of each shard of which the seeders are known."""
    found = {shard.name: shard_counts(counts, swarms(shard)) for shard in release.shards}
    return {name: each for name, each in found.items() if each.seeders is not None}


def merge_counts(
    before: Mapping[ShardName, Counted], now: Mapping[ShardName, SwarmCounts], at: str
) -> dict[ShardName, Counted]:
    """Return counts brought up to date: those taken now, and for other shards the last that were had."""
    return {**before, **{name: Counted(counts=counts, at=at) for name, counts in now.items()}}


def spread(release: Release, counted: Mapping[ShardName, Counted]) -> SeedSpread | None:
    """Return how the shards stand together; None if nothing is known of any."""
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
    """Return whether a time that `newest` returned is longer ago than so many seconds."""
    then, here = _instant(time), _instant(now)
    return then is None or here is None or (here - then).total_seconds() > seconds


def _instant(text: str) -> dt.datetime | None:
    """Return the instant that a stranger's text means, UTC where it names no offset; None for none."""
    try:
        found = dt.datetime.fromisoformat(text)
        return found.astimezone(dt.UTC) if found.tzinfo else found.replace(tzinfo=dt.UTC)
    except (ValueError, OverflowError):
        return None
