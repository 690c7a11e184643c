"""The hashes of a torrent's files where they lie, made on several processes: each byte is read once."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from packager.core.bittorrent import merkle
from packager.core.bittorrent.file_offsets import FileOffsets
from packager.engine.files.joined_files import FileRange
from packager.engine.hashing.hash_pool import MOST, SPAN, HashPool, pieces_of_task
from packager.engine.hashing.hash_tasks import HashPieces
from packager.engine.hashing.stream_hasher import FileTree
from packager.errors import IncompleteError
from packager.paths import display_text
from packager.progress import Advance


@dataclass(frozen=True)
class TorrentHashes:
    """pieces: 20 bytes a piece, empty without v1. trees: one for each file, empty without v2."""

    pieces: bytes
    trees: list[FileTree]


def hash_torrent_files(
    paths: Sequence[bytes], space: FileOffsets, *, v1: bool, v2: bool, processes: int, advance: Advance
) -> TorrentHashes:
    """Return the hashes of files that lie in `space`, which is aligned where v2 is asked for and files are several.

    advance: called with bytes as they are read. Memory: 72 bytes a piece, and the tasks of each process. Raises
    IncompleteError naming a file that cannot be read to its end, and where a process dies.
    """
    pieces = bytearray(20 * space.pieces if v1 else 0)
    nodes = bytearray(32 * space.pieces if v2 else 0)
    count = max(1, min(processes, -(-space.size // SPAN)))
    with HashPool(count) as hashers:
        for first, _, made in hashers.run(_tasks(paths, space, v1=v1, v2=v2), advance):
            if made.unread:
                raise IncompleteError(display_text(made.unread[0]), made.unread[1], "fix the file, then run it again")
            pieces[20 * first : 20 * first + len(made.pieces)] = made.pieces
            nodes[32 * first : 32 * first + len(made.nodes)] = made.nodes
    return TorrentHashes(bytes(pieces), list(_trees(space, bytes(nodes))) if v2 else [])


def _tasks(paths: Sequence[bytes], space: FileOffsets, *, v1: bool, v2: bool) -> Iterator[tuple[int, HashPieces]]:
    """Yield (number of its first piece, task)."""
    most = min(MOST // 2, pieces_of_task(space.piece_length, v1=v1))  # a piece of a task is larger than its hashes
    held: list[FileRange] = []
    used: list[int] = []
    first = 0
    for parts in _pieces(paths, space):
        held += parts
        used.append(sum(part.length for part in parts if part.path is not None))
        if len(used) == most:
            yield first, HashPieces(tuple(held), space.piece_length, tuple(used), v1, v2)
            first, held, used = first + most, [], []
    if held:
        yield first, HashPieces(tuple(held), space.piece_length, tuple(used), v1, v2)


def _pieces(paths: Sequence[bytes], space: FileOffsets) -> Iterator[tuple[FileRange, ...]]:
    """Yield the parts of each piece."""
    parts: list[FileRange] = []
    room = space.piece_length
    for path, size, pad in zip(paths, space.sizes.tolist(), space.pads.tolist(), strict=True):
        for source, length in ((path, size), (None, pad)):
            at = 0
            while at < length:
                take = min(room, length - at)
                parts.append(FileRange(source, at, take))
                at, room = at + take, room - take
                if not room:
                    yield tuple(parts)
                    parts, room = [], space.piece_length
    if parts:
        yield tuple(parts)


def _trees(space: FileOffsets, nodes: bytes) -> Iterator[FileTree]:
    """Yield each file's tree from the nodes of its pieces."""
    length = space.piece_length
    for size, start in zip(space.sizes.tolist(), space.starts.tolist(), strict=True):
        at, count = 32 * (start // length), -(-size // length)
        if not count:
            yield FileTree(b"", None)
        elif count == 1:
            yield FileTree(b"", nodes[at : at + 32])
        else:
            last = at + 32 * (count - 1)
            blocks = -(-(size - (count - 1) * length) // merkle.BLOCK)
            node = merkle.lift_root(nodes[last : last + 32], merkle.power_of_two(blocks), length // merkle.BLOCK)
            layer = nodes[at:last] + node
            yield FileTree(layer, merkle.pieces_root(layer, length))
