"""One line a request, in the combined format that web servers write and log readers know."""

import os
import time
from dataclasses import dataclass
from pathlib import Path

from packager.paths import display_text

_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
_TEXT = 300  # characters of what a client sent that are kept


@dataclass(frozen=True)
class AccessLog:
    """Where lines go: an open file, to which each is added by one write, whichever process it comes from."""

    descriptor: int
    path: Path | None = None

    @classmethod
    def open(cls, path: Path) -> "AccessLog":
        """Open a file to add lines to. Raises OSError."""
        return cls(os.open(path, _FLAGS, 0o640), path)

    def reopen(self) -> None:
        """Go on in the file that has the path now: a program that rotates logs has moved the old one away."""
        if self.path is None:
            return
        try:
            new = os.open(self.path, _FLAGS, 0o640)
        except OSError as error:
            self.error(f"the log cannot be opened again, lines are still added to the old one: {error.strerror}")
            return
        os.dup2(new, self.descriptor, inheritable=False)
        os.close(new)

    def request(self, *, client: str, line: str, status: int, sent: int, referrer: str, agent: str) -> None:
        """Write what was asked and answered; what clients sent is made visible, and cannot end its field or line."""
        now = time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime())
        self._write(f'{client} - - [{now}] "{_safe(line)}" {status} {sent} "{_safe(referrer)}" "{_safe(agent)}"')

    def error(self, text: str) -> None:
        """Write why something could not be sent."""
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        self._write(f"{now} error: {text}")

    def _write(self, line: str) -> None:
        """Add one line."""
        os.write(self.descriptor, line.encode("utf-8", "backslashreplace") + b"\n")


def _safe(text: str) -> str:
    """Return a client's text as it can stand between quotes."""
    return display_text(text.replace("\\", "\\\\").replace('"', '\\"'), _TEXT) or "-"
