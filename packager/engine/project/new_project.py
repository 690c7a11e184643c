"""A new packager.toml on disk."""

import os
from pathlib import Path

from packager.core.config.parse_config import parse_config
from packager.core.config.starter_config import Starter, starter_config
from packager.engine.files import atomic_files
from packager.engine.project.load_project import project_of
from packager.errors import InputError
from packager.paths import display_text


def check_new_config(config_path: Path, starter: Starter, *, overwrite: bool) -> str:
    """Return the text of a new packager.toml. Raises InputError if it exists, or cannot be used in this place.

    overwrite: it may exist.
    """
    where = display_text(str(config_path))
    if not overwrite and os.path.lexists(config_path):
        raise InputError(where, "already exists", "edit it, or replace it with --overwrite")
    text = starter_config(starter)
    project_of(parse_config(text, where), config_path)
    return text


def write_new_config(config_path: Path, starter: Starter, *, overwrite: bool) -> None:
    """Write a new packager.toml, durably. Raises as `check_new_config`; IncompleteError if it cannot be written."""
    atomic_files.write_bytes(config_path, check_new_config(config_path, starter, overwrite=overwrite).encode())


def written_path(path: Path, root: Path) -> str:
    """Return a path as a packager.toml in `root` says it: relative if it is in that folder or beside it."""
    absolute = os.path.realpath(path)
    relative = os.path.relpath(absolute, root)
    written = absolute if relative.startswith("../..") else relative
    try:
        written.encode()
    except UnicodeEncodeError:
        what = "not UTF-8, which packager.toml must be"
        raise InputError(display_text(written), what, "rename it, or make a link to it") from None
    return written
