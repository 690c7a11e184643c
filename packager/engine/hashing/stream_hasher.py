"""All hashes of one stream of bytes in one pass: v1 pieces, v2 piece layer and root, flat SHA-256.

The result does not depend on how the stream is cut into updates. Memory: one piece's leaves and 20 and
32 bytes a piece.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from hashlib import sha1, sha256

from packager.core.bittorrent import merkle
from packager.core.bittorrent.file_offsets import FileOffsets


@dataclass(frozen=True)
class FileTree:
    """A file's v2 hashes: 32 bytes a piece, empty for a file of at most one; and the root, None for an empty file."""

    layer: bytes
    pieces_root: bytes | None


@dataclass(frozen=True)
class Digests:
    """What a pass over a file found; what was not asked for is empty or None.

    pieces: 20 bytes a piece (BEP 3). layer: 32 bytes a piece, empty for a file of at most one piece
    (BEP 52, "piece layers"). pieces_root and sha256: 32 bytes. trees: of each file, where the stream is of several.
    """

    pieces: bytes
    layer: bytes
    pieces_root: bytes | None
    sha256: bytes | None
    trees: Sequence[FileTree] = ()


class StreamHasher:
    """Hashes of a file of `size` bytes, fed in order."""

    def __init__(self, size: int, piece_length: int, *, v1: bool, v2: bool, flat: bool) -> None:
        """Ask for v1 pieces, the v2 tree and the flat SHA-256 of a file of `size` bytes."""
        self.piece_length = piece_length
        self._v1 = _Pieces(piece_length) if v1 else None
        self._v2 = _Tree(size, piece_length) if v2 else None
        self._flat = sha256() if flat else None

    def completed(self, pieces: int) -> tuple[bytes, bytes]:
        """Return the v1 and v2 hashes of the first pieces, all of which were fed."""
        return self._v1.completed(pieces) if self._v1 else b"", self._v2.completed(pieces) if self._v2 else b""

    def resume(self, pieces: bytes, layer: bytes) -> None:
        """Take what `first` returned as the hashes of the first pieces; what is fed next comes after them."""
        if self._v1:
            self._v1.resume(pieces)
        if self._v2:
            self._v2.resume(layer)

    @property
    def updates(self) -> "list[Callable[[memoryview], None]]":
        """What takes the next bytes, hash by hash: none knows of another, so each may have a thread to itself."""
        return [one.update for one in (self._v1, self._v2, self._flat) if one]

    def update(self, data: memoryview) -> None:
        """Take the next bytes."""
        for update in self.updates:
            update(data)

    def finish(self) -> Digests:
        """Return the digests; the whole file must have been fed."""
        layer, root = self._v2.finish() if self._v2 else (b"", None)
        return Digests(
            pieces=self._v1.finish() if self._v1 else b"",
            layer=layer,
            pieces_root=root,
            sha256=self._flat.digest() if self._flat else None,
        )


class FolderHasher(StreamHasher):
    """Hashes of several files and the zeros between them, fed in order as one stream."""

    def __init__(self, space: FileOffsets, *, v1: bool, v2: bool) -> None:
        """Ask for v1 pieces of the stream, zeros included, and the v2 tree of each file, which are aligned then."""
        super().__init__(space.size, space.piece_length, v1=v1, v2=False, flat=False)
        self._trees = _Trees(space) if v2 else None

    @property
    def updates(self) -> "list[Callable[[memoryview], None]]":
        """What takes the next bytes, hash by hash."""
        return [*super().updates, *([self._trees.update] if self._trees else [])]

    def finish(self) -> Digests:
        """Return the digests; the whole stream must have been fed."""
        return replace(super().finish(), trees=self._trees.finish() if self._trees else ())


