"""A stream of several files written as a folder: whole under its final name, or absent.

It is written beside its place, each file fsynced; then the folder gets its name. The zeros between files are
dropped.
"""

import mmap
import os
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from packager.core.shards.folder_layout import FolderLayout
from packager.engine.files import atomic_files
from packager.engine.files.direct_writer import BUFFER
from packager.engine.files.write_errors import write_error


class FolderWriter:
    """A Sink that writes a shard's folder; a context manager, which gives it its name where no error ends it."""

    def __init__(self, path: Path, layout: FolderLayout) -> None:
        """Set out to write the files of `layout` below `path`, where nothing is yet."""
        self._path, self._beside = path, path.with_name(f".{path.name}.folder")
        self._buffer = memoryview(mmap.mmap(-1, BUFFER))
        self._size = layout.disk_size
        self._files = zip(layout.files(), layout.space.pads.tolist(), strict=True)
        self._folders = {self._beside}
        self._file: BinaryIO | None = None
        self._left = self._pad = 0  # bytes of the open file, and of the zeros after it

    def __enter__(self) -> "FolderWriter":
        """Begin. Raises IncompleteError."""
        atomic_files.remove_tree(self._beside)  # what a killed run left
        atomic_files.make_folder(self._beside)
        self._open_next()
        return self

    def buffer(self) -> memoryview:
        """Return the one buffer."""
        return self._buffer

    def put(self, buffer: memoryview, length: int) -> None:
        """Write the bytes. Raises IncompleteError."""
        at = 0
        try:
            while at < length:
                take = min(self._left, length - at)
                if self._file is not None:
                    self._file.write(buffer[at : at + take])
                at, self._left = at + take, self._left - take
                if not self._left:
                    self._close()
                    zeros = min(self._pad, length - at)
                    at, self._pad = at + zeros, self._pad - zeros
                    if not self._pad:
                        self._open_next()
        except OSError as error:
            raise write_error(error, self._path, self._size) from error

    def _open_next(self) -> None:
        """Go on to the next file that has bytes; those before it are made."""
        for (path, _, size), pad in self._files:
            place = self._beside / path
            place.parent.mkdir(parents=True, exist_ok=True)
            self._folders |= {above for above in place.parents if self._beside in above.parents}
            self._file, self._left, self._pad = open(place, "xb"), size, pad  # noqa: SIM115 (closed when it is full)
            if size:
                return
            self._close()

    def _close(self) -> None:
        """Make the open file durable."""
        if self._file is not None:
            with self._file as file:
                file.flush()
                os.fsync(file.fileno())
        self._file = None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the folder its name, durably; after an error, remove it. Raises IncompleteError."""
        if self._file is not None:
            self._file.close()
        try:
            if kind is None:
                for folder in self._folders:
                    atomic_files.fsync_folder(folder)
                os.rename(self._beside, self._path)
                atomic_files.fsync_folder(self._path.parent)
        except OSError as failure:
            raise write_error(failure, self._path, self._size) from failure
        finally:
            atomic_files.remove_tree(self._beside)
