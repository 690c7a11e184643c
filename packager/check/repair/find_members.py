"""Find a shard's members among loose files: by their path, else by size and SHA-256 whatever they are called.

A place is where a member may be; whoever reads it compares what was read, and tells when it was not.
"""

import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from pathlib import Path

import pyarrow as pa

from packager.core.releases.members_table import source_paths
from packager.core.shards.layout import PAYLOAD
from packager.engine.hashing.file_index import FileIndex
from packager.errors import InputError
from packager.model import ShardName
from packager.paths import display_text

_EMPTY = sha256().digest()


class MemberFinder:
    """The members of one shard and the places of their files below some folders.

    places: a file's absolute path for each member, None where none is known. Memory: that, and the
    members' sizes and digests.
    """

    def __init__(self, name: ShardName, members: pa.Table, roots: Sequence[Path]) -> None:
        """Look for each member by its path in the shard and at the source. Raises InputError for what is no folder."""
        self.roots = [_folder(root) for root in roots]
        self.digests: list[bytes] = members["sha256"].to_pylist()
        self.sizes: list[int] = members["size"].to_pylist()
        self.places = [
            _by_path(self.roots, paths, size) for paths, size in zip(_paths(name, members), self.sizes, strict=True)
        ]
        self._wrong: dict[int, set[bytes]] = {}
        self._walked = False

    @property
    def missing(self) -> list[int]:
        """The members that no place is known of; an empty one needs none."""
        return [member for member, place in enumerate(self.places) if place is None and not self.is_empty(member)]

    def is_empty(self, member: int) -> bool:
        """Say whether a member has no bytes, as its SHA-256 says too."""
        return not self.sizes[member] and self.digests[member] == _EMPTY

    def wrong(self, member: int) -> list[bytes]:
        """Return the places where another file was found than the member."""
        return sorted(self._wrong.get(member, ()))

    def refuse(self, member: int) -> None:
        """Take a member's place away for good: what is there is not the member."""
        place = self.places[member]
        if place is not None:
            self._wrong.setdefault(member, set()).add(place)
        self.places[member] = None

    def refuse_wrong(self, members: Iterable[int], index: FileIndex) -> None:
        """Take away every place of `members` whose file has another SHA-256, by the index or read now."""
        placed = [(member, place) for member in members if (place := self.places[member]) is not None]
        found = index.digests(list(dict.fromkeys(place for _, place in placed)))
        for member, place in placed:
            if found[place] != self.digests[member]:
                self.refuse(member)

    def find(self, index: FileIndex) -> None:
        """Give every missing member a place by its size and SHA-256, where any file below the roots has them.

        What the index knows is tried first; the folders are walked once, and only where that is not enough.
        """
        self._find_known(index)
        if self.missing and not self._walked:
            self._walked = True
            for root in self.roots:
                index.walk(root)
            self._find_known(index)

    def _find_known(self, index: FileIndex) -> None:
        """Give missing members the places of files that the index knows."""
        missing = self.missing
        if not missing:
            return
        known = index.find({(self.sizes[member], self.digests[member]) for member in missing}, self.roots)
        for member in missing:
            wrong = self._wrong.get(member, set())
            places = known.get(self.digests[member], ())
            self.places[member] = next((place for place in places if place not in wrong), None)


def _folder(root: Path) -> bytes:
    """Return a folder's absolute path. Raises InputError."""
    if not root.is_dir():
        raise InputError(display_text(str(root)), "is not a folder", "give the folder of the loose files")
    return os.path.realpath(os.fsencode(root))


def _paths(name: ShardName, members: pa.Table) -> Iterator[list[bytes]]:
    """Yield where each member may lie below a folder: by its source's path, its own, as in a bag or the tar."""
    inside = PAYLOAD.encode()
    for path, at_source in zip(members["path"].to_pylist(), source_paths(members), strict=True):
        own = path.encode()
        yield list(dict.fromkeys([*at_source, own, inside + own, name.encode() + b"/" + inside + own]))


def _by_path(roots: Sequence[bytes], paths: Sequence[bytes], size: int) -> bytes | None:
    """Return the first of these paths below these folders where a regular file of this size is."""
    for root in roots:
        for path in paths:
            place = os.path.join(root, path)
            try:
                found = os.lstat(place)
            except (OSError, ValueError):
                continue
            if stat.S_ISREG(found.st_mode) and found.st_size == size:
                return place
    return None
