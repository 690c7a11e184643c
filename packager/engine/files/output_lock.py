"""The right to write one file, held by one process at a time; it dies with its owner, however that ends."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from packager.engine.files import atomic_files
from packager.engine.files.locked_file import is_at
from packager.errors import from_os_error
from packager.paths import display_text


@contextlib.contextmanager
def lock_output(path: Path) -> Iterator[None]:
    """Hold the right to write `path` beside its place (atomic_files.partial_path); what is left there goes at the end.

    Raises InputError if another process holds it, IncompleteError if the folder takes no file.
    """
    atomic_files.make_folder(path.parent)
    try:
        descriptor = atomic_files.open_partial(path)
    except OSError as error:
        raise from_os_error(
            error, display_text(str(path)), "fix the permissions, then run the command again"
        ) from error
    try:
        yield
    finally:
        if is_at(descriptor, atomic_files.partial_path(path)):
            atomic_files.discard(path)
        os.close(descriptor)
