"""Files of a published release, whole or by ranges: in a folder, below an http(s) address, or in a store.

What comes is bounded and unchecked; each door counts what it gave, so that a command can say what it cost.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol
from urllib.parse import quote

from packager.core.config.store_url import parse_store_url
from packager.core.config.url_values import WEB
from packager.engine.files.limited_read import open_regular, read_limited
from packager.engine.published.release_reader import PATIENCE, RATE, normal, read_stored
from packager.engine.stores import store_at
from packager.errors import InputError, from_os_error
from packager.paths import display_text, is_safe_path

if TYPE_CHECKING:
    from packager.engine.network.http_client import HttpClient  # a folder is read long before httpx is imported


@dataclass
class TransferCost:
    """What was asked of a release so far. Files of a folder are opened, not requested: they count as well."""

    requests: int = 0
    received: int = 0  # bytes


class ReleaseRanges(Protocol):
    """Reads files of a release by their paths in it."""

    cost: TransferCost

    @property
    def name(self) -> str:
        """Where the release is, fit to be shown."""

    @property
    def folder(self) -> Path | None:
        """The folder that the release is in; None: it is at an address."""

    def read(self, path: str, limit: int) -> bytes:
        """Return a whole file of at most `limit` bytes. Raises InputError, IncompleteError where it fails for now."""

    def read_range(self, path: str, start: int, stop: int) -> bytes:
        """Return bytes [start, stop) of a file. Raises as `read`."""

    def read_tail(self, path: str, length: int) -> tuple[int, bytes]:
        """Return a file's size and its last `length` bytes, or all of a shorter one. Raises as `read`."""


class _WebFiles:
    """A release below an http(s) address that ends in "/"."""

    folder = None

    def __init__(self, base: str, web: "HttpClient", seconds: float) -> None:
        self._base, self._web, self._seconds = base, web, seconds
        self.cost = TransferCost()

    @property
    def name(self) -> str:
        return display_text(self._base)

    def read(self, path: str, limit: int) -> bytes:
        with self._counted():
            return self._web.fetch(self._address(path), limit=limit, seconds=PATIENCE * self._seconds + limit / RATE)

    def read_range(self, path: str, start: int, stop: int) -> bytes:
        with self._counted():
            return self._web.read_range(self._address(path), start, stop)

    def read_tail(self, path: str, length: int) -> tuple[int, bytes]:
        with self._counted():
            return self._web.read_tail(self._address(path), length)

    def _address(self, path: str) -> str:
        return self._base + quote(_checked(path))

    @contextmanager
    def _counted(self) -> Iterator[None]:
        requests, received = self._web.requests, self._web.received
        try:
            yield
        finally:
            self.cost.requests += self._web.requests - requests
            self.cost.received += self._web.received - received


class _StoreFiles:
    """A release in a store."""

    folder = None

    def __init__(self, address: str) -> None:
        self._store = store_at(parse_store_url(address, "--release"))
        self.cost = TransferCost()

    @property
    def name(self) -> str:
        return self._store.name

    def read(self, path: str, limit: int) -> bytes:
        return self._count(read_stored(self._store, _checked(path), limit))

    def read_range(self, path: str, start: int, stop: int) -> bytes:
        return self._count(self._store.read(_checked(path), start, stop)[1])

    def read_tail(self, path: str, length: int) -> tuple[int, bytes]:
        found = self._store.stat(_checked(path))
        if found is None:
            raise InputError(f"{self.name}/{display_text(path)}", "not found")
        data = self._store.read(path, max(0, found.size - length), found.size, found)[1]
        return found.size, self._count(data)

    def _count(self, data: bytes) -> bytes:
        self.cost.requests += 1
        self.cost.received += len(data)
        return data


class _FolderFiles:
    """A release in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.cost = TransferCost()

    @property
    def name(self) -> str:
        return display_text(str(self.folder))

    def read(self, path: str, limit: int) -> bytes:
        return self._count(read_limited(self.folder / _checked(path), limit))

    def read_range(self, path: str, start: int, stop: int) -> bytes:
        return self._count(self._part(path, start, stop - start)[1])

    def read_tail(self, path: str, length: int) -> tuple[int, bytes]:
        size, data = self._part(path, -length, length)
        return size, self._count(data)

    def _part(self, path: str, start: int, length: int) -> tuple[int, bytes]:
        """Return a file's size, and so many bytes of it from `start` on; a start below 0 counts from its end."""
        where = self.folder / _checked(path)
        try:
            with open_regular(where) as file:
                size = os.fstat(file.fileno()).st_size
                file.seek(start if start >= 0 else max(0, size + start))
                data = file.read(length)
        except OSError as error:
            raise from_os_error(error, display_text(str(where))) from error
        if start >= 0 and len(data) < length:
            raise InputError(display_text(str(where)), f"ends at byte {size}", "publish the release again")
        return size, data

    def _count(self, data: bytes) -> bytes:
        self.cost.requests += 1
        self.cost.received += len(data)
        return data


def _checked(path: str) -> str:
    """Return a path that leads to nowhere but into the release. Raises InputError."""
    if not is_safe_path(path):
        raise InputError(display_text(path), "cannot be a file of a release")
    return path


def open_release_files(source: str, open_web: Callable[[], "HttpClient"], *, seconds: float) -> ReleaseRanges:
    """Return what reads a release at a folder, an http(s) address or a store's, or that of its release.json.

    open_web: asked once, for an address. seconds: that a server may stay silent. Raises InputError where it
    cannot be one.
    """
    place = normal(source, "--release")
    if place.startswith(WEB):
        return _WebFiles(place, open_web(), seconds)
    if "://" in place:
        return _StoreFiles(place)
    if not Path(place).is_dir():
        raise InputError(
            display_text(place), "is no folder of a release", "give its folder or its address with --release"
        )
    return _FolderFiles(Path(place))
