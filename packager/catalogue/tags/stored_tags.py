"""Reads the tags of files in a store, by downloading only the ranges that contain them."""

import io
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from errno import EIO

from packager.catalogue.tags.read_tags import Tags, read_open
from packager.core.config.store_url import StoreUrl
from packager.engine.stores import store_at
from packager.engine.stores.base import Store, StoreStat
from packager.errors import PackagerError

_BLOCK = 128 << 10  # bytes of one range; the first usually has all tags and the first frames
_PARALLEL = 16  # first ranges that are downloaded at the same time


def read_stored(address: StoreUrl, files: Sequence[tuple[bytes, int]]) -> list[Tags]:
    """Return the tags of several files, in order. files: (path, size). Raises nothing. This is a worker's task."""
    store = store_at(address)
    opened = [StoreFileObject(store, os.fsdecode(path), size) for path, size in files]
    with ThreadPoolExecutor(_PARALLEL, "tags") as pool:
        list(pool.map(StoreFileObject.begin, opened))
    return [read_open(file, path) for file, (path, _) in zip(opened, files, strict=True)]


class StoreFileObject(io.RawIOBase):
    """A file-like object for a file of a store. Blocks are downloaded when they are first read, all of one version."""

    def __init__(self, store: Store, path: str, size: int) -> None:
        """Nothing is downloaded yet. size: in bytes."""
        self._store, self._path, self._size = store, path, size
        self._blocks: dict[int, bytes] = {}
        self._seen: StoreStat | None = None
        self._failure: PackagerError | None = None
        self._at = 0

    def begin(self) -> None:
        """Download the first block. An error is raised later, when the file is read."""
        try:
            self._block(0)
        except PackagerError as error:
            self._failure = error

    def read(self, size: int | None = -1, /) -> bytes:
        """Read bytes. Raises OSError for an error of the store."""
        stop = self._size if size is None or size < 0 else min(self._size, self._at + size)
        parts = []
        try:
            if self._failure:
                raise self._failure
            while self._at < stop:
                first = self._at - self._at % _BLOCK
                part = self._block(first)[self._at - first : stop - first]
                parts.append(part)
                self._at += len(part)
        except PackagerError as error:
            raise OSError(EIO, error.what) from error
        return b"".join(parts)

    def _block(self, first: int) -> bytes:
        """Return the block that starts at a byte."""
        if first not in self._blocks:
            stop = min(first + _BLOCK, self._size)
            self._seen, self._blocks[first] = self._store.read(self._path, first, stop, self._seen)
        return self._blocks[first]

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Set the position."""
        at = offset + (0, self._at, self._size)[whence]
        if at < 0:
            raise OSError(EIO, "a position before the start of the file")
        self._at = at
        return at

    def advance(self) -> int:
        """Return the position."""
        return self._at
