"""How far the pass over a large shard has come, noted once a minute, so that a killed pack goes on from there.

A note holds the hashes of the pieces and members that were read, and stands for the bytes of a tar that are on the
disk by then. It is of use for the very same shard alone, and goes when that is whole or begun anew.
"""

import os
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import numpy as np

from packager.core.bittorrent.piece_hashes import PieceHashes
from packager.core.shards.layout import Layout
from packager.core.shards.tar_layout import TarLayout
from packager.engine.files import atomic_files
from packager.engine.files.direct_writer import BUFFER, IN_FLIGHT, DirectWriter, Sink
from packager.engine.hashing.stream_hasher import StreamHasher
from packager.errors import IncompleteError

FILE = "checkpoint"
SECONDS = 60.0  # between notes: the most that a kill loses, but for a member that takes longer
_FORMAT = 1


class Checkpoint(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """Where a pass goes on: at byte `start`, a piece's first; up to `stop` only for the pieces' hashes.

    members: that are read, the last of them up to `stop`; digests: their SHA-256, joined. pieces, layer: the hashes of
    the pieces before `start`, 20 and 32 bytes each. tar: whether its bytes before `start` are on the disk. seconds:
    that it took to come so far.
    """

    format: int
    content: str  # what tells this tar from another
    members: int
    start: int
    stop: int
    digests: bytes
    pieces: bytes
    layer: bytes
    tar: bool
    seconds: float


@dataclass
class CheckpointLog:
    """The notes of one pass. content: what tells this tar from another. begun: where the pass goes on; None: anew."""

    path: Path
    content: str
    layout: TarLayout
    begun: Checkpoint | None = None
    _started: float = field(default_factory=time.monotonic)
    _last: float = field(default_factory=time.monotonic)
    _noted: int = 0

    def take(self, members: int, digests: bytearray, hashes: StreamHasher, sink: Sink) -> None:
        """Note that the first `members` are read, where that is due. Raises IncompleteError for a failing disk."""
        now = time.monotonic()
        if now - self._last < SECONDS:
            return
        done = int(self.layout.offsets[members - 1] + self.layout.sizes[members - 1]) - IN_FLIGHT
        whole = int(np.searchsorted(self.layout.starts, done, "right")) - 1  # members that are hashed and written
        piece_length = hashes.piece_length
        stop = int(self.layout.starts[max(0, whole)])
        start = stop // max(piece_length, BUFFER) * max(piece_length, BUFFER)
        if whole < 1 or start <= self._noted:
            return
        if isinstance(sink, DirectWriter):
            sink.keep()
        pieces, layer = hashes.completed(start // piece_length)
        note = Checkpoint(
            format=_FORMAT,
            content=self.content,
            members=whole,
            start=start,
            stop=stop,
            digests=bytes(digests[: 32 * whole]),
            pieces=pieces,
            layer=layer,
            tar=isinstance(sink, DirectWriter),
            seconds=now - self._started + (self.begun.seconds if self.begun else 0),
        )
        with suppress(IncompleteError):  # the pass can do without
            atomic_files.write_bytes(self.path, msgspec.msgpack.encode(note))
        self._last, self._noted = time.monotonic(), start


def notes(folder: Path, content: str, layout: Layout, piece_length: int, tar: Path | None) -> CheckpointLog | None:
    """Return the notes of a shard's pass, and where it goes on; None for a shard that cannot.

    folder: of its documents. tar: the file that was begun; None: none is written. Another command may have written to
    it since, so the last piece before the note is looked at there.
    """
    if not isinstance(layout, TarLayout):
        return None
    path = folder / FILE
    begun = _read(path)
    same = begun is not None and (begun.format, begun.content) == (_FORMAT, content)
    if begun and same and (tar is None or _holds(tar, begun, layout.size, piece_length)):
        return CheckpointLog(path, content, layout, begun, _noted=begun.start)
    forget(folder)
    return CheckpointLog(path, content, layout)


def forget(folder: Path) -> None:
    """Remove a shard's note, durably: before its tar is begun anew, and when it is whole."""
    try:
        (folder / FILE).unlink()
    except FileNotFoundError:
        return
    atomic_files.fsync_folder(folder)


def _read(path: Path) -> Checkpoint | None:
    """Return a note; None for what is none, cannot be read, or is of another version."""
    try:
        return msgspec.msgpack.decode(path.read_bytes(), type=Checkpoint)
    except (OSError, msgspec.MsgspecError):
        return None


def _holds(path: Path, note: Checkpoint, size: int, piece_length: int) -> bool:
    """Say whether a file is the tar of a note: it has the tar's size, and before the note's start the piece hashed."""
    if not note.tar:
        return False
    hashes = PieceHashes(size, piece_length, b"" if note.layer else None, note.layer, note.pieces)
    last = note.start // piece_length - 1
    start, stop = hashes.span(last)
    try:
        with open(path, "rb") as file:
            file.seek(start)
            return os.fstat(file.fileno()).st_size == size and hashes.is_right(last, file.read(stop - start))
    except OSError:
        return False
