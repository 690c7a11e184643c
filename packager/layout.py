"""A shard as an ordered list of segments: literal bytes, or a slice of one member's file.

The layout is known before a source byte is read: every offset, the total size. Packing, verifying,
serving and repairing are readers of it. Pure: it holds rows and numbers, and opens nothing. Here stand
what all containers share, and the tar; files_layout.py holds the other one.

    NAME/bagit.txt  NAME/bag-info.txt  NAME/records.jsonl  NAME/data/...  NAME/manifest-sha256.txt
    NAME/tagmanifest-sha256.txt  two zero blocks

The manifests stand last, since they hold digests that one pass over the members finds.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import sha256
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from packager import bag, record_lines, tar
from packager.model import ShardName

Int64s: TypeAlias = npt.NDArray[np.int64]
PAYLOAD = "data/"  # RFC 8493 2.1.2
_BATCH = 4096


@dataclass(frozen=True)
class Literal:
    """Bytes that the layout itself knows: headers, padding, tag files."""

    data: bytes


@dataclass(frozen=True)
class Slice:
    """Bytes [start, stop) of the file of member number `member`, counted from 0."""

    member: int
    start: int
    stop: int


Segment: TypeAlias = Literal | Slice


@dataclass(frozen=True)
class Costs:
    """What each member adds to its shard, in bytes, by row: int64 arrays of one length."""

    framing: Int64s  # around its data: tar header blocks and padding, nothing where files are kept as they are
    sizes: Int64s  # payload
    lines: Int64s  # its line in records.jsonl
    manifest: Int64s  # its line in manifest-sha256.txt

    def part(self, first: int, stop: int) -> "Costs":
        """Return rows [first, stop)."""
        rows = slice(first, stop)
        return Costs(self.framing[rows], self.sizes[rows], self.lines[rows], self.manifest[rows])

    @property
    def spans(self) -> Int64s:
        """Bytes each member takes in the payload."""
        return self.framing + self.sizes

    @property
    def total(self) -> Int64s:
        """Bytes each member adds in all: what next-fit sums."""
        return self.spans + self.lines + self.manifest


def costs(name: str, members: pa.Table, line_sizes: Int64s) -> Costs:
    """Return what each row (columns of record_lines.FIELDS) costs in a tar with a name as long as `name`."""
    bare = bare_costs(members, line_sizes)
    headers = _header_sizes(name, members, numbers_of(pc.binary_length(members["path"])))
    return replace(bare, framing=headers + (-bare.sizes % tar.BLOCK))


def bare_costs(members: pa.Table, line_sizes: Int64s) -> Costs:
    """Return what each row costs where its file is kept as it is."""
    path_bytes = numbers_of(pc.binary_length(members["path"]))
    return Costs(
        framing=np.zeros(members.num_rows, np.int64),
        sizes=numbers_of(members["size"]),
        lines=line_sizes,
        manifest=path_bytes + bag.manifest_line_size(len(PAYLOAD)),
    )


def numbers_of(column: pa.ChunkedArray) -> Int64s:
    """Return an integer column as a numpy array."""
    return np.asarray(column.to_numpy(), np.int64)


def _header_sizes(name: str, members: pa.Table, path_bytes: Int64s) -> Int64s:
    """Return the bytes of each row's tar header; one block for all but long, non-ASCII or huge members."""
    prefix = f"{name}/{PAYLOAD}"
    sizes = np.full(members.num_rows, tar.BLOCK, np.int64)
    plain = pc.string_is_ascii(members["path"]).to_numpy(zero_copy_only=False)
    odd = np.flatnonzero(~plain | (path_bytes > 100 - len(prefix)) | (numbers_of(members["size"]) >= 8 << 30))
    for row in odd.tolist():
        sizes[row] = tar.header_size(prefix + members["path"][row].as_py(), members["size"][row].as_py())
    return sizes


def _entries(name: str, files: Mapping[str, int]) -> int:
    """Return the bytes that tag files of these sizes take in the tar: headers, data, padding."""
    return sum(tar.header_size(f"{name}/{file}", size) + size + tar.padding(size) for file, size in files.items())


def tar_size(name: str, bag_info_bytes: int, spans: int, lines: int, manifest: int) -> int:
    """Return the bytes of a shard's tar from the sums of its members' spans, lines and manifest lines."""
    return _entries(name, tag_sizes(bag_info_bytes, lines, manifest)) + spans + len(tar.END)


