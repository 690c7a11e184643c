"""The id that tells a project's leftovers from those of other projects that write to the same folders.

It is random and not derived from a path or host, so that a project may be moved.
"""

import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from packager.engine.files import atomic_files
from packager.engine.stores.base import Store
from packager.errors import InputError

_FILE = "owner"
STORE_FILE = ".packager-owner"


def project_owner(state: Path) -> str:
    """Return the id of the project with this state folder: 16 hex digits; "" before it has one."""
    try:
        text = (state / _FILE).read_bytes()[:32].decode("ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""
    return text if re.fullmatch("[0-9a-f]{16}", text) else ""


def claim_store(store: Store, owner: str) -> None:
    """Make a place in a store this project's: it has no locks, so what one project has begun another would sweep.

    Raises InputError if it is another project's, IncompleteError where the store fails for now.
    """
    data = f"{owner}\n".encode()
    if store.create(STORE_FILE, data):
        return
    found = store.stat(STORE_FILE)
    if found is not None and not found.size:  # a kill, or a lost connection, cut it
        found = store.put(STORE_FILE, data)
    if found is None or found.size != len(data) or store.read(STORE_FILE, 0, found.size)[1] != data:
        what = f"belongs to another project, as {STORE_FILE} there says"
        fix = f"name a place of its own; if that project is gone, delete {STORE_FILE}"
        raise InputError(store.name, what, fix)


@contextmanager
def lock_project(state: Path, command: str) -> Iterator[None]:
    """Hold the lock of a state folder, for a command that writes to folders that others share."""
    with atomic_files.lock_state_folder(state, command):
        if not project_owner(state):
            atomic_files.write_bytes(state / _FILE, f"{secrets.token_hex(8)}\n".encode())
        yield
