"""A folder as a store: what is written stands beside its place until it is whole and durable."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from packager.core.config.store_url import StoreUrl
from packager.engine.files import atomic_files
from packager.engine.files.limited_read import open_regular
from packager.engine.stores.base import AGAIN, FileChangedError, Refused, StoreEntry, StoreFileWriter, StoreStat
from packager.errors import IncompleteError, from_os_error
from packager.paths import display_text


class FolderStore:
    """Files below a folder. See base.Store."""

    def __init__(self, address: StoreUrl) -> None:
        """Take the folder of a file:// address; it need not be there."""
        self._address, self._root = address, Path(address.path)

    @property
    def name(self) -> str:
        """The address, fit to be shown."""
        return display_text(str(self._address))

    def entries(self, refused: Refused | None = None) -> Iterator[StoreEntry]:
        """Yield the regular files; what is being written is none yet."""

        def fail(error: OSError) -> None:
            path = os.path.relpath(error.filename, self._root)
            if refused is not None and path != ".":
                refused(path, error.strerror or str(error))
            elif not isinstance(error, FileNotFoundError):
                raise self._failed(path, error) from error

        for folder, _, names in os.walk(self._root, onerror=fail):
            for name in names:
                path = Path(folder, name)
                if _is_partial(name) or path.is_symlink() or not path.is_file():
                    continue
                yield StoreEntry(str(path.relative_to(self._root)), _stat(path.stat()))

    def stat(self, path: str) -> StoreStat | None:
        """Return a file's version, None if it is not there."""
        try:
            return _stat((self._root / path).stat())
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise self._failed(path, error) from error

    def read(self, path: str, start: int, stop: int, seen: StoreStat | None = None) -> tuple[StoreStat, bytes]:
        """Return a file's version and bytes of it."""
        try:
            with open_regular(self._root / path) as file:
                found = _stat(os.fstat(file.fileno()))
                file.seek(start)
                data = file.read(stop - start)
        except OSError as error:
            raise self._failed(path, error) from error
        if len(data) != stop - start or (seen is not None and found != seen):
            raise FileChangedError(self._where(path), "was written to meanwhile", AGAIN)
        return found, data

    def put(self, path: str, data: bytes) -> StoreStat:
        """Write a file durably."""
        atomic_files.write_bytes(self._root / path, data)
        return _stat((self._root / path).stat())

    def create(self, path: str, data: bytes) -> bool:
        """Write a file durably where none is."""
        place = self._root / path
        atomic_files.make_folder(place.parent)
        try:
            with open(place, "xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            atomic_files.fsync_folder(place.parent)
        except FileExistsError:
            return False
        except OSError as error:
            raise self._failed(path, error) from error
        return True

    @contextmanager
    def writer(self, path: str, size: int) -> Iterator[StoreFileWriter]:
        """Yield the file that takes its place when the block ends well."""
        with atomic_files.replace_file(self._root / path) as file:
            yield _File(file.write)
            if file.tell() != size:
                raise IncompleteError(self._where(path), f"got {file.tell()} bytes, not {size}", AGAIN)

    def delete(self, path: str) -> None:
        """Delete a file, and the folders that it leaves empty."""
        try:
            (self._root / path).unlink(missing_ok=True)
        except OSError as error:
            raise self._failed(path, error) from error
        for above in list((self._root / path).parents):
            if above == self._root:
                break
            with suppress(OSError):
                above.rmdir()

    def sweep(self, paths: Callable[[str], bool]) -> int:
        """Remove what stands beside the places of these files."""
        count = 0
        for folder, _, names in os.walk(self._root):
            for name in filter(_is_partial, names):
                whole = Path(folder, name[1 : -len(".partial")])
                if paths(str(whole.relative_to(self._root))):
                    atomic_files.discard(whole)
                    count += 1
        return count

    def _where(self, path: str) -> str:
        """Return how a message names a file."""
        return display_text(f"{self._address}/{path}")

    def _failed(self, path: str, error: OSError) -> IncompleteError:
        """Return the error for what the system refuses."""
        if isinstance(error, FileNotFoundError):
            return FileChangedError(self._where(path), "is not there any more", AGAIN)
        return from_os_error(error, self._where(path))


class _File:
    """A Writer by a file's own write."""

    def __init__(self, write: Callable[[bytes | memoryview], int]) -> None:
        self._write = write

    def write(self, data: bytes | memoryview) -> None:
        self._write(data)


def _is_partial(name: str) -> bool:
    """Return whether a file is one that is being written (atomic_files.partial_path)."""
    return name.startswith(".") and name.endswith(".partial")


def _stat(found: os.stat_result) -> StoreStat:
    """Return a version; a time of less than a second is kept as the tag."""
    return StoreStat(found.st_size, int(found.st_mtime_ns // 10**9), str(found.st_mtime_ns % 10**9))
