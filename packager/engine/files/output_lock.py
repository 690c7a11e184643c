"""The right to write one file, held by one process at a time; it dies with its owner, however that ends."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from packager.engine import durable
from packager.engine.file_lock import is_at
from packager.errors import from_os_error
from packager.paths import shown


@contextlib.contextmanager
def only_writer(path: Path) -> Iterator[None]:
    """Hold the right to write `path` beside its place (durable.partial); what is left there goes at the end.

    Raises InputError where another process holds it, IncompleteError where the folder takes no file.
    """
    durable.make_folder(path.parent)
    try:
        descriptor = durable.open_partial(path)
    except OSError as error:
        raise from_os_error(error, shown(str(path)), "mend the rights, then run the command again") from error
    try:
        yield
    finally:
        if is_at(descriptor, durable.partial(path)):
            durable.discard(path)
        os.close(descriptor)
