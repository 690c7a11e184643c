"""Warnings about a plan before it is packed: embargoes, empty phases, large torrents. Pure."""

from collections.abc import Iterable

from packager.core.reports.issues import Issue
from packager.core.shards.folder_layout import TAG_FILES
from packager.model import Plan, PlannedPhase, PlannedShard, TakenBefore
from packager.units import count_of, format_size

FILES = 5000  # that a client lists, creates and opens without delay
TORRENT = 1 << 20  # bytes of a .torrent that loads fast; clients load up to 10,000,000


def warnings(plan: Plan) -> tuple[Issue, ...]:
    """Return warnings for embargoes that miss records, phases without shards and torrents that are too large."""
    found = [Issue(where=each.phase, what=_taken_before(each)) for each in plan.taken_before or ()]
    selected = plan.selected or {}
    empty = [phase for phase in plan.phases if not phase.shards]
    found += [Issue(where=phase.name, what=_empty(phase, selected.get(phase.name, 0))) for phase in empty]
    for phase in plan.phases:
        shards = [shard for shard in phase.shards if shard.container == "folder" and not shard.published]
        found += [Issue(where=phase.name, what=what) for what in _too_large(shards)]
    return tuple(found)


def _taken_before(found: TakenBefore) -> str:
    """Return the warning for records that are published before the embargo of a phase that selects them."""
    one = found.records == 1
    records = f"{count_of(found.records, 'record')} that phase {found.phase} selects {'is' if one else 'are'}"
    when = f"opens {found.opens[:10]}" if found.opens else "is open"
    return f"{records} taken by the earlier phase {found.by}, which {when}: move {found.phase} before it"


def _empty(phase: PlannedPhase, selected: int) -> str:
    """Return why a phase has nothing to publish, and what to do. selected: records for which its where is true."""
    if phase.over_budget:
        return f"its budget has no room for any of its {count_of(phase.over_budget, 'file')}: raise it, or publish none"
    if selected:
        records = f"the {count_of(selected, 'record')} that it selects"
        return f"has nothing to publish: {records} are in another phase, published, under embargo, withdrawn or unread"
    return "selects no record, so it has nothing to publish: change its where, or remove the phase"


def _too_large(shards: Iterable[PlannedShard]) -> Iterable[str]:
    """Yield warnings for shards with large torrents."""
    many = [shard for shard in shards if shard.rows + TAG_FILES > FILES]
    if many:
        most = max(shard.rows for shard in many) + TAG_FILES
        yield (
            f"{count_of(len(many), 'torrent')} of up to {count_of(most, 'file')}, but common clients handle only "
            f"{FILES:,} well: lower shards.size, or keep the phase in tars"
        )
    large = [shard for shard in shards if shard.torrent_size > TORRENT]
    if large:
        most = max(shard.torrent_size for shard in large)
        yield (
            f"{count_of(len(large), '.torrent')} of up to {format_size(most)}; {format_size(TORRENT)} is fast "
            "to fetch, and clients load up to 10,000,000 bytes:  lower shards.size, or keep the phase in tars"
        )
