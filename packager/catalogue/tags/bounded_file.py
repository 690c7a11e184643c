"""How much of one file may be read and unpacked for its tags: anybody may have made it."""

import io
import zlib
from typing import BinaryIO

READ_MAX = 64 << 20  # bytes: several large covers fit, a hostile length does not


class TooMuchError(Exception):
    """More bytes were asked for than tags may take."""


class BoundedInflater:
    """Stands for zlib inside mutagen's ID3 frames, where a small frame may unpack to any size."""

    error = zlib.error

    def __init__(self) -> None:
        """Begin with the whole bound; `left` is set anew for each file."""
        self.left = READ_MAX

    def decompress(self, data: bytes) -> bytes:
        """Unpack within what is left for the file at hand."""
        unpacker = zlib.decompressobj()
        unpacked = unpacker.decompress(data, self.left + 1)
        self.left -= len(unpacked)
        if self.left < 0:
            raise TooMuchError
        if not unpacker.eof:
            raise zlib.error("incomplete")
        return unpacked


class BoundedFile(io.RawIOBase):
    """A file of which READ_MAX bytes may be read. `name` tells mutagen no more than the extension."""

    def __init__(self, file: BinaryIO | io.RawIOBase, name: str) -> None:
        """Wrap an open file; the bound counts from here."""
        self._file, self.name = file, name
        self._left = READ_MAX
        self.failure: OSError | None = None  # the system's own, not mutagen's idea of one

    def read(self, size: int | None = -1, /) -> bytes:
        """Read as a file does; raises TooMuchError beyond the bound."""
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
        """Move as a file does."""
        return self._file.seek(offset, whence)

    def advance(self) -> int:
        """Return the position."""
        return self._file.tell()
