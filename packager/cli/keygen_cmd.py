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
    key = api.keygen(secret_key, public_key, password=None if no_password else new_password())
    output.print_message(
        f"{secret_key} and {public_key} are written; "
        f'in packager.toml, under [release], write: secret_key = "{secret_key}"'
    )
    output.print_message(f"mirrors check releases with: minisign -Vm release.json -P {key.line}")
