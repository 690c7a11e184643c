"""How long work reports its progress. The code that works only knows this protocol; the command line implements it."""

from collections.abc import Callable
from typing import Protocol, TypeAlias

Advance: TypeAlias = Callable[[int], None]  # called with the units, mostly bytes, that are done since the last call


class Progress(Protocol):
    """What long work reports while it runs. Calls are cheap; the screen decides what is shown when."""

    def begin(self, what: str, total: int | None, unit: str = "B") -> None:
        """Open a task of `total` units (None: not known); `unit` "B" is bytes, else a noun ("file")."""

    def advance(self, amount: int) -> None:
        """Say that `amount` more units of the open task are done."""

    def note(self, text: str) -> None:
        """Show one line to the user: a warning, a fault."""

    def detail(self, text: str) -> None:
        """Show one line to a user who wants to see every file and shard (--verbose)."""

    def end(self) -> None:
        """Close the open task."""


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
