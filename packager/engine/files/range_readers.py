"""Where bytes of a shard's tar can be had: another copy of the tar, or the loose files that went into it.

They come unchecked: whoever asks compares them with the published hashes before using them.
"""

import os
import stat
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Protocol, TypeAlias

from packager.core.bittorrent.file_offsets import NamedFiles
from packager.core.shards.layout import Layout, MemberRange
from packager.errors import IncompleteError
from packager.paths import display_text
from packager.units import MIB

READ = MIB  # bytes of one read
# O_NOFOLLOW and O_NONBLOCK: what is no plain file is refused, and a FIFO must not hang the run.
OPEN_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


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

    def __init__(self, source: RangeReader, tell: Callable[[int, int, UnreadableError | None], None]) -> None:
        """Read from a source, and tell of it."""
        self._source, self._tell = source, tell

    @property
    def name(self) -> str:
        """What messages call the source."""
        return self._source.name

    def read(self, start: int, stop: int) -> Iterator[bytes]:
        """Yield bytes [start, stop), told of as they come. Raises as the source."""
        try:
            for data in self._source.read(start, stop):
                self._tell(start, start + len(data), None)
                start += len(data)
                yield data
        except UnreadableError as error:
            self._tell(start, start, error)
            raise


class TarRangeReader:
    """Another copy of the tar on this machine."""

    def __init__(self, path: Path) -> None:
        """Read from the tar at `path`, or what it links to; it is opened for each range."""
        self._path = Path(os.path.realpath(path))

    @property
    def name(self) -> str:
        """The copy's path."""
        return display_text(str(self._path))

    def read(self, start: int, stop: int) -> Iterator[bytes]:
        """Yield bytes [start, stop) of the copy. Raises Unreadable where it is short or unreadable."""
        return read_file(os.fsencode(self._path), start, stop)


class LooseFileReader:
    """The loose files of a shard's members, and the layout's own bytes between them."""

    def __init__(self, layout: Layout, digests: bytes, places: Sequence[bytes | None]) -> None:
        """Read member number i from the file places[i], None where none is known.

        digests: the members' SHA-256, 32 bytes each, joined.
        """
        self._layout, self._digests, self._places = layout, digests, places

    @property
    def name(self) -> str:
        """Loose files, whichever they are."""
        return f"the loose files of {self._layout.name}"

    def read(self, start: int, stop: int) -> Iterator[bytes]:
        """Yield bytes [start, stop) of the tar. Raises Unreadable naming the member that is not there."""
        for segment in self._layout.segments(start, stop, self._digests):
            if not isinstance(segment, MemberRange):
                yield segment.data
                continue
            place = self._places[segment.member]
            if place is None:
                raise UnreadableError(
                    display_text(self._layout.path(segment.member)), "no file is known for this member"
                )
            yield from read_file(place, segment.start, segment.stop)


class FolderRangeReader:
    """A shard's folder as it lies on this machine, as the torrent's stream."""

    def __init__(self, folder: Path, files: NamedFiles) -> None:
        """Read `files` below `folder`."""
        self._folder, self._files = folder, files

    @property
    def name(self) -> str:
        """The folder's path."""
        return display_text(str(self._folder))

    def read(self, start: int, stop: int) -> Iterator[bytes]:
        """Yield bytes [start, stop) of the stream. Raises Unreadable where a file is short or unreadable."""
        for path, at, length in self._files.parts(start, stop):
            if path is None:
                for zeros in range(0, length, READ):
                    yield bytes(min(READ, length - zeros))
            else:
                yield from read_file(os.fsencode(self._folder / path), at, at + length)


def read_file(path: bytes, start: int, stop: int) -> Iterator[bytes]:
    """Yield bytes [start, stop) of a regular file, READ at a time.

    Raises Unreadable where it is none, ends early or cannot be read.
    """
    descriptor = open_file(path)
    try:
        while start < stop:
            data = _read(descriptor, min(READ, stop - start), start, path)
            start += len(data)
            yield data
    finally:
        os.close(descriptor)


def open_file(path: bytes) -> int:
    """Return the descriptor of a regular file opened for reading; links are not followed. Raises Unreadable."""
    try:
        descriptor = os.open(path, OPEN_FLAGS)
    except OSError as error:
        raise UnreadableError(display_text(path), error.strerror or "cannot be opened") from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise UnreadableError(display_text(path), "is no regular file")
    return descriptor


def _read(descriptor: int, length: int, at: int, path: bytes) -> bytes:
    """Return some bytes of an open file, at least one. Raises Unreadable."""
    try:
        data = os.pread(descriptor, length, at)
    except OSError as error:
        raise UnreadableError(display_text(path), f"cannot be read at byte {at} ({error.strerror})") from error
    if not data:
        raise UnreadableError(display_text(path), f"ends at byte {min(at, os.fstat(descriptor).st_size)}")
    return data
