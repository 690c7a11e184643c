"""Collects a scan's warnings, and separately the files and folders that cannot be read.

All issues go to a file, and the first of them to the report. The screen shows warnings by kind, and unread paths.
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
WARNINGS, UNREAD = "warnings.jsonl", "unread.jsonl"  # in the state folder: JSON lines, one for each issue


class WarningLog:
    """Counts warnings by kind, keeps the first REPORTED, and writes all as JSON lines."""

    def __init__(self, file: BinaryIO, progress: Progress) -> None:
        """Write to an open file."""
        self._file, self._progress = file, progress
        self._groups: dict[str, tuple[int, str]] = {}
        self.first: list[Issue] = []
        self.count = 0

    def add(self, where: str | bytes, what: str, kind: str) -> None:
        """Add a warning. where: any text, escaped here; what: a text that can be shown; kind: its group."""
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
    """Counts unread paths, keeps the first REPORTED, shows the first NOTED, and writes all as JSON lines."""

    def __init__(self, file: BinaryIO, progress: Progress) -> None:
        """Write to an open file."""
        self._file, self._progress = file, progress
        self.first: list[Issue] = []
        self.count = 0

    def add(self, where: str | bytes, what: str) -> None:
        """Add an unread path. where: any text, escaped here; what: a text that can be shown."""
        issue = Issue(where=paths.display_text(where), what=what)
        self.count += 1
        if self.count <= REPORTED:
            self.first.append(issue)
        if self.count <= NOTED:
            self._progress.note(f"error: {issue.where}: {issue.what}")
        self._file.write(msgspec.json.encode(issue) + b"\n")


@contextlib.contextmanager
def collect_warnings(state: Path, progress: Progress) -> Iterator[tuple[WarningLog, UnreadLog]]:
    """Yield the logs for warnings and for unread paths. Both files are replaced at the end."""
    with atomic_files.replace_file(state / WARNINGS) as warnings, atomic_files.replace_file(state / UNREAD) as unread:
        logs = WarningLog(warnings, progress), UnreadLog(unread, progress)
        yield logs
        if (more := logs[1].count - NOTED) > 0:
            progress.note(f"error: {more:,} more files and folders cannot be read; {state / UNREAD} lists them all")


def read_warnings(state: Path, kind: str | None) -> WarningsReport:
    """Return the warnings of the last scan, all or of one kind."""
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
    """Return how many files and folders the last scan could not read, and the first REPORTED issues."""
    count, first = 0, []
    with contextlib.suppress(FileNotFoundError), open(state / UNREAD, "rb") as file:
        for count, line in enumerate(file, 1):
            if count <= REPORTED:
                first.append(msgspec.json.decode(line, type=Issue))
    return count, tuple(first)
