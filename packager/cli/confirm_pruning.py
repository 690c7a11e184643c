"""What `prune` and `mirror prune` ask and print."""

import sys
from collections.abc import Callable, Sequence
from typing import Annotated

import typer

from packager.cli import output
from packager.cli.interrupt import confirmed
from packager.core.reports.reports import PruneReport, ToDelete
from packager.errors import InputError
from packager.units import count_of, show_size

DryRun = Annotated[bool, typer.Option("--dry-run", "-n", help="List what would be deleted; delete nothing.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Delete without asking.")]
_SHOWN = 20  # files that are printed; --json has all


def ask(*, yes: bool) -> Callable[[PruneReport], bool]:
    """Return what asks on the terminal whether to delete; the answer no is the interrupt, exit code 130.

    What it returns raises InputError if there is no terminal to ask on and --yes was not given.
    """

    def agreed(planned: PruneReport) -> bool:
        if yes:
            return True
        what = f"{count_of(len(planned.files), 'tar')}, {show_size(planned.size)}"
        if not (sys.stdin.isatty() and sys.stderr.isatty()):
            raise InputError("prune", f"{what}, would be deleted", "add --yes to delete without a question")
        for each in planned.files[:_SHOWN]:
            output.talk(line(each))
        if not confirmed(f"Delete {what}?", default=False):
            raise KeyboardInterrupt
        return True

    return agreed


def line(each: ToDelete) -> str:
    """Return a file, its size and why it should be deleted, on one line."""
    return f"{each.path}: {show_size(each.size)}: {each.why}"


def advise(files: Sequence[ToDelete], what: str) -> None:
    """Print files that should be deleted and the command that does it. what: goes after their number."""
    for each in files[:_SHOWN]:
        output.say(f"  {line(each)}")
    if len(files) > _SHOWN:
        output.say(f"  and {count_of(len(files) - _SHOWN, 'more file')}; --json lists all")
    size = show_size(sum(each.size for each in files))
    output.say(f"{count_of(len(files), 'tar')} {what} ({size}). Run: packager prune")


def show(report: PruneReport, *, dry_run: bool) -> None:
    """Print what was deleted; the sum last."""
    for each in report.files[:_SHOWN]:
        output.say(line(each))
    if len(report.files) > _SHOWN:
        output.say(f"and {count_of(len(report.files) - _SHOWN, 'more file')}; --json lists all")
    for kept in report.kept:
        output.say(f"not deleted: {kept.where}: {kept.what}")
    what = f"{count_of(len(report.files), 'tar')}, {show_size(report.size)}"
    if not report.files:
        output.say("Nothing to delete.")
    else:
        output.say(f"Dry run: would delete {what}." if dry_run else f"Deleted {what}.")
