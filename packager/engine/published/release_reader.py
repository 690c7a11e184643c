"""Files of a published release, complete or by ranges: in a folder, below an http(s) address, or in a store.

What comes is bounded in bytes and time, and counted, so that a command can say what it cost. Only `read_listed` and
`save_listed` check it, by the digest that the release lists. `open_release.py` decides what is accepted as a release.
"""

import hashlib
import os
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO
from urllib.parse import quote

from packager.core.config.store_url import is_store_location, parse_store_url
from packager.core.config.url_values import WEB, url
from packager.core.http.allowed_hosts import NO_HOSTS, AllowedHosts
from packager.core.releases import documents
from packager.engine.files.limited_read import open_regular, read_chunks
from packager.engine.stores import parse_location, store_at
from packager.engine.stores.base import RANGE, StoreStat
from packager.errors import IncompleteError, InputError, PackagerError, TrustError, from_os_error
from packager.model import PublishedFile
from packager.paths import display_text, is_safe_path
from packager.units import KIB, MIB, format_size

if TYPE_CHECKING:
    from packager.engine.network.http_client import HttpClient  # a folder is read long before httpx is imported

RELEASE = "release.json"
MIRRORED = ".packager-mirror/release"  # what a mirror keeps of the release that it follows
SILENT_SECONDS = 30.0  # that a server may be
PATIENCE = 10  # times the seconds that a server may stay silent: what a document may take in all
RATE = 64 * KIB  # bytes a second: what a file of known size may take beside that
ASK = "nothing was changed here; ask the publisher, or give the address where the release is"


@dataclass
class TransferCost:
    """What was asked of a release so far. Files of a folder are opened, not requested: they count as well."""

    requests: int = 0
    received: int = 0  # bytes


class ReleaseReader(ABC):
    """Reads files of a release by their paths in it.

    name: where the release is, fit to be shown. folder: the one that it is in; None: it is at an address. A file that
    is not there, or is not what release.json lists, is reported as IncompleteError if another release.json has come
    since that was read: a publisher may replace the site at any time.
    """

    folder: Path | None = None

    def __init__(self, name: str) -> None:
        """Read nothing yet."""
        self.name, self.cost = name, TransferCost()
        self._digest: str | None = None  # of release.json as it was read

    def read(self, path: str, limit: int, *, seconds: float = 0) -> bytes:
        """Return a complete file of at most `limit` bytes. Raises as `save`."""
        file = BytesIO()
        self.save(path, file, limit, seconds=seconds)
        if path == RELEASE:
            self._digest = documents.digest(file.getvalue())
        return file.getvalue()

    def save(self, path: str, file: BinaryIO, limit: int, *, seconds: float = 0) -> None:
        """Write a file of at most `limit` bytes to an open one; it may take `seconds` more than any document may.

        Raises InputError, or IncompleteError if it fails for now.
        """
        try:
            self._save(_checked(path), file, limit, seconds)
        except InputError as error:
            self.check_replaced(error)
            raise

    def read_range(self, path: str, start: int, stop: int) -> bytes:
        """Return bytes [start, stop) of a file. Raises as `save`."""
        return self._read_range(_checked(path), start, stop)

    def read_tail(self, path: str, length: int) -> tuple[int, bytes]:
        """Return a file's size and its last `length` bytes, or all of a shorter one. Raises as `save`."""
        return self._read_tail(_checked(path), length)

    def read_listed(self, file: PublishedFile) -> bytes:
        """Return a file that the release lists. Raises TrustError if it is not of the listed size and digest."""
        data = BytesIO()
        self.save_listed(file, data)
        return data.getvalue()

    def save_listed(self, file: PublishedFile, to: BinaryIO) -> None:
        """Write a file that the release lists to an empty one that is open, some at a time; raises as `read_listed`."""
        try:
            self.save(file.path, to, file.size, seconds=file.size / RATE)
        except InputError as error:
            what = f"{error.what}: not the {file.size} bytes that {RELEASE} lists"
            raise TrustError(error.where, what, ASK) from error
        to.flush()
        to.seek(0)
        digest = hashlib.sha256()
        while data := to.read(MIB):
            digest.update(data)
        if digest.hexdigest() != file.sha256 or to.tell() != file.size:
            what = f"not the file that {RELEASE} lists: its bytes are others"
            raise TrustError(display_text(file.path), what, ASK)

    def check_replaced(self, error: PackagerError) -> None:
        """Raise IncompleteError if another release.json is there now than the one that was read."""
        if self._digest is None:
            return
        now = BytesIO()
        try:
            self._save(RELEASE, now, documents.LIMIT, 0)
        except PackagerError:
            return
        if documents.digest(now.getvalue()) != self._digest:
            what = "a newer release took its place while it was read"
            raise IncompleteError(RELEASE, what, "run the command again") from error

    @abstractmethod
    def _save(self, path: str, file: BinaryIO, limit: int, seconds: float) -> None:
        """Write a file to an open one."""

    @abstractmethod
    def _read_range(self, path: str, start: int, stop: int) -> bytes:
        """Return bytes [start, stop) of a file."""

    @abstractmethod
    def _read_tail(self, path: str, length: int) -> tuple[int, bytes]:
        """Return a file's size and its last bytes."""

    def _count(self, data: bytes) -> bytes:
        """Count one answer."""
        self.cost.requests += 1
        self.cost.received += len(data)
        return data


