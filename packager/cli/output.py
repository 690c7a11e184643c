"""What is printed: results on stdout, talk on stderr.

Names from files and tags never pass through markup, and control characters in them are made visible.
"""

import sys
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, TypeVar

import msgspec
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from packager.errors import IncompleteError, PackagerError
from packager.paths import display_text

if TYPE_CHECKING:
    from packager.core.reports.evidence import Evidence  # with which numpy would be imported, as with the next
    from packager.core.reports.issues import Issue

Report = TypeVar("Report", bound=msgspec.Struct)

_EVIDENCE = 3  # that are printed
_PLAIN_WIDTH = 200  # columns of a table that no terminal bounds


def print_message(text: str) -> None:
    """Print one line of the result on stdout."""
    sys.stdout.write(f"{text}\n")


def stderr_console(text: str) -> None:
    """Print one line beside the result, on stderr."""
    sys.stderr.write(f"{text}\n")


def compared_with(evidence: "Iterable[Evidence | None]") -> None:
    """Print what data was compared with: each once, the first few."""
    found = list(dict.fromkeys(each for each in evidence if each is not None))
    for each in found[:_EVIDENCE]:
        print_message(f"Compared with {display_text(each.sentence(), 1000)}.")
    if len(found) > _EVIDENCE:
        print_message(f"Compared with {len(found) - _EVIDENCE:,} more; --json names them all.")
    if any(each.kind in ("release", "transport") for each in found):
        print_message("Not checked against a signature. To check: --key KEY")


def show_json(report: msgspec.Struct) -> None:
    """Print a report as one JSON document on stdout."""
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(report), indent=2).decode() + "\n")


def show(report: Report, print_report: Callable[[Report], None], *, json: bool) -> None:
    """Print a report: as one JSON document, or by `print_report`."""
    if json:
        show_json(report)
    else:
        print_report(report)


def show_error(error: PackagerError, *, json: bool) -> None:
    """Print an error on stderr: its sentence, or one JSON line with `code`, `where`, `what`, `fix`."""
    if json:
        fields = {"code": error.exit_code, "where": error.where, "what": error.what, "fix": error.fix}
        stderr_console(msgspec.json.encode(fields).decode())
    else:
        stderr_console(f"packager: {display_text(str(error), limit=4000)}")


def unread(count: int) -> str:
    """Return how many files and folders could not be read."""
    return f"{count:,} {'file or folder' if count == 1 else 'files and folders'} could not be read"


def end_failed(failed: "Sequence[Issue]", what: str, *, json: bool) -> None:
    """End a command with the exit code for incomplete work if anything failed; each failure is printed below `what`."""
    if failed:
        if not json:
            stderr_console(f"packager: {what}:")
            for each in failed:
                stderr_console(f"  {each.where}: {each.what}")
        raise typer.Exit(IncompleteError.exit_code)


def end_unread(count: int, *, json: bool) -> None:
    """End a command with the exit code for incomplete work if anything could not be read."""
    if count:
        if not json:
            stderr_console(f"error: {unread(count)}")
            stderr_console("fix:   Fix the permissions or the disk, then run: packager release")
        raise typer.Exit(IncompleteError.exit_code)


def print_table(title: Sequence[str], rows: Iterable[Sequence[str]], *, right: Iterable[int] = ()) -> None:
    """Print a table on stdout; `right` are the columns, from 0, whose cells stand at the right."""
    grid = Table(box=None, pad_edge=False, header_style="bold", show_edge=False)
    numbers = set(right)
    for index, name in enumerate(title):
        grid.add_column(Text(name), justify="right" if index in numbers else "left", overflow="fold")
    for row in rows:
        grid.add_row(*(Text(display_text(cell)) for cell in row))
    console = Console(markup=False, highlight=False, emoji=False)
    if not console.is_terminal:
        console = Console(markup=False, highlight=False, emoji=False, width=_PLAIN_WIDTH)
    console.print(grid)
