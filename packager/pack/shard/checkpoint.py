"""Checkpoints of the pass over a large shard, saved once a minute, so that a killed pack can resume.

A checkpoint contains the hashes of the pieces and members that were read; the tar's bytes up to there are on the disk.
It is valid only for exactly the same shard, and is removed when the shard is complete or started again.
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
SECONDS = 60.0  # between checkpoints; a kill loses at most this, or one member that takes longer
_FORMAT = 1


class Checkpoint(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """Where a pass resumes: at byte `start`, the first of a piece. Bytes up to `stop` are read only for piece hashes.

    members: number of members that were read, the last of them up to `stop`. digests: their SHA-256, joined. pieces,
    layer: the hashes of the pieces before `start`, 20 and 32 bytes each. tar: whether the bytes before `start` are on
    the disk. seconds: time of the pass so far.
    """

    format: int
    content: str  # digest of everything that decides the tar
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
    """Saves the checkpoints of one pass. content: see Checkpoint. begun: where the pass resumes; None: at the start."""

    path: Path
    content: str
    layout: TarLayout
    begun: Checkpoint | None = None
    _started: float = field(default_factory=time.monotonic)
    _last: float = field(default_factory=time.monotonic)
    _saved_start: int = 0

    def save(self, members: int, digests: bytearray, hashes: StreamHasher, sink: Sink) -> None:
        """Save a checkpoint after the first `members`, if one is due. Raises IncompleteError for a failing disk."""
        now = time.monotonic()
        if now - self._last < SECONDS:
            return
        done = int(self.layout.offsets[members - 1] + self.layout.sizes[members - 1]) - IN_FLIGHT
        complete = int(np.searchsorted(self.layout.starts, done, "right")) - 1  # members that are hashed and written
        piece_length = hashes.piece_length
        stop = int(self.layout.starts[max(0, complete)])
        start = stop // max(piece_length, BUFFER) * max(piece_length, BUFFER)
        if complete < 1 or start <= self._saved_start:
            return
        if isinstance(sink, DirectWriter):
            sink.keep()
        pieces, layer = hashes.completed(start // piece_length)
        checkpoint = Checkpoint(
            format=_FORMAT,
            content=self.content,
            members=complete,
            start=start,
            stop=stop,
            digests=bytes(digests[: 32 * complete]),
            pieces=pieces,
            layer=layer,
            tar=isinstance(sink, DirectWriter),
            seconds=now - self._started + (self.begun.seconds if self.begun else 0),
        )
        with suppress(IncompleteError):  # a checkpoint is optional
            atomic_files.write_bytes(self.path, msgspec.msgpack.encode(checkpoint))
        self._last, self._saved_start = time.monotonic(), start


def open_log(folder: Path, content: str, layout: Layout, piece_length: int, tar: Path | None) -> CheckpointLog | None:
    """Return the checkpoint log of a shard's pass; None for a shard that cannot resume.

    folder: of its documents. tar: the partial file; None: no tar is written. Another command may have written to the
    file, so its last piece before the checkpoint is verified.
    """
    if not isinstance(layout, TarLayout):
        return None
    path = folder / FILE
    begun = _read(path)
    same = begun is not None and (begun.format, begun.content) == (_FORMAT, content)
    if begun and same and (tar is None or _fits(tar, begun, layout.size, piece_length)):
        return CheckpointLog(path, content, layout, begun, _saved_start=begun.start)
    remove(folder)
    return CheckpointLog(path, content, layout)


def remove(folder: Path) -> None:
    """Remove a shard's checkpoint durably, before its tar is started again and when it is complete."""
    try:
        (folder / FILE).unlink()
    except FileNotFoundError:
        return
    atomic_files.fsync_folder(folder)


def _read(path: Path) -> Checkpoint | None:
    """Return a checkpoint; None if it is missing, unreadable or of another version."""
    try:
        return msgspec.msgpack.decode(path.read_bytes(), type=Checkpoint)
    except (OSError, msgspec.MsgspecError):
        return None


def _fits(path: Path, checkpoint: Checkpoint, size: int, piece_length: int) -> bool:
    """Return whether a file fits a checkpoint: it has the tar's size, and the piece before `start` is right."""
    if not checkpoint.tar:
        return False
    hashes = PieceHashes(size, piece_length, b"" if checkpoint.layer else None, checkpoint.layer, checkpoint.pieces)
    last = checkpoint.start // piece_length - 1
    start, stop = hashes.span(last)
    try:
        with open(path, "rb") as file:
            file.seek(start)
            return os.fstat(file.fileno()).st_size == size and hashes.is_right(last, file.read(stop - start))
    except OSError:
        return False