class _WebReader(ReleaseReader):
    """A release below an http(s) address that ends in "/"."""

    def __init__(self, base: str, web: "HttpClient", seconds: float) -> None:
        super().__init__(display_text(base))
        self._base, self._web, self._seconds = base, web, seconds

    def _save(self, path: str, file: BinaryIO, limit: int, seconds: float) -> None:
        with self._counted():
            self._web.save(self._base + quote(path), file, limit=limit, seconds=PATIENCE * self._seconds + seconds)

    def _read_range(self, path: str, start: int, stop: int) -> bytes:
        with self._counted():
            return self._web.read_range(self._base + quote(path), start, stop)

    def _read_tail(self, path: str, length: int) -> tuple[int, bytes]:
        with self._counted():
            return self._web.read_tail(self._base + quote(path), length)

    @contextmanager
    def _counted(self) -> Iterator[None]:
        """Count what was asked, each try of it, and what came."""
        try:
            yield
        finally:
            self.cost.requests, self.cost.received = self._web.requests, self._web.received


class _StoreReader(ReleaseReader):
    """A release in a store."""

    def __init__(self, address: str) -> None:
        self._store = store_at(parse_store_url(address, "release"))
        super().__init__(self._store.name)

    def _save(self, path: str, file: BinaryIO, limit: int, seconds: float) -> None:  # noqa: ARG002 (its own)
        found = self._stat(path)
        if found.size > limit:
            raise InputError(
                f"{self.name}/{display_text(path)}", f"has more than {format_size(limit)}, all that it may"
            )
        for start in range(0, found.size, RANGE):
            stop = min(start + RANGE, found.size)
            file.write(self._count(self._store.read(path, start, stop, found)[1]))

    def _read_range(self, path: str, start: int, stop: int) -> bytes:
        return self._count(self._store.read(path, start, stop)[1])

    def _read_tail(self, path: str, length: int) -> tuple[int, bytes]:
        found = self._stat(path)
        return found.size, self._count(self._store.read(path, max(0, found.size - length), found.size, found)[1])

    def _stat(self, path: str) -> StoreStat:
        found = self._store.stat(path)
        if found is None:
            raise InputError(f"{self.name}/{display_text(path)}", "not found", "check the address")
        return found


class _FolderReader(ReleaseReader):
    """A release in a folder."""

    def __init__(self, folder: Path) -> None:
        super().__init__(display_text(str(folder)))
        self.folder = folder
        self._folder = folder

    def _save(self, path: str, file: BinaryIO, limit: int, seconds: float) -> None:  # noqa: ARG002 (a disk)
        self.cost.requests += 1
        for data in read_chunks(self._folder / path, limit):
            self.cost.received += file.write(data)

    def _read_range(self, path: str, start: int, stop: int) -> bytes:
        size, data = self._part(path, start, stop - start)
        if len(data) < stop - start:
            raise InputError(
                display_text(str(self._folder / path)), f"ends at byte {size}", "publish the release again"
            )
        return data

    def _read_tail(self, path: str, length: int) -> tuple[int, bytes]:
        return self._part(path, -length, length)

    def _part(self, path: str, start: int, length: int) -> tuple[int, bytes]:
        """Return a file's size, and so many bytes of it from `start` on; a start below 0 counts from its end."""
        where = self._folder / path
        try:
            with open_regular(where) as file:
                size = os.fstat(file.fileno()).st_size
                file.seek(start if start >= 0 else max(0, size + start))
                return size, self._count(file.read(length))
        except OSError as error:
            raise from_os_error(error, display_text(str(where))) from error


def _checked(path: str) -> str:
    """Return a path that leads to nowhere but into the release. Raises InputError."""
    if not is_safe_path(path):
        raise InputError(display_text(path), "cannot be a file of a release")
    return path


def parse_release_location(source: str, where: str = "URL") -> str:
    """Return where a release is as it is kept: an address that ends in "/", or a folder's absolute path.

    Takes the address of its release.json, too. where: what messages call it. Raises InputError for an address
    that is none.
    """
    if is_store_location(source):
        place = parse_location(source.removesuffix(RELEASE).rstrip("/"), where)
        return str(place) if isinstance(place, Path) else f"{place}/"
    if "://" not in source:
        folder = Path(source).absolute()
        if (folder / MIRRORED / RELEASE).is_file() and not (folder / RELEASE).exists():  # a mirror's own folder
            return str(folder / MIRRORED)
        return str(folder.parent if folder.name == RELEASE and not folder.is_dir() else folder)
    address = url(source, where, WEB)
    if "?" in address or "#" in address:
        raise InputError(
            where, f'"{display_text(address, 120)}" holds "?" or "#"', "give the address of the release's folder"
        )
    return address.removesuffix(RELEASE).rstrip("/") + "/"


@contextmanager
def open_release_reader(
    source: str, *, seconds: float = SILENT_SECONDS, allowed: AllowedHosts = NO_HOSTS
) -> Iterator[ReleaseReader]:
    """Yield the reader of a release at a place, as `normal` gives it. seconds: that a server may stay silent.

    allowed: hosts that it may be redirected to, and that may be contacted although they are not on the public Internet.
    """
    with _opened(source, seconds, allowed) as reader:
        try:
            yield reader
        except TrustError as error:
            reader.check_replaced(error)
            raise


@contextmanager
def _opened(source: str, seconds: float, allowed: AllowedHosts) -> Iterator[ReleaseReader]:
    """Yield the reader of a place."""
    if "://" not in source:
        yield _FolderReader(Path(source))
        return
    if not source.startswith(WEB):
        yield _StoreReader(source)
        return
    from packager.engine.network.http_client import HttpClient  # a folder is read long before httpx is imported

    with HttpClient(seconds=seconds, allowed=allowed.with_origin(source)) as web:
        yield _WebReader(source, web, seconds)
