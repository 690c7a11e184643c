"""The door to SFTP, by paramiko: known hosts only, and the keys, agent and ~/.ssh/config that ssh itself uses.

One connection, which one thread uses at a time; where it breaks, it is made again and the call done again.
"""

import logging
import os
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from functools import partial
from pathlib import PurePosixPath
from typing import TypeVar

from packager.core.config.store_url import StoreUrl
from packager.engine.stores.base import (
    AGAIN,
    SMALL,
    FileChangedError,
    Refused,
    StoreEntry,
    StoreFileWriter,
    StoreStat,
    TransientError,
    with_retries,
)
from packager.errors import IncompleteError, InputError
from packager.paths import display_text

try:
    import paramiko
except ImportError as error:
    raise InputError("sftp://", f"needs paramiko ({error})", "run: pip install paramiko") from error

Result = TypeVar("Result")

_SECONDS = 60.0  # that a server may stay silent
_WRITE = 256 << 10  # bytes of one write
_KNOWN_HOSTS, _CONFIG = "~/.ssh/known_hosts", "~/.ssh/config"


_tell_of_thread = threading.excepthook


def _tell_but_of_readers(failed: threading.ExceptHookArgs) -> None:
    """Tell what ends a thread, but not that paramiko's reading ahead lost its connection: the read fails itself."""
    reader = failed.thread is not None and "_prefetch_thread" in failed.thread.name
    if not (reader and issubclass(failed.exc_type, EOFError | OSError | paramiko.SSHException)):
        _tell_of_thread(failed)


threading.excepthook = _tell_but_of_readers
logging.getLogger("paramiko").addHandler(logging.NullHandler())  # else it writes tracebacks to stderr


