"""`packager init`."""

from pathlib import Path
from typing import Annotated

import typer

from packager import api
from packager.cli import output
from packager.cli.common_options import DEFAULT_CONFIG, Config


def init(
    folder: Annotated[Path, typer.Argument(help="The folder of the collection; nothing in it is ever changed.")],
    config: Config = DEFAULT_CONFIG,
    force: Annotated[bool, typer.Option("--force", help="Replace a packager.toml that is there.")] = False,
) -> None:
    """Create packager.toml for a folder of files.

    Example: packager init music
    """
    path = api.init(folder, config=config, force=force)
    output.print_message(f"{path} is written: read it, change what you like, then run: packager release")
