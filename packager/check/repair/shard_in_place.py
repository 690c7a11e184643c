"""Read, check and write the pieces of a shard in place, in a tar or a folder.

Only right bytes are written, and only into bad pieces.
"""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from packager.core.bittorrent.file_offsets import NamedFiles, file_offsets
from packager.core.bittorrent.piece_hashes import PieceHashes
from packager.engine.files import atomic_files
from packager.engine.files.range_readers import FolderRangeReader, UnreadableError
from packager.engine.files.regular_file import NotRegularError, RegularFile
from packager.engine.files.shard_torrent import FolderTorrent
from packager.engine.files.unfinished_files import check_finished
from packager.engine.files.write_errors import write_error
from packager.errors import IncompleteError, InputError, from_os_error
from packager.paths import display_text

FIX = "free some space or fix the disk, then run the command again"


class ShardInPlace:
    """A shard that is repaired piece by piece; a tar is treated as the only file of its folder.

    A missing file is created when its first byte is written. Links to files are not followed.
    """

    def __init__(self, folder: Path, files: NamedFiles, pieces: PieceHashes) -> None:
        """Work below `folder`."""
        self._folder, self._files, self._pieces = folder, files, pieces

    def missing_empty(self) -> list[str]:
        """Return the paths of missing empty files, which no piece covers."""
        sizes = zip(self._files.paths, self._files.space.sizes.tolist(), strict=True)
        return [path for path, size in sizes if not size and not os.path.isfile(self._folder / path)]

    def create_empty(self, path: str) -> bool:
        """Create an empty file, and return whether that worked: not if something else has its name."""
        if os.path.lexists(self._folder / path):
            return False
        os.close(self._open(path, os.O_WRONLY | os.O_CREAT))
        atomic_files.fsync_folder((self._folder / path).parent)
        return True

    def unreached(self) -> set[int]:
        """Return the pieces that need bytes past the current ends of files."""
        missing: set[int] = set()
        for number, (_, size, found) in enumerate(self._sizes()):
            if found < size:
                start = int(self._files.space.starts[number])
                missing.update(self._pieces.touched(start + found, start + size))
        return missing

    @property
    def excess(self) -> int:
        """How many bytes follow the expected ends of files."""
        return sum(max(found - size, 0) for _, size, found in self._sizes())

    def is_right(self, piece: int) -> bool:
        """Return whether a piece on disk is complete, readable and right."""
        try:
            data = b"".join(FolderRangeReader(self._folder, self._files).read(*self._pieces.span(piece)))
        except UnreadableError:
            return False
        return self._pieces.is_right(piece, data)

    def write(self, piece: int, data: bytes) -> None:
        """Check a piece's bytes again and write them over a bad piece. Raises IncompleteError.

        If it is interrupted, each byte of the piece is either unchanged or right.
        """
        if not self._pieces.is_right(piece, data):
            raise AssertionError("only right bytes are written")
        left = memoryview(data)
        for path, at, length in self._files.parts(*self._pieces.span(piece)):
            if path is not None:
                self._write(path, at, left[:length])
            left = left[length:]

    def still_bad(self, pieces: Sequence[int]) -> list[int]:
        """Fsync `pieces`, read them without the page cache, and return those that are not right on disk."""
        touched: dict[str, list[tuple[int, int]]] = {}
        for piece in pieces:
            for path, at, length in self._files.parts(*self._pieces.span(piece)):
                if path:
                    touched.setdefault(path, []).append((at, length))
        for path, ranges in sorted(touched.items()):
            descriptor = self._open(path, os.O_RDWR)
            try:
                os.fsync(descriptor)
                for at, length in ranges:
                    os.posix_fadvise(descriptor, at, length, os.POSIX_FADV_DONTNEED)
            except OSError as error:
                raise from_os_error(error, self._where(path), FIX) from error
            finally:
                os.close(descriptor)
        for folder in {(self._folder / path).parent for path in touched}:
            atomic_files.fsync_folder(folder)
        return [piece for piece in pieces if not self.is_right(piece)]

    def cut(self) -> None:
        """Cut what follows the ends of files; every piece must be right, so nothing of the shard is lost."""
        for path, size, found in self._sizes():
            if found > size:
                try:
                    os.truncate(self._folder / path, size)
                    atomic_files.fsync_path(self._folder / path)
                except OSError as error:
                    raise from_os_error(error, self._where(path), FIX) from error

    def _sizes(self) -> Iterator[tuple[str, int, int]]:
        """Yield (path, expected size, actual size) in bytes; the actual size of a missing file is 0."""
        for path, size in zip(self._files.paths, self._files.space.sizes.tolist(), strict=True):
            place = self._folder / path
            is_ours = place.is_file() and not place.is_symlink()
            yield path, size, place.stat().st_size if is_ours else 0

    def _write(self, path: str, at: int, left: memoryview) -> None:
        """Write bytes to a file from `at`."""
        descriptor = self._open(path, os.O_WRONLY | os.O_CREAT)
        try:
            while left:
                done = os.pwrite(descriptor, left, at)
                at, left = at + done, left[done:]
        except OSError as error:
            raise write_error(error, self._folder / path, len(left), FIX) from error
        finally:
            os.close(descriptor)

    def _open(self, path: str, flags: int) -> int:
        """Open a file of the folder. Raises IncompleteError."""
        place = self._folder / path
        atomic_files.make_folder(place.parent)
        try:
            return os.open(place, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise from_os_error(error, self._where(path), FIX) from error

    def _where(self, path: str) -> str:
        """Return a file's path for messages."""
        return display_text(str(self._folder / path))


def open_folder_in_place(path: Path, file: FolderTorrent) -> ShardInPlace:
    """Open a shard's folder. Raises InputError if there is none."""
    if not path.is_dir():
        fix = f"write it from loose files: packager rebuild {display_text(str(path))} --from FOLDER"
        raise InputError(display_text(str(path)), "is not a folder, but the shard is stored as files", fix)
    return ShardInPlace(path, file.named, file.pieces)


def open_tar_in_place(path: Path, pieces: PieceHashes, *, writable: bool) -> ShardInPlace:
    """Open an existing tar. Raises InputError if it is missing or no file, IncompleteError if it cannot be opened."""
    where = display_text(str(path))
    try:
        RegularFile(bytes(path), writable=writable).close()
    except FileNotFoundError:
        check_finished(path)
        fix = f"write it from loose files: packager rebuild {where} --from FOLDER"
        raise InputError(where, "not found; only an existing tar can be repaired", fix) from None
    except NotRegularError as error:
        raise InputError(where, str(error.strerror), "name the shard's tar") from error
    except OSError as error:
        raise IncompleteError(
            where, error.strerror or "cannot be opened", "fix its permissions, then run again"
        ) from error
    files = NamedFiles([path.name], file_offsets([pieces.size], pieces.piece_length, aligned=False))
    return ShardInPlace(path.parent, files, pieces)
