"""`packager inspect`."""

from typing import Annotated

import typer

from packager import api
from packager.cli import screen, show_inspection
from packager.cli.options import Json


def inspect(
    file: Annotated[str, typer.Argument(help="A file of a release, or made by others; or a magnet link.")],
    json: Json = False,
) -> None:
    """Tell what a .torrent, magnet link, tar, manifest, members table, release or signature says, and its faults.

    Example: packager inspect output/torrents/tones-rest-00001.torrent
    """
    report = api.inspect(file)
    if json:
        screen.show_json(report)
    else:
        show_inspection.show(report)
    raise typer.Exit(0 if report.ok else 1)
