"""`packager export`."""

from typing import Annotated

import typer

from packager import api
from packager.api.workers import WorkerOptions
from packager.cli import output, progress_bars
from packager.cli.common_options import DEFAULT_CONFIG, Config, Json
from packager.cli.complete_names import complete_shards
from packager.cli.confirm_change import DryRun
from packager.cli.option_groups import with_options
from packager.core.reports.reports import ExportReport
from packager.units import count_of, format_seconds, format_size


@with_options(workers=WorkerOptions)
def export(
    shards: Annotated[
        list[str], typer.Argument(help="Names of packed shards.", metavar="SHARD...", autocompletion=complete_shards)
    ],
    *,
    config: Config = DEFAULT_CONFIG,
    to: Annotated[
        str | None,
        typer.Option(
            "--to",
            "-o",
            help="Folder or store (s3://, sftp://) to write to. Default: shards.folder.",
            metavar="PLACE",
        ),
    ] = None,
    dry_run: DryRun = False,
    workers: WorkerOptions,
    json: Json = False,
) -> None:
    """Write the tars of shards that have no tar.

    Each tar is made from the source files, and compared with what was packed before it gets its name.

    Example: packager export tones-audio-00001
    """
    with progress_bars.show_progress(json=json) as progress:
        report = api.export(
            config,
            shards,
            to=to,
            dry_run=dry_run,
            workers=workers,
            progress=progress,
        )
    output.show(report, show, json=json)
    output.end_failed(report.failed, json=json)


def show(report: ExportReport) -> None:
    """Print the written tars."""
    if report.dry_run:
        what = f"{count_of(report.written, 'tar')}, {format_size(report.written_bytes)}, to {report.to}"
        output.print_message(f"Dry run: would write {what}.")
        return
    if report.retried_tasks:
        output.print_message(f"Another worker repeated {count_of(report.retried_tasks, 'task')}.")
    if not report.written and not report.failed:
        output.print_message(f"Nothing to do: {count_of(report.unchanged, 'tar')} complete already.")
        return
    output.print_message(
        f"Wrote {count_of(report.written, 'tar')}, {format_size(report.written_bytes)}, to {report.to},"
        f" in {format_seconds(report.seconds)}"
        + (f"; {report.unchanged:,} complete already." if report.unchanged else ".")
    )
