"""What `prune` and `mirror prune` ask and print."""

import sys
from collections.abc import Callable, Sequence
from typing import Annotated

import typer

from packager.cli import output
from packager.cli.interrupt import confirm
from packager.core.reports.reports import PruneItem, PruneReport
from packager.errors import Declined, InputError
from packager.units import count_of, format_size

DryRun = Annotated[bool, typer.Option("--dry-run", "-n", help="List what would be deleted; delete nothing.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Delete without asking.")]
_SHOWN = 20  # files that are printed; --json has all


def confirm_pruning(*, yes: bool) -> Callable[[PruneReport], bool]:
    """Return what asks on the terminal whether to delete; the answer no is the interrupt, exit code 130.

    What it returns raises InputError if there is no terminal to ask on and --yes was not given.
    """

    def agreed(planned: PruneReport) -> bool:
        if yes:
            return True
        what = f"{count_of(len(planned.files), 'tar')}, {format_size(planned.size)}"
        if not (sys.stdin.isatty() and sys.stderr.isatty()):
            raise InputError("prune", f"{what}, would be deleted", "add --yes to delete without a question")
        for each in planned.files[:_SHOWN]:
            output.stderr_console(print_item(each))
        if not confirm(f"Delete {what}?", default=False):
            raise Declined
        return True

    return agreed


def print_item(each: PruneItem) -> str:
    """Return a file, its size and why it should be deleted, on one line."""
    return f"{each.path}: {format_size(each.size)}: {each.reason}"


def print_advice(files: Sequence[PruneItem], what: str) -> None:
    """Print files that should be deleted and the command that does it. what: goes after their number."""
    for each in files[:_SHOWN]:
        output.print_message(f"  {print_item(each)}")
    if len(files) > _SHOWN:
        output.print_message(f"  and {count_of(len(files) - _SHOWN, 'more file')}; --json lists all")
    size = format_size(sum(each.size for each in files))
    output.print_message(f"{count_of(len(files), 'tar')} {what} ({size}). Run: packager prune")


def print_report(report: PruneReport, *, dry_run: bool) -> None:
    """Print what was deleted; the sum last."""
    for each in report.files[:_SHOWN]:
        output.print_message(print_item(each))
    if len(report.files) > _SHOWN:
        output.print_message(f"and {count_of(len(report.files) - _SHOWN, 'more file')}; --json lists all")
    for kept in report.kept:
        output.print_message(f"not deleted: {kept.where}: {kept.what}")
    what = f"{count_of(len(report.files), 'tar')}, {format_size(report.size)}"
    if not report.files:
        output.print_message("Nothing to delete.")
    else:
        output.print_message(f"Dry run: would delete {what}." if dry_run else f"Deleted {what}.")
