"""The version of the state folder as a whole. A newer one is refused."""

from pathlib import Path

from packager.engine.files import atomic_files
from packager.engine.files.limited_read import read_limited
from packager.errors import InputError
from packager.paths import display_text

STATE_FORMAT = 1
_FILE = "format"


def check_state(state: Path) -> None:
    """Raise InputError for a state folder of a newer packager, or one whose version cannot be read."""
    path = state / _FILE
    if not path.exists():
        return
    text = read_limited(path, 64).decode("ascii", "replace").strip()
    where = display_text(str(state))
    if not text.isdigit():
        raise InputError(
            where, f'"{display_text(text)}" is no version of a state folder', "bring the file `format` back"
        )
    if int(text) > STATE_FORMAT:
        told = f"was written by a newer packager (state {int(text)}, this one knows {STATE_FORMAT})"
        raise InputError(where, told, "update packager")


def write_state_format(state: Path) -> None:
    """Note durably that a state folder is of this version; the caller holds its lock."""
    path, text = state / _FILE, f"{STATE_FORMAT}\n".encode()
    if not path.exists() or path.read_bytes() != text:
        atomic_files.write_bytes(path, text)
