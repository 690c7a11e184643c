"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

from packager import __version__
from packager.errors import InputError

Config = Annotated[Path, typer.Option("--config", "-c", help="The project's packager.toml.", metavar="FILE")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout, and nothing else there.")]
Workers = Annotated[
    str, typer.Option("--workers", "-w", help="Processes that work at once: a number, or auto, one a core.")
]
Phases = Annotated[
    list[str] | None, typer.Option("--phase", "-p", help="Only this phase; may be given again.", metavar="NAME")
]
Virtual = Annotated[
    bool, typer.Option("--virtual", help="Write no tars: packager serve makes their bytes from the sources.")
]
Scrape = Annotated[bool, typer.Option("--scrape", help="Ask the trackers how many seeds each shard has, and show it.")]
ReleasePlace = Annotated[
    str | None,
    typer.Option(
        "--release",
        help="The release that lists the shard: its folder, its release.json, or the address of either."
        " Default: the folder around it.",
        metavar="DIR|URL",
    ),
]
PublisherKey = Annotated[
    str | None,
    typer.Option(
        "--key", help="The publisher's minisign key, by which the release must be signed.", metavar="KEY|FILE"
    ),
]
ManifestFile = Annotated[
    Path | None,
    typer.Option("--manifest", help="The shard's .manifest.json. Default: the one beside it.", metavar="FILE"),
]
DEFAULT_CONFIG = Path("packager.toml")


def processes(workers: str) -> int | None:
    """Return the number that --workers asks for, None for auto. Raises InputError."""
    if workers == "auto":
        return None
    if not workers.isascii() or not workers.isdigit() or not 1 <= int(workers[:6]) <= 4096:
        raise InputError("--workers", f'"{workers}" is not a number of processes', 'write 1 to 4096, or "auto"')
    return int(workers)


def _print_version(*, wanted: bool) -> None:
    """Print the version and end."""
    if wanted:
        typer.echo(f"archive-packager {__version__}")
        raise typer.Exit


def version_callback(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version.", callback=lambda value: _print_version(wanted=value), is_eager=True
        ),
    ] = False,
) -> None:
    """Cut an archive release: deterministic shards, checksum manifests, torrents, magnet lists and a site.

    Begin with: packager init FOLDER, then packager release
    """
