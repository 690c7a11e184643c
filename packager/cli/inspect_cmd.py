"""`packager inspect`."""

from typing import Annotated

import typer

from packager import api
from packager.cli import output, print_inspection
from packager.cli.common_options import Json


def inspect(
    file: Annotated[str, typer.Argument(help="A file of a release, or made by others; or a magnet link.")],
    json: Json = False,
) -> None:
    """Show the contents and faults of a release file.

    The file can be a .torrent, tar, manifest, members table, release document, catalogue, signature or key.

    Example: packager inspect site/torrents/tones-rest-00001.torrent
    """
    report = api.inspect(file)
    output.show(report, print_inspection.print_inspection, json=json)
    raise typer.Exit(0 if report.ok else 1)
