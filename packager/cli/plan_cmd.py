"""`packager plan`."""

from packager import api
from packager.cli import bars, screen
from packager.cli.options import DEFAULT_CONFIG, Config, Json
from packager.model import PlannedPhase
from packager.reports import PlanReport
from packager.units import count_of, show_size

_TITLE = ("phase", "records", "files", "bytes", "shards", "largest shard", "piece length", ".torrent")


def plan(config: Config = DEFAULT_CONFIG, json: Json = False) -> None:
    """Cut the catalogue into phases and shards; print the table.

    No file of the source is read.

    Example: packager plan
    """
    with bars.progress(json=json) as progress:
        report = api.plan(config, progress=progress)
    if json:
        screen.show_json(report)
        return
    show(report)
    screen.say("next: packager pack")


def show(report: PlanReport) -> None:
    """Print the plan as a table."""
    screen.table(_TITLE, map(_row, report.plan.phases), right=range(1, len(_TITLE)))
    for phase in report.plan.phases:
        if phase.left_out:
            screen.say(f"the budget of {phase.name} left out {count_of(phase.left_out, 'file')}")
        over = [shard.name for shard in phase.shards if shard.oversize]
        if over:
            screen.say(f"larger than shards.size, each one file: {', '.join(over[:5])}" + (", ..." * (len(over) > 5)))
    for warning in report.warnings:
        screen.say(f"warning: {warning.where}: {warning.what}")
    if report.plan.unphased:
        screen.say(f"{count_of(report.plan.unphased, 'file')} in no phase: no phase's where takes them")
    if not report.changed:
        screen.say("nothing changed since the last plan")


def _row(phase: PlannedPhase) -> tuple[str, ...]:
    """Return one phase's cells."""
    largest = max(phase.shards, key=lambda shard: shard.size, default=None)
    facts = ("-", "-", "-")
    if largest:
        facts = (show_size(largest.size), show_size(largest.piece_length), show_size(largest.torrent_size))
    return (
        phase.name,
        f"{phase.records:,}",
        f"{phase.files:,}",
        show_size(phase.payload),
        f"{len(phase.shards):,}",
        *facts,
    )
