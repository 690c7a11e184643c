"""A shard as a tar: its bytes from headers, members, padding and the bag's own files (layout.py).

    NAME/bagit.txt  NAME/bag-info.txt  NAME/records.jsonl  NAME/data/...  NAME/manifest-sha256.txt
    NAME/tagmanifest-sha256.txt  two zero blocks

The manifests come last, because they contain digests that one pass over the members computes.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from packager.core.shards import bag, build_tar_header, records_jsonl
from packager.core.shards.layout import (
    BATCH,
    PAYLOAD,
    Int64s,
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
from packager.model import ShardName


def member_costs(name: str, members: pa.Table, line_sizes: Int64s) -> MemberCosts:
    """Return what each row (columns of records_jsonl.FIELDS) costs in a tar with a name as long as `name`."""
    bare = unframed_costs(members, line_sizes)
    headers = _header_sizes(name, members, numbers_of(pc.binary_length(members["path"])))
    return replace(bare, framing=headers + (-bare.sizes % build_tar_header.BLOCK))


def _header_sizes(name: str, members: pa.Table, path_bytes: Int64s) -> Int64s:
    """Return the bytes of each row's tar header; one block for all but long, non-ASCII or huge members."""
    prefix = f"{name}/{PAYLOAD}"
    sizes = np.full(members.num_rows, build_tar_header.BLOCK, np.int64)
    plain = pc.string_is_ascii(members["path"]).to_numpy(zero_copy_only=False)
    odd = np.flatnonzero(~plain | (path_bytes > 100 - len(prefix)) | (numbers_of(members["size"]) >= 8 << 30))
    for row in odd.tolist():
        sizes[row] = build_tar_header.header_size(prefix + members["path"][row].as_py(), members["size"][row].as_py())
    return sizes


def _entries(name: str, files: Mapping[str, int]) -> int:
    """Return the bytes that tag files of these sizes take in the tar: headers, data, padding."""
    return sum(
        build_tar_header.header_size(f"{name}/{file}", size) + size + build_tar_header.padding(size)
        for file, size in files.items()
    )


def tar_size(name: str, bag_info_bytes: int, spans: int, lines: int, manifest: int) -> int:
    """Return the bytes of a shard's tar from the sums of its members' spans, lines and manifest lines."""
    return _entries(name, tag_sizes(bag_info_bytes, lines, manifest)) + spans + len(build_tar_header.END)


def fixed_cost(name: str, bag_info_bytes: int) -> int:
    """Return the most bytes that a shard's tar has beside its members' costs.

    The two tag files that grow with the members are counted with the largest header and padding.
    """
    largest = build_tar_header.header_size(f"{name}/{bag.MANIFEST}", 1 << 40) - build_tar_header.header_size(
        f"{name}/{bag.MANIFEST}", 0
    )
    return tar_size(name, bag_info_bytes, 0, 0, 0) + 2 * (largest + build_tar_header.BLOCK - 1)


TAR_SIZING = Sizing(member_costs, fixed_cost, tar_size)


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
            build_tar_header.build_tar_header(f"{self.name}/{file}", len(data))
            + data
            + bytes(build_tar_header.padding(len(data)))
            for file, data in (("bagit.txt", bag.BAGIT_TXT), ("bag-info.txt", self.bag_info))
        )
        return entries + build_tar_header.build_tar_header(
            f"{self.name}/{records_jsonl.FILE}", last_of(self.record_ends)
        )

    def _segments(self, start: int, stop: int, digests: bytes) -> Iterator[Segment]:
        """Yield the segments of a range; an empty member's slice stands right after its header's last byte."""
        yield from clip_segments(self._before(start, stop), 0, start, stop)
        yield from self._payload(start, stop)
        if stop > self.manifest_start:
            yield from clip_segments(self._after(digests), self.manifest_start, start, stop)

    def _before(self, start: int, stop: int) -> Iterator[bytes]:
        """Yield the tag files before the payload, or nothing where the range does not touch them."""
        if start >= int(self.starts[0]):
            return
        yield self._head
        if stop > len(self._head):
            yield from records_jsonl.stream_lines(self.members)
            yield bytes(build_tar_header.padding(last_of(self.record_ends)))

    def _payload(self, start: int, stop: int) -> Iterator[Segment]:
        """Yield headers, members' slices and padding of a range."""
        first = max(0, int(np.searchsorted(self.starts, start, "right")) - 1)
        last = min(len(self.offsets), int(np.searchsorted(self.starts, stop, "left")))
        for row in range(first, last, BATCH):
            for member, path, at, data, size, end in self._rows(row, min(row + BATCH, last)):
                if start <= at and data <= stop:
                    yield LiteralBytes(build_tar_header.build_tar_header(path, size))
                elif start < data:
                    yield from clip_segments(iter((build_tar_header.build_tar_header(path, size),)), at, start, stop)
                if start < data <= stop if not size else start < data + size and stop > data:
                    yield MemberRange(member, max(start - data, 0), min(stop - data, size))
                if data + size < end and stop > data + size and start < end:
                    yield LiteralBytes(bytes(min(stop, end) - max(start, data + size)))

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
        yield build_tar_header.build_tar_header(f"{self.name}/{bag.MANIFEST}", size)
        yield from self.manifest_lines(digests)
        yield bytes(build_tar_header.padding(size))
        tagmanifest = bag.tagmanifest(self.tag_digests(digests))
        yield build_tar_header.build_tar_header(f"{self.name}/{bag.TAGMANIFEST}", len(tagmanifest)) + tagmanifest
        yield bytes(build_tar_header.padding(len(tagmanifest))) + build_tar_header.END


def tar_layout(name: ShardName, bag_info: str, members: pa.Table) -> TarLayout:
    """Return the layout of a shard from its members, rows with the columns records_jsonl.FIELDS in tar order.

    Memory: the rows, and five int64 a member.
    """
    info = bag_info.encode()
    cost = member_costs(name, members, records_jsonl.line_sizes(members))
    record_ends, manifest_ends = np.cumsum(cost.lines), np.cumsum(cost.manifest)
    first = _entries(
        name, {"bagit.txt": len(bag.BAGIT_TXT), "bag-info.txt": len(info), records_jsonl.FILE: last_of(record_ends)}
    )
    starts = first + np.concatenate([np.zeros(1, np.int64), np.cumsum(cost.spans)])
    return TarLayout(
        name=name,
        bag_info=info,
        members=members.combine_chunks(),
        starts=starts,
        offsets=starts[1:] - (-cost.sizes % build_tar_header.BLOCK) - cost.sizes,
        record_ends=record_ends,
        manifest_ends=manifest_ends,
        size=tar_size(name, len(info), int(cost.spans.sum()), last_of(record_ends), last_of(manifest_ends)),
    )
