"""Oddities as they are found: all to a file, the first few to the report and the screen."""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from packager import paths
from packager.engine import durable
from packager.progress import Progress
from packager.reports import Oddity

REPORTED = 1000
NOTED = 20


class Oddities:
    """Counts oddities, keeps the first REPORTED, notes the first NOTED, writes each as a line of JSON."""

    def __init__(self, file: BinaryIO, progress: Progress) -> None:
        """Write to an open file."""
        self._file, self._progress = file, progress
        self.first: list[Oddity] = []
        self.count = 0

    def add(self, where: str | bytes, what: str) -> None:
        """Tell of a path or record; `where` is made fit to be shown here, `what` already is."""
        oddity = Oddity(where=paths.shown(where), what=what)
        self.count += 1
        if self.count <= REPORTED:
            self.first.append(oddity)
        if self.count <= NOTED:
            self._progress.note(f"{oddity.where}: {oddity.what}")
        line = json.dumps({"where": oddity.where, "what": oddity.what}, ensure_ascii=False)
        self._file.write(line.encode() + b"\n")


@contextlib.contextmanager
def collect(path: Path, progress: Progress) -> Iterator[Oddities]:
    """Open the file of all oddities (JSON lines of `where` and `what`); it takes its place when the block ends well."""
    with durable.replace(path) as file:
        yield Oddities(file, progress)
