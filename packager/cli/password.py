"""The password of the secret key, from the environment or typed on the terminal. It is never shown."""

import getpass
import os
import sys

from packager import api
from packager.errors import InputError

VARIABLE = "PACKAGER_KEY_PASSWORD"


def ask_password() -> str:
    """Return the password of a key. Raises InputError if there is no terminal to ask on."""
    given = os.environ.get(VARIABLE)
    if given is not None:
        return given
    return getpass.getpass("Password of the release key: ") if sys.stdin.isatty() else api.no_password()


def new_password() -> str:
    """Ask twice for the password of a new key and return it. Raises InputError."""
    given = os.environ.get(VARIABLE)
    if given is not None:
        return given
    if not sys.stdin.isatty():
        raise InputError("keygen", "there is no terminal to ask for a password", f"set {VARIABLE}, or --no-password")
    first = getpass.getpass("Password for the new key: ")
    if first != getpass.getpass("The same again: "):
        raise InputError("keygen", "the two passwords differ", "run it again")
    return first