def tag_sizes(bag_info_bytes: int, lines: int, manifest: int) -> dict[str, int]:
    """Return the bytes of each of a bag's own files by name; lines, manifest: those of its members' lines."""
    return {
        "bagit.txt": len(bag.BAGIT_TXT),
        "bag-info.txt": bag_info_bytes,
        record_lines.FILE: lines,
        bag.MANIFEST: manifest,
        bag.TAGMANIFEST: bag.TAGMANIFEST_SIZE,
    }


@dataclass(frozen=True)
class Sizing:
    """How a container's sizes come about, before a layout is made. Names are as long as the shard's."""

    costs: Callable[[str, pa.Table, Int64s], Costs]  # of members' rows and the bytes of their lines
    fixed: Callable[[str, int], int]  # the most bytes beside the members' costs, by those of bag-info.txt
    size: Callable[[str, int, int, int, int], int]  # bytes on disk; the arguments of tar_size


def fixed_cost(name: str, bag_info_bytes: int) -> int:
    """Return the most bytes that a shard's tar has beside its members' costs.

    The two tag files that grow with the members are counted with the largest header and padding.
    """
    largest = tar.header_size(f"{name}/{bag.MANIFEST}", 1 << 40) - tar.header_size(f"{name}/{bag.MANIFEST}", 0)
    return tar_size(name, bag_info_bytes, 0, 0, 0) + 2 * (largest + tar.BLOCK - 1)


TAR_SIZING = Sizing(costs, fixed_cost, tar_size)


@dataclass(frozen=True)
class Layout(ABC):
    """One shard's stream of bytes, which its torrent's pieces cut. Arrays have one entry a member, in their order."""

    name: ShardName
    bag_info: bytes
    members: pa.Table  # columns of record_lines.FIELDS, in order
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
        """Where in the stream the first byte stands that hangs on the members' digests."""

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
        if name == record_lines.FILE:
            return record_lines.stream_lines(self.members)
        return (self.bag_info if name == "bag-info.txt" else bag.BAGIT_TXT,)

    def tag_digests(self, digests: bytes) -> list[bytes]:
        """Return the SHA-256 of each tag file that the tag manifest lists, in its order (bag.TAGGED)."""
        return [_sha256(self.tag_file(name, digests)) for name in bag.TAGGED]

    def manifest_lines(self, digests: bytes) -> Iterator[bytes]:
        """Yield manifest-sha256.txt, some thousand lines at a time."""
        for first in range(0, self.members.num_rows, _BATCH):
            paths = self.members["path"].slice(first, _BATCH).to_pylist()
            yield bag.manifest_lines(
                digests[32 * first : 32 * (first + len(paths))], (PAYLOAD + path for path in paths)
            )


