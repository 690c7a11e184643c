"""Find the number of seeds of each shard, from the release's list, its trackers or the DHT.

None of them is signed. A false count can only change which shards of the release are chosen.
"""

from collections.abc import Mapping

import msgspec

from packager.core.bittorrent.scrape import SwarmCounts
from packager.core.releases.release_lists import short_infohash
from packager.core.releases.seed_counts import by_shard, is_older, newest, questions
from packager.core.reports.mirror_reports import SeedCountSource
from packager.core.reports.reports import TrackerAnswer
from packager.engine.network.connection_options import PeerOptions
from packager.engine.network.dht import dht_counts
from packager.engine.network.scrape_trackers import SILENT_SECONDS, scrape_trackers
from packager.engine.published.release_reader import ReleaseReader
from packager.errors import IncompleteError, PackagerError
from packager.mirror.context import RunContext
from packager.mirror.mirror_settings import Settings
from packager.model import CountSource, Release, ShardName
from packager.paths import display_text
from packager.progress import Progress

TORRENTS = "torrents.json"
LIMIT = 64 << 20  # maximum bytes of torrents.json: about 60,000 torrents
OLD_SECONDS = 7 * 86_400  # older counts of the list are replaced by those of trackers
_MOST_TIME = 40  # maximum characters of an untrusted time

Seeds = Mapping[ShardName, int | None]


class _Listed(msgspec.Struct):
    """The fields of a torrent in torrents.json that are about its seeds."""

    btih: str
    seeders: int | None = None
    stats_scraped_at: str | None = None


def find_seed_counts(
    source: ReleaseReader, release: Release, settings: Settings, reach: PeerOptions, around: RunContext
) -> tuple[Seeds, SeedCountSource]:
    """Return the number of seeds of each shard (None or left out if unknown), and where the numbers are from.

    settings.seed_counts: the source. "auto": the list; then the trackers, if the choice depends on counts and those
    of the list are missing or old; then the DHT, if no tracker answers and `reach` enables it.
    """
    asked = settings.seed_counts
    listed, at = _published(source, release, around.progress) if asked in ("auto", "list") else ({}, None)
    by_list = _said(release, listed, "list" if _known(release, listed) else "nobody", at)
    if asked == "list" or (asked == "auto" and not _is_wanting(release, settings, listed, at, around)):
        return by_list
    trackers: tuple[TrackerAnswer, ...] = ()
    if asked != "dht":
        found, trackers = _scraped(release, settings, around)
        if found:
            return _said(release, {**listed, **found}, "trackers", around.clocks.now(), trackers)
    by_dht = asked == "dht" or (asked == "auto" and reach.dht)
    if by_dht and (found := _by_dht(release, reach, around)):
        return _said(release, {**listed, **found}, "dht", around.clocks.now(), trackers)
    return by_list[0], msgspec.structs.replace(by_list[1], trackers=trackers)


def _published(
    source: ReleaseReader, release: Release, progress: Progress
) -> tuple[dict[ShardName, int | None], str | None]:
    """Return the counts of torrents.json and the newest time in it; no counts if it cannot be fetched or read."""
    try:
        lines = msgspec.json.decode(source.read(TORRENTS, LIMIT), type=list[_Listed])
    except (PackagerError, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        progress.note(f"no list of seed counts: {display_text(str(error), 200)}")
        return {}, None
    counted = {each.btih: each for each in lines if each.seeders is not None and 0 <= each.seeders < 1 << 31}
    times = [each.stats_scraped_at for each in counted.values()]
    counts = {shard.name: counted.get(short_infohash(shard)) for shard in release.shards}
    at = newest(time for time in times if time and len(time) <= _MOST_TIME)
    return {name: each.seeders for name, each in counts.items() if each}, at


def _is_wanting(release: Release, settings: Settings, listed: Seeds, at: str | None, around: RunContext) -> bool:
    """Return whether the choice depends on counts, and those of the list are missing or old."""
    total = sum(shard.size for shard in release.shards if not shard.obsolete)
    is_chosen_by = settings.strategy != "popular" and total > settings.budget
    if not is_chosen_by and "seeders" not in (settings.where or "").lower():
        return False
    is_known = bool(_known(release, listed))
    return not is_known or at is None or is_older(at, now=around.clocks.now(), seconds=OLD_SECONDS)


def _scraped(
    release: Release, settings: Settings, around: RunContext
) -> tuple[dict[ShardName, int | None], tuple[TrackerAnswer, ...]]:
    """Return the counts of the release's trackers, and how each tracker answered."""
    silent = min(settings.timeout, SILENT_SECONDS)
    scraped = scrape_trackers(
        questions(release), allowed=settings.allowed, silent=silent, stop=around.stop, progress=around.progress
    )
    return _seeders(by_shard(release, scraped.counts)), scraped.trackers


def _by_dht(release: Release, reach: PeerOptions, around: RunContext) -> dict[ShardName, int | None]:
    """Return the number of peers of each shard in the DHT, by its infohash in torrents.json."""
    swarms = {bytes.fromhex(short_infohash(shard)): shard.name for shard in release.shards if not shard.obsolete}
    try:
        found = dht_counts(list(swarms), address=reach.address, stop=around.stop, progress=around.progress)
    except IncompleteError as error:
        around.progress.note(f"no seed counts from the DHT: {error}")
        return {}
    return _seeders({swarms[swarm]: counts for swarm, counts in found.items()})


def _seeders(counts: Mapping[ShardName, SwarmCounts]) -> dict[ShardName, int | None]:
    """Return only the seeders."""
    return {name: each.seeders for name, each in counts.items()}


def _known(release: Release, seeds: Seeds) -> int:
    """Return the number of shards that have a count and are not obsolete."""
    return sum(seeds.get(shard.name) is not None for shard in release.shards if not shard.obsolete)


def _said(
    release: Release,
    seeds: Seeds,
    source: CountSource,
    at: str | None,
    trackers: tuple[TrackerAnswer, ...] = (),
) -> tuple[Seeds, SeedCountSource]:
    """Return the counts with their source."""
    count = sum(not shard.obsolete for shard in release.shards)
    told = display_text(at, _MOST_TIME) if at else None
    return seeds, SeedCountSource(
        source=source, counted_at=told, known=_known(release, seeds), total=count, trackers=trackers
    )
