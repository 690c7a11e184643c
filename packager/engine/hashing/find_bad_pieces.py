"""Which pieces of a file or folder are not what was published: read and hashed on processes. Nothing is written."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeAlias

from packager.core.bittorrent.piece_hashes import PieceHashes
from packager.engine.files.joined_files import FileRange
from packager.engine.hashing.check_tasks import PieceCheck
from packager.engine.hashing.hash_pool import HashPool, pieces_of_task
from packager.progress import Advance

Ranges: TypeAlias = Callable[[int, int], Iterable[FileRange]]  # of files, that bytes [start, stop) of a stream are


def bad_pieces(
    ranges: Ranges, hashes: PieceHashes, numbers: Sequence[int], *, workers: int, advance: Advance
) -> list[int]:
    """Return which of the pieces `numbers` (ascending) of a stream are not right, not there or cannot be read.

    workers: processes. advance: called with bytes as they are read. Raises IncompleteError if a process dies.
    """
    tasks = ((first, check_pieces(ranges, hashes, first, stop)) for first, stop in _runs(numbers, hashes))
    with HashPool(workers) as hashers:
        return sorted(
            first + finding.index for first, _, findings in hashers.run(tasks, advance) for finding in findings
        )


def check_pieces(ranges: Ranges, hashes: PieceHashes, first: int, stop: int) -> PieceCheck:
    """Return the task of checking pieces [first, stop), which are hashed alike."""
    parts = tuple(ranges(hashes.span(first)[0], hashes.data_stop(stop - 1)))
    width = hashes.width(first)
    size = 32 if width else 20
    return PieceCheck(parts, hashes.piece_length, width, hashes.expected[size * first : size * stop])


def _runs(numbers: Sequence[int], hashes: PieceHashes) -> Iterator[tuple[int, int]]:
    """Yield consecutive pieces that are hashed alike as [first, stop), as many as one task should have."""
    if not numbers:
        return
    most = pieces_of_task(hashes.piece_length, v1=not hashes.width(numbers[0]))
    first = stop = numbers[0]
    for number in numbers:
        if number != stop or stop - first == most or (stop > first and not hashes.joins_next(stop - 1)):
            yield first, stop
            first = number
        stop = number + 1
    yield first, stop