@dataclass(frozen=True)
class TarLayout(Layout):
    """One shard's tar. Positions are bytes from its start."""

    starts: Int64s  # of each member's header, and at the end where the manifest's header starts: n + 1

    @property
    def file(self) -> str:
        """The tar's name."""
        return f"{self.name}.tar"

    @property
    def disk_size(self) -> int:
        """The tar's bytes."""
        return self.size

    @property
    def manifest_start(self) -> int:
        """Where the payload ends and the manifest's header starts."""
        return int(self.starts[-1])

    def touched(self, start: int, stop: int) -> Iterator[int]:
        """Yield the members of whose data bytes [start, stop) of the tar hold some, in order."""
        first = np.searchsorted(self.offsets + self.sizes, start, "right")
        last = np.searchsorted(self.offsets, stop, "left")
        return (member for member in range(int(first), int(last)) if self.sizes[member])

    @cached_property
    def _head(self) -> bytes:
        """All before the lines of records.jsonl."""
        entries = b"".join(
            tar.header(f"{self.name}/{file}", len(data)) + data + bytes(tar.padding(len(data)))
            for file, data in (("bagit.txt", bag.BAGIT_TXT), ("bag-info.txt", self.bag_info))
        )
        return entries + tar.header(f"{self.name}/{record_lines.FILE}", last_of(self.record_ends))

    def _segments(self, start: int, stop: int, digests: bytes) -> Iterator[Segment]:
        """Yield the segments of a range; an empty member's slice stands right after its header's last byte."""
        yield from clipped(self._before(start, stop), 0, start, stop)
        yield from self._payload(start, stop)
        if stop > self.manifest_start:
            yield from clipped(self._after(digests), self.manifest_start, start, stop)

    def _before(self, start: int, stop: int) -> Iterator[bytes]:
        """Yield the tag files before the payload, or nothing where the range does not touch them."""
        if start >= int(self.starts[0]):
            return
        yield self._head
        if stop > len(self._head):
            yield from record_lines.stream_lines(self.members)
            yield bytes(tar.padding(last_of(self.record_ends)))

    def _payload(self, start: int, stop: int) -> Iterator[Segment]:
        """Yield headers, members' slices and padding of a range."""
        first = max(0, int(np.searchsorted(self.starts, start, "right")) - 1)
        last = min(len(self.offsets), int(np.searchsorted(self.starts, stop, "left")))
        for row in range(first, last, _BATCH):
            for member, path, at, data, size, end in self._rows(row, min(row + _BATCH, last)):
                if start <= at and data <= stop:
                    yield Literal(tar.header(path, size))
                elif start < data:
                    yield from clipped(iter((tar.header(path, size),)), at, start, stop)
                if start < data <= stop if not size else start < data + size and stop > data:
                    yield Slice(member, max(start - data, 0), min(stop - data, size))
                if data + size < end and stop > data + size and start < end:
                    yield Literal(bytes(min(stop, end) - max(start, data + size)))

    def _rows(self, first: int, stop: int) -> Iterator[tuple[int, str, int, int, int, int]]:
        """Yield members [first, stop): number, path in the tar, and where header and data start, size, padding ends."""
        prefix = f"{self.name}/{PAYLOAD}"
        paths = self.members["path"].slice(first, stop - first).to_pylist()
        columns = (
            self.starts[first:stop],
            self.offsets[first:stop],
            self.sizes[first:stop],
            self.starts[first + 1 : stop + 1],
        )
        numbers = zip(*(column.tolist() for column in columns), strict=True)
        for member, path, (at, data, size, end) in zip(range(first, stop), paths, numbers, strict=True):
            yield member, prefix + path, at, data, size, end

    def _after(self, digests: bytes) -> Iterator[bytes]:
        """Yield all from the manifest's header to the end of the tar."""
        size = last_of(self.manifest_ends)
        yield tar.header(f"{self.name}/{bag.MANIFEST}", size)
        yield from self.manifest_lines(digests)
        yield bytes(tar.padding(size))
        tagmanifest = bag.tagmanifest(self.tag_digests(digests))
        yield tar.header(f"{self.name}/{bag.TAGMANIFEST}", len(tagmanifest)) + tagmanifest
        yield bytes(tar.padding(len(tagmanifest))) + tar.END


def tar_layout(name: ShardName, bag_info: str, members: pa.Table) -> TarLayout:
    """Return the layout of a shard from its members, rows with the columns record_lines.FIELDS in tar order.

    Memory: the rows, and five int64 a member.
    """
    info = bag_info.encode()
    cost = costs(name, members, record_lines.line_sizes(members))
    record_ends, manifest_ends = np.cumsum(cost.lines), np.cumsum(cost.manifest)
    first = _entries(
        name, {"bagit.txt": len(bag.BAGIT_TXT), "bag-info.txt": len(info), record_lines.FILE: last_of(record_ends)}
    )
    starts = first + np.concatenate([np.zeros(1, np.int64), np.cumsum(cost.spans)])
    return TarLayout(
        name=name,
        bag_info=info,
        members=members.combine_chunks(),
        starts=starts,
        offsets=starts[1:] - (-cost.sizes % tar.BLOCK) - cost.sizes,
        record_ends=record_ends,
        manifest_ends=manifest_ends,
        size=tar_size(name, len(info), int(cost.spans.sum()), last_of(record_ends), last_of(manifest_ends)),
    )


def last_of(ends: Int64s) -> int:
    """Return the total that a running sum ends with."""
    return int(ends[-1]) if len(ends) else 0


def clipped(pieces: Iterator[bytes], at: int, start: int, stop: int) -> Iterator[Literal]:
    """Yield as literals what of `pieces`, which begin at position `at`, lies in [start, stop)."""
    for piece in pieces:
        if at >= stop:
            return
        end = at + len(piece)
        if piece and end > start:
            yield Literal(piece[max(start - at, 0) : stop - at])
        at = end


def _sha256(pieces: Iterable[bytes]) -> bytes:
    """Return the SHA-256 of joined pieces."""
    state = sha256()
    for piece in pieces:
        state.update(piece)
    return state.digest()
