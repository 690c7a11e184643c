"""Open a shard's members one after the other, in a folder or in a store."""

import os
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self, TypeAlias

from packager.engine.files import source_files
from packager.engine.files.source_files import SourceFile
from packager.engine.stores.base import Place


class OpenMember(Protocol):
    """A member that is read from its start to its end; a context manager.

    Every call raises IncompleteError if it changed; leaving the block looks once more.
    """

    def read(self, offset: int, buffer: memoryview, /) -> int:
        """Read the next bytes, which begin at `offset`, and return how many, at least one."""

    def __enter__(self) -> Self:
        """Begin."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        """Close it."""


Opener: TypeAlias = Callable[[int], OpenMember]  # opens members by number, each once, in order; raises IncompleteError


def open_members(root: Place, members: Sequence[SourceFile]) -> AbstractContextManager[Opener]:
    """Return what opens a shard's members. root: the folder or the store that their paths are relative to."""
    if isinstance(root, Path):
        folder = os.fsencode(root)
        return nullcontext(lambda index: source_files.OpenSourceFile(folder, members[index]))
    from packager.engine.stores.stored_members import stored_members  # an extra, and slow to import

    return stored_members(root, members)


def is_changed(root: Place, members: Sequence[SourceFile]) -> list[source_files.SourceChangedError]:
    """Return what opening each member now would raise because it changed since the scan; nothing is read."""
    if isinstance(root, Path):
        return source_files.changed(root, members)
    from packager.engine.stores.stored_members import changed as changed_there  # as above

    return changed_there(root, members)
