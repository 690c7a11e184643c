"""What a scan reports of files and records: warnings, and apart from them what could not be read.

All of both go to a file, the first to the report. Warnings are shown by kind; what cannot be read is named.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import msgspec

from packager import paths
from packager.core.reports.issues import Issue
from packager.core.reports.warning_kinds import KindIssue, WarningGroup, WarningsReport
from packager.engine.files import atomic_files
from packager.progress import Progress

REPORTED = 1000
NOTED = 20
WARNINGS, UNREAD = "warnings.jsonl", "unread.jsonl"  # in the state folder: all of each kind, a JSON object a line


class WarningLog:
    """Counts warnings by kind, keeps the first REPORTED, writes each as a line of JSON."""

    def __init__(self, file: BinaryIO, progress: Progress) -> None:
        """Write to an open file."""
        self._file, self._progress = file, progress
        self._groups: dict[str, tuple[int, str]] = {}
        self.first: list[Issue] = []
        self.count = 0

    def add(self, where: str | bytes, what: str, kind: str) -> None:
        """Report a path or record; `where` is made fit to be shown here, `what` already is."""
        issue = KindIssue(where=paths.display_text(where), what=what, kind=kind)
        self.count += 1
        count, example = self._groups.get(kind, (0, issue.where))
        self._groups[kind] = (count + 1, example)
        if self.count <= REPORTED:
            self.first.append(Issue(where=issue.where, what=what))
        self._progress.detail(f"warning: {issue.where}: {what}")
        self._file.write(msgspec.json.encode(issue) + b"\n")

    @property
    def kinds(self) -> tuple[WarningGroup, ...]:
        """The warnings by kind."""
        return tuple(
            WarningGroup(kind=kind, count=count, example=example) for kind, (count, example) in self._groups.items()
        )


class UnreadLog:
    """Counts what cannot be read, keeps the first REPORTED, notes the first NOTED, writes each as a line of JSON."""

    def __init__(self, file: BinaryIO, progress: Progress) -> None:
        """Write to an open file."""
        self._file, self._progress = file, progress
        self.first: list[Issue] = []
        self.count = 0

    def add(self, where: str | bytes, what: str) -> None:
        """Report a path; `where` is made fit to be shown here, `what` already is."""
        issue = Issue(where=paths.display_text(where), what=what)
        self.count += 1
        if self.count <= REPORTED:
            self.first.append(issue)
        if self.count <= NOTED:
            self._progress.note(f"error: {issue.where}: {issue.what}")
        self._file.write(msgspec.json.encode(issue) + b"\n")


@contextlib.contextmanager
def collect_warnings(state: Path, progress: Progress) -> Iterator[tuple[WarningLog, UnreadLog]]:
    """Yield what takes the warnings, and what takes what could not be read; both files are replaced at the end."""
    with atomic_files.replace_file(state / WARNINGS) as warnings, atomic_files.replace_file(state / UNREAD) as unread:
        logs = WarningLog(warnings, progress), UnreadLog(unread, progress)
        yield logs
        if (more := logs[1].count - NOTED) > 0:
            progress.note(f"error: {more:,} more files and folders cannot be read; {state / UNREAD} names all")


def read_warnings(state: Path, kind: str | None) -> WarningsReport:
    """Return what the last scan warned of, or the warnings of one kind."""
    groups: dict[str, list[KindIssue]] = {}
    counts: dict[str, int] = {}
    with contextlib.suppress(FileNotFoundError), open(state / WARNINGS, "rb") as file:
        for line in file:
            issue = msgspec.json.decode(line, type=KindIssue)
            if kind is None or issue.kind == kind:
                counts[issue.kind] = counts.get(issue.kind, 0) + 1
                if counts[issue.kind] <= REPORTED:
                    groups.setdefault(issue.kind, []).append(issue)
    return WarningsReport(
        count=sum(counts.values()),
        kinds=tuple(WarningGroup(kind=each, count=counts[each], example=groups[each][0].where) for each in groups),
        warnings=tuple(issue for group in groups.values() for issue in group),
    )


def read_unread(state: Path) -> tuple[int, tuple[Issue, ...]]:
    """Return how many files and folders the last scan could not read, and the first REPORTED of them."""
    count, first = 0, []
    with contextlib.suppress(FileNotFoundError), open(state / UNREAD, "rb") as file:
        for count, line in enumerate(file, 1):
            if count <= REPORTED:
                first.append(msgspec.json.decode(line, type=Issue))
    return count, tuple(first)
