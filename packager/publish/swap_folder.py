"""Replaces the old site by the new one in one step, so that a reader never sees a mixture."""

import ctypes
import errno
import fcntl
import os
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path

from packager.engine.files import atomic_files
from packager.engine.files.write_errors import check_writable, write_error
from packager.errors import InputError
from packager.paths import display_text

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2  # linux/fs.h
_FLUSHES = 8  # in parallel: 6,000 files took 0.9 s instead of 25 s
_BATCH = 4096  # paths that wait to be flushed


def check_site_folder(site: Path) -> None:
    """Raise InputError if the folder has files of others or cannot be replaced."""
    check_writable(site.parent, "packager.toml: site.folder")
    if site.is_mount():
        what = "is a mount point, which cannot be replaced by another folder"
        raise InputError(site, what, "set site.folder to a folder below it")
    key = "packager.toml: site.folder"
    if site.is_symlink() or (site.exists() and not site.is_dir()):
        raise InputError(key, f'"{display_text(str(site))}" is not a folder', "move it, or set another site.folder")
    if site.is_dir() and any(site.iterdir()) and not (site / "release.json").is_file():
        what = f'"{display_text(str(site))}" contains files that packager did not write'
        raise InputError(key, what, "move them, or set another site.folder")


def new_site_folder(site: Path, owner: str = "") -> Path:
    """Return an empty folder beside `site` to build the new site in. Raises InputError, IncompleteError.

    owner: the project's id, which separates its leftovers from those of other projects in the same folder.
    """
    check_site_folder(site)
    beside = site.with_name(f".{site.name}.{owner}.next" if owner else f".{site.name}.next")
    atomic_files.remove_tree(beside)
    return atomic_files.make_folder(beside)


def swap_site(built: Path, site: Path, check: Callable[[], object] = bool) -> None:
    """Make the folder `built` durable, replace `site` by it, and remove the old site.

    check: called at the end, while other packagers are locked out; if it raises an error, `site` does not change.

    On Linux, the two folders exchange their names in one step (renameat2): every path is in the old or the new site,
    and paths of both sites always exist. On other systems and file systems, the old folder is renamed first, and for a
    moment there is no `site`. A reader of several paths can get files of both sites; a program that has the old folder
    open loses it. Raises IncompleteError.
    """
    aside = built.with_suffix(".old")
    try:
        _flush(built)
        with _locked(site.parent):
            check()
            if not site.exists():
                os.rename(built, site)
            elif not _exchange(built, site):
                atomic_files.remove_tree(aside)
                os.rename(site, aside)
                os.rename(built, site)
            atomic_files.fsync_folder(site.parent)
    except OSError as error:
        raise write_error(error, site) from error
    finally:
        atomic_files.remove_tree(built)
    atomic_files.remove_tree(aside)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Lock a folder against other packagers that replace a site in it; wait for the lock."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with suppress(OSError):  # some network file systems cannot lock folders
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _flush(folder: Path) -> None:
    """Make a folder and all files and folders in it durable. Raises OSError."""
    paths = _tree(folder)
    with ThreadPoolExecutor(_FLUSHES) as pool:
        while batch := list(islice(paths, _BATCH)):
            for _ in pool.map(atomic_files.fsync_path, batch):
                pass


def _tree(folder: Path) -> Iterator[str]:
    """Yield the paths of a folder, and of all files and folders in it."""
    for inner, _, names in os.walk(folder):
        yield inner
        yield from (os.path.join(inner, name) for name in names)


def _exchange(one: Path, other: Path) -> bool:
    """Exchange the names of two folders in one step. Return False if the system does not support it."""
    rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None) if sys.platform == "linux" else None
    if rename is None:
        return False
    if rename(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE) == 0:
        return True
    code = ctypes.get_errno()
    if code in (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP):
        return False
    raise OSError(code, os.strerror(code), str(other))
