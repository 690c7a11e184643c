"""Limits how much of a file is read and unpacked for its tags, because files are untrusted."""

import io
import zlib
from typing import BinaryIO

READ_MAX = 64 << 20  # bytes; enough for several large covers


class TooMuchError(Exception):
    """Reading the tags needs more bytes than allowed."""


class BoundedInflater:
    """Replaces zlib in mutagen's ID3 frames, where a small frame could unpack to any size."""

    error = zlib.error

    def __init__(self) -> None:
        """Start with the full limit; `left` is set again for each file."""
        self.left = READ_MAX

    def decompress(self, data: bytes) -> bytes:
        """Unpack data within the rest of the file's limit. Raises TooMuchError."""
        unpacker = zlib.decompressobj()
        unpacked = unpacker.decompress(data, self.left + 1)
        self.left -= len(unpacked)
        if self.left < 0:
            raise TooMuchError
        if not unpacker.eof:
            raise zlib.error("incomplete")
        return unpacked


class BoundedFile(io.RawIOBase):
    """A file of which at most READ_MAX bytes can be read. Only the extension of `name` is passed to mutagen."""

    def __init__(self, file: BinaryIO | io.RawIOBase, name: str) -> None:
        """Wrap an open file; the limit starts here."""
        self._file, self.name = file, name
        self._left = READ_MAX
        self.failure: OSError | None = None  # raised by the system, not by mutagen

    def read(self, size: int | None = -1, /) -> bytes:
        """Read bytes. Raises TooMuchError above the limit."""
        wanted = self._left + 1 if size is None or size < 0 else min(size, self._left + 1)
        try:
            data = self._file.read(wanted)
        except OSError as error:
            self.failure = error
            raise
        self._left -= len(data or b"")
        if self._left < 0:
            raise TooMuchError
        return data or b""

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Set the position."""
        return self._file.seek(offset, whence)

    def advance(self) -> int:
        """Return the position."""
        return self._file.tell()
