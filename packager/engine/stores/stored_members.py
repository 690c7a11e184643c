"""A shard's members in a store, read ahead: while one is hashed, the next ranges are on their way.

Each range comes with the version of the file that it is of. All ranges of a member must be of the one version that
the scan saw, by its size and its stamp; so what was read is that file, whatever is written there meanwhile.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from packager.core.config.store_url import StoreUrl
from packager.engine.files import source_files
from packager.engine.files.file_stamp import FileStamp
from packager.engine.files.source_files import SourceChangedError, SourceFile
from packager.engine.stores import store_at
from packager.engine.stores.base import FileChangedError, Store
from packager.engine.stores.read_ahead import LANES, RangeRequest, ReadAhead, split_range
from packager.errors import IncompleteError


@contextmanager
def stored_members(address: StoreUrl, members: Sequence[SourceFile]) -> Iterator[Callable[[int], "_StoredMember"]]:
    """Yield what opens members in order (open_members.Opener). Memory: read_ahead.AHEAD."""
    store = store_at(address)
    with ReadAhead(store, _ranges(members), since="the scan") as ahead:
        yield lambda index: _StoredMember(ahead, members[index], store.name)


class _StoredMember:
    """A member whose ranges come in order; see open_members.OpenMember."""

    def __init__(self, ahead: ReadAhead, member: SourceFile, store: str) -> None:
        self._ahead, self._member, self._store = ahead, member, store
        self._data = memoryview(b"")
        if not member.size:
            self._fetch()

    def _fetch(self) -> memoryview:
        """Return the next range. Raises IncompleteError, where the member changed SourceChangedError."""
        try:
            return memoryview(next(self._ahead)[1])
        except FileChangedError as error:
            raise source_files.changed_error(self._member, f"{error.what} (in {self._store})") from error

    def read(self, _: int, buffer: memoryview, /) -> int:
        self._data = self._data or self._fetch()
        got = min(len(buffer), len(self._data))
        buffer[:got], self._data = self._data[:got], self._data[got:]
        return got

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        """Do nothing: no file is held, and every range was of the version that the scan saw."""


def _ranges(members: Sequence[SourceFile]) -> Iterator[RangeRequest]:
    """Yield all that is to be read; one empty range of an empty member."""
    for member in members:
        path, stamp = os.fsdecode(member.path), FileStamp(member.size, member.mtime_ns)
        if member.size:
            yield from split_range(path, 0, member.size, stamp)
        else:
            yield RangeRequest(path, 0, 0, stamp)


def changed(address: StoreUrl, members: Sequence[SourceFile]) -> list[SourceChangedError]:
    """Return what tells each member that is not as the plan says; where the store itself fails, nothing."""
    store = store_at(address)
    try:
        with ThreadPoolExecutor(LANES) as pool:
            found = pool.map(lambda member: _fault(store, member), members)
            return [fault for fault in found if fault is not None]
    except IncompleteError:
        return []


def _fault(store: Store, member: SourceFile) -> SourceChangedError | None:
    """Return what is wrong with a member now."""
    stat = store.stat(os.fsdecode(member.path))
    if stat is None:
        return source_files.changed_error(member, f"is not in {store.name} any more")
    try:
        source_files.check_stamp(stat.stamp, member)
    except SourceChangedError as error:
        return error
    return None
