"""`packager torrent`."""

import os
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from packager import api, units
from packager.cli import output, progress_bars
from packager.cli.common_options import Json, Workers, processes
from packager.cli.confirm_change import DryRun
from packager.cli.option_groups import with_options
from packager.core.reports.reports import TorrentReport
from packager.errors import InputError
from packager.share.make_torrent import TorrentSpec
from packager.units import count_of, format_seconds, format_size


@with_options(spec=TorrentSpec)
def torrent(
    path: Annotated[Path, typer.Argument(help="The file or folder.")],
    *,
    to: Annotated[
        Path | None,
        typer.Option("--to", "-o", help="The .torrent, or a folder for it. Default: NAME.torrent.", metavar="FILE"),
    ] = None,
    spec: TorrentSpec,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a .torrent that exists.")] = False,
    dry_run: DryRun = False,
    workers: Workers = "auto",
    json: Json = False,
) -> None:
    """Create a .torrent of any file or folder.

    Nothing is copied. Each byte is read once, with all cores.

    Example: packager torrent music/ --tracker udp://tracker.example:1337/announce
    """
    if spec.date is None:
        spec = replace(spec, date=_source_date())
    with progress_bars.show_progress(json=json) as progress:
        report = api.torrent(
            path, spec, to=to, overwrite=overwrite, dry_run=dry_run, workers=processes(workers), progress=progress
        )
    output.show(report, show, json=json)


def _source_date() -> str | None:
    """Return the date of SOURCE_DATE_EPOCH; None if it is not set."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH", "")
    if not epoch:
        return None
    if not epoch.isascii() or not epoch.isdigit() or len(epoch) > 11:
        raise InputError("SOURCE_DATE_EPOCH", f'"{epoch}" is not a number of seconds')
    return units.date_of(int(epoch))


def show(report: TorrentReport) -> None:
    """Print the result; the last line is only the magnet link."""
    for issue in report.skipped:
        output.stderr_console(f"warning: {issue.where}: left out: {issue.what}")
    files = count_of(report.files, "file")
    pieces = f"{count_of(report.pieces, 'piece')} of {format_size(report.piece_length)}"
    rate = f", {format_size(round(report.size / report.seconds))}/s" if report.seconds else ""
    output.print_message(f"{report.torrent}: {report.version}, {files}, {format_size(report.size)} in {pieces}")
    output.print_message(
        f"hashed in {format_seconds(report.seconds)}{rate}; the .torrent has {format_size(report.torrent_size)}"
    )
    for version, infohash in (("v1", report.infohash_v1), ("v2", report.infohash_v2)):
        if infohash:
            output.print_message(f"infohash {version}: {infohash}")
    output.print_message(report.magnet)
