"""A shard's members opened one after the other, wherever they lie: in a folder, or in a store."""

import os
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Protocol

from packager.engine.files import source_files
from packager.engine.files.source_files import SourceFile
from packager.engine.stores.base import Place


class OpenMember(Protocol):
    """A member that is read from its start to its end. Every call raises IncompleteError where it changed."""

    def read_into(self, space: memoryview) -> int:
        """Read the next bytes into `space` and return how many, at least one."""

    def check(self) -> None:
        """Look once more whether it is what the plan says, after all of it was read."""

    def close(self) -> None:
        """Close it."""


class MemberOpener(Protocol):
    """The members of a shard."""

    def open(self, index: int) -> OpenMember:
        """Open a member; each is opened once, in order. Raises IncompleteError where it is not as the plan says."""


class _FolderMembers:
    """Members in a folder."""

    def __init__(self, root: Path, members: Sequence[SourceFile]) -> None:
        self._root, self._members = os.fsencode(root), members

    def open(self, index: int) -> OpenMember:
        return _File(self._root, self._members[index])


class _File:
    """A member's file: read by the system straight into the buffer that is written and hashed."""

    __slots__ = ("_descriptor", "_member")

    def __init__(self, root: bytes, member: SourceFile) -> None:
        self._descriptor, self._member = source_files.open_source_file(root, member), member

    def read_into(self, space: memoryview) -> int:
        return source_files.read_into(self._descriptor, space, self._member)

    def check(self) -> None:
        source_files.check_unchanged(self._descriptor, self._member)

    def close(self) -> None:
        os.close(self._descriptor)


def open_members(root: Place, members: Sequence[SourceFile]) -> AbstractContextManager[MemberOpener]:
    """Return what opens a shard's members. root: the folder or the store that their paths are relative to."""
    if isinstance(root, Path):
        return nullcontext(_FolderMembers(root, members))
    from packager.engine.stores.stored_members import StoredMembers  # an extra, and slow to import

    return StoredMembers(root, members)


def is_changed(root: Place, members: Sequence[SourceFile]) -> list[source_files.SourceChangedError]:
    """Return what opening each member now would raise because it changed since the scan; nothing is read."""
    if isinstance(root, Path):
        return source_files.changed(root, members)
    from packager.engine.stores.stored_members import changed as changed_there  # as above

    return changed_there(root, members)
