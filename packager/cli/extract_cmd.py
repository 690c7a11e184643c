"""`packager extract`."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from packager import api
from packager.check.extract.extract import ExtractOptions
from packager.cli import output, progress_bars
from packager.cli.common_options import Json
from packager.cli.complete_names import complete_shards
from packager.cli.member_options import Records, end, named_records, show_members
from packager.cli.option_groups import with_options
from packager.core.reports.check_reports import ExtractReport
from packager.units import count_of, format_size


@with_options(options=ExtractOptions)
def extract(
    shard: Annotated[
        str,
        typer.Argument(
            help="The shard's tar, or its address in a store: s3://, sftp://.",
            metavar="SHARD",
            autocompletion=complete_shards,
        ),
    ],
    records: Records = None,
    *,
    to: Annotated[
        Path | None, typer.Option("--to", "-o", help="The folder to write to. Default: NAME, here.", metavar="DIR")
    ] = None,
    options: ExtractOptions,
    json: Json = False,
) -> None:
    """Extract files from a shard, each one checked.

    Example: packager extract audio-00001.tar --to music --rename "{artist}/{album}/{title}"
    """
    with progress_bars.show_progress(json=json) as progress:
        report = api.extract(
            shard,
            to,
            replace(options, records=named_records(records)),
            progress=progress,
        )
    output.show(report, show, json=json)
    end(report)


def show(report: ExtractReport) -> None:
    """Print what was extracted and what was not."""
    show_members(report, "bad")
    if not report.has_documents:
        output.stderr_console("note: no published documents found: checked against the tar's own manifest only")
    if not report.dry_run:
        output.compared_with([report.evidence])
    chosen = f"{count_of(report.selected, 'file')}, {format_size(report.bytes)}"
    if report.dry_run:
        output.print_message(f"Dry run: would extract {chosen}.")
    elif report.unchanged == report.selected:
        output.print_message(f"Nothing to do: {count_of(report.unchanged, 'file')} in {report.to} already.")
    else:
        already = f"; {report.unchanged:,} there already" if report.unchanged else ""
        some = f"{report.written:,} of " if report.written != report.selected else ""
        output.print_message(f"Extracted {some}{chosen}, to {report.to}{already}.")
