"""Faults: which bytes of which file differ from the published ones, and the members in them. Pure."""

import base64
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import msgspec
import numpy as np

from packager.core.bittorrent.piece_hashes import PieceHashes
from packager.core.shards import bag, build_tar_header, records_jsonl
from packager.core.shards.folder_layout import TAG_FILES, FolderLayout
from packager.core.shards.layout import PAYLOAD, Int64s, Layout
from packager.core.shards.tar_layout import TarLayout
from packager.model import FrozenStruct
from packager.paths import display_text
from packager.units import count_of

FaultKind: TypeAlias = Literal["bad", "missing", "short", "long", "extra", "unreadable"]


class Fault(FrozenStruct, frozen=True, kw_only=True, omit_defaults=True):
    """A fault of the file (or the folder of a torrent) at `path`.

    bad: bytes differ from the published ones. missing: no such file. short, long: fewer or more bytes.
    extra: not published. unreadable: the system cannot read it; `detail` has the reason. Texts are
    escaped for display; path_b64 is the exact path if that is not UTF-8.
    """

    kind: FaultKind
    path: str
    path_b64: str | None = None
    detail: str = ""
    start: int | None = None  # bytes [start, stop) of the fault; None: the complete file
    stop: int | None = None
    first_piece: int | None = None  # counted from 0; last_piece is included
    last_piece: int | None = None
    members: tuple[str, ...] = ()  # by path in the payload; files of a torrent
    tag_files: tuple[str, ...] = ()  # of the bag itself

    def of_range(self, start: int, stop: int) -> "Fault":
        """Return the fault with the bytes [start, stop)."""
        return msgspec.structs.replace(self, start=start, stop=stop)

    def sentence(self) -> str:
        """Return the fault in a line, without its path: what is wrong, pieces and bytes, what it affects."""
        words = [": ".join(filter(None, (self.kind if self.kind != "bad" else "", self.detail)))]
        span = ""
        if self.start is not None and self.stop is not None:
            span = f"bytes {self.start:,} to {self.stop:,}"
        if self.first_piece is not None and self.last_piece is not None:
            one = self.first_piece == self.last_piece
            pieces = f"piece {self.first_piece:,}" if one else f"pieces {self.first_piece:,} to {self.last_piece:,}"
            span = f"{pieces} ({span})" if span else pieces
        words.append(span)
        if self.members:
            words.append(f"{count_of(len(self.members), 'file')} affected")
        elif self.tag_files:
            words.append("only the bag's own files affected")
        return ", ".join(filter(None, words)) or "content differs"


def file_fault(kind: FaultKind, path: bytes, what: str = "") -> Fault:
    """Return a fault of a complete file."""
    text, b64 = _written(path)
    return Fault(kind=kind, path=text, path_b64=b64, detail=display_text(what))


def size_fault(path: bytes, found: int, wanted: int) -> Fault:
    """Return the fault "short" or "long" of a file of `found` bytes that should have `wanted`."""
    text, b64 = _written(path)
    kind: FaultKind = "short" if found < wanted else "long"
    return Fault(
        kind=kind,
        path=text,
        path_b64=b64,
        detail=f"has {found} bytes, not {wanted}",
        start=min(found, wanted),
        stop=max(found, wanted),
    )


def _written(path: bytes) -> tuple[str, str | None]:
    """Return a path for JSON: text, and base64 of the bytes if they are not UTF-8."""
    try:
        return path.decode("utf-8"), None
    except UnicodeDecodeError:
        return path.decode("utf-8", "replace"), base64.b64encode(path).decode("ascii")


@dataclass(frozen=True)
class NamedRanges:
    """Named ranges [starts, stops) of a stream of bytes, ascending and without overlap.

    name: returns the name of range i. tags_before, tags_after: number of tag files around the members.
    """

    starts: Int64s
    stops: Int64s
    name: Callable[[int], str]
    tags_before: int = 0
    tags_after: int = 0

    def touched(self, start: int, stop: int) -> tuple[list[str], list[str]]:
        """Return the names of members and of tag files in bytes [start, stop)."""
        first = int(np.searchsorted(self.stops, start, "right"))
        after = int(np.searchsorted(self.starts, stop, "left"))
        members: list[str] = []
        tag_files: list[str] = []
        for number in range(first, after):
            inside = self.tags_before <= number < len(self.starts) - self.tags_after
            if self.starts[number] < self.stops[number]:
                (members if inside else tag_files).append(self.name(number))
        return members, tag_files


NOTHING = NamedRanges(np.zeros(0, np.int64), np.zeros(0, np.int64), str)


@dataclass(frozen=True)
class ExpectedStream:
    """The published piece hashes of a stream, and the ranges of its members and files."""

    pieces: PieceHashes
    extents: NamedRanges


def shard_extents(layout: Layout) -> NamedRanges:
    """Return the range of each member and tag file in a shard's stream."""
    return tar_extents(layout) if isinstance(layout, TarLayout) else _folder_extents(layout)


