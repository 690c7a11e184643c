"""Options that several commands share."""

import platform
from pathlib import Path
from typing import Annotated

import typer

from packager import __version__
from packager.option_fields import ALLOW_HOSTS, ALLOW_UNREAD, COUNT_SEEDS, PHASES, SOURCES, WORKERS, parse_workers

Config = Annotated[Path, typer.Option("--config", "-c", help="The project's packager.toml.", metavar="FILE")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout, and nothing else there.")]
Workers = Annotated[str, typer.Option(*WORKERS.flags, help=WORKERS.help)]
Phases = Annotated[list[str] | None, typer.Option(*PHASES.flags, help=PHASES.help, metavar=PHASES.metavar)]
NoTars = Annotated[
    bool, typer.Option("--no-tars", help="Write no tars; packager serve makes their bytes from the sources.")
]
AllowUnread = Annotated[bool, typer.Option("--allow-unread", help=ALLOW_UNREAD.help)]
CountSeeds = Annotated[bool, typer.Option("--count-seeds", help=COUNT_SEEDS.help)]
AllowHosts = Annotated[
    list[str] | None, typer.Option(*ALLOW_HOSTS.flags, help=ALLOW_HOSTS.help, metavar=ALLOW_HOSTS.metavar)
]
Sources = Annotated[list[str] | None, typer.Option(*SOURCES.flags, help=SOURCES.help, metavar=SOURCES.metavar)]
DEFAULT_CONFIG = Path("packager.toml")


def processes(workers: str) -> int | None:
    """Return the number that --workers asks for, None for auto. Raises InputError."""
    return parse_workers(workers, "--workers")


def _print_version(*, wanted: bool) -> None:
    """Print the version of packager and of what it depends on most, and end."""
    if wanted:
        from packager.native import hashes  # only here, as is the next: a library is loaded, and files are read

        typer.echo(f"archive-packager {__version__}")
        typer.echo(f"Python {platform.python_version()}")
        typer.echo(f"hashes: {hashes.name()}")
        typer.echo(f"libtorrent {_installed('libtorrent')}")
        raise typer.Exit


def _installed(distribution: str) -> str:
    """Return the version of an installed distribution, or that it is not installed."""
    from importlib import metadata

    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return "not installed"


def version_callback(
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            "-V",
            help="Print the versions of packager, Python and libtorrent, and which code hashes.",
            callback=lambda value: _print_version(wanted=value),
            is_eager=True,
        ),
    ] = False,
) -> None:
    """Cut an archive release: deterministic shards, checksum manifests, torrents, magnet lists and a site.

    Begin with: packager init FOLDER, then packager release
    """
