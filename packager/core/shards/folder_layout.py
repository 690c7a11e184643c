"""A shard as a folder: the same bag, its members as files, published as a multi-file torrent.

The stream is the torrent's own: files in BEP 52's order, each but an empty one filled up with zeros to a whole
piece (a v1-only torrent has none). The zeros are in no file: they are pad files in v1 (BEP 47), and nothing in v2.

    NAME/bag-info.txt  NAME/bagit.txt  NAME/data/...  NAME/manifest-sha256.txt  NAME/records.jsonl
    NAME/tagmanifest-sha256.txt

Members keep their numbers, and so their lines in records.jsonl and the manifest their order; only the stream
is sorted. Files that depend on digests still come after all members.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa

from packager.core.bittorrent.file_offsets import FileOffsets, Int64s, NamedFiles, file_offsets, sort_key
from packager.core.bittorrent.piece_length import piece_length_of_files
from packager.core.shards import bag, records_jsonl
from packager.core.shards.layout import (
    PAYLOAD,
    Layout,
    LiteralBytes,
    MemberCosts,
    MemberRange,
    Segment,
    Sizing,
    clip_segments,
    last_of,
    numbers_of,
    tag_sizes,
    unframed_costs,
)
from packager.model import Container, ShardName, TorrentVersion
from packager.options import TorrentOptions
from packager.units import MIB

_BEFORE = ("bag-info.txt", "bagit.txt")  # tag files that come before the members in the order of sort_key
_AFTER = (bag.MANIFEST, records_jsonl.FILE, bag.TAGMANIFEST)
TAG_FILES = len(_BEFORE) + len(_AFTER)
_ZEROS = bytes(MIB)


@dataclass(frozen=True)
class FolderLayout(Layout):
    """One shard's folder. Positions are bytes of the torrent's stream."""

    space: FileOffsets  # of all files, in the stream's order
    order: Int64s  # the members' numbers in that order

    @property
    def file(self) -> str:
        """The folder's name."""
        return self.name

    @property
    def disk_size(self) -> int:
        """Bytes of all files."""
        return int(self.space.sizes.sum())

    @property
    def manifest_start(self) -> int:
        """Where manifest-sha256.txt begins."""
        return int(self.space.starts[len(_BEFORE) + len(self.order)])

    def touched(self, start: int, stop: int) -> Iterator[int]:
        """Yield the members of whose bytes [start, stop) of the stream hold some, in the stream's order."""
        for number in self._files(start, stop):
            member = self._member(number)
            at, size = int(self.space.starts[number]), int(self.space.sizes[number])
            if member is not None and max(start, at) < min(stop, at + size):
                yield member

    def files(self) -> Iterator[tuple[str, int, int]]:
        """Yield (path below the folder, start in the stream, bytes) of every file, in the stream's order."""
        paths = [*_BEFORE, *(PAYLOAD + path for path in self.members["path"].take(pa.array(self.order)).to_pylist())]
        yield from zip([*paths, *_AFTER], self.space.starts.tolist(), self.space.sizes.tolist(), strict=True)

    @cached_property
    def named(self) -> NamedFiles:
        """The files by their paths."""
        return NamedFiles([path for path, _, _ in self.files()], self.space)

    @cached_property
    def places(self) -> dict[str, tuple[int, int]]:
        """Where each file begins in the stream, and its bytes, by its path below the folder."""
        return {path: (start, size) for path, start, size in self.files()}

    @cached_property
    def member_numbers(self) -> dict[str, int]:
        """The members' numbers by their paths below the folder."""
        return {PAYLOAD + path: number for number, path in enumerate(self.members["path"].to_pylist())}

    def file_number(self, member: int) -> int:
        """Return the number of a member's file in the torrent's list, from 0 and with pad files, as BEP 53 counts."""
        number = len(_BEFORE) + int(np.flatnonzero(self.order == member)[0])
        return number + int(np.count_nonzero(self.space.pads[:number]))

    def _files(self, start: int, stop: int) -> range:
        """Return the numbers of the files that begin before `stop`, or at it, from the one that `start` lies in."""
        first = int(np.searchsorted(self.space.starts, start, "right")) - 1
        return range(max(0, first), int(np.searchsorted(self.space.starts, stop, "right")))

    def _member(self, number: int) -> int | None:
        """Return which member a file is; None for the bag's own."""
        at = number - len(_BEFORE)
        return int(self.order[at]) if 0 <= at < len(self.order) else None

    def _segments(self, start: int, stop: int, digests: bytes) -> Iterator[Segment]:
        """Yield the segments of a range: slices of members, tag files, zeros."""
        for number in self._files(start, stop):
            at, size = int(self.space.starts[number]), int(self.space.sizes[number])
            member = self._member(number)
            if member is None:
                name = (*_BEFORE, *_AFTER)[number if number < len(_BEFORE) else number - len(self.order)]
                if start < at + size and at < stop:
                    yield from clip_segments(iter(self.tag_file(name, digests)), at, start, stop)
            elif start < at <= stop if not size else start < at + size and at < stop:
                yield MemberRange(member, max(start - at, 0), min(stop - at, size))
            for zeros in range(max(start, at + size), min(stop, at + size + int(self.space.pads[number])), MIB):
                yield LiteralBytes(_ZEROS[: min(MIB, stop - zeros, at + size + int(self.space.pads[number]) - zeros)])


