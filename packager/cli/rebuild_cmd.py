"""`packager rebuild`."""

from pathlib import Path
from typing import Annotated

import typer

from packager import api
from packager.check.repair.rebuild import RebuildOptions
from packager.cli import output, progress_bars
from packager.cli.common_options import Json, Sources
from packager.cli.complete_names import complete_shards
from packager.cli.option_groups import with_options
from packager.core.reports.check_reports import RebuildReport
from packager.errors import IncompleteError
from packager.units import count_of, format_size


@with_options(options=RebuildOptions)
def rebuild(
    shard: Annotated[
        Path,
        typer.Argument(
            help="The shard's name, its tar or its manifest.", metavar="SHARD", autocompletion=complete_shards
        ),
    ],
    *,
    sources: Sources = None,
    to: Annotated[
        Path | None, typer.Option("--to", "-o", help="The tar to write. Default: NAME.tar.", metavar="FILE")
    ] = None,
    options: RebuildOptions,
    json: Json = False,
) -> None:
    """Rebuild a shard from loose files, byte for byte.

    Files are found by their content, even under other names. Files that no folder has are fetched from the other
    sources.

    Example: packager rebuild audio-00001 --release site --from /music
    """
    with progress_bars.show_progress(json=json) as progress:
        report = api.rebuild(
            shard,
            sources or (),
            to,
            options,
            progress=progress,
        )
    output.show(report, show, json=json)
    if not report.complete:
        raise typer.Exit(IncompleteError.exit_code)


def show(report: RebuildReport) -> None:
    """Print what was written, or what is missing."""
    output.compared_with([report.evidence])
    if report.unchanged:
        output.print_message(f"Nothing to do: {report.to} is complete.")
    elif report.complete and report.dry_run:
        output.print_message(f"Dry run: every member is found; would write {report.to}, {format_size(report.size)}.")
    elif report.complete:
        found = [f"{report.found_by_path:,} by path", f"{report.found_by_content:,} by content"]
        found += [f"{report.fetched:,} fetched ({format_size(report.fetched_bytes)})"] * bool(report.fetched)
        output.print_message(f"Found {count_of(report.members, 'file')}: {', '.join(found)}.")
        done = output.in_time(report.size, report.seconds)
        output.print_message(f"Rebuilt {report.to}, {format_size(report.size)}, {done}.")
    else:
        lost = format_size(sum(member.size for member in report.missing))
        output.stderr_console(f"error: {report.shard}: {count_of(len(report.missing), 'member')} missing, {lost}:")
        for member in report.missing:
            output.stderr_console(f"  {member.path} ({member.size} bytes, SHA-256 {member.sha256}): {member.reason}")
        output.print_message(
            f"rebuild: nothing is written, {len(report.missing):,} of {count_of(report.members, 'member')} missing"
        )
