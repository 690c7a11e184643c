"""Pieces and whole files read and hashed against what they should be: what a hashing process does.

It imports little, so that a process is ready within some hundredths of a second. Each byte is read once,
into one buffer. What cannot be read is told, and reading goes on behind it.
"""

import os
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Literal, Protocol, Self, TypeAlias, TypeVar

from packager.core.bittorrent import merkle
from packager.core.shards.digest_algorithms import new_hash
from packager.engine.files.joined_files import FileRange, JoinedFiles, Read
from packager.engine.files.regular_file import RegularFile
from packager.engine.hashing.interleaved_pieces import CHUNK, SPACE, InterleavedPieces
from packager.progress import Advance

Found_co = TypeVar("Found_co", covariant=True)
Verdict: TypeAlias = Literal["bad", "unreadable"]


class Runnable(Protocol[Found_co]):
    """Work for a hashing process. It and what it finds can be pickled."""

    def run(self, advance: Advance, /) -> Found_co:
        """Read what is to be read and return what is found."""


@dataclass(frozen=True)
class PieceCheck:
    """Consecutive pieces of a stream of files, and the hash that each should have, joined.

    width: leaves of a piece's tree (BEP 52); 0: `expected` holds SHA-1 (BEP 3).
    """

    parts: tuple[FileRange, ...]
    piece_length: int
    width: int
    expected: bytes

    @property
    def size(self) -> int:
        """The bytes of all its pieces."""
        return sum(part.length for part in self.parts)

    def run(self, advance: Advance, /) -> "list[Finding]":
        """Compare each piece with its hash."""
        return _check_span(self, advance)

    def absolute(self) -> Self:
        """Return it with paths that hold in any folder."""
        parts = (replace(part, path=None if part.path is None else os.path.abspath(part.path)) for part in self.parts)
        return replace(self, parts=tuple(parts))

    def reading(self) -> "AbstractContextManager[Read]":
        """Return what reads its joined parts, from a position on."""
        return JoinedFiles(self.parts)


@dataclass(frozen=True)
class FileDigestCheck:
    """A file and the digests that it should have: pairs of an algorithm, as digest_algorithms names it, and its bytes.

    stamp: its size, time and inode as they were found, for callers that save what was verified.
    """

    path: bytes
    size: int
    digests: tuple[tuple[str, bytes], ...]
    stamp: str = ""


@dataclass(frozen=True)
class FileCheck:
    """Whole files checked together, so that small ones cost little to hand over."""

    files: tuple[FileDigestCheck, ...]

    @property
    def size(self) -> int:
        """The bytes of all files."""
        return sum(file.size for file in self.files)

    def absolute(self) -> Self:
        """Return it with paths that hold in any folder."""
        return replace(self, files=tuple(replace(file, path=os.path.abspath(file.path)) for file in self.files))

    def run(self, advance: Advance, /) -> "list[Finding]":
        """Compare each file with its digests."""
        return _check_batch(self, advance)


@dataclass(frozen=True)
class Finding:
    """A piece of a span, or a file of a batch, counted from 0, that is not right."""

    index: int
    verdict: Verdict
    what: str  # the system's words where it cannot be read


Task: TypeAlias = PieceCheck | FileCheck


def run_check(task: Task, advance: Advance) -> list[Finding]:
    """Read a task's bytes and return what is not right, in order."""
    return task.run(advance)


def _check_span(span: PieceCheck, advance: Advance) -> list[Finding]:
    """Compare each piece with its hash."""
    size, length = span.size, span.piece_length
    pieces = InterleavedPieces(size, length, [min(length, size - start) for start in range(0, size, length)])
    found = []
    with span.reading() as read:
        for index, one in enumerate(pieces.hashed(read, advance, v1=not span.width, v2=span.width > 0)):
            digest = merkle.root(one.leaves, span.width) if span.width else one.sha1
            if one.error:
                found.append(Finding(index, "unreadable", one.error.strerror or str(one.error)))
            elif digest != span.expected[index * len(digest) : (index + 1) * len(digest)]:
                found.append(Finding(index, "bad", ""))
    return found


def _check_batch(batch: FileCheck, advance: Advance) -> list[Finding]:
    """Compare each file with its digests."""
    found = []
    for index, file in enumerate(batch.files):
        try:
            right = _is_right(file, advance)
        except OSError as error:
            found.append(Finding(index, "unreadable", error.strerror or str(error)))
            continue
        if not right:
            found.append(Finding(index, "bad", ""))
    return found


def _is_right(file: FileDigestCheck, advance: Advance) -> bool:
    """Read a file and say whether it has every digest that it should have. Raises OSError.

    It is read a second time only if a digest may be by another algorithm than the most likely one.
    """
    wanted = [(names.split("|"), digest) for names, digest in file.digests]
    found = _digests(file.path, [names[0] for names, _ in wanted], advance)
    left = [(names[1:], digest) for names, digest in wanted if found[names[0]] != digest]
    if not all(names for names, _ in left):
        return False
    found = _digests(file.path, [name for names, _ in left for name in names], advance) if left else {}
    return all(any(found[name] == digest for name in names) for names, digest in left)


def _digests(path: bytes, algorithms: list[str], advance: Advance) -> dict[str, bytes]:
    """Return a file's digests by algorithm, read once. Raises OSError."""
    states = {name: new_hash(name) for name in algorithms}
    offset = 0
    with RegularFile(path, follow_links=True) as file:
        while got := file.read(offset, SPACE[:CHUNK]):
            for state in states.values():
                state.update(SPACE[:got])
            advance(got)
            offset += got
    return {name: state.digest() for name, state in states.items()}