def folder_layout(
    name: ShardName, bag_info: str, members: pa.Table, *, piece_length: int, aligned: bool
) -> FolderLayout:
    """Return the layout of a shard from its members, rows with the columns records_jsonl.FIELDS in manifest order.

    aligned: each file begins a piece, as in all torrents but v1-only ones. Memory: the rows, and eight int64 a member.
    """
    info = bag_info.encode()
    cost = unframed_costs(members, records_jsonl.line_sizes(members))
    record_ends, manifest_ends = np.cumsum(cost.lines), np.cumsum(cost.manifest)
    tags = tag_sizes(len(info), last_of(record_ends), last_of(manifest_ends))
    order = stream_order(members)
    sizes = np.concatenate([_sizes(tags, _BEFORE), cost.sizes[order], _sizes(tags, _AFTER)])
    space = file_offsets(sizes, piece_length, aligned=aligned)
    offsets = np.empty(len(order), np.int64)
    offsets[order] = space.starts[len(_BEFORE) : len(_BEFORE) + len(order)]
    return FolderLayout(
        name=name,
        bag_info=info,
        members=members.combine_chunks(),
        offsets=offsets,
        record_ends=record_ends,
        manifest_ends=manifest_ends,
        size=space.size,
        space=space,
        order=order,
    )


def planned_files(
    members: pa.Table, tags: dict[str, int], options: TorrentOptions
) -> tuple[int, list[tuple[str, int, int]]]:
    """Return the piece length of a shard's torrent, and (path, bytes, zeros after it) of every file in its order.

    members: their path and size, in any order. tags: layout.tag_sizes of the shard.
    """
    order = stream_order(members)
    paths = members["path"].take(pa.array(order)).to_pylist()
    sizes = np.concatenate([_sizes(tags, _BEFORE), numbers_of(members["size"])[order], _sizes(tags, _AFTER)]).tolist()
    length = options.piece_length or piece_length_of_files(sizes, options.format)
    space = file_offsets(sizes, length, aligned=is_aligned(options.format))
    names = [*_BEFORE, *(PAYLOAD + path for path in paths), *_AFTER]
    return length, list(zip(names, sizes, space.pads.tolist(), strict=True))


def is_aligned(version: TorrentVersion) -> bool:
    """Return whether each file of a torrent of this version begins a piece."""
    return version != "v1"


def file_of(name: str, container: Container) -> str:
    """Return what a shard's tar or folder is called."""
    return f"{name}.tar" if container == "tar" else name


def stream_order(members: pa.Table) -> Int64s:
    """Return the members' numbers in BEP 52's order of their paths."""
    keys = [sort_key(path) for path in members["path"].to_pylist()]
    return np.array(sorted(range(len(keys)), key=keys.__getitem__), np.int64)


def _sizes(tags: dict[str, int], names: tuple[str, ...]) -> Int64s:
    """Return the bytes of some of the bag's own files."""
    return np.array([tags[name] for name in names], np.int64)


def _costs(name: str, members: pa.Table, line_sizes: Int64s) -> MemberCosts:
    """Return what each row costs: no container is around it."""
    del name
    return unframed_costs(members, line_sizes)


def _fixed(name: str, bag_info_bytes: int) -> int:
    """Return the bytes that a bag's own files have beside their members' lines."""
    return _size(name, bag_info_bytes, 0, 0, 0)


def _size(name: str, bag_info_bytes: int, spans: int, lines: int, manifest: int) -> int:
    """Return the bytes of all files; zeros between them are on no disk."""
    del name
    return sum(tag_sizes(bag_info_bytes, lines, manifest).values()) + spans


FILES_SIZING = Sizing(_costs, _fixed, _size)
