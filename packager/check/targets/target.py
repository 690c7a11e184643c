"""What verify checks: a tar, a bag, a torrent's data, a folder of loose files, what a sums file lists.

A target is light until it is looked at: a folder of thousands of shards is never held as a whole.
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
    """Bytes checked by pieces: one file, or all files of a v1 torrent, one after the other.

    path: of the file, or of the folder. readable: the pieces all whose bytes are there. stamp: size, time and
    inode as they were found; other ones mean that what was proved before is proved no longer. address: of the one
    file, where that is in a store.
    """

    path: bytes
    parts: tuple[FileRange, ...]
    known: ExpectedStream
    readable: tuple[range, ...]
    stamp: str
    address: StoreUrl | None = None

    @cached_property
    def _starts(self) -> list[int]:
        """Where each part begins."""
        starts, at = [], 0
        for part in self.parts:
            starts.append(at)
            at += part.length
        return starts

    def span(self, first: int, stop: int) -> PieceCheck:
        """Return the task of checking pieces [first, stop)."""
        task = check_pieces(self._ranges, self.known.pieces, first, stop)
        return StoredPieceCheck(**vars(task), address=self.address) if self.address else task

    def _ranges(self, start: int, stop: int) -> Iterator[FileRange]:
        """Yield the ranges of files that bytes [start, stop) are."""
        for number in range(bisect.bisect_right(self._starts, start) - 1, len(self.parts)):
            part, at = self.parts[number], self._starts[number]
            if at >= stop:
                break
            low, high = max(start - at, 0), min(stop - at, part.length)
            if high > low:
                yield FileRange(part.path, part.start + low, high - low)


@dataclass(frozen=True)
class Inventory:
    """What stands on disk, compared by presence and size; nothing is read yet.

    files: checked whole, in a fixed order; None: not there, which a fault says.
    """

    faults: Sequence[Fault] = ()
    streams: Sequence[PieceStream] = ()
    files: Sequence[FileDigestCheck | None] = ()


Looking: TypeAlias = Callable[[], Inventory]


@dataclass(frozen=True)
class VerifyTarget:
    """One thing to check. size: bytes that it should have. pieces and files: how many there are to check.

    against: what says how it should be; evidence: how far that vouches, None if nothing does. look: the faults of
    presence and size, and what to read. find_faults: those faults alone, if they are found with less work.
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
        """Pieces and whole files, as a sample counts them."""
        return self.pieces + self.files


def one_stream(found: FoundFile, known: ExpectedStream) -> Inventory:
    """Return the look at one file that is checked by pieces."""
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
    """Return the fault of bytes that are not there, or of a whole file, with the pieces that it leaves unproved."""
    return gap_fault(fault if fault.start is not None else fault.of_range(0, size), known, at=at)


def joined_stream(
    path: bytes, found: Sequence[FoundFile | None], lengths: Sequence[int], known: ExpectedStream
) -> Inventory:
    """Return the look at files that are checked as one stream; None: a pad file's zeros, which are not on disk."""
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
    """Return the pieces below `count` that are not gone, as ranges."""
    ranges: list[range] = []
    start = 0
    for piece in sorted(gone):
        if start < piece:
            ranges.append(range(start, piece))
        start = piece + 1
    if start < count:
        ranges.append(range(start, count))
    return tuple(ranges)
