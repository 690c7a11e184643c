"""Which pieces and files a run of verify reads: all, a sample, or what was not proved lately."""

import bisect
from collections.abc import Sequence
from typing import Protocol

from packager.check.targets.target import PieceStream
from packager.engine.hashing.check_tasks import FileDigestCheck


class ReadPolicy(Protocol):
    """Says what to read, and is told what was found right. `unit` numbers pieces and files through the run."""

    def pieces(self, stream: PieceStream, unit: int) -> Sequence[range]:
        """Return the pieces of a stream to read, of those that are there; its first is number `unit`."""

    def wants(self, file: FileDigestCheck, unit: int) -> bool:
        """Say whether to read a file."""

    def add_verified(self, stream: PieceStream, pieces: Sequence[range]) -> None:
        """Take note of pieces that were read and are right."""

    def add_verified_file(self, file: FileDigestCheck) -> None:
        """Take note of a file that was read and is right."""


class ReadAll:
    """Reads all that is there."""

    def pieces(self, stream: PieceStream, unit: int) -> Sequence[range]:  # noqa: ARG002 (a Choice)
        """Return all of them."""
        return stream.readable

    def wants(self, file: FileDigestCheck, unit: int) -> bool:  # noqa: ARG002 (a Choice)
        """Say yes."""
        return True

    def add_verified(self, stream: PieceStream, pieces: Sequence[range]) -> None:
        """Remember nothing."""

    def add_verified_file(self, file: FileDigestCheck) -> None:
        """Remember nothing."""


class ReadSample(ReadAll):
    """Reads the units of a sample. numbers: ascending."""

    def __init__(self, numbers: Sequence[int]) -> None:
        """Take the sample."""
        self._numbers = numbers

    def pieces(self, stream: PieceStream, unit: int) -> Sequence[range]:
        """Return those of the sample that are there, one by one."""
        first = bisect.bisect_left(self._numbers, unit)
        stop = bisect.bisect_left(self._numbers, unit + stream.known.pieces.count)
        taken = [number - unit for number in self._numbers[first:stop]]
        return [range(piece, piece + 1) for piece in taken if any(piece in there for there in stream.readable)]

    def wants(self, file: FileDigestCheck, unit: int) -> bool:  # noqa: ARG002 (a Choice)
        """Say whether the sample has it."""
        at = bisect.bisect_left(self._numbers, unit)
        return at < len(self._numbers) and self._numbers[at] == unit
