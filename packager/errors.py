"""The errors that end a command, by what its user can do, with their exit codes.

    PackagerError
    |-- InputError        2  config, records, documents or arguments are wrong: fix them
    |-- TrustError        1  a signature, chain or digest is wrong: do not use it
    `-- IncompleteError   3  the work is incomplete (disk full, source changed): run again

Damage that a check finds is a value (`packager.core.reports.faults`), not an exception.
"""

from typing import ClassVar


class PackagerError(Exception):
    """An error: where it happened, what happened, and how to fix it. `where` and `fix` may be empty."""

    exit_code: ClassVar[int] = 2
    kind: ClassVar[str] = "input"  # of the error line with --json

    def __init__(self, where: object, what: str, fix: str = "") -> None:
        """Store the three parts, which `--json` prints as fields."""
        super().__init__(where, what, fix)
        self.where, self.what, self.fix = str(where), what, fix

    def __str__(self) -> str:
        """Return the parts as one sentence."""
        return f"{self.where}: {self.advice}" if self.where else self.advice

    @property
    def advice(self) -> str:
        """What happened and how to fix it, without the place."""
        return f"{self.what}; {self.fix}" if self.fix else self.what

    def __reduce__(self) -> tuple[type["PackagerError"], tuple[str, str, str]]:
        """Pickle the three parts, so that an error of a worker arrives complete."""
        return type(self), (self.where, self.what, self.fix)


class InputError(PackagerError):
    """The config, a record, a document or an argument is wrong."""


class TrustError(PackagerError):
    """A signature, a chain of releases or a published digest is wrong."""

    exit_code = 1
    kind = "refused"


class IncompleteError(PackagerError):
    """The work could not be completed now; the same command resumes it."""

    exit_code = 3
    kind = "incomplete"


class Stopped(KeyboardInterrupt):  # not an Exception, so that no error handler catches it
    """The user stopped the work. Its text says what is complete and what was lost, as sentences."""

    resumable = True  # the same command resumes


class Declined(Stopped):
    """The user answered no, and nothing was changed."""

    resumable = False

    def __init__(self) -> None:
        """Create the error, which says that nothing was changed."""
        super().__init__("Nothing was changed.")


def from_os_error(error: OSError, where: object, fix: str = "run the command again") -> IncompleteError:
    """Return an IncompleteError with the system's message of an OSError."""
    return IncompleteError(where, error.strerror or str(error), fix)


def first_line(error: BaseException) -> str:
    """Return the first line of a library's message, or the name of the error if it has none."""
    return next(iter(str(error).splitlines()), "") or type(error).__name__
