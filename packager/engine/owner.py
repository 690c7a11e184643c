"""The id that tells a project's leftovers from those of other projects that write to the same folders.

It is random and not derived from a path or host, so that a project may be moved.
"""

import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from packager.engine import durable

_FILE = "owner"


def owner_of(state: Path) -> str:
    """Return the id of the project with this state folder: 16 hex digits; "" before it has one."""
    try:
        text = (state / _FILE).read_bytes()[:32].decode("ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""
    return text if re.fullmatch("[0-9a-f]{16}", text) else ""


@contextmanager
def lock_project(state: Path, command: str) -> Iterator[None]:
    """Hold the lock of a state folder, as `durable.lock`, for a command that writes to folders that others share."""
    with durable.lock(state, command):
        if not owner_of(state):
            durable.write_bytes(state / _FILE, f"{secrets.token_hex(8)}\n".encode())
        yield
