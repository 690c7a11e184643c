"""How far a command is: bars on a terminal, a line a minute elsewhere, nothing with --json."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, ProgressColumn, Task, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bars
from rich.text import Text

from packager.cli.output import stderr_console
from packager.paths import display_text
from packager.progress import SILENT, Progress
from packager.units import format_seconds, format_size

_LINE_SECONDS = 60.0


@contextmanager
def show_progress(*, json: bool) -> Iterator[Progress]:
    """Yield what a command tells its progress to."""
    if json:
        yield SILENT
    elif sys.stderr.isatty():
        console = Console(stderr=True, markup=False, highlight=False, emoji=False, soft_wrap=True)
        columns = (
            TextColumn("{task.description:<10}", markup=False),
            BarColumn(bar_width=28),
            _Amount(),
            TimeElapsedColumn(),
            TextColumn("left", markup=False),
            TimeRemainingColumn(),
        )
        bars = Bars(*columns, console=console, transient=True)
        try:
            yield _Bar(bars)
        finally:
            bars.stop()
    else:
        yield _Lines()


def amount(done: float, total: float | None, seconds: float, unit: str) -> str:
    """Return "1.2 GiB of 64 GiB, 512 MiB/s" or "1,200 files, 300/s"."""
    rate = done / seconds if seconds > 0 else 0
    if unit == "B":
        whole = f" of {format_size(total)}" if total is not None else ""
        return f"{format_size(done)}{whole}, {format_size(round(rate))}/s"
    whole = f" of {total:,.0f}" if total is not None else ""
    return f"{done:,.0f}{whole} {unit}s, {rate:,.0f}/s"


class _Amount(ProgressColumn):
    """What is done, of what, and the rate."""

    def render(self, task: Task) -> Text:
        """Return the column's text."""
        return Text(amount(task.completed, task.total, task.elapsed or 0, str(task.fields["unit"])))


class _Bar:
    """Progress as a live bar."""

    def __init__(self, bars: Bars) -> None:
        """Show on `bars`."""
        self._bars = bars
        self._task: TaskID | None = None

    def begin(self, what: str, total: int | None, unit: str = "B") -> None:
        """Open a bar. Only now is the terminal taken, since questions may be asked before."""
        self._bars.start()
        self._task = self._bars.add_task(what, total=total, unit=unit)

    def advance(self, amount: int) -> None:
        """Move the bar."""
        if self._task is not None:
            self._bars.advance(self._task, amount)

    def note(self, text: str) -> None:
        """Print a line above the bar."""
        self._bars.console.print(Text(display_text(text)))

    def end(self) -> None:
        """Take the bar away."""
        if self._task is not None:
            self._bars.remove_task(self._task)
        self._task = None


class _Lines:
    """Progress as lines: notes as they come, and what is done once a minute."""

    def __init__(self) -> None:
        """Begin with nothing open."""
        self._what, self._unit = "", "B"
        self._total: int | None = None
        self._done = 0
        self._began = self._said = time.monotonic()

    def begin(self, what: str, total: int | None, unit: str = "B") -> None:
        """Open a task."""
        self._what, self._total, self._unit, self._done = what, total, unit, 0
        self._began = self._said = time.monotonic()

    def advance(self, amount: int) -> None:
        """Count, and say a line when a minute has gone."""
        self._done += amount
        now = time.monotonic()
        if now - self._said >= _LINE_SECONDS:
            self._said = now
            stderr_console(f"{self._what}: {self._line(now - self._began)}")

    def _line(self, seconds: float) -> str:
        """Return what is done and the time left."""
        text = amount(self._done, self._total, seconds, self._unit)
        if self._total and self._done:
            text += f", {format_seconds(seconds * (self._total - self._done) / self._done)} left"
        return text

    def note(self, text: str) -> None:
        """Say a line now."""
        stderr_console(display_text(text))

    def end(self) -> None:
        """Close the task."""
        self._what = ""
