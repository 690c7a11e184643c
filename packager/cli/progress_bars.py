"""Progress: a bar on a terminal, otherwise a line per minute; nothing with --json or --quiet."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import Progress as Bars
from rich.progress import ProgressColumn, Task, TaskID
from rich.table import Column
from rich.text import Text

from packager.cli import log_file
from packager.cli.global_options import given
from packager.cli.output import new_console, stderr_console
from packager.cli.progress_line import progress_line
from packager.paths import display_text
from packager.progress import SILENT, Progress

_LINE_SECONDS = 60.0
_LINE_WIDTH = 69  # columns of a line without a bar
_ALWAYS = ("warning:", "error:", "bad:", "refused:")  # lines that --quiet prints, too


@contextmanager
def show_progress(*, json: bool) -> Iterator[Progress]:
    """Yield the object that receives the progress of a command."""
    style = given.progress
    if style == "auto":
        style = "none" if given.quiet else "bar" if sys.stderr.isatty() else "lines"
    if json:
        yield SILENT
    elif style == "bar":
        console = new_console(stderr=True, soft_wrap=True)
        bars = Bars(_Line(console), console=console, transient=True, redirect_stdout=False, redirect_stderr=False)
        try:
            yield _Bar(bars)
        finally:
            bars.stop()
    else:
        yield _Lines(silent=style == "none")


class _Line(ProgressColumn):
    """The line of a task."""

    def __init__(self, console: Console) -> None:
        """Create a line for the width of a console."""
        super().__init__(table_column=Column(no_wrap=True, overflow="crop"))
        self._console = console

    def render(self, task: Task) -> Text:
        """Return the line."""
        total = None if task.total is None else int(task.total)
        shown = progress_line(
            task.description,
            int(task.completed),
            total,
            seconds=task.elapsed or 0,
            unit=str(task.fields["unit"]),
            width=self._console.width,
        )
        return Text(shown)


class _Notes:
    """Notes and details, shown if the options ask for them."""

    def note(self, text: str) -> None:
        """Show a line."""
        self._print(text, shown=not given.quiet or text.startswith(_ALWAYS))

    def detail(self, text: str) -> None:
        """Show a line with --verbose."""
        self._print(text, shown=given.verbose > 0)

    def _print(self, text: str, *, shown: bool) -> None:
        """Print a line and write it to the log file."""
        line = display_text(text, 4000)
        if shown:
            self.print_line(line)
        else:
            log_file.write(line)

    def print_line(self, line: str) -> None:
        """Print a line on stderr."""
        stderr_console(line)


class _Bar(_Notes):
    """Progress as a live bar."""

    def __init__(self, bars: Bars) -> None:
        """Show on `bars`."""
        self._bars = bars
        self._task: TaskID | None = None

    def begin(self, what: str, total: int | None, unit: str = "B") -> None:
        """Open a bar. Before this the terminal is free for questions."""
        self._bars.start()
        self._task = self._bars.add_task(what, total=total, unit=unit)

    def advance(self, amount: int) -> None:
        """Move the bar."""
        if self._task is not None:
            self._bars.advance(self._task, amount)

    def print_line(self, line: str) -> None:
        """Print a line above the bar."""
        log_file.write(line)
        self._bars.console.print(Text(line))

    def end(self) -> None:
        """Remove the bar, so that results can be printed."""
        if self._task is not None:
            self._bars.remove_task(self._task)
            self._bars.stop()
        self._task = None


class _Lines(_Notes):
    """Progress as lines: notes immediately, and progress once a minute."""

    def __init__(self, *, silent: bool) -> None:
        """silent: print only the notes."""
        self._what, self._unit = "", "B"
        self._total: int | None = None
        self._done, self._silent = 0, silent
        self._began = self._printed = time.monotonic()

    def begin(self, what: str, total: int | None, unit: str = "B") -> None:
        """Open a task."""
        self._what, self._total, self._unit, self._done = what, total, unit, 0
        self._began = self._printed = time.monotonic()

    def advance(self, amount: int) -> None:
        """Count, and print a line when a minute is over."""
        self._done += amount
        now = time.monotonic()
        if now - self._printed >= _LINE_SECONDS and not self._silent:
            self._printed = now
            seconds = now - self._began
            stderr_console(
                progress_line(self._what, self._done, self._total, seconds=seconds, unit=self._unit, width=_LINE_WIDTH)
            )

    def end(self) -> None:
        """Close the task."""
        self._what = ""
