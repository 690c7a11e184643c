"""The offset of each file of a torrent in its stream of pieces, and the zeros after it. Pure.

BEP 52: files are in the order of their paths, name by name as bytes, and each begins a piece. In v1 lists
the zeros between them are pad files (BEP 47); a v1-only torrent has none, and its files touch.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Int64s: TypeAlias = npt.NDArray[np.int64]


def sort_key(path: str) -> bytes:
    """Return what orders "/"-separated paths as BEP 52 does: no name holds NUL, so it may stand for the "/"."""
    return path.encode().replace(b"/", b"\0")


@dataclass(frozen=True)
class FileOffsets:
    """The files of a torrent in its order, in bytes. size: of the whole stream, zeros and all."""

    sizes: Int64s
    starts: Int64s
    pads: Int64s  # zeros after each file
    size: int
    piece_length: int

    @property
    def pieces(self) -> int:
        """How many pieces there are."""
        return -(-self.size // self.piece_length)


@dataclass(frozen=True)
class NamedFiles:
    """Files of a stream and their "/"-separated paths below one folder."""

    paths: Sequence[str]
    space: FileOffsets

    def parts(self, start: int, stop: int) -> Iterator[tuple[str | None, int, int]]:
        """Yield (path, start in the file, bytes) of what bytes [start, stop) of the stream are; zeros have no path."""
        space = self.space
        first = max(0, int(np.searchsorted(space.starts, start, "right")) - 1)
        for number in range(first, int(np.searchsorted(space.starts, stop, "left"))):
            at, size, pad = (int(column[number]) for column in (space.starts, space.sizes, space.pads))
            low, high = max(start, at), min(stop, at + size)
            if low < high:
                yield self.paths[number], low - at, high - low
            low, high = max(start, at + size), min(stop, at + size + pad)
            if low < high:
                yield None, 0, high - low


def file_offsets(sizes: Sequence[int] | Int64s, piece_length: int, *, aligned: bool) -> FileOffsets:
    """Return where files of these sizes lie.

    aligned: each is filled up with zeros to a whole piece, the last one too, as libtorrent does it; an empty
    file needs none, and a file that is alone gets none.
    """
    each = np.asarray(sizes, np.int64)
    pads = -each % piece_length if aligned and len(each) > 1 else np.zeros(len(each), np.int64)
    ends = np.cumsum(each + pads)
    return FileOffsets(
        sizes=each,
        starts=ends - each - pads,
        pads=pads,
        size=int(ends[-1]) if len(ends) else 0,
        piece_length=piece_length,
    )
