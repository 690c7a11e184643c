"""Where bytes of a shard's tar can be had: another copy of the tar, or the loose files that went into it.

They are unchecked: the caller compares them with the published hashes before using them.
"""

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol, TypeAlias

from packager.core.bittorrent.file_offsets import NamedFiles
from packager.core.shards.layout import Layout, MemberRange
from packager.engine.files.joined_files import FileRange
from packager.engine.files.regular_file import READ, RegularFile
from packager.errors import IncompleteError, InputError
from packager.paths import display_text


class UnreadableError(IncompleteError):
    """A source does not have the bytes that were asked of it; another may."""


class UnreachableError(UnreadableError):
    """A source does not answer now; it may later, so the same command may do more then."""


Range: TypeAlias = tuple[int, int]  # bytes [start, stop) of the tar


class RangeReader(Protocol):
    """Somewhere that has bytes of a shard's tar: a copy, loose files, a web seed, the swarm."""

    @property
    def name(self) -> str:
        """What messages call it: a path or an address, fit to be shown."""

    def read(self, start: int, stop: int) -> Iterator[bytes]:
        """Yield bytes [start, stop) of the tar in order, some at a time, unchecked.

        Raises Unreadable where it does not have them all; what came before then is of no use.
        """


# Opens a source for a shard of which only these ranges, in order, will be read.
OpenRanges: TypeAlias = Callable[[Layout, Sequence[Range]], RangeReader]


class ReportingReader:
    """A source that tells what was read of it: bytes [start, stop), and why no more."""

    def __init__(self, source: RangeReader, report: Callable[[int, int, UnreadableError | None], None]) -> None:
        """Read from a source, and report of it."""
        self.name, self._source, self._report = source.name, source, report

    def read(self, start: int, stop: int) -> Iterator[bytes]:
        """Yield bytes [start, stop), told of as they come. Raises as the source."""
        try:
            for data in self._source.read(start, stop):
                self._report(start, start + len(data), None)
                start += len(data)
                yield data
        except UnreadableError as error:
            self._report(start, start, error)
            raise


class LocalReader(ABC):
    """Files on this machine as one stream. name: what messages call them."""

    name: str

    @abstractmethod
    def segments(self, start: int, stop: int) -> Iterator[bytes | FileRange]:
        """Yield what bytes [start, stop) of the stream are made of, in order."""

    def read(self, start: int, stop: int) -> Iterator[bytes]:
        """Yield bytes [start, stop). Raises Unreadable where a file is short or cannot be read."""
        for segment in self.segments(start, stop):
            if isinstance(segment, bytes):
                yield segment
            elif segment.path is None:
                for zeros in range(0, segment.length, READ):
                    yield bytes(min(READ, segment.length - zeros))
            else:
                yield from read_file(segment.path, segment.start, segment.start + segment.length)


class TarRangeReader(LocalReader):
    """Another copy of the tar."""

    def __init__(self, path: Path) -> None:
        """Read from the tar at `path`, or what it links to; it is opened for each range."""
        real = os.path.realpath(path)
        self.name, self._path = display_text(real), os.fsencode(real)

    def segments(self, start: int, stop: int) -> Iterator[bytes | FileRange]:
        """Yield the range of the file."""
        yield FileRange(self._path, start, stop - start)


class LooseFileReader(LocalReader):
    """The loose files of a shard's members, and the layout's own bytes between them."""

    def __init__(self, layout: Layout, digests: bytes, places: Sequence[bytes | None]) -> None:
        """Read member number i from the file places[i], None if none is known.

        digests: the members' SHA-256, 32 bytes each, joined.
        """
        self.name = f"the loose files of {layout.name}"
        self._layout, self._digests, self._places = layout, digests, places

    def segments(self, start: int, stop: int) -> Iterator[bytes | FileRange]:
        """Yield what the tar is made of. Raises Unreadable naming the member that is not there."""
        for segment in self._layout.segments(start, stop, self._digests):
            if not isinstance(segment, MemberRange):
                yield segment.data
                continue
            place = self._places[segment.member]
            if place is None:
                raise UnreadableError(
                    display_text(self._layout.path(segment.member)), "no file is known for this member"
                )
            yield FileRange(place, segment.start, segment.stop - segment.start)


class FolderRangeReader(LocalReader):
    """A shard's folder, as the torrent's stream."""

    def __init__(self, folder: Path, files: NamedFiles) -> None:
        """Read `files` below `folder`."""
        self.name, self._folder, self._files = display_text(str(folder)), folder, files

    def segments(self, start: int, stop: int) -> Iterator[bytes | FileRange]:
        """Yield the ranges of files."""
        for path, at, length in self._files.parts(start, stop):
            yield FileRange(None if path is None else os.fsencode(self._folder / path), at, length)


def read_file(path: bytes, start: int, stop: int) -> Iterator[bytes]:
    """Yield bytes [start, stop) of a regular file, READ at a time; no link is followed.

    Raises Unreadable where it is none, ends early or cannot be read.
    """
    with unreadable(), RegularFile(path) as file:
        yield from file.chunks(start, stop)


@contextmanager
def unreadable() -> Iterator[None]:
    """Raise as Unreadable what a file is refused with."""
    try:
        yield
    except OSError as error:
        raise UnreadableError(display_text(error.filename or ""), str(error.strerror or error)) from error


@contextmanager
def reader_errors() -> Iterator[None]:
    """Raise what a store or a server fails with as a range reader does: Unreadable, or Unreachable for now."""
    try:
        yield
    except UnreadableError:
        raise
    except InputError as error:
        raise UnreadableError(error.where, error.what, error.fix) from error
    except IncompleteError as error:
        raise UnreachableError(error.where, error.what, error.fix) from error