class SftpStore:
    """Files below a folder of a host. See base.Store."""

    def __init__(self, address: StoreUrl) -> None:
        """Ask nothing yet."""
        self._address = address
        self._lock = threading.RLock()
        self._ssh: paramiko.SSHClient | None = None
        self._sftp: paramiko.SFTPClient | None = None

    @property
    def name(self) -> str:
        """The address, fit to be shown."""
        return display_text(str(self._address))

    def entries(self, refused: Refused | None = None) -> Iterator[StoreEntry]:
        """Yield the regular files, a folder at a time; links are not followed."""
        folders = [""]
        while folders:
            folder = folders.pop()
            try:
                listed = self._listed(folder)
            except (InputError, IncompleteError) as error:
                if folder and refused is not None:
                    refused(folder, error.what)
                elif not isinstance(error, FileChangedError):
                    raise
                continue
            for path, found in listed:
                if stat.S_ISDIR(found.st_mode or 0):
                    folders.append(path)
                elif stat.S_ISREG(found.st_mode or 0) and not _is_partial(path):
                    yield StoreEntry(path, _stat(found))

    def _listed(self, folder: str) -> list[tuple[str, paramiko.SFTPAttributes]]:
        """Return what a folder holds, by paths. Raises Gone where it is not there."""
        found = self._do(folder, lambda sftp: sftp.listdir_attr(self._place(folder)))
        return [(f"{folder}/{each.filename}" if folder else each.filename, each) for each in found]

    def stat(self, path: str) -> StoreStat | None:
        """Return a file's version, None if it is not there."""
        try:
            return _stat(self._do(path, lambda sftp: sftp.lstat(self._place(path))))
        except FileChangedError:
            return None

    def read(self, path: str, start: int, stop: int, seen: StoreStat | None = None) -> tuple[StoreStat, bytes]:
        """Return a file's version and bytes of it; the version is looked at before and after."""

        def read(sftp: paramiko.SFTPClient) -> tuple[StoreStat, bytes]:
            with sftp.open(self._place(path), "rb") as file:
                before = _stat(file.stat())
                if before.size < stop:
                    raise FileChangedError(self._where(path), f"ends at byte {before.size}", AGAIN)
                data = b"".join(file.readv([(start, stop - start)])) if stop > start else b""
                if before != _stat(file.stat()) or (seen is not None and before != seen):
                    raise FileChangedError(self._where(path), "was written to meanwhile", AGAIN)
            if len(data) != stop - start:
                raise TransientError(f"ends after {start + len(data)} bytes")
            return before, data

        return self._do(path, read)

    def put(self, path: str, data: bytes) -> StoreStat:
        """Write a file beside its place, and rename it."""
        with self.writer(path, len(data)) as writer:
            writer.write(data)
        found = self.stat(path)
        if found is None or found.size != len(data):
            raise FileChangedError(self._where(path), "is not there as it was written", AGAIN)
        return found

    def create(self, path: str, data: bytes) -> bool:
        """Write a file where none is; one that was written before a lost answer has these bytes."""
        self._make_folder(path)

        def create(sftp: paramiko.SFTPClient) -> bool:
            if self.stat(path) is not None:
                return False
            with sftp.open(self._place(path), "wx") as file:  # fails where it is there by now
                file.write(data)
            return True

        try:
            return self._do(path, create)
        except IncompleteError:
            if self.stat(path) is None:
                raise
            return False

    @contextmanager
    def writer(self, path: str, size: int) -> Iterator[StoreFileWriter]:
        """Yield what writes a file beside its place; it is renamed when the block ends well."""
        beside = _beside(path)
        self._make_folder(path)
        self._do(path, lambda sftp: sftp.open(self._place(beside), "wb").close())
        file = _File(self, beside)
        try:
            yield file
            file.flush()
            found = self.stat(beside)
            if found is None or found.size != size or file.at != size:
                raise IncompleteError(self._where(path), f"got {found.size if found else 0} bytes, not {size}", AGAIN)
            self._rename(beside, path, size)
        except BaseException:
            with suppress(IncompleteError, InputError):
                self.delete(beside)
            raise

    def write_at(self, path: str, at: int, data: bytes) -> None:
        """Write bytes into a file that is there; writing them again does no harm."""

        def write(sftp: paramiko.SFTPClient) -> None:
            with sftp.open(self._place(path), "r+b") as file:
                file.set_pipelined(True)
                file.seek(at)
                for start in range(0, len(data), _WRITE):
                    file.write(data[start : start + _WRITE])
                # Its answer follows those to the writes; when a file is closed paramiko forgives a lost connection.
                if (file.stat().st_size or 0) < at + len(data):
                    raise TransientError("not all that was written has arrived")

        self._do(path, write)

    def _rename(self, beside: str, path: str, size: int) -> None:
        """Put a whole file in its place, in one step where the server can; a lost answer is looked up."""
        try:
            self._do(path, lambda sftp: sftp.posix_rename(self._place(beside), self._place(path)))
        except FileChangedError:  # it may have been renamed before its answer was lost
            found = self.stat(path)
            if found is None or found.size != size:
                raise

    def _make_folder(self, path: str) -> None:
        """Make the folders that a file lies in."""
        missing: list[str] = []
        for above in PurePosixPath(self._place(path)).parents:
            if self._has_folder(str(above)):
                break
            missing.append(str(above))
        for place in reversed(missing):
            self._do("", partial(_make, place))

    def _has_folder(self, place: str) -> bool:
        """Return whether a folder is at the host."""
        try:
            self._do("", lambda sftp: sftp.stat(place))
        except FileChangedError:
            return False
        return True

    def delete(self, path: str) -> None:
        """Delete a file, if it is there."""
        with suppress(FileChangedError):
            self._do(path, lambda sftp: sftp.remove(self._place(path)))

    def sweep(self, paths: Callable[[str], bool]) -> int:
        """Remove what stands beside the places of these files."""
        folders, count = [""], 0
        while folders:
            with suppress(FileChangedError):
                for path, found in self._listed(folders.pop()):
                    if stat.S_ISDIR(found.st_mode or 0):
                        folders.append(path)
                    elif _is_partial(path) and paths(_whole(path)):
                        self.delete(path)
                        count += 1
        return count

    def _place(self, path: str) -> str:
        """Return a file's path at the host."""
        return self._address.below(path) if path else self._address.path

    def _where(self, path: str) -> str:
        """Return how a message names a file."""
        return display_text(f"{self._address}/{path}" if path else str(self._address))

    def _do(self, path: str, action: Callable[[paramiko.SFTPClient], Result]) -> Result:
        """Return what an action over the connection returns, done again while the failure may pass."""
        where = self._where(path)

        def once() -> Result:
            with self._lock:
                try:
                    return action(self._connected())
                except FileNotFoundError as failed:
                    raise FileChangedError(where, "is not there any more", AGAIN) from failed
                except PermissionError as failed:
                    raise InputError(where, "the host refuses it", "fix the permissions") from failed
                except (paramiko.SSHException, EOFError, ConnectionError, TimeoutError) as failed:
                    self._drop()
                    raise TransientError(f"the connection failed ({type(failed).__name__})") from failed
                except OSError as failed:
                    if not self._is_open():
                        self._drop()
                        raise TransientError("the connection failed") from failed
                    told = display_text(failed.strerror or str(failed), 120)
                    raise IncompleteError(where, f"the host says: {told}", AGAIN) from failed

        return with_retries(where, once)

    def _is_open(self) -> bool:
        """Return whether the connection stands."""
        transport = self._ssh.get_transport() if self._ssh else None
        return transport is not None and transport.is_active()

    def _connected(self) -> paramiko.SFTPClient:
        """Return the connection, made if there is none. Raises InputError for a host or key that will not do."""
        if self._sftp is not None and self._is_open():
            return self._sftp
        self._drop()
        known = _configured(self._address)
        self._ssh = paramiko.SSHClient()
        self._ssh.set_missing_host_key_policy(paramiko.RejectPolicy())
        with suppress(FileNotFoundError):
            self._ssh.load_system_host_keys(os.path.expanduser(_KNOWN_HOSTS))
        fix = "check it with: sftp " + display_text(f"{known['username'] or ''}@{known['hostname']}".removeprefix("@"))
        try:
            self._ssh.connect(**known, timeout=_SECONDS, banner_timeout=_SECONDS, auth_timeout=_SECONDS)
        except paramiko.BadHostKeyException as failed:
            raise InputError(self.name, "the host shows another key than ~/.ssh/known_hosts has", fix) from failed
        except paramiko.AuthenticationException as failed:
            raise InputError(self.name, "the host takes none of our keys", fix) from failed
        except paramiko.SSHException as failed:
            if "not found in known_hosts" in str(failed):
                raise InputError(self.name, "its key is not in ~/.ssh/known_hosts", fix) from failed
            raise
        self._sftp = self._ssh.open_sftp()
        channel = self._sftp.get_channel()
        if channel is not None:
            channel.settimeout(_SECONDS)
        return self._sftp

    def _drop(self) -> None:
        """Close what is left of a connection."""
        if self._ssh is not None:
            self._ssh.close()
        self._ssh = self._sftp = None


