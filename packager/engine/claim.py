"""The right to write one file, held by one process at a time; it dies with its owner, however that ends."""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from packager.engine import durable
from packager.errors import InputError, from_os_error
from packager.paths import shown

_FLAGS = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC


@contextlib.contextmanager
def only_writer(path: Path) -> Iterator[None]:
    """Hold the right to write `path` beside its place (durable.partial); what is left there goes at the end.

    Raises InputError where another process holds it, IncompleteError where the folder takes no file.
    """
    durable.make_folder(path.parent)
    where = shown(str(path))
    try:
        descriptor = _locked(durable.partial(path))
    except BlockingIOError:
        raise InputError(where, "another packager writes it", "wait until it ends") from None
    except OSError as error:
        raise from_os_error(error, where, "mend the rights, then run the command again") from error
    try:
        yield
    finally:
        if _is_at(descriptor, durable.partial(path)):
            durable.discard(path)
        os.close(descriptor)


def _locked(beside: Path) -> int:
    """Return a descriptor of the file at `beside`, locked. Raises OSError, BlockingIOError where another has it."""
    while True:
        descriptor = os.open(beside, _FLAGS, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            raise
        if _is_at(descriptor, beside):
            return descriptor
        os.close(descriptor)  # its last owner gave it its final name meanwhile


def _is_at(descriptor: int, path: Path) -> bool:
    """Say whether an open file is the one at `path`."""
    try:
        return os.path.samestat(os.fstat(descriptor), os.lstat(path))
    except OSError:
        return False
