"""`packager plan`."""

from packager import api
from packager.cli import output, pack_cmd, progress_bars
from packager.cli.common_options import DEFAULT_CONFIG, Config, Json
from packager.cli.global_options import given
from packager.core.reports.reports import PlanReport
from packager.model import OverBudget, PlannedPhase
from packager.units import count_of, format_size

_SUPERSEDED = 5  # shards that are printed
_TITLE = ("PHASE", "RECORDS", "FILES", "SIZE", "SHARDS", "LARGEST", "STATE")
_MORE = ("PIECE", ".TORRENT")  # with -v; of the largest shard


def plan(config: Config = DEFAULT_CONFIG, json: Json = False) -> None:
    """Divide the catalogue into phases and shards.

    No file of the source is read.

    Example: packager plan
    """
    with progress_bars.show_progress(json=json) as progress:
        report = api.plan(config, progress=progress)
    if json:
        output.show_json(report)
    else:
        show(report)
        output.next_step("packager pack")
    output.end_unread(report.unread_count, json=json)


def show(report: PlanReport) -> None:
    """Print the plan as a table; the sum last."""
    rows = [_row(phase, report.published.get(phase.name, 0)) for phase in report.plan.phases]
    if given.verbose:
        rows = [(*row, *_torrent(phase)) for row, phase in zip(rows, report.plan.phases, strict=True)]
        output.print_table((*_TITLE, *_MORE), rows, right=(1, 2, 3, 4, 5, 7, 8))
    else:
        output.print_table(_TITLE, rows, right=range(1, 6))
    for phase in report.plan.phases:
        for part in phase.overflow:
            output.print_message(f"{phase.name}: {_overflow(part)}")
        over = [shard.name for shard in phase.shards if shard.oversize]
        if over:
            output.print_message(
                f"larger than shards.size, each one file: {', '.join(over[:5])}" + (", ..." * (len(over) > 5))
            )
    for warning in report.warnings:
        output.print_message(f"warning: {warning.where}: {warning.what}")
    if report.plan.without_phase:
        output.print_message(f"{count_of(report.plan.without_phase, 'file')} in no phase: no phase selects them")
    if report.plan.kept:
        changed = f", {count_of(report.plan.changed, 'other')} changed" if report.plan.changed else ""
        gone = f", {report.plan.removed:,} of them gone from the collection" if report.plan.removed else ""
        output.print_message(f"{count_of(report.plan.kept, 'published record')} stay in their shards{gone}{changed}")
    if report.plan.sources_gone:
        lost = report.plan.sources_gone
        names = ", ".join(lost[:_SUPERSEDED]) + (", ..." if len(lost) > _SUPERSEDED else "")
        output.print_message(f"not available here: no tar, and their source files changed: {names}")
        output.print_message("  to get them back, restore the old files or download the shards")
    for old in report.plan.superseded[:_SUPERSEDED]:
        output.print_message(f"obsolete: {old.name} ({old.reason})")
    if len(report.plan.superseded) > _SUPERSEDED:
        output.print_message(f"and {count_of(len(report.plan.superseded) - _SUPERSEDED, 'more shard')} obsolete")
    if report.plan.moved:
        output.print_message(f"moved: {count_of(report.plan.moved, 'published file')}; no shard changes")
    pack_cmd.show_withdrawn(report.plan.withdrawn_files, report.plan.withdrawn_named)
    pack_cmd.show_other_content(report.plan.other_content)
    output.print_message(_sum(report))


def _overflow(part: OverBudget) -> str:
    """Return which phase gets the files over a budget."""
    one = part.files == 1
    files = f"{count_of(part.files, 'file')} ({format_size(part.payload)}) {'exceeds' if one else 'exceed'} its budget"
    if part.phase is None:
        return f"{files}; {'it waits' if one else 'they wait'}"
    opens = f", which opens {part.opens[:10]}" if part.opens else ""
    return f'{files}; {"it goes" if one else "they go"} to "{part.phase}"{opens}'


def _row(phase: PlannedPhase, published: int) -> tuple[str, ...]:
    """Return one phase's cells. published: how many of its shards are."""
    return (
        phase.name,
        f"{phase.records:,}",
        f"{phase.files:,}",
        format_size(sum(shard.size for shard in phase.shards)),
        f"{len(phase.shards):,}",
        format_size(max(shard.size for shard in phase.shards)) if phase.shards else "-",
        _state(len(phase.shards), published),
    )


def _state(shards: int, published: int) -> str:
    """Return how many of a phase's shards are new."""
    if not shards:
        return "empty"
    return "new" if not published else "published" if published == shards else f"{shards - published:,} new"


def _torrent(phase: PlannedPhase) -> tuple[str, str]:
    """Return the piece length of a phase's largest shard, and the size of its .torrent."""
    largest = max(phase.shards, key=lambda shard: shard.size, default=None)
    return (format_size(largest.piece_length), format_size(largest.torrent_size)) if largest else ("-", "-")


def _sum(report: PlanReport) -> str:
    """Return how much is planned, and how much of it is published already."""
    shards = [shard for phase in report.plan.phases for shard in phase.shards]
    size = format_size(sum(shard.size for shard in shards))
    phases = count_of(len(report.plan.phases), "phase")
    published = sum(report.published.values())
    already = f"; {published:,} {'is' if published == 1 else 'are'} published already" if published else ""
    unchanged = "" if report.changed else "; unchanged"
    return f"Planned {count_of(len(shards), 'shard')}, {size}, in {phases}{already}{unchanged}."
