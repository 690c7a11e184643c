"""Ask before a change that is hard to undo: on a terminal, unless --yes is given."""

import sys
from collections.abc import Iterable
from typing import Annotated

import typer

from packager.cli import output
from packager.cli.interrupt import confirm
from packager.errors import Declined, InputError

DryRun = Annotated[bool, typer.Option("--dry-run", "-n", help="Show what would be done, and change nothing.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


def is_asked(*, yes: bool) -> bool:
    """Return whether to ask."""
    return not yes and sys.stdin.isatty() and sys.stderr.isatty()


def confirm_change(command: str, what: str, lines: Iterable[str], *, yes: bool) -> bool:
    """Return True if the change may be made. Raises Declined if the answer is no.

    command: its name, a verb. what: its object, such as "1 record". lines: printed before the question. Raises
    InputError if there is no terminal to ask on and --yes was not given.
    """
    if yes:
        return True
    if not is_asked(yes=yes):
        raise InputError(command, f"there is no terminal to ask on ({what})", "add --yes")
    for line in lines:
        output.stderr_console(line)
    if not confirm(f"{command.capitalize()} {what}?", default=False):
        raise Declined
    return True
