"""The secret key's password: from the environment, or asked for on the terminal and never shown."""

import getpass
import os
import sys

from packager import api
from packager.errors import InputError

VARIABLE = "PACKAGER_KEY_PASSWORD"


def ask_password() -> str:
    """Return the password of a key that has one. Raises InputError where there is nobody to ask."""
    given = os.environ.get(VARIABLE)
    if given is not None:
        return given
    return getpass.getpass("Password of the release key: ") if sys.stdin.isatty() else api.no_password()


def new_password() -> str:
    """Return the password for a new key, asked for twice. Raises InputError."""
    given = os.environ.get(VARIABLE)
    if given is not None:
        return given
    if not sys.stdin.isatty():
        raise InputError("keygen", "there is no terminal to ask for a password", f"set {VARIABLE}, or --no-password")
    first = getpass.getpass("Password for the new key: ")
    if first != getpass.getpass("The same again: "):
        raise InputError("keygen", "the two passwords differ", "run it again")
    return first
