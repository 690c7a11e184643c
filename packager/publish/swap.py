"""The new site takes the place of the old in one step: a reader meets the one or the other, no mixture."""

import ctypes
import errno
import os
import sys
from pathlib import Path

from packager.engine import durable
from packager.errors import InputError, from_os_error

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2  # linux/fs.h


def staging(output: Path) -> Path:
    """Return an empty folder beside `output` to build the new site in. Raises InputError, IncompleteError."""
    if output.is_symlink() or (output.exists() and not output.is_dir()):
        raise InputError(output, "is not a folder", "move it away, or set another release.output")
    if output.is_dir() and any(output.iterdir()) and not (output / "release.json").is_file():
        raise InputError(output, "holds files that are no release of ours", "empty it, or set another release.output")
    beside = output.with_name(f".{output.name}.next")
    durable.remove_tree(beside)
    return durable.make_folder(beside)


def swap(built: Path, output: Path) -> None:
    """Put the folder `built`, all of it durable, in the place of `output`, and remove the old one.

    On Linux the two folders change names in one step (renameat2). Elsewhere, and on file systems that
    cannot do that, the old one is moved aside first, and for that moment there is no `output`.
    """
    durable.fsync_folder(built)
    try:
        if not output.exists():
            os.rename(built, output)
        elif not _exchange(built, output):
            aside = output.with_name(f".{output.name}.old")
            durable.remove_tree(aside)
            os.rename(output, aside)
            os.rename(built, output)
            durable.remove_tree(aside)
        durable.fsync_folder(output.parent)
    except OSError as error:
        raise from_os_error(error, output) from error
    durable.remove_tree(built)


def _exchange(one: Path, other: Path) -> bool:
    """Let two folders change names in one step; False where the system has no such call."""
    rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None) if sys.platform == "linux" else None
    if rename is None:
        return False
    if rename(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE) == 0:
        return True
    code = ctypes.get_errno()
    if code in (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP):
        return False
    raise OSError(code, os.strerror(code), str(other))
