"""Which pieces of one file are not what was published: read and hashed on processes. Nothing is written."""

from collections.abc import Iterator, Sequence

from packager import merkle
from packager.engine.hashers import MOST, SPAN, Hashers
from packager.engine.pieces import Part, Span
from packager.engine.workers import Tell
from packager.piece_hashes import PieceHashes


def bad_pieces(path: bytes, hashes: PieceHashes, numbers: Sequence[int], *, workers: int, tell: Tell) -> list[int]:
    """Return which of the pieces `numbers` (ascending) of a file are not right, not there or cannot be read.

    workers: processes. tell: called with bytes as they are read. Raises IncompleteError where a process dies.
    """
    tasks = ((first, _span(path, hashes, first, stop)) for first, stop in _runs(numbers, hashes.piece_length))
    with Hashers(workers) as hashers:
        return sorted(first + finding.index for first, _, findings in hashers.run(tasks, tell) for finding in findings)


def _runs(numbers: Sequence[int], piece_length: int) -> Iterator[tuple[int, int]]:
    """Yield consecutive pieces as [first, stop), as many as one task should have."""
    most = min(MOST, max(1, SPAN // piece_length))
    first = stop = -1
    for number in numbers:
        if number == stop and stop - first < most:
            stop += 1
            continue
        if stop > first:
            yield first, stop
        first, stop = number, number + 1
    if stop > first:
        yield first, stop


def _span(path: bytes, hashes: PieceHashes, first: int, stop: int) -> Span:
    """Return the task of checking pieces [first, stop)."""
    start, end = hashes.span(first)[0], hashes.span(stop - 1)[1]
    parts = (Part(path, start, end - start),)
    if hashes.pieces_root is None:
        return Span(parts, hashes.piece_length, 0, hashes.pieces[20 * first : 20 * stop])
    if hashes.count == 1:
        width = merkle.power_of_two(-(-hashes.size // merkle.BLOCK))
        return Span(parts, hashes.piece_length, width, hashes.pieces_root)
    return Span(parts, hashes.piece_length, hashes.piece_length // merkle.BLOCK, hashes.layer[32 * first : 32 * stop])
