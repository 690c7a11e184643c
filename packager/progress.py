"""The protocol by which long work reports its progress. The command line implements it."""

from collections.abc import Callable
from typing import Protocol, TypeAlias

Advance: TypeAlias = Callable[[int], None]  # called with the units (mostly bytes) done since the last call


class Progress(Protocol):
    """Receives the progress of long work. Calls are cheap; the implementation decides what to show and when."""

    def begin(self, what: str, total: int | None, unit: str = "B") -> None:
        """Begin a task of `total` units (None: unknown). unit: "B" for bytes, or a noun such as "file"."""

    def advance(self, amount: int) -> None:
        """Report that `amount` more units of the task are done."""

    def note(self, text: str) -> None:
        """Show one line to the user: a warning, a fault."""

    def detail(self, text: str) -> None:
        """Show one line about a file or shard; only with --verbose."""

    def end(self) -> None:
        """End the task."""


class Silent:
    """A Progress that shows nothing."""

    def begin(self, what: str, total: int | None, unit: str = "B") -> None:
        """Show nothing."""

    def advance(self, amount: int) -> None:
        """Show nothing."""

    def note(self, text: str) -> None:
        """Show nothing."""

    def detail(self, text: str) -> None:
        """Show nothing."""

    def end(self) -> None:
        """Show nothing."""


SILENT: Progress = Silent()
