"""What a store of files can do, and how often it is asked before a failure is told."""

import hashlib
import random
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol, TypeAlias, TypeVar

from packager.core.config.store_url import StoreUrl
from packager.engine.files.file_stamp import FileStamp
from packager.engine.files.range_readers import UnreadableError
from packager.errors import IncompleteError

Result = TypeVar("Result")
Place: TypeAlias = Path | StoreUrl  # a folder of this machine, or a store

AGAIN = "run the command again"
RANGE = 8 << 20  # bytes that are asked for at once: a second's worth of a slow line
SMALL = 16 << 20  # bytes: a file up to this is written in one request


class TransientError(Exception):
    """A request failed in a way that may pass; its text says how."""


class FileChangedError(UnreadableError):
    """A file is not there, or not the one that was meant any more."""


class StoreStat(NamedTuple):
    """What tells one version of a file from another. seconds: since 1970; tag: its ETag, "" where it has none."""

    size: int
    seconds: int
    tag: str

    @property
    def stamp(self) -> FileStamp:
        """It as the stamp of a file: 30 bits of the tag's SHA-256 are the nanoseconds of the time."""
        low = int.from_bytes(hashlib.sha256(self.tag.encode()).digest()[:4], "big") % 10**9 if self.tag else 0
        return FileStamp.bounded(self.size, self.seconds * 10**9 + low)


class StoreEntry(NamedTuple):
    """A file of a store; its path below the store's address."""

    path: str
    stat: StoreStat


Refused: TypeAlias = Callable[[str, str], None]  # takes a folder's path, and why it cannot be listed


class StoreFileWriter(Protocol):
    """Takes a file's bytes in order."""

    def write(self, data: bytes | memoryview) -> None:
        """Take more bytes; they are copied. Raises IncompleteError once the store has refused any."""


class Store(Protocol):
    """Files below an address. Paths are relative to it.

    Every call raises IncompleteError if the store fails for now, and InputError if it refuses: no such
    bucket, no right, no credentials. Calls may come from several threads.
    """

    @property
    def name(self) -> str:
        """The address, fit to be shown."""

    def entries(self, refused: Refused | None = None) -> Iterator[StoreEntry]:
        """Yield every file, as they are listed, in no order that is promised. Memory: one page of the listing.

        refused: takes each folder below that cannot be listed; without it, the first such folder raises.
        """

    def stat(self, path: str) -> StoreStat | None:
        """Return what tells a file from its other versions; None: it is not there."""

    def read(self, path: str, start: int, stop: int, seen: StoreStat | None = None) -> tuple[StoreStat, bytes]:
        """Return a file's version and its bytes [start, stop), stop within it.

        seen: the version that is meant. Raises Gone where the file is another, or becomes one half way.
        """

    def put(self, path: str, data: bytes) -> StoreStat:
        """Write a whole small file in the place of any before it, and return what it is now."""

    def create(self, path: str, data: bytes) -> bool:
        """Write a small file where none is, and say whether that was so; of several at once one does."""

    def writer(self, path: str, size: int) -> "AbstractContextManager[StoreFileWriter]":
        """Return what takes a file of `size` bytes; the file is there when the block has ended well."""

    def delete(self, path: str) -> None:
        """Delete a file, if it is there."""

    def sweep(self, paths: Callable[[str], bool]) -> int:
        """Take away what writers that were killed left of these files, and return how many there were."""


@dataclass(frozen=True)
class RetryPolicy:
    """How long a store may fail: tries, and the seconds to wait after the first and at most; each is the double."""

    tries: int = 8
    first: float = 0.2
    most: float = 20.0

    def wait(self, failures: int) -> None:
        """Wait after so many failures in a row; at random a little less, so that many do not come at once."""
        wait = min(self.most, self.first * 2 ** (failures - 1))
        time.sleep(wait * random.uniform(0.7, 1.0))  # noqa: S311 (no secret)


PATIENCE = RetryPolicy()


def with_retries(where: str, action: Callable[[], Result], *, progress: Callable[[], int] = int) -> Result:
    """Return what `action` returns; while it raises Transient, try again with growing pauses.

    progress: bytes that came so far; a try that brought some is no failure. Raises IncompleteError in the end.
    """
    failures, came = 0, progress()
    while True:
        try:
            return action()
        except TransientError as failure:
            failures = 1 if progress() - came >= 1 << 16 else failures + 1
            came = progress()
            if failures >= PATIENCE.tries:
                raise IncompleteError(where, f"{failure}, {PATIENCE.tries} times in a row", AGAIN) from failure
        PATIENCE.wait(failures)
