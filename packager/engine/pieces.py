"""Pieces and whole files read and hashed against what they should be: what a hashing process does.

It imports little, so that a process is ready within some hundredths of a second. Each byte is read once,
into one buffer. What cannot be read is told, and reading goes on behind it.
"""

import hashlib
import mmap
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha1, sha256
from typing import Literal, Protocol, TypeAlias, TypeVar

from packager import merkle

CHUNK = 1 << 20  # bytes read at once; a multiple of BEP 52's block, small enough for a core's cache
_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK  # a FIFO must not hang the run
SPACE = memoryview(mmap.mmap(-1, CHUNK))  # what a process reads into
_BLOCKS = [SPACE[at : at + merkle.BLOCK] for at in range(0, CHUNK, merkle.BLOCK)]

Tell: TypeAlias = Callable[[int], None]  # called with the bytes read since the last call
Found_co = TypeVar("Found_co", covariant=True)
Verdict: TypeAlias = Literal["bad", "unreadable"]


class Runnable(Protocol[Found_co]):
    """Work for a hashing process. It and what it finds can be pickled."""

    def run(self, tell: Tell, /) -> Found_co:
        """Read what is to be read and return what is found."""


@dataclass(frozen=True)
class Part:
    """Bytes [start, start + length) of a file; path None: zeros that are not on disk (BEP 47)."""

    path: bytes | None
    start: int
    length: int


@dataclass(frozen=True)
class Span:
    """Consecutive pieces of a stream of files, and the hash that each should have, joined.

    width: leaves of a piece's tree (BEP 52); 0: `expected` holds SHA-1 (BEP 3).
    """

    parts: tuple[Part, ...]
    piece_length: int
    width: int
    expected: bytes

    @property
    def size(self) -> int:
        """The bytes of all its pieces."""
        return sum(part.length for part in self.parts)

    def run(self, tell: Tell, /) -> "list[Finding]":
        """Compare each piece with its hash."""
        return _check_span(self, tell)


@dataclass(frozen=True)
class WholeFile:
    """A file and the digests that it should have: pairs of a hashlib algorithm and its bytes.

    stamp: its size, time and inode as they were found, for whoever remembers what was proved.
    """

    path: bytes
    size: int
    digests: tuple[tuple[str, bytes], ...]
    stamp: str = ""


@dataclass(frozen=True)
class Batch:
    """Whole files checked together, so that small ones cost little to hand over."""

    files: tuple[WholeFile, ...]

    @property
    def size(self) -> int:
        """The bytes of all files."""
        return sum(file.size for file in self.files)

    def run(self, tell: Tell, /) -> "list[Finding]":
        """Compare each file with its digests."""
        return _check_batch(self, tell)


@dataclass(frozen=True)
class Finding:
    """A piece of a span, or a file of a batch, counted from 0, that is not right."""

    index: int
    verdict: Verdict
    what: str  # the system's words where it cannot be read


Task: TypeAlias = Span | Batch


def check(task: Task, tell: Tell) -> list[Finding]:
    """Read a task's bytes and return what is not right, in order."""
    return task.run(tell)


def _check_span(span: Span, tell: Tell) -> list[Finding]:
    """Compare each piece with its hash."""
    digest_size = 32 if span.width else 20
    found = []
    with _reading(span.parts) as read:
        for index, start in enumerate(range(0, span.size, span.piece_length)):
            stop = min(start + span.piece_length, span.size)
            try:
                digest = _node(read, start, stop, span.width, tell) if span.width else _sha1(read, start, stop, tell)
            except OSError as error:
                found.append(Finding(index, "unreadable", error.strerror or str(error)))
                continue
            if digest != span.expected[index * digest_size : (index + 1) * digest_size]:
                found.append(Finding(index, "bad", ""))
    return found


Read: TypeAlias = Callable[[int, memoryview], None]  # fills the space from a position; raises OSError


def _node(read: Read, start: int, stop: int, width: int, tell: Tell) -> bytes:
    """Return the root over a piece's blocks (BEP 52)."""
    leaves: list[bytes] = []
    for at in range(start, stop, CHUNK):
        size = min(CHUNK, stop - at)
        read(at, SPACE[:size])
        leaves += leaves_in_space(size)
        tell(size)
    return merkle.root(leaves, width)


def leaves_in_space(size: int) -> list[bytes]:
    """Return the SHA-256 of each block of the first `size` bytes of SPACE (BEP 52)."""
    whole, rest = divmod(size, merkle.BLOCK)
    leaves = [sha256(block).digest() for block in _BLOCKS[:whole]]
    if rest:
        leaves.append(sha256(SPACE[size - rest : size]).digest())
    return leaves


def _sha1(read: Read, start: int, stop: int, tell: Tell) -> bytes:
    """Return the SHA-1 of a piece (BEP 3)."""
    state = sha1()
    for at in range(start, stop, CHUNK):
        space = SPACE[: min(CHUNK, stop - at)]
        read(at, space)
        state.update(space)
        tell(len(space))
    return state.digest()


@contextmanager
def _reading(parts: tuple[Part, ...]) -> Iterator[Read]:
    """Yield a function that reads the joined parts; each file is opened when its first byte is asked for."""
    descriptors: dict[bytes, int] = {}

    def descriptor(path: bytes) -> int:
        if path not in descriptors:
            for old in descriptors.values():
                os.close(old)
            descriptors.clear()  # a span goes through its files in order
            descriptors[path] = open_regular(path)
        return descriptors[path]

    def read(at: int, space: memoryview) -> None:
        for part in parts:
            if not len(space):
                return
            if at < part.length:
                size = min(part.length - at, len(space))
                if part.path is None:
                    space[:size] = bytes(size)
                else:
                    fill(descriptor(part.path), part.start + at, space[:size])
                space, at = space[size:], part.length
            at -= part.length

    try:
        yield read
    finally:
        for opened in descriptors.values():
            os.close(opened)


def open_regular(path: bytes) -> int:
    """Open a regular file to read and return its descriptor. Raises OSError."""
    descriptor = os.open(path, _FLAGS)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError("not a regular file")
    return descriptor


def fill(descriptor: int, at: int, space: memoryview) -> None:
    """Read bytes from `at` until the space is full. Raises OSError, also where the file ends before."""
    while len(space):
        got = os.preadv(descriptor, [space], at)
        if not got:
            raise OSError("the file ended while it was read")
        at, space = at + got, space[got:]


def _check_batch(batch: Batch, tell: Tell) -> list[Finding]:
    """Compare each file with its digests."""
    found = []
    for index, file in enumerate(batch.files):
        try:
            right = _is_right(file, tell)
        except OSError as error:
            found.append(Finding(index, "unreadable", error.strerror or str(error)))
            continue
        if not right:
            found.append(Finding(index, "bad", ""))
    return found


def _is_right(file: WholeFile, tell: Tell) -> bool:
    """Read a file once and say whether it has every digest that it should have. Raises OSError."""
    states = [hashlib.new(name, usedforsecurity=False) for name, _ in file.digests]
    descriptor = open_regular(file.path)
    try:
        while got := os.readv(descriptor, [SPACE]):
            for state in states:
                state.update(SPACE[:got])
            tell(got)
    finally:
        os.close(descriptor)
    return all(state.digest() == digest for state, (_, digest) in zip(states, file.digests, strict=True))
