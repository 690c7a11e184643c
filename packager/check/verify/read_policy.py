"""Choose which pieces and files a run of verify reads: all, a sample, or what was not verified recently."""

import bisect
from collections.abc import Sequence
from typing import Protocol

from packager.check.targets.target import PieceStream
from packager.engine.hashing.check_tasks import FileDigestCheck


class ReadPolicy(Protocol):
    """Chooses what to read, and records what was right. `unit` numbers pieces and files through the run."""

    def pieces(self, stream: PieceStream, unit: int) -> Sequence[range]:
        """Return the pieces of a stream to read, among the readable ones; its first piece is number `unit`."""

    def wants(self, file: FileDigestCheck, unit: int) -> bool:
        """Return whether to read a file."""

    def add_verified(self, stream: PieceStream, pieces: Sequence[range]) -> None:
        """Record pieces that were read and are right."""

    def add_verified_file(self, file: FileDigestCheck) -> None:
        """Record a file that was read and is right."""


class ReadAll:
    """Reads everything."""

    def pieces(self, stream: PieceStream, unit: int) -> Sequence[range]:  # noqa: ARG002 (a ReadPolicy)
        """Return all readable pieces."""
        return stream.readable

    def wants(self, file: FileDigestCheck, unit: int) -> bool:  # noqa: ARG002 (a ReadPolicy)
        """Return True."""
        return True

    def add_verified(self, stream: PieceStream, pieces: Sequence[range]) -> None:
        """Record nothing."""

    def add_verified_file(self, file: FileDigestCheck) -> None:
        """Record nothing."""


class ReadSample(ReadAll):
    """Reads a sample."""

    def __init__(self, numbers: Sequence[int]) -> None:
        """Read the units with these numbers, which ascend."""
        self._numbers = numbers

    def pieces(self, stream: PieceStream, unit: int) -> Sequence[range]:
        """Return the readable pieces of the sample, one by one."""
        first = bisect.bisect_left(self._numbers, unit)
        stop = bisect.bisect_left(self._numbers, unit + stream.known.pieces.count)
        taken = [number - unit for number in self._numbers[first:stop]]
        return [range(piece, piece + 1) for piece in taken if any(piece in there for there in stream.readable)]

    def wants(self, file: FileDigestCheck, unit: int) -> bool:  # noqa: ARG002 (a ReadPolicy)
        """Return whether the file is in the sample."""
        at = bisect.bisect_left(self._numbers, unit)
        return at < len(self._numbers) and self._numbers[at] == unit
