"""`packager keygen`."""

from pathlib import Path
from typing import Annotated

import typer

from packager import api
from packager.cli import output
from packager.cli.password import new_password


def keygen(
    secret: Annotated[Path, typer.Option(help="Where the secret key goes; never publish it.")] = Path("release.key"),
    public: Annotated[Path, typer.Option(help="Where the public key goes; publish it.")] = Path("release.pub"),
    no_password: Annotated[bool, typer.Option("--no-password", help="Cover the secret key by no password.")] = False,
) -> None:
    """Make a minisign key pair that signs releases.

    Example: packager keygen --no-password
    """
    key = api.keygen(secret, public, password=None if no_password else new_password())
    output.print_message(
        f'{secret} and {public} are written; in packager.toml, under [release], write: key = "{secret}"'
    )
    output.print_message(f"mirrors check releases with: minisign -Vm release.json -P {key.line}")
