"""What a scan reports of files and records: warnings, and apart from them what could not be read.

All of each kind go to a file, the first to the report, fewer to the screen: one kind never crowds out the other.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import msgspec

from packager import paths
from packager.core.reports.issues import Issue
from packager.engine.files import atomic_files
from packager.progress import Progress

REPORTED = 1000
NOTED = 20
WARNINGS, UNREAD = "warnings.jsonl", "unread.jsonl"  # in the state folder: all of each kind, a JSON object a line


class WarningLog:
    """Counts one kind, keeps the first REPORTED, notes the first NOTED, writes each as a line of JSON."""

    def __init__(self, file: BinaryIO, progress: Progress, label: str = "") -> None:
        """Write to an open file. label: comes before each note."""
        self._file, self._progress, self._label = file, progress, label
        self.first: list[Issue] = []
        self.count = 0

    def add(self, where: str | bytes, what: str) -> None:
        """Report a path or record; `where` is made fit to be shown here, `what` already is."""
        issue = Issue(where=paths.display_text(where), what=what)
        self.count += 1
        if self.count <= REPORTED:
            self.first.append(issue)
        if self.count <= NOTED:
            self._progress.note(f"{self._label}{issue.where}: {issue.what}")
        self._file.write(msgspec.json.encode(issue) + b"\n")


@contextlib.contextmanager
def collect_warnings(state: Path, progress: Progress) -> Iterator[tuple[WarningLog, WarningLog]]:
    """Yield what takes the warnings, and what takes what could not be read; both files are replaced at the end."""
    with atomic_files.replace_file(state / WARNINGS) as warnings, atomic_files.replace_file(state / UNREAD) as unread:
        kinds = WarningLog(warnings, progress), WarningLog(unread, progress, "error: ")
        yield kinds
        if (more := kinds[1].count - NOTED) > 0:
            progress.note(f"error: {more:,} more files and folders cannot be read; {state / UNREAD} names all")


def read_unread(state: Path) -> tuple[int, tuple[Issue, ...]]:
    """Return how many files and folders the last scan could not read, and the first REPORTED of them."""
    count, first = 0, []
    with contextlib.suppress(FileNotFoundError), open(state / UNREAD, "rb") as file:
        for count, line in enumerate(file, 1):
            if count <= REPORTED:
                first.append(msgspec.json.decode(line, type=Issue))
    return count, tuple(first)
