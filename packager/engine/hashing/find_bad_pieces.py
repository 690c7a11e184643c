"""Which pieces of a file or folder are not what was published: read and hashed on processes. Nothing is written."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from packager.core.bittorrent import merkle
from packager.core.bittorrent.piece_hashes import FolderHashes, PieceHashes
from packager.engine.files.joined_files import FileRange
from packager.engine.files.shard_torrent import FolderTorrent
from packager.engine.hashing.check_tasks import PieceCheck
from packager.engine.hashing.hash_pool import HashPool, pieces_of_task
from packager.engine.processes.worker_pool import Tell


def bad_pieces(path: bytes, hashes: PieceHashes, numbers: Sequence[int], *, workers: int, tell: Tell) -> list[int]:
    """Return which of the pieces `numbers` (ascending) of a file are not right, not there or cannot be read.

    workers: processes. tell: called with bytes as they are read. Raises IncompleteError where a process dies.
    """
    runs = _runs(numbers, hashes.piece_length, v1=hashes.pieces_root is None)
    tasks = ((first, _span(path, hashes, first, stop)) for first, stop in runs)
    with HashPool(workers) as hashers:
        return sorted(first + finding.index for first, _, findings in hashers.run(tasks, tell) for finding in findings)


def bad_pieces_of_folder(
    folder: Path, file: FolderTorrent, numbers: Sequence[int], *, workers: int, tell: Tell
) -> list[int]:
    """Return which of the pieces `numbers` (ascending) of a folder are not right, as `bad_pieces` does of a file."""
    hashes = file.pieces
    assert isinstance(hashes, FolderHashes)
    tasks = ((first, _folder_span(folder, file, hashes, first, stop)) for first, stop in _alike(numbers, hashes))
    with HashPool(workers) as hashers:
        return sorted(first + finding.index for first, _, findings in hashers.run(tasks, tell) for finding in findings)


def _alike(numbers: Sequence[int], hashes: FolderHashes) -> Iterator[tuple[int, int]]:
    """Yield consecutive pieces as [first, stop) whose hashes are made alike: in v2, without zeros between."""
    for first, stop in _runs(numbers, hashes.piece_length, v1=not hashes.nodes):
        start = first
        for piece in range(first, stop):
            full = hashes.wide[piece] and hashes.used[piece] == hashes.piece_length
            goes_on = piece + 1 < stop and (not hashes.nodes or (full and hashes.wide[piece + 1]))
            if not goes_on:
                yield start, piece + 1
                start = piece + 1


def _folder_span(folder: Path, file: FolderTorrent, hashes: FolderHashes, first: int, stop: int) -> PieceCheck:
    """Return the task of checking pieces [first, stop) of a folder."""
    start, end = hashes.span(first)[0], hashes.span(stop - 1)[1]
    if hashes.nodes:
        end = hashes.span(stop - 1)[0] + int(hashes.used[stop - 1])
    parts = tuple(
        FileRange(None if path is None else os.fsencode(file.place(folder, path)), at, length)
        for path, at, length in file.named.parts(start, end)
    )
    if not hashes.nodes:
        return PieceCheck(parts, hashes.piece_length, 0, hashes.pieces[20 * first : 20 * stop])
    return PieceCheck(parts, hashes.piece_length, hashes.width(first), hashes.nodes[32 * first : 32 * stop])


def _runs(numbers: Sequence[int], piece_length: int, *, v1: bool) -> Iterator[tuple[int, int]]:
    """Yield consecutive pieces as [first, stop), as many as one task should have."""
    most = pieces_of_task(piece_length, v1=v1)
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


def _span(path: bytes, hashes: PieceHashes, first: int, stop: int) -> PieceCheck:
    """Return the task of checking pieces [first, stop)."""
    start, end = hashes.span(first)[0], hashes.span(stop - 1)[1]
    parts = (FileRange(path, start, end - start),)
    if hashes.pieces_root is None:
        return PieceCheck(parts, hashes.piece_length, 0, hashes.pieces[20 * first : 20 * stop])
    if hashes.count == 1:
        width = merkle.power_of_two(-(-hashes.size // merkle.BLOCK))
        return PieceCheck(parts, hashes.piece_length, width, hashes.pieces_root)
    return PieceCheck(
        parts, hashes.piece_length, hashes.piece_length // merkle.BLOCK, hashes.layer[32 * first : 32 * stop]
    )