def _folder_extents(layout: Layout) -> NamedRanges:
    """Return the range of each file of a shard's folder."""
    assert isinstance(layout, FolderLayout)
    every = list(layout.files())
    names = [name.removeprefix(PAYLOAD) for name, _, _ in every]
    before = next(at for at, (name, _, _) in enumerate(every) if name.startswith(PAYLOAD))
    extents = file_extents(names, [start for _, start, _ in every], [size for _, _, size in every])
    return replace(extents, tags_before=before, tags_after=TAG_FILES - before)


def tar_extents(layout: TarLayout) -> NamedRanges:
    """Return the range of each member and tag file in a shard's tar, with its header and without its padding."""
    records = int(layout.record_ends[-1]) if len(layout.record_ends) else 0
    lines = int(layout.manifest_ends[-1]) if len(layout.manifest_ends) else 0
    before = _tag_spans(
        layout.name,
        0,
        {"bagit.txt": len(bag.BAGIT_TXT), "bag-info.txt": len(layout.bag_info), records_jsonl.FILE: records},
    )
    after = _tag_spans(layout.name, layout.manifest_start, {bag.MANIFEST: lines, bag.TAGMANIFEST: bag.TAGMANIFEST_SIZE})
    paths = layout.members["path"]
    count = len(layout.offsets)
    tags = [*before, *after]

    def name(number: int) -> str:
        member = number - len(before)
        if 0 <= member < count:
            return str(paths[member].as_py())
        return tags[number if member < 0 else number - count][0]

    return NamedRanges(
        starts=np.concatenate([_column(before, 1), layout.starts[:-1], _column(after, 1)]),
        stops=np.concatenate([_column(before, 2), layout.offsets + layout.sizes, _column(after, 2)]),
        name=name,
        tags_before=len(before),
        tags_after=len(after),
    )


def _tag_spans(shard: str, at: int, files: Mapping[str, int]) -> list[tuple[str, int, int]]:
    """Return (name, start, stop) of consecutive tag files from `at`."""
    spans = []
    for name, size in files.items():
        stop = at + build_tar_header.header_size(f"{shard}/{name}", size) + size
        spans.append((name, at, stop))
        at = stop + build_tar_header.padding(size)
    return spans


def _column(spans: Sequence[tuple[str, int, int]], column: Literal[1, 2]) -> Int64s:
    return np.array([span[column] for span in spans], np.int64)


def file_extents(names: Sequence[str], starts: Sequence[int], lengths: Sequence[int]) -> NamedRanges:
    """Return the range of each file in the stream of a torrent, in its order."""
    at = np.array(starts, np.int64)
    return NamedRanges(at, at + np.array(lengths, np.int64), names.__getitem__)


def merge_faults(numbers: Iterable[int]) -> list[range]:
    """Return ascending numbers as ranges of neighbours."""
    ranges: list[range] = []
    for number in numbers:
        if ranges and ranges[-1].stop == number:
            ranges[-1] = range(ranges[-1].start, number + 1)
        else:
            ranges.append(range(number, number + 1))
    return ranges


def piece_faults(path: bytes, known: ExpectedStream, bad: Iterable[int], unreadable: Mapping[int, str]) -> list[Fault]:
    """Return the faults of a stream in its order, neighbouring pieces as one.

    bad: numbers of wrong pieces. unreadable: the system's message for each unreadable piece; pieces with the same
    message are one fault.
    """
    by_words: dict[str, list[int]] = {}
    for piece in sorted(unreadable):
        by_words.setdefault(unreadable[piece], []).append(piece)
    faults = [_ranged("bad", path, "", run, known) for run in merge_faults(sorted(set(bad)))]
    for words, numbers in by_words.items():
        faults += [_ranged("unreadable", path, words, run, known) for run in merge_faults(numbers)]
    return sorted(faults, key=lambda fault: fault.start or 0)


def gap_fault(gone: Fault, known: ExpectedStream, *, at: int = 0) -> Fault:
    """Return the fault "missing" or "short" of a file with its pieces, which cannot be verified, and their members.

    gone: the fault with the missing bytes [start, stop) of the file. at: the file's offset in the stream of pieces.
    """
    assert gone.start is not None
    assert gone.stop is not None
    run = known.pieces.touched(at + gone.start, at + gone.stop)
    if not run:
        return gone
    touched = _ranged(gone.kind, b"", "", run, known)
    return msgspec.structs.replace(
        gone,
        first_piece=touched.first_piece,
        last_piece=touched.last_piece,
        members=touched.members,
        tag_files=touched.tag_files,
    )


def _ranged(kind: FaultKind, path: bytes, what: str, run: range, known: ExpectedStream) -> Fault:
    """Return the fault of neighbouring pieces."""
    start, stop = known.pieces.span(run.start)[0], known.pieces.span(run.stop - 1)[1]
    members, tag_files = known.extents.touched(start, stop)
    text, b64 = _written(path)
    return Fault(
        kind=kind,
        path=text,
        path_b64=b64,
        detail=display_text(what),
        start=start,
        stop=stop,
        first_piece=run.start,
        last_piece=run.stop - 1,
        members=tuple(members),
        tag_files=tuple(tag_files),
    )
