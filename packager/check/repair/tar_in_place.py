"""A shard's tar opened to be mended where it lies: its pieces read, checked, and written at their place.

It never writes bytes that are not right, and never to a piece that is.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from packager.core.bittorrent.piece_hashes import PieceHashes
from packager.engine.files.regular_file import NotRegularError, RegularFile
from packager.engine.files.unfinished_files import check_finished
from packager.engine.files.write_errors import write_error
from packager.errors import IncompleteError, InputError, from_os_error
from packager.paths import display_text

MEND = "make room or mend the disk, then run the command again"


class TarInPlace:
    """An open tar and what its pieces should be."""

    def __init__(self, file: RegularFile, path: Path, pieces: PieceHashes) -> None:
        """Work on a file that is open; `path` is what messages call it."""
        self._file, self._descriptor, self._path, self._pieces = file, file.descriptor, path, pieces

    @property
    def size(self) -> int:
        """The file's bytes now."""
        return os.fstat(self._descriptor).st_size

    def missing_empty(self) -> list[str]:
        """Return none: a tar is one file."""
        return []

    def create_empty(self, path: str) -> bool:
        """Never asked."""
        raise AssertionError(path)

    @property
    def excess(self) -> int:
        """Bytes past the end of the shard."""
        return max(self.size - self._pieces.size, 0)

    def is_right(self, piece: int) -> bool:
        """Say whether a piece on disk is right; one that ends early or that the disk cannot read is not."""
        start, stop = self._pieces.span(piece)
        try:
            data = b"".join(self._file.chunks(start, stop))
        except OSError:
            return False
        return self._pieces.is_right(piece, data)

    def write(self, piece: int, data: bytes) -> None:
        """Write a piece's bytes, which are checked once more, over a piece that is bad. Raises IncompleteError.

        Cut off half way, each byte of the piece is what it was, or right.
        """
        if not self._pieces.is_right(piece, data):
            raise AssertionError("only right bytes are written")
        at, left = self._pieces.span(piece)[0], memoryview(data)
        try:
            while left:
                done = os.pwrite(self._descriptor, left, at)
                at, left = at + done, left[done:]
        except OSError as error:
            raise write_error(error, self._path, len(left), MEND) from error

    def still_bad(self, pieces: Sequence[int]) -> list[int]:
        """Return which of `pieces`, just written, are not right on disk: fsynced, and read past the page cache."""
        self._sync()
        for piece in pieces:
            start, stop = self._pieces.span(piece)
            os.posix_fadvise(self._descriptor, start, stop - start, os.POSIX_FADV_DONTNEED)
        return [piece for piece in pieces if not self.is_right(piece)]

    def cut(self) -> None:
        """Cut what lies past the end of the shard; every piece must be right, so nothing of it is lost."""
        try:
            os.ftruncate(self._descriptor, self._pieces.size)
        except OSError as error:
            raise from_os_error(error, display_text(str(self._path))) from error
        self._sync()

    def _sync(self) -> None:
        """Make what was written durable."""
        try:
            os.fsync(self._descriptor)
        except OSError as error:
            raise from_os_error(
                error, display_text(str(self._path)), "mend the disk, then run the command again"
            ) from error


@contextmanager
def open_tar_in_place(path: Path, pieces: PieceHashes, *, writable: bool) -> Iterator[TarInPlace]:
    """Open a tar that is there. Raises InputError where it is none, IncompleteError where it may not be opened."""
    where = display_text(str(path))
    try:
        file = RegularFile(bytes(path), follow_links=True, writable=writable)
    except FileNotFoundError:
        check_finished(path)
        mend = f"write it from loose files: packager rebuild {where} --from FOLDER"
        raise InputError(where, "is not there, and only what is there can be mended", mend) from None
    except NotRegularError as error:
        raise InputError(where, str(error.strerror), "give the shard's tar") from error
    except OSError as error:
        raise IncompleteError(where, error.strerror or "cannot be opened", "mend its rights, then run again") from error
    with file:
        yield TarInPlace(file, path, pieces)
