"""Printing: the result on stdout, everything else on stderr, and both in the log file if there is one.

Names from files and tags never pass through markup, and control characters in them are made visible.
"""

import os
import shlex
import sys
import traceback
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from packager.cli import log_file
from packager.cli.error_text import InterruptedWork, bug_lines, error_json, error_lines
from packager.cli.global_options import given
from packager.errors import IncompleteError, PackagerError, Stopped
from packager.paths import display_text
from packager.units import format_seconds, format_size

if TYPE_CHECKING:
    from packager.core.reports.evidence import Evidence  # it imports numpy
    from packager.core.reports.issues import Issue

Report = TypeVar("Report", bound=msgspec.Struct)

_EVIDENCE = 3  # lines that are printed
_NAMED = 20  # failures that are printed
_PLAIN_WIDTH = 10_000  # columns of a table if stdout is not a terminal: no cell is cut


def print_message(text: str) -> None:
    """Print one line of the result on stdout."""
    log_file.write(text)
    sys.stdout.write(f"{text}\n")


def stderr_console(text: str) -> None:
    """Print one line on stderr."""
    log_file.write(text)
    sys.stdout.flush()  # keeps the order of stdout and stderr in a pipe
    sys.stderr.write(f"{text}\n")


def next_step(command: str, advice: str = "") -> None:
    """Print the next command, and in brackets what else to do."""
    if not given.quiet:
        print_message(f"Next: {command}" + (f"            ({advice})" if advice else ""))


def folder_name(path: str) -> str:
    """Return a folder as people write it: relative if it is in the current one, with "/" at its end."""
    relative = os.path.relpath(path)
    return os.path.join(path if relative.startswith("..") else relative, "")


def in_time(size: float, seconds: float) -> str:
    """Return "in 1 s (1.4 MiB/s)"; the rate only after a second."""
    rate = f" ({format_size(round(size / seconds))}/s)" if seconds >= 1 else ""
    return f"in {format_seconds(seconds)}{rate}"


def compared_with(evidence: "Iterable[Evidence | None]") -> None:
    """Print what data was compared with: the first few, each once."""
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


def show_error(error: PackagerError) -> None:
    """Print an error on stderr: two lines, or one JSON line."""
    for line in [error_json(error)] if given.json else error_lines(error):
        stderr_console(line)


def show_bug(error: Exception) -> None:
    """Print the report of a bug. The traceback goes to the log file, and with -v to stderr."""
    trace = "".join(traceback.format_exception(error)).rstrip()
    if given.verbose:
        stderr_console(trace)
    else:
        log_file.write(trace)
    for line in bug_lines(error, json=given.json):
        stderr_console(line)


def show_stopped(stop: BaseException, arguments: Sequence[str]) -> None:
    """Print what is complete after Ctrl-C, and the command that resumes."""
    text = str(stop) if isinstance(stop, Stopped) else "Work that is complete is kept."
    resume = shlex.join(["packager", *arguments])
    if given.json:
        stderr_console(error_json(InterruptedWork("", f"stopped: {text}", f"resume: {resume}")))
        return
    stderr_console(f"Stopped. {text}")
    if getattr(stop, "resumable", True):
        stderr_console(f"Resume: {resume}")


def unread(count: int) -> str:
    """Return how many files and folders could not be read."""
    return f"{count:,} {'file or folder' if count == 1 else 'files and folders'} could not be read"


def end_failed(failed: "Sequence[Issue]", *, json: bool) -> None:
    """End a command with the exit code for incomplete work if anything failed; the first failures are printed."""
    if failed:
        if not json:
            for each in failed[:_NAMED]:
                stderr_console(f"error: {each.where}: {each.what}")
            if len(failed) > _NAMED:
                stderr_console(f"error: {len(failed) - _NAMED:,} more; --json lists all")
            stderr_console("fix:   Remove the causes, then run the same command again.")
        raise typer.Exit(IncompleteError.exit_code)


def end_unread(count: int, *, json: bool) -> None:
    """End a command with the exit code for incomplete work if anything could not be read."""
    if count:
        if not json:
            stderr_console(f"error: {unread(count)}")
            stderr_console("fix:   Fix the permissions or the disk, then run: packager release")
        raise typer.Exit(IncompleteError.exit_code)


def print_table(title: Sequence[str], rows: Iterable[Sequence[str]], *, right: Iterable[int] = ()) -> None:
    """Print a table on stdout: on a terminal, cells that are too long are cut.

    right: the columns, from 0, whose cells are aligned to the right.
    """
    grid = Table(box=None, pad_edge=False, header_style="bold", show_edge=False)
    numbers = set(right)
    for index, name in enumerate(title):
        grid.add_column(Text(name), justify="right" if index in numbers else "left", overflow="ellipsis", no_wrap=True)
    for row in rows:
        grid.add_row(*(Text(display_text(cell)) for cell in row))
    console = new_console()
    if not console.is_terminal:
        console = new_console(width=_PLAIN_WIDTH)
    with console.capture() as printed:
        console.print(grid)
    lines = [line.rstrip() for line in printed.get().splitlines()]
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    log_file.write(Text.from_ansi("\n".join(lines)).plain)


def new_console(**settings: Any) -> Console:
    """Return a console without markup; --color decides about colors."""
    if given.color == "always":
        settings["force_terminal"] = True
    elif given.color == "never":
        settings["color_system"] = None
    return Console(markup=False, highlight=False, emoji=False, **settings)
