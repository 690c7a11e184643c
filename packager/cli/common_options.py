"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

from packager.cli.complete_names import complete_phases
from packager.option_fields import ALLOW_HOSTS, ALLOW_UNREAD, COUNT_SEEDS, PHASES, SOURCES, WORKERS, parse_workers

NewConfig = Annotated[Path, typer.Option("--config", "-c", help="The project's packager.toml.", metavar="FILE")]


def _nearest(config: Path) -> Path:
    """Return the packager.toml to use: the default one is in the current folder, or in the nearest folder above."""
    if config != DEFAULT_CONFIG or config.is_file():
        return config
    above = (Path(*[".."] * level) for level in range(1, len(Path.cwd().parts)))
    return next((folder / config for folder in above if (folder / config).is_file()), config)


DEFAULT_CONFIG = Path("packager.toml")
Config = Annotated[
    Path,
    typer.Option(
        "--config",
        "-c",
        help="The project's packager.toml. Default: the one here, or in the nearest folder above.",
        metavar="FILE",
        callback=_nearest,
        show_default=False,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout, and nothing else there.")]
Workers = Annotated[str, typer.Option(*WORKERS.flags, help=WORKERS.help, metavar=WORKERS.metavar)]
Phases = Annotated[
    list[str] | None,
    typer.Option(*PHASES.flags, help=PHASES.help, metavar=PHASES.metavar, autocompletion=complete_phases),
]
NoTars = Annotated[
    bool, typer.Option("--no-tars", help="Write no tars; packager serve makes their bytes from the sources.")
]
AllowUnread = Annotated[bool, typer.Option("--allow-unread", help=ALLOW_UNREAD.help)]
CountSeeds = Annotated[bool, typer.Option("--count-seeds", help=COUNT_SEEDS.help)]
AllowHosts = Annotated[
    list[str] | None, typer.Option(*ALLOW_HOSTS.flags, help=ALLOW_HOSTS.help, metavar=ALLOW_HOSTS.metavar)
]
Sources = Annotated[list[str] | None, typer.Option(*SOURCES.flags, help=SOURCES.help, metavar=SOURCES.metavar)]


def processes(workers: str) -> int | None:
    """Return the number of --workers; None for "auto". Raises InputError."""
    return parse_workers(workers, "--workers")
