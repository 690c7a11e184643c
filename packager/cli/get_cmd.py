"""`packager get`."""

from pathlib import Path
from typing import Annotated

import typer

from packager import api
from packager.cli import output, progress_bars
from packager.cli.common_options import Json
from packager.cli.member_options import end, named_records, show_members
from packager.cli.option_groups import with_options
from packager.core.reports.check_reports import GetReport
from packager.get.get import GetOptions
from packager.units import count_of, format_size


@with_options(options=GetOptions)
def get(
    records: Annotated[
        list[str] | None,
        typer.Argument(
            help="An id, a path or an ISRC, exact; or a magnet link that names a file; - reads one per line.",
            metavar="RECORD|MAGNET...",
        ),
    ] = None,
    *,
    to: Annotated[Path, typer.Option("--to", "-o", help="The folder to write to.", metavar="DIR")] = Path(),
    options: GetOptions,
    json: Json = False,
) -> None:
    """Download single files, each one checked.

    Only the pieces with the files are fetched, and not their shards.

    Example: packager get USS1Z9900001 --release https://archive.example/ --to music
    """
    with progress_bars.show_progress(json=json) as progress:
        report = api.get(
            named_records(records),
            to,
            options,
            progress=progress,
        )
    if json:
        output.show_json(report)
    elif options.links:
        for each in report.withheld:
            output.stderr_console(f"no link: {each.sentence}")
        for link in report.magnets:
            output.print_message(link)
    else:
        show(report)
    end(report)


def show(report: GetReport) -> None:
    """Print what was fetched, how many bytes that took, and what it was compared with."""
    show_members(report, "not fetched")
    chosen = f"{count_of(report.selected, 'file')}, {format_size(report.bytes)}"
    looked_up = f"{format_size(report.lookup_bytes)} in {count_of(report.lookup_requests, 'request')} to find"
    if report.dry_run:
        output.print_message(f"Dry run: would get {chosen}; {looked_up}.")
        return
    if report.unchanged == report.selected:
        output.print_message(f"Nothing to do: {count_of(report.unchanged, 'file')} in {report.to} already.")
        return
    output.compared_with([report.evidence])
    them = count_of(len(report.shards), "shard")
    output.print_message(
        f"Transferred {format_size(report.transferred_bytes)}, and {looked_up}; "
        f"{them} of {format_size(report.shards_size)}."
    )
    already = f"; {report.unchanged:,} there already" if report.unchanged else ""
    some = f"{report.written:,} of " if report.written != report.selected else ""
    output.print_message(f"Got {some}{chosen}, in {output.folder_name(report.to)}{already}.")
