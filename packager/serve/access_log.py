"""The access log: one line for each request, in the combined log format."""

import os
import time
from dataclasses import dataclass
from pathlib import Path

from packager.paths import display_text

_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
_MAX_FIELD = 300  # characters


@dataclass(frozen=True)
class AccessLog:
    """An open log file. Each line is one write, so that several processes can add lines."""

    descriptor: int
    path: Path | None = None

    @classmethod
    def open(cls, path: Path) -> "AccessLog":
        """Open a file for appending. Raises OSError."""
        return cls(os.open(path, _FLAGS, 0o640), path)

    def reopen(self) -> None:
        """Open the path again, after a log rotation moved the old file."""
        if self.path is None:
            return
        try:
            new = os.open(self.path, _FLAGS, 0o640)
        except OSError as error:
            self.error(f"cannot open the log again, so the old file is still used: {error.strerror}")
            return
        os.dup2(new, self.descriptor, inheritable=False)
        os.close(new)

    def request(self, *, client: str, line: str, status: int, sent: int, referrer: str, agent: str) -> None:
        """Write the line of a request. Text from the client is escaped, so that it cannot end its field or line."""
        now = time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime())
        self._write(f'{client} - - [{now}] "{_safe(line)}" {status} {sent} "{_safe(referrer)}" "{_safe(agent)}"')

    def error(self, text: str) -> None:
        """Write a line for an error."""
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        self._write(f"{now} error: {text}")

    def _write(self, line: str) -> None:
        """Append one line."""
        os.write(self.descriptor, line.encode("utf-8", "backslashreplace") + b"\n")


def _safe(text: str) -> str:
    """Return a client's text, shortened and escaped for use between quotes."""
    return display_text(text.replace("\\", "\\\\").replace('"', '\\"'), _MAX_FIELD) or "-"
