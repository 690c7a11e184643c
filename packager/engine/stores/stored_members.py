"""A shard's members in a store, read ahead: while one is hashed, the next ranges are on their way.

Each range comes with the version of the file that it is of. All ranges of a member must be of the one version that
the scan saw, by its size and its stamp; so what was read is that file, whatever is written there meanwhile.
"""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType

from packager.core.config.store_url import StoreUrl
from packager.engine.files import source_files
from packager.engine.files.source_files import SourceChangedError, SourceFile
from packager.engine.stores import store_at
from packager.engine.stores.base import FileChangedError, Store, StoreStat
from packager.engine.stores.read_ahead import LANES, RangeRequest, ReadAhead, split_range
from packager.errors import IncompleteError


class StoredMembers:
    """Opens members in order; a context manager, whose threads end with it. Memory: read_ahead.AHEAD."""

    def __init__(self, address: StoreUrl, members: Sequence[SourceFile]) -> None:
        """Take the members of a shard, paths relative to the store's address."""
        self._store, self._members = store_at(address), members
        self._ahead = ReadAhead(self._store, _ranges(members))

    def __enter__(self) -> "StoredMembers":
        """Begin to read."""
        self._ahead.__enter__()
        return self

    def next_range(self, index: int) -> tuple[StoreStat, bytes]:
        """Return the next range, which is of this member. Raises IncompleteError, where that changed ChangedError."""
        member = self._members[index]
        try:
            wanted, stat, data = next(self._ahead)
        except FileChangedError as error:
            raise source_files.changed_error(member, f"{error.what} (in {self._store.name})") from error
        assert wanted.member == index
        source_files.check_stamp(stat.stamp, member)
        return stat, data

    def open(self, index: int) -> "_StoredMember":
        """Open the next member."""
        return _StoredMember(self, index, self._members[index])

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Ask for nothing more."""
        self._ahead.__exit__(kind, error, trace)


class _StoredMember:
    """A member whose ranges come in order; see open_members.OpenMember."""

    def __init__(self, members: StoredMembers, index: int, member: SourceFile) -> None:
        self._members, self._index, self._member = members, index, member
        self._data, self._at, self._tag = b"", 0, ""
        if not member.size:
            members.next_range(index)

    def read_into(self, space: memoryview) -> int:
        if self._at == len(self._data):
            stat, self._data = self._members.next_range(self._index)
            if self._tag not in ("", stat.tag):
                raise source_files.changed_error(self._member, "was written to while it was read")
            self._at, self._tag = 0, stat.tag
        got = min(len(space), len(self._data) - self._at)
        space[:got] = memoryview(self._data)[self._at : self._at + got]
        self._at += got
        return got

    def check(self) -> None:
        """Do nothing: every range was of the version that the scan saw."""

    def close(self) -> None:
        """Do nothing: no file is held."""


def _ranges(members: Sequence[SourceFile]) -> Iterator[RangeRequest]:
    """Yield all that is to be read; one empty range of an empty member."""
    for index, member in enumerate(members):
        path = os.fsdecode(member.path)
        if member.size:
            yield from split_range(path, 0, member.size, index)
        else:
            yield RangeRequest(path, 0, 0, index)


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