class _Trees:
    """The tree of each file of a stream, one after the other."""

    def __init__(self, space: FileOffsets) -> None:
        self._piece_length = space.piece_length
        self._sizes = zip(space.sizes.tolist(), space.pads.tolist(), strict=True)
        self._done: list[FileTree] = []
        self._tree: _Tree | None = None
        self._left = self._pad = 0  # bytes of the open file, and of the zeros after it
        self._next()

    def _next(self) -> None:
        """Go on to the next file that has bytes."""
        for size, pad in self._sizes:
            if size:
                self._tree, self._left, self._pad = _Tree(size, self._piece_length), size, pad
                return
            self._done.append(FileTree(b"", None))

    def update(self, data: memoryview) -> None:
        at = 0
        while at < len(data):
            take = min(self._left, len(data) - at)
            if take:
                assert self._tree is not None
                self._tree.update(data[at : at + take])
                at, self._left = at + take, self._left - take
            if self._tree and not self._left:
                self._done.append(FileTree(*self._tree.finish()))
                self._tree = None
            zeros = min(self._pad, len(data) - at)
            at, self._pad = at + zeros, self._pad - zeros
            if not self._left and not self._pad:
                self._next()

    def finish(self) -> list[FileTree]:
        """Return every file's tree."""
        return self._done


class _Pieces:
    """SHA-1 of each piece (BEP 3, "pieces")."""

    def __init__(self, piece_length: int) -> None:
        self._length, self._left = piece_length, piece_length
        self._state = sha1()
        self._digests = bytearray()

    def update(self, data: memoryview) -> None:
        at = 0
        while at < len(data):
            take = min(self._left, len(data) - at)
            self._state.update(data[at : at + take])
            at, self._left = at + take, self._left - take
            if not self._left:
                self._close()

    def completed(self, pieces: int) -> bytes:
        return bytes(self._digests[: 20 * pieces])

    def resume(self, digests: bytes) -> None:
        self._digests = bytearray(digests)

    def add(self, digests: bytes) -> None:
        """Take pieces that were hashed elsewhere."""
        self._digests += digests

    def _close(self) -> None:
        self._digests += self._state.digest()
        self._state, self._left = sha1(), self._length

    def finish(self) -> bytes:
        if self._left < self._length:
            self._close()
        return bytes(self._digests)


class _Tree:
    """SHA-256 of each 16 KiB block, gathered into one node a piece (BEP 52)."""

    def __init__(self, size: int, piece_length: int) -> None:
        self._size, self._width = size, piece_length // merkle.BLOCK
        self._single = size <= piece_length
        self._leaves, self._nodes = bytearray(), bytearray()  # 32 bytes each
        self._open = sha256()  # a block whose bytes come in several updates
        self._held = 0  # bytes in it

    def update(self, data: memoryview) -> None:
        at = 0
        if self._held:
            at = min(merkle.BLOCK - self._held, len(data))
            self._open.update(data[:at])
            self._held += at
            if self._held == merkle.BLOCK:
                self.add(self._open.digest())
                self._open, self._held = sha256(), 0
        whole = at + (len(data) - at) // merkle.BLOCK * merkle.BLOCK
        self.add(merkle.leaves(data[at:whole]))
        if whole < len(data):
            self._open.update(data[whole:])
            self._held += len(data) - whole

    def add(self, leaves: bytes) -> None:
        """Take leaves, and gather those of each whole piece into its node."""
        at = 0
        while at < len(leaves):
            room = len(leaves) if self._single else 32 * self._width - len(self._leaves)
            self._leaves += leaves[at : at + room]
            at += room
            if len(self._leaves) == 32 * self._width and not self._single:
                self._close()

    def completed(self, pieces: int) -> bytes:
        return bytes(self._nodes[: 32 * pieces])

    def resume(self, layer: bytes) -> None:
        self._nodes = bytearray(layer)

    def _close(self) -> None:
        self._nodes += merkle.root(bytes(self._leaves), self._width)
        self._leaves.clear()

    def finish(self) -> tuple[bytes, bytes | None]:
        """Return (piece layer, pieces root); the root of an empty file is None (BEP 52)."""
        if self._held:
            self.add(self._open.digest())
            self._held = 0
        if self._single:
            return b"", merkle.root_of_blocks(bytes(self._leaves)) if self._size else None
        if self._leaves:
            self._close()
        layer = bytes(self._nodes)
        return layer, merkle.pieces_root(layer, self._width * merkle.BLOCK)
