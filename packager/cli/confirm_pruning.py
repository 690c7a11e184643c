"""Questions and output of `prune` and `mirror prune`."""

from collections.abc import Callable, Sequence

from packager.cli import output
from packager.cli.confirm_change import confirm_change
from packager.core.reports.reports import PruneItem, PruneReport
from packager.units import count_of, format_size

_SHOWN = 20  # files that are printed; --json has all


def confirm_pruning(*, yes: bool) -> Callable[[PruneReport], bool]:
    """Return a function that asks before deleting, as `confirm_change` does."""

    def agreed(planned: PruneReport) -> bool:
        what = f"{count_of(len(planned.files), 'tar')}, {format_size(planned.size)}"
        return confirm_change("delete", what, map(print_item, planned.files[:_SHOWN]), yes=yes)

    return agreed


def print_item(each: PruneItem) -> str:
    """Return one line with a file, its size and the reason to delete it."""
    return f"{each.path}: {format_size(each.size)}: {each.reason}"


def print_advice(files: Sequence[PruneItem], what: str) -> None:
    """Print files that should be deleted, and the command that deletes them. what: text after their number."""
    for each in files[:_SHOWN]:
        output.print_message(f"  {print_item(each)}")
    if len(files) > _SHOWN:
        output.print_message(f"  and {count_of(len(files) - _SHOWN, 'more file')}; --json lists all")
    size = format_size(sum(each.size for each in files))
    output.print_message(f"{count_of(len(files), 'tar')} {what} ({size}). Run: packager prune")


def print_report(report: PruneReport, *, dry_run: bool) -> None:
    """Print the deleted files, and then their sum."""
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
