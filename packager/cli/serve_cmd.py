"""`packager serve`."""

from pathlib import Path
from typing import Annotated

import typer

from packager import api
from packager.cli import output, progress_bars
from packager.cli.common_options import DEFAULT_CONFIG, Config, Json
from packager.core.reports.reports import ServeReport
from packager.units import count_of, format_seconds, format_size, parse_size


def serve(
    *,
    config: Config = DEFAULT_CONFIG,
    listen: Annotated[
        str, typer.Option(help="Address to listen on; port 0: any free one.", metavar="[HOST]:PORT")
    ] = "127.0.0.1:8000",
    check_pieces: Annotated[
        bool, typer.Option("--check-pieces", help="Compare each piece with its published hash before it is sent.")
    ] = False,
    access_log: Annotated[
        Path | None, typer.Option(help="Append a line for each request to this file. Default: stderr.", metavar="FILE")
    ] = None,
    cache_size: Annotated[
        str, typer.Option(help="Memory of a process for the layouts of shards.", metavar="SIZE")
    ] = "256 MiB",
    workers: Annotated[int, typer.Option("--workers", "-w", min=1, max=256, help="Processes that share the port.")] = 1,
    json: Json = False,
) -> None:
    """Serve the site and the shards over HTTP until you stop it.

    The bytes of a shard come from its tar; if there is none, from the source files. A source file that changed since it
    was packed is not served, and the log names it. Without the source files, only the shards with a tar are served; the
    others are named.

    Example: packager serve --listen 127.0.0.1:8000
    """
    size = parse_size(cache_size, "--cache-size")
    with progress_bars.show_progress(json=json) as progress:
        report = api.serve(
            config,
            listen=listen,
            workers=workers,
            check_pieces=check_pieces,
            cache_size=size,
            log=access_log,
            progress=progress,
        )
    output.show(report, show, json=json)


def show(report: ServeReport) -> None:
    """Print how much was sent."""
    errors = f", {count_of(report.errors, 'answer')} refused or cut" if report.errors else ""
    output.print_message(
        f"Served {count_of(report.requests, 'request')}, {format_size(report.sent_bytes)} sent, "
        f"in {format_seconds(report.seconds)}{errors}."
    )
