"""A shard as an ordered list of segments: literal bytes, or a slice of one member's file.

The layout is known before a source byte is read: every offset, the total size. Packing, verifying,
serving and repairing read it. Pure: it contains rows and numbers, and opens nothing. This file has what
both containers share: tar_layout.py has the tar, folder_layout.py the folder.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from packager.core.shards import bag, records_jsonl
from packager.model import ShardName

Int64s: TypeAlias = npt.NDArray[np.int64]
PAYLOAD = "data/"  # RFC 8493 2.1.2
BATCH = 4096


@dataclass(frozen=True)
class LiteralBytes:
    """Bytes that the layout itself knows: headers, padding, tag files."""

    data: bytes


@dataclass(frozen=True)
class MemberRange:
    """Bytes [start, stop) of the file of member number `member`, counted from 0."""

    member: int
    start: int
    stop: int


Segment: TypeAlias = LiteralBytes | MemberRange


@dataclass(frozen=True)
class MemberCosts:
    """What each member adds to its shard, in bytes, by row: int64 arrays of one length."""

    framing: Int64s  # around its data: tar header blocks and padding, nothing where files are kept as they are
    sizes: Int64s  # payload
    lines: Int64s  # its line in records.jsonl
    manifest: Int64s  # its line in manifest-sha256.txt

    def of_rows(self, first: int, stop: int) -> "MemberCosts":
        """Return rows [first, stop)."""
        rows = slice(first, stop)
        return MemberCosts(self.framing[rows], self.sizes[rows], self.lines[rows], self.manifest[rows])

    @property
    def spans(self) -> Int64s:
        """Bytes each member takes in the payload."""
        return self.framing + self.sizes

    @property
    def total(self) -> Int64s:
        """Bytes each member adds in all: what next-fit sums."""
        return self.spans + self.lines + self.manifest


def unframed_costs(members: pa.Table, line_sizes: Int64s) -> MemberCosts:
    """Return what each row costs where its file is kept as it is."""
    path_bytes = numbers_of(pc.binary_length(members["path"]))
    return MemberCosts(
        framing=np.zeros(members.num_rows, np.int64),
        sizes=numbers_of(members["size"]),
        lines=line_sizes,
        manifest=path_bytes + bag.manifest_line_size(len(PAYLOAD)),
    )


def numbers_of(column: pa.ChunkedArray) -> Int64s:
    """Return an integer column as a numpy array."""
    return np.asarray(column.to_numpy(), np.int64)


def tag_sizes(bag_info_bytes: int, lines: int, manifest: int) -> dict[str, int]:
    """Return the bytes of each of a bag's own files by name; lines, manifest: those of its members' lines."""
    return {
        "bagit.txt": len(bag.BAGIT_TXT),
        "bag-info.txt": bag_info_bytes,
        records_jsonl.FILE: lines,
        bag.MANIFEST: manifest,
        bag.TAGMANIFEST: bag.TAGMANIFEST_SIZE,
    }


@dataclass(frozen=True)
class Sizing:
    """How a container's sizes come about, before a layout is made. Names are as long as the shard's."""

    costs: Callable[[str, pa.Table, Int64s], MemberCosts]  # of members' rows and the bytes of their lines
    fixed: Callable[[str, int], int]  # the most bytes beside the members' costs, by those of bag-info.txt
    size: Callable[[str, int, int, int, int], int]  # bytes on disk; the arguments of tar_size


@dataclass(frozen=True)
class Layout(ABC):
    """One shard's stream of bytes, which its torrent's pieces cut. Arrays have one entry a member, in their order."""

    name: ShardName
    bag_info: bytes
    members: pa.Table  # columns of records_jsonl.FIELDS, in order
    offsets: Int64s  # of each member's first byte in the stream
    record_ends: Int64s  # bytes of records.jsonl up to and with each member's line
    manifest_ends: Int64s  # likewise of manifest-sha256.txt
    size: int

    @property
    @abstractmethod
    def file(self) -> str:
        """What the shard's file or folder is called: the torrent's name."""

    @property
    @abstractmethod
    def disk_size(self) -> int:
        """Bytes of the shard's files; `size` counts zeros between them as well."""

    @property
    @abstractmethod
    def manifest_start(self) -> int:
        """The offset of the first byte in the stream that depends on the members' digests."""

    @abstractmethod
    def touched(self, start: int, stop: int) -> Iterator[int]:
        """Yield the members of whose data bytes [start, stop) of the stream hold some, in the stream's order."""

    @abstractmethod
    def _segments(self, start: int, stop: int, digests: bytes) -> Iterator[Segment]:
        """Yield the segments of bytes [start, stop), which lie in the stream."""

    @cached_property
    def sizes(self) -> Int64s:
        """The members' sizes, read from the rows once."""
        return numbers_of(self.members["size"])

    def path(self, member: int) -> str:
        """Return a member's path: below the shard's folder, that included."""
        return f"{self.name}/{PAYLOAD}{self.members['path'][member].as_py()}"

    def segments(self, start: int = 0, stop: int | None = None, digests: bytes | None = None) -> Iterator[Segment]:
        """Yield the segments of bytes [start, stop) in order, cut to that range.

        An empty member has an empty slice at its offset. digests: the members' SHA-256, 32 bytes each, joined;
        needed where stop lies past manifest_start. Memory: some thousand members' lines. Raises ValueError for
        a range outside the stream, and where digests are missing.
        """
        stop = self.size if stop is None else stop
        if not 0 <= start <= stop <= self.size:
            raise ValueError(f"[{start}, {stop}) is outside the {self.size} bytes of {self.name}")
        if stop > self.manifest_start and (digests is None or len(digests) != 32 * self.members.num_rows):
            raise ValueError("the manifests need the members' digests, 32 bytes each")
        if start < stop:
            yield from self._segments(start, stop, digests or b"")

    def tag_file(self, name: str, digests: bytes) -> Iterable[bytes]:
        """Return the bytes, in pieces, of one of the bag's own files; only the manifests look at the digests."""
        if name == bag.MANIFEST:
            return self.manifest_lines(digests)
        if name == bag.TAGMANIFEST:
            return (bag.tagmanifest(self.tag_digests(digests)),)
        if name == records_jsonl.FILE:
            return records_jsonl.stream_lines(self.members)
        return (self.bag_info if name == "bag-info.txt" else bag.BAGIT_TXT,)

    def tag_digests(self, digests: bytes) -> list[bytes]:
        """Return the SHA-256 of each tag file that the tag manifest lists, in its order (bag.TAGGED)."""
        return [_sha256(self.tag_file(name, digests)) for name in bag.TAGGED]

    def manifest_lines(self, digests: bytes) -> Iterator[bytes]:
        """Yield manifest-sha256.txt, some thousand lines at a time."""
        for first in range(0, self.members.num_rows, BATCH):
            paths = self.members["path"].slice(first, BATCH).to_pylist()
            yield bag.manifest_lines(
                digests[32 * first : 32 * (first + len(paths))], (PAYLOAD + path for path in paths)
            )


def last_of(ends: Int64s) -> int:
    """Return the total that a running sum ends with."""
    return int(ends[-1]) if len(ends) else 0


def clip_segments(pieces: Iterator[bytes], at: int, start: int, stop: int) -> Iterator[LiteralBytes]:
    """Yield as literals what of `pieces`, which begin at position `at`, lies in [start, stop)."""
    for piece in pieces:
        if at >= stop:
            return
        end = at + len(piece)
        if piece and end > start:
            yield LiteralBytes(piece[max(start - at, 0) : stop - at])
        at = end


def _sha256(pieces: Iterable[bytes]) -> bytes:
    """Return the SHA-256 of joined pieces."""
    state = sha256()
    for piece in pieces:
        state.update(piece)
    return state.digest()