class _File:
    """A Writer of a file beside its place, which is opened once for many bytes."""

    def __init__(self, store: SftpStore, path: str) -> None:
        self._store, self._path = store, path
        self._data = bytearray()
        self.at = 0

    def write(self, data: bytes | memoryview) -> None:
        self._data += data
        if len(self._data) >= SMALL:
            self.flush()

    def flush(self) -> None:
        """Send what was gathered."""
        data, self._data = bytes(self._data), bytearray()
        if data:
            self._store.write_at(self._path, self.at, data)
            self.at += len(data)


def _configured(address: StoreUrl) -> dict[str, object]:
    """Return how a host is met, as ~/.ssh/config says."""
    config = paramiko.SSHConfig()
    with suppress(FileNotFoundError), closing(open(os.path.expanduser(_CONFIG), encoding="utf-8")) as file:
        config.parse(file)
    told = config.lookup(address.host)
    return {
        "hostname": told.get("hostname", address.host),
        "port": address.port or int(told.get("port", 22)),
        "username": address.user or told.get("user"),
        "key_filename": [os.path.expanduser(name) for name in told.get("identityfile", [])] or None,
        "sock": paramiko.ProxyCommand(told["proxycommand"]) if "proxycommand" in told else None,
    }


def _make(place: str, sftp: paramiko.SFTPClient) -> None:
    """Make a folder, which another thread may have made."""
    try:
        sftp.mkdir(place)
    except OSError:
        sftp.stat(place)


def _beside(path: str) -> str:
    """Return where a file is written before it is whole."""
    folder, slash, name = path.rpartition("/")
    return f"{folder}{slash}.{name}.partial"


def _is_partial(path: str) -> bool:
    """Return whether a path is one of `_beside`."""
    name = path.rpartition("/")[2]
    return name.startswith(".") and name.endswith(".partial")


def _whole(path: str) -> str:
    """Return the file that a path of `_beside` is of."""
    folder, slash, name = path.rpartition("/")
    return f"{folder}{slash}{name[1 : -len('.partial')]}"


def _stat(found: paramiko.SFTPAttributes) -> StoreStat:
    """Return a version; SFTP tells whole seconds."""
    return StoreStat(found.st_size or 0, int(found.st_mtime or 0), str(int(found.st_mtime or 0)))
