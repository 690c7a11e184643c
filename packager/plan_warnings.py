"""What an archivist should know of a plan before it is packed: empty phases, torrents that clients find large. Pure."""

from collections.abc import Iterable

from packager.files_layout import TAG_FILES
from packager.model import Plan, PlannedPhase, PlannedShard
from packager.reports import Oddity
from packager.units import count_of, show_size

FILES = 5000  # that a client lists, creates and opens without its user waiting
TORRENT = 1 << 20  # bytes of a .torrent that is quick to fetch and to load; clients load up to 10,000,000


def warnings(plan: Plan) -> tuple[Oddity, ...]:
    """Return a line for each phase without shards, and each whose new shards have too many files or large torrents."""
    found = [Oddity(where=phase.name, what=_empty(phase)) for phase in plan.phases if not phase.shards]
    for phase in plan.phases:
        shards = [shard for shard in phase.shards if shard.container == "folder" and not shard.published]
        found += [Oddity(where=phase.name, what=what) for what in _too_large(shards)]
    return tuple(found)


def _empty(phase: PlannedPhase) -> str:
    """Return why a phase has nothing to publish, and what to do."""
    if phase.over_budget:
        return f"its budget has no room for any of its {count_of(phase.over_budget, 'file')}: raise it, or publish none"
    return "selects no record, so it has nothing to publish: change its where, or remove the phase"


def _too_large(shards: Iterable[PlannedShard]) -> Iterable[str]:
    """Yield what is said of some shards."""
    many = [shard for shard in shards if shard.rows + TAG_FILES > FILES]
    if many:
        most = max(shard.rows for shard in many) + TAG_FILES
        yield (
            f"{count_of(len(many), 'torrent')} of up to {count_of(most, 'file')}, where common clients are at ease "
            f"with {FILES:,}: lower shards.size, or keep the phase in tars"
        )
    large = [shard for shard in shards if shard.torrent_size > TORRENT]
    if large:
        most = max(shard.torrent_size for shard in large)
        yield (
            f"{count_of(len(large), '.torrent')} of up to {show_size(most)}, where {show_size(TORRENT)} is quick to "
            "fetch and clients load up to 10,000,000 bytes: lower shards.size, or keep the phase in tars"
        )
