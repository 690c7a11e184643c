"""The stamp of a file: size, modification time and inode, which tell whether it changed. No other code compares them.

Parquet, SQLite and JSON numbers have 64 bits: as nanoseconds they reach from 1677-09-21 to 2262-04-11. File systems
store times outside of that, so every stamp moves them to the nearest time within it.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

_MIN, _MAX = -(1 << 63), (1 << 63) - 1


class FileStamp(NamedTuple):
    """Size in bytes, modification time in nanoseconds since 1970, inode; None if it is not known."""

    size: int
    mtime_ns: int | None
    inode: int | None = None

    @classmethod
    def bounded(cls, size: int, mtime_ns: int, inode: int | None = None) -> "FileStamp":
        """Return a stamp with a time of any size moved into 64 bits."""
        return cls(size, min(max(mtime_ns, _MIN), _MAX), inode)

    @classmethod
    def of(cls, status: os.stat_result) -> "FileStamp":
        """Return the stamp of what `os.stat` returned."""
        return cls.bounded(status.st_size, status.st_mtime_ns, status.st_ino & _MAX)

    @classmethod
    def at(cls, path: Path | None) -> "FileStamp | None":
        """Return the stamp of the file at a path; None if there is no file, or no path."""
        try:
            return cls.of(path.stat()) if path else None
        except (FileNotFoundError, NotADirectoryError):
            return None

    def difference(self, now: "FileStamp") -> str:
        """Return how a file that had this stamp differs from it now, "" if it does not; None equals everything."""
        if self.size != now.size:
            return f"it has {now.size} bytes, not {self.size}"
        if None not in (self.mtime_ns, now.mtime_ns) and self.mtime_ns != now.mtime_ns:
            return "it was written to"
        if None not in (self.inode, now.inode) and self.inode != now.inode:
            return "another file has its name"
        return ""


@dataclass(frozen=True)
class TarStamp:
    """Size in bytes, and times of modification and change in nanoseconds since 1970; 0 for what a store lacks."""

    size: int
    mtime_ns: int
    ctime_ns: int

    @classmethod
    def of(cls, status: os.stat_result) -> "TarStamp":
        """Return the note of what `os.stat` returned."""
        stamp = FileStamp.of(status)
        return cls(stamp.size, stamp.mtime_ns or 0, FileStamp.bounded(0, status.st_ctime_ns).mtime_ns or 0)

    @classmethod
    def stored(cls, stamp: FileStamp) -> "TarStamp":
        """Return the note of a file in a store."""
        return cls(stamp.size, stamp.mtime_ns or 0, 0)
