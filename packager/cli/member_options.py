"""Shared by commands with RECORD arguments: reading the arguments, printing members, and the exit code."""

import sys
from collections.abc import Iterator, Sequence
from typing import Annotated

import typer

from packager.cli import output
from packager.core.reports.check_reports import ExtractReport, GetReport
from packager.errors import IncompleteError
from packager.option_fields import RECORDS
from packager.units import count_of

_BAD = 1
Records = Annotated[list[str] | None, typer.Argument(help=RECORDS.help, metavar="RECORD...")]


def named_records(given: Sequence[str] | None) -> tuple[str, ...]:
    """Return the records of the command line; "-" reads one per line from stdin."""
    return tuple(record for each in given or () for record in (_read_lines() if each == "-" else (each,)))


def _read_lines() -> Iterator[str]:
    """Yield the lines of stdin that are not empty."""
    return (line.rstrip("\r\n") for line in sys.stdin if line.strip())


def show_members(report: ExtractReport | GetReport, bad: str) -> None:
    """Print the files that a dry run would write, and on stderr the members with a problem.

    bad: text for those that could not be written.
    """
    if report.dry_run:
        rows = ((f"{file.size:,}", file.id, file.path) for file in report.files)
        output.print_table(("bytes", "id", "file"), rows, right=[0])
    for members, title in (
        (report.renamed, "not under the name that was asked for"),
        (report.blocked, "not written; write over them with --overwrite"),
        (report.bad_members, bad),
    ):
        if members:
            output.stderr_console(f"error: {count_of(len(members), 'member')} {title}:")
        for member in members:
            output.stderr_console(f"  {member.path}: {member.reason}" if member.path else f"  {member.reason}")


def end(report: ExtractReport | GetReport) -> None:
    """End the command with its exit code if members are bad, could not be fetched or were not written."""
    if report.bad_members and not report.unreachable:
        raise typer.Exit(_BAD)
    if report.bad_members or report.blocked:
        raise typer.Exit(IncompleteError.exit_code)
