"""`packager repair`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from packager import api
from packager.check.repair.repair import RepairOptions
from packager.cli import output, progress_bars
from packager.cli.common_options import Json, Sources
from packager.cli.complete_names import complete_shards
from packager.cli.option_groups import with_options
from packager.core.reports.check_reports import RepairReport
from packager.errors import IncompleteError
from packager.paths import display_text
from packager.units import count_of, format_seconds, format_size

BAD_LEFT = 1
_SHOWN = 5  # members that are printed for a range of pieces; --json has all


@with_options(options=RepairOptions)
def repair(
    shard: Annotated[Path, typer.Argument(help="The shard's tar.", metavar="SHARD", autocompletion=complete_shards)],
    *,
    sources: Sources = None,
    options: RepairOptions,
    json: Json = False,
) -> None:
    """Repair shards in place by fetching only bad pieces.

    Each piece is checked before it is written.

    Example: packager repair audio-00001.tar --from https://mirror.example/shards/
    """
    with progress_bars.show_progress(json=json) as progress:
        found = api.repair(
            shard,
            sources or (),
            options,
            progress=progress,
        )
    output.show(found, show, json=json)
    if not found.complete:
        raise typer.Exit(IncompleteError.exit_code if found.unreachable else BAD_LEFT)


def show(report: RepairReport) -> None:
    """Print what was bad, what was repaired and what is still bad."""
    output.compared_with([report.evidence])
    checked = f"{count_of(report.checked, 'piece')} checked in {format_seconds(report.seconds)}"
    if (
        not report.bad_pieces
        and not report.excess_bytes
        and not report.missing_file_count
        and not report.extra_file_count
    ):
        output.print_message(f"Nothing to do: {report.shard} is good ({checked}).")
        return
    output.print_message(
        f"{report.shard}: {count_of(report.bad_pieces, 'bad piece')}, {format_size(report.bad_bytes)} ({checked})"
    )
    for source in report.data_sources:
        output.print_message(
            f"  {count_of(source.pieces, 'piece')} from {source.name}, {format_size(source.bytes)} read"
        )
    for left in report.unrepaired:
        numbers = f"piece {left.first}" if left.first == left.last else f"pieces {left.first} to {left.last}"
        output.print_message(
            f"  {numbers} (bytes {left.start} to {left.stop}) {'is' if left.first == left.last else 'are'} bad"
        )
        if touched := [*left.members, *left.tag_files]:
            _say_names("    touched", touched, len(touched))
        for why in left.reasons:
            output.print_message(f"    {why}")
    if report.missing_file_count:
        what = f"{count_of(report.missing_file_count, 'file')} without bytes missing, {report.created_files:,} created"
        _say_names(f"  {what}", report.missing_files, report.missing_file_count)
    if report.extra_file_count:
        what = f"{count_of(report.extra_file_count, 'file')} not in the shard"
        _say_names(f"  {what}", report.extra_files, report.extra_file_count)
    if report.excess_bytes:
        done = "cut off" if report.truncated else "left there"
        output.print_message(f"  {format_size(report.excess_bytes)} past the shard's end: {done}")
    if report.complete:
        output.print_message(f"Repaired {count_of(report.repaired, 'piece')}; {report.shard} is good.")
    elif not report.dry_run:
        output.print_message(_next(report))


def _say_names(what: str, names: Sequence[str], count: int) -> None:
    """Print the first of `count` names."""
    more = f" and {count - _SHOWN:,} more" if count > _SHOWN else ""
    output.print_message(display_text(f"{what}: {', '.join(names[:_SHOWN])}{more}", 2000))


def _next(report: RepairReport) -> str:
    """Return the last line if something is still bad."""
    left = count_of(report.unrepaired_pieces, "bad piece")
    if not report.unrepaired_pieces and report.created_files < report.missing_file_count:
        return "repair: something else has the name of a missing file; move it, and run the command again"
    if not report.unrepaired_pieces and report.extra_file_count:
        return "repair: every piece is right; move the files that are not in the shard"
    if report.unreachable:
        return f"repair: {left} left, and a source did not answer; run the command again later"
    if not report.unrepaired_pieces:
        return "repair: only some pieces were checked, so nothing was cut; check all to have it cut"
    return f"repair: {left} left; name another source with --from PLACE, --from swarm or --peer"
