"""Pieces of a file in a store, read ahead and hashed as those of a file on disk are."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Self

from packager.core.config.store_url import StoreUrl
from packager.engine.files.joined_files import Read
from packager.engine.hashing.check_tasks import PieceCheck
from packager.engine.stores import store_at
from packager.engine.stores.base import FileChangedError
from packager.engine.stores.read_ahead import ReadAhead, split_range


@dataclass(frozen=True)
class StoredPieceCheck(PieceCheck):
    """Consecutive pieces of one file of a store. To run it raises what the store does where it fails."""

    address: StoreUrl

    def absolute(self) -> Self:
        """Return it: an address holds everywhere."""
        return self

    @contextmanager
    def reading(self) -> Iterator[Read]:
        """Yield what reads, each time from where it ended before or from further on."""
        folder, name = self.address.parted()
        first = self.parts[0].start
        with ReadAhead(store_at(folder), split_range(name, first, first + self.size)) as ahead:
            start, data = first, b""

            def read(at: int, space: memoryview) -> None:
                nonlocal start, data
                at += first
                while len(space):
                    while at >= start + len(data):
                        start, data = _following(ahead)
                    if at < start:
                        raise OSError("could not be read")
                    got = memoryview(data)[at - start : at - start + len(space)]
                    space[: len(got)] = got
                    at, space = at + len(got), space[len(got) :]

            yield read


def _following(ahead: ReadAhead) -> tuple[int, bytes]:
    """Return where the next range begins, and its bytes. Raises OSError if the file is not there any more."""
    try:
        wanted, data = next(ahead)
    except FileChangedError as error:
        raise OSError(error.what) from error
    except StopIteration:  # the last range was refused
        raise OSError("could not be read") from None
    return wanted.start, data
