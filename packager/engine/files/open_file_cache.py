"""Files that stay open between two readings, so that most readings need no look into a folder; for many threads.

A file that was opened as it should be stays right for as long as the open file itself has that size and time.
"""

import threading
from collections import OrderedDict

from packager.engine.files.file_stamp import FileStamp
from packager.engine.files.range_readers import UnreadableError, unreadable
from packager.engine.files.regular_file import RegularFile
from packager.paths import display_text


class CachedFile(RegularFile):
    """An open file, and the stamp that it should have. users: readings under way. kept: it stays open for others."""

    __slots__ = ("kept", "users")

    def __init__(self, path: bytes, stamp: FileStamp | None = None) -> None:
        """Open it. stamp: None: as it is. Raises Unreadable, also where it has another stamp."""
        with unreadable():
            super().__init__(path)
        self.users, self.kept = 1, True
        if stamp is not None:
            self.stamp = stamp
            try:
                self.check_unchanged()
            except UnreadableError:
                self.close()
                raise

    def check_unchanged(self) -> None:
        """Raise Unreadable where it is not what it should be, or has no name any more."""
        if change := self.change():
            raise UnreadableError(display_text(self.path), change)


class OpenFileCache:
    """At most so many open files, those that were used last, and those in use. Give each back by `release`."""

    def __init__(self, most: int) -> None:
        """Keep at most `most` files open that no one reads."""
        self._most = most
        self._kept: OrderedDict[bytes, CachedFile] = OrderedDict()
        self._lock = threading.Lock()

    def held(self, path: bytes, stamp: FileStamp) -> CachedFile | None:
        """Return a file that is open and what it should be, without a look into its folder; None if none is."""
        with self._lock:
            found = self._kept.get(path)
            if found is None or found.stamp != stamp:
                return None
            try:
                found.check_unchanged()
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
        made = CachedFile(path, stamp)
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
                opened.close()

    def _let_go(self, opened: CachedFile) -> None:
        """Close a file now, or when its last reading ends."""
        opened.kept = False
        if not opened.users:
            opened.close()
