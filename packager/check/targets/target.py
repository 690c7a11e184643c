"""The target of verify: a tar, a bag, a torrent's data, a folder of loose files, or a list of digests.

A target uses little memory until its inventory is made, so a folder may have thousands of shards.
"""

import bisect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

from packager.check.targets.find_files import FoundFile
from packager.core.config.store_url import StoreUrl
from packager.core.reports.check_reports import SubjectKind
from packager.core.reports.evidence import Evidence
from packager.core.reports.faults import ExpectedStream, Fault, gap_fault
from packager.engine.files.joined_files import FileRange
from packager.engine.hashing.check_tasks import FileDigestCheck, PieceCheck
from packager.engine.hashing.find_bad_pieces import check_pieces
from packager.engine.stores.base import Place
from packager.engine.stores.stored_pieces import StoredPieceCheck


@dataclass(frozen=True, eq=False)
class PieceStream:
    """Bytes that are checked by pieces: one file, or all files of a v1 torrent, one after the other.

    path: of the file, or of the folder. readable: the pieces with all their bytes on disk. stamp: size, time and
    inode; if they differ from those of an earlier run, its results no longer count. address: URL of the file if it
    is in a store.
    """

    path: bytes
    parts: tuple[FileRange, ...]
    known: ExpectedStream
    readable: tuple[range, ...]
    stamp: str
    address: StoreUrl | None = None

    @cached_property
    def _starts(self) -> list[int]:
        """Position of each part in the stream."""
        starts, at = [], 0
        for part in self.parts:
            starts.append(at)
            at += part.length
        return starts

    def span(self, first: int, stop: int) -> PieceCheck:
        """Return the task that checks pieces [first, stop)."""
        task = check_pieces(self._ranges, self.known.pieces, first, stop)
        return StoredPieceCheck(**vars(task), address=self.address) if self.address else task

    def _ranges(self, start: int, stop: int) -> Iterator[FileRange]:
        """Yield the ranges of files that contain bytes [start, stop)."""
        for number in range(bisect.bisect_right(self._starts, start) - 1, len(self.parts)):
            part, at = self.parts[number], self._starts[number]
            if at >= stop:
                break
            low, high = max(start - at, 0), min(stop - at, part.length)
            if high > low:
                yield FileRange(part.path, part.start + low, high - low)


@dataclass(frozen=True)
class Inventory:
    """What is on disk, compared by presence and size, and what to read.

    files: checked by digest, in a fixed order; None: missing, which is in `faults`.
    """

    faults: Sequence[Fault] = ()
    streams: Sequence[PieceStream] = ()
    files: Sequence[FileDigestCheck | None] = ()


Looking: TypeAlias = Callable[[], Inventory]


@dataclass(frozen=True)
class VerifyTarget:
    """One thing to check. size: expected bytes. pieces and files: how many there are to check.

    checked_against: the documents, for reports. evidence: how far these can be trusted; None: there are none.
    look: makes the inventory. find_faults: finds only the faults of presence and size, if that is less work.
    """

    path: Place
    kind: SubjectKind
    look: Looking
    checked_against: str = ""
    evidence: Evidence | None = None
    size: int = 0
    pieces: int = 0
    files: int = 0
    find_faults: Callable[[], Sequence[Fault]] | None = None

    def quick(self) -> Sequence[Fault]:
        """Return the faults of presence and size."""
        return self.find_faults() if self.find_faults else self.look().faults

    @property
    def units(self) -> int:
        """Number of pieces and files, as a sample counts them."""
        return self.pieces + self.files


def one_stream(found: FoundFile, known: ExpectedStream) -> Inventory:
    """Return the inventory of one file that is checked by pieces."""
    pieces = known.pieces
    faults = [fault if fault.kind == "long" else _with_gap(fault, known, pieces.size) for fault in found.faults]
    if not pieces.size:
        return Inventory(faults=faults)
    there = min(found.size or 0, pieces.size)
    whole = pieces.count if there == pieces.size else there // pieces.piece_length
    parts = (FileRange(found.path, 0, pieces.size),)
    return Inventory(
        faults=faults, streams=[PieceStream(found.path, parts, known, (range(whole),), found.stamp, found.address)]
    )


def _with_gap(fault: Fault, known: ExpectedStream, size: int, at: int = 0) -> Fault:
    """Return the fault of missing bytes or of a missing file, with the pieces that cannot be checked."""
    return gap_fault(fault if fault.start is not None else fault.of_range(0, size), known, at=at)


def joined_stream(
    path: bytes, found: Sequence[FoundFile | None], lengths: Sequence[int], known: ExpectedStream
) -> Inventory:
    """Return the inventory of files that are checked as one stream; None: a pad file's zeros, which are not on disk."""
    faults: list[Fault] = []
    parts: list[FileRange] = []
    stamps: list[str] = []
    gone: set[int] = set()
    at = 0
    for file, length in zip(found, lengths, strict=True):
        parts.append(FileRange(None if file is None else file.path, 0, length))
        if file is not None:
            stamps.append(file.stamp)
            for fault in file.faults:
                if fault.kind == "long":
                    faults.append(fault)
                    continue
                faults.append(_with_gap(fault, known, length, at))
                gone.update(known.pieces.touched(at + (fault.start or 0), at + length))
        at += length
    stream = PieceStream(path, tuple(parts), known, _without(known.pieces.count, gone), " ".join(stamps))
    return Inventory(faults=faults, streams=[stream])


def _without(count: int, gone: set[int]) -> tuple[range, ...]:
    """Return the pieces below `count` that are not in `gone`, as ranges."""
    ranges: list[range] = []
    start = 0
    for piece in sorted(gone):
        if start < piece:
            ranges.append(range(start, piece))
        start = piece + 1
    if start < count:
        ranges.append(range(start, count))
    return tuple(ranges)
