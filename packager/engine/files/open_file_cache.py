"""Files that stay open between two readings, so that most readings need no look into a folder; for many threads.

A file that was opened as it should be stays right for as long as the open file itself has that size and time.
"""

import os
import threading
from collections import OrderedDict
from dataclasses import dataclass

from packager.engine.files.file_stamp import FileStamp
from packager.engine.files.range_readers import UnreadableError, open_file
from packager.paths import display_text


@dataclass
class CachedFile:
    """An open file. users: readings under way. kept: whether it stays open for others."""

    descriptor: int
    path: bytes
    stamp: FileStamp
    users: int = 0
    kept: bool = True

    def check(self) -> None:
        """Raise Unreadable where it is not what it should be, or has no name any more."""
        found = os.fstat(self.descriptor)
        if difference := self.stamp.difference(FileStamp.of(found)):
            raise UnreadableError(display_text(self.path), f"changed: {difference}")
        if not found.st_nlink:
            raise UnreadableError(display_text(self.path), "was removed, or another file has its name")


class OpenFileCache:
    """At most so many open files, those that were used last, and those in use. Give each back by `release`."""

    def __init__(self, most: int) -> None:
        """Keep at most `most` files open that nobody reads."""
        self._most = most
        self._kept: OrderedDict[bytes, CachedFile] = OrderedDict()
        self._lock = threading.Lock()

    def held(self, path: bytes, stamp: FileStamp) -> CachedFile | None:
        """Return a file that is open and what it should be, without a look into its folder; None where none is."""
        with self._lock:
            found = self._kept.get(path)
            if found is None or found.stamp != stamp:
                return None
            try:
                found.check()
            except UnreadableError:
                self._let_go(self._kept.pop(path))
                return None
            self._kept.move_to_end(path)
            found.users += 1
            return found

    def open(self, path: bytes, stamp: FileStamp) -> CachedFile:
        """Return a file, opened now where it is not open. Raises Unreadable where it is not what it should be."""
        held = self.held(path, stamp)
        if held is not None:
            return held
        made = CachedFile(open_file(path), path, stamp, users=1)
        try:
            made.check()
        except UnreadableError:
            os.close(made.descriptor)
            raise
        with self._lock:
            if path in self._kept:
                self._let_go(self._kept.pop(path))
            self._kept[path] = made
            while len(self._kept) > self._most:
                self._let_go(self._kept.popitem(last=False)[1])
        return made

    def release(self, opened: CachedFile) -> None:
        """Give a file back."""
        with self._lock:
            opened.users -= 1
            if not opened.kept and not opened.users:
                os.close(opened.descriptor)

    def _let_go(self, opened: CachedFile) -> None:
        """Close a file now, or when its last reading ends."""
        opened.kept = False
        if not opened.users:
            os.close(opened.descriptor)
