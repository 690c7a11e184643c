"""`packager keygen`."""

from pathlib import Path
from typing import Annotated

import typer

from packager import api
from packager.cli import output
from packager.cli.password import new_password


def keygen(
    secret_key: Annotated[Path, typer.Option(help="File for the secret key; never publish it.", metavar="FILE")] = Path(
        "release.key"
    ),
    public_key: Annotated[Path, typer.Option(help="File for the public key; publish it.", metavar="FILE")] = Path(
        "release.pub"
    ),
    no_password: Annotated[
        bool, typer.Option("--no-password", help="Do not protect the secret key with a password.")
    ] = False,
) -> None:
    """Create a key pair that signs releases.

    Example: packager keygen --no-password
    """
    api.keygen(secret_key, public_key, password=None if no_password else new_password())
    output.print_message(f"Created {secret_key} (secret: keep a copy) and {public_key} (publish it).")
    output.next_step(f'set release.secret_key = "{secret_key}" in packager.toml, and publish {public_key}')
