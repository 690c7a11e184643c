"""A shard's folder opened to be mended where it lies, as tar_in_place.py opens a tar.

It never writes bytes that are not right, and never to a piece that is.
"""

import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from packager.check.repair.tar_in_place import MEND
from packager.core.bittorrent.file_offsets import NamedFiles
from packager.core.bittorrent.piece_hashes import PieceHashes
from packager.engine.files import atomic_files
from packager.engine.files.range_readers import FolderRangeReader, UnreadableError
from packager.engine.files.shard_torrent import FolderTorrent
from packager.engine.files.write_errors import write_error
from packager.errors import InputError, from_os_error
from packager.paths import display_text


class FolderInPlace:
    """A shard's folder that is mended where it lies, piece by piece of the torrent's stream, as `InPlace` a tar.

    A file that is not there is made by the first of its bytes that is written. No link in the folder is followed to a
    file.
    """

    def __init__(self, folder: Path, files: NamedFiles, pieces: PieceHashes) -> None:
        """Work below `folder`."""
        self._folder, self._files, self._pieces = folder, files, pieces

    def missing_empty(self) -> list[str]:
        """Return the paths of files without bytes that are missing: no piece tells of them."""
        sizes = zip(self._files.paths, self._files.space.sizes.tolist(), strict=True)
        return [path for path, size in sizes if not size and not os.path.isfile(self._folder / path)]

    def create_empty(self, path: str) -> bool:
        """Create a file without bytes, and say whether it is there now: not if something else has its name."""
        if os.path.lexists(self._folder / path):
            return False
        os.close(self._open(path, os.O_WRONLY | os.O_CREAT))
        atomic_files.fsync_folder((self._folder / path).parent)
        return True

    @property
    def size(self) -> int:
        """The bytes of the stream; which pieces are missing, their hashes tell."""
        return self._pieces.size

    @property
    def excess(self) -> int:
        """Bytes past the ends of files."""
        return sum(size for _, size in self._too_long())

    def is_right(self, piece: int) -> bool:
        """Say whether a piece on disk is right; one that ends early or that the disk cannot read is not."""
        try:
            data = b"".join(FolderRangeReader(self._folder, self._files).read(*self._pieces.span(piece)))
        except UnreadableError:
            return False
        return self._pieces.is_right(piece, data)

    def write(self, piece: int, data: bytes) -> None:
        """Write a piece's bytes, which are checked once more, over a piece that is bad. Raises IncompleteError."""
        if not self._pieces.is_right(piece, data):
            raise AssertionError("only right bytes are written")
        left = memoryview(data)
        for path, at, length in self._files.parts(*self._pieces.span(piece)):
            if path is not None:
                self._write(path, at, left[:length])
            left = left[length:]

    def still_bad(self, pieces: Sequence[int]) -> list[int]:
        """Return which of `pieces`, just written, are not right on disk: fsynced, and read past the page cache."""
        touched = {path for piece in pieces for path, _, _ in self._files.parts(*self._pieces.span(piece)) if path}
        for path in sorted(touched):
            descriptor = self._open(path, os.O_RDWR)
            try:
                os.fsync(descriptor)
                os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            except OSError as error:
                raise from_os_error(error, self._where(path), MEND) from error
            finally:
                os.close(descriptor)
        for folder in {(self._folder / path).parent for path in touched}:
            atomic_files.fsync_folder(folder)
        return [piece for piece in pieces if not self.is_right(piece)]

    def cut(self) -> None:
        """Cut what lies past the ends of files; every piece must be right, so nothing of the shard is lost."""
        for path, excess in list(self._too_long()):
            try:
                place = self._folder / path
                os.truncate(place, place.stat().st_size - excess)
            except OSError as error:
                raise from_os_error(error, self._where(path)) from error

    def _too_long(self) -> Iterator[tuple[str, int]]:
        """Yield (path, bytes past its end) of each file that has some."""
        for path, size in zip(self._files.paths, self._files.space.sizes.tolist(), strict=True):
            try:
                found = (self._folder / path).stat()
            except OSError:
                continue
            excess = found.st_size - size
            if excess > 0 and stat.S_ISREG(found.st_mode):
                yield path, excess

    def _write(self, path: str, at: int, left: memoryview) -> None:
        """Write bytes to a file from `at`."""
        descriptor = self._open(path, os.O_WRONLY | os.O_CREAT)
        try:
            while left:
                done = os.pwrite(descriptor, left, at)
                at, left = at + done, left[done:]
        except OSError as error:
            raise write_error(error, self._folder / path, len(left), MEND) from error
        finally:
            os.close(descriptor)

    def _open(self, path: str, flags: int) -> int:
        """Open a file of the folder. Raises IncompleteError."""
        place = self._folder / path
        atomic_files.make_folder(place.parent)
        try:
            return os.open(place, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise from_os_error(error, self._where(path), MEND) from error

    def _where(self, path: str) -> str:
        """Return how messages call a file."""
        return display_text(str(self._folder / path))


@contextmanager
def open_folder_in_place(path: Path, file: FolderTorrent) -> Iterator[FolderInPlace]:
    """Open a shard's folder. Raises InputError where there is none."""
    if not path.is_dir():
        mend = f"write it from loose files: packager rebuild {display_text(str(path))} --from FOLDER"
        raise InputError(display_text(str(path)), "is no folder, and the shard is kept as files", mend)
    yield FolderInPlace(path, file.named, file.pieces)
