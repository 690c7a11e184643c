"""Find a shard's members among loose files: by their path, else by size and SHA-256 under any name.

A place is a file that may be a member. The caller compares what it reads, and refuses a wrong place.
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
    """Finds the files of one shard's members below some folders.

    places: a file's absolute path for each member, None if none is known. Memory: the places, sizes and digests.
    """

    def __init__(self, name: ShardName, members: pa.Table, roots: Sequence[Path]) -> None:
        """Look for each member by its paths in shard and source. Raises InputError if a root is not a folder."""
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
        """The members without a known place; an empty member needs none."""
        return [member for member, place in enumerate(self.places) if place is None and not self.is_empty(member)]

    def is_empty(self, member: int) -> bool:
        """Return whether a member's size and SHA-256 are those of an empty file."""
        return not self.sizes[member] and self.digests[member] == _EMPTY

    def wrong(self, member: int) -> list[bytes]:
        """Return the places that have a file other than the member."""
        return sorted(self._wrong.get(member, ()))

    def refuse(self, member: int) -> None:
        """Remove a member's place permanently, because the file there is not the member."""
        place = self.places[member]
        if place is not None:
            self._wrong.setdefault(member, set()).add(place)
        self.places[member] = None

    def refuse_wrong(self, members: Iterable[int], index: FileIndex) -> None:
        """Remove every place of `members` if its file has another SHA-256, in the index or when read now."""
        placed = [(member, place) for member in members if (place := self.places[member]) is not None]
        found = index.digests(list(dict.fromkeys(place for _, place in placed)))
        for member, place in placed:
            if found[place] != self.digests[member]:
                self.refuse(member)

    def find(self, index: FileIndex) -> None:
        """Find a place for every missing member by its size and SHA-256, in any file below the roots.

        The index is used first; the folders are walked once, and only if the index is not enough.
        """
        self._find_known(index)
        if self.missing and not self._walked:
            self._walked = True
            for root in self.roots:
                index.walk(root)
            self._find_known(index)

    def _find_known(self, index: FileIndex) -> None:
        """Find places for missing members in the index."""
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
        raise InputError(display_text(str(root)), "is not a folder", "name the folder of the loose files")
    return os.path.realpath(os.fsencode(root))


def _paths(name: ShardName, members: pa.Table) -> Iterator[list[bytes]]:
    """Yield each member's possible paths below a folder: in the source, its own, in a bag, in the tar."""
    inside = PAYLOAD.encode()
    for path, at_source in zip(members["path"].to_pylist(), source_paths(members), strict=True):
        own = path.encode()
        yield list(dict.fromkeys([*at_source, own, inside + own, name.encode() + b"/" + inside + own]))


def _by_path(roots: Sequence[bytes], paths: Sequence[bytes], size: int) -> bytes | None:
    """Return the first of these paths below these folders that is a regular file of this size."""
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
