"""A stranger's tar, read entry by entry within limits: POSIX ustar, pax and GNU headers.

It goes on after a fault where it can, and stops where no reader could know what the next bytes are.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from packager.core.reports.issues import IssueList
from packager.core.shards import build_tar_header
from packager.core.shards.parse_tar_header import (
    EXTENDED,
    GNU_LINK,
    GNU_PATH,
    PAX,
    PAX_GLOBAL,
    TYPES,
    TarHeader,
    parse_block,
    parse_pax,
    pax_size,
)
from packager.errors import InputError
from packager.paths import display_text
from packager.units import MIB

ENTRIES = 2_000_000  # that are read
EXTENDED_MOST = MIB  # bytes of a pax or GNU header; the longest path that systems take has 4,096
_TAIL = 64 * MIB  # bytes after the end that are looked at
_ZERO = bytes(build_tar_header.BLOCK)
_WITH_DATA = ("file", "GNU sparse file")
_FOR_ALL = ("path", "linkpath", "size")  # what a global pax header must not say of every entry


@dataclass(frozen=True)
class ReadEntry:
    """An entry of a tar. start, offset: bytes where its first header block and its data begin.

    header: its header blocks, pax and GNU ones before it too. size: bytes of its data.
    """

    path: bytes
    type: str
    link: bytes
    start: int
    offset: int
    size: int
    header: bytes

    @property
    def text(self) -> str:
        """The path as text, bytes that are not UTF-8 as os.fsencode takes them."""
        return self.path.decode("utf-8", "surrogateescape")


@dataclass
class _Pending:
    """What pax and GNU headers said of the entry that follows them."""

    start: int
    path: bytes | None = None
    link: bytes | None = None
    size: int | None = None
    sparse: bool = False
    header: bytes = b""


class TarReader:
    """Reads a tar of `size` bytes. departures: what no shard of ours would have, but any tar may."""

    def __init__(self, file: BinaryIO, size: int, faults: IssueList) -> None:
        """Begin at the file's first byte."""
        self.departures: list[str] = []
        self._file, self._size, self._faults = file, size, faults
        self._at = 0
        self._odd_padding = False

    def entries(self) -> Iterator[ReadEntry]:
        """Yield the entries in order. Faults go to the list; one that leaves the rest unreadable ends it."""
        try:
            yield from self._entries()
        except InputError as error:
            self._faults.add(error.where, f"{error.what}; what follows was not read")

    def _entries(self) -> Iterator[ReadEntry]:
        pending = _Pending(0)
        count = 0
        while (block := self._block()) is not None:
            header = parse_block(block, f"byte {self._at}")
            self._at += build_tar_header.BLOCK
            pending.header += block
            if header.typeflag in EXTENDED:
                self._extend(header, pending)
                continue
            count += 1
            if count > ENTRIES:
                raise InputError(f"byte {pending.start}", f"it has more than {ENTRIES:,} entries")
            entry = self._entry(header, pending)
            yield entry
            self._pass(entry)
            pending = _Pending(self._at)
        if pending.header:
            self._faults.add(f"byte {pending.start}", "an extended header is followed by no entry")

    def _block(self) -> bytes | None:
        """Return the header block at hand; None at the end, which is checked."""
        self._file.seek(self._at)
        block = self._file.read(build_tar_header.BLOCK)
        if block == _ZERO:
            self._end()
            return None
        if len(block) < build_tar_header.BLOCK:
            what = f"cut short in a header, {len(block)} bytes after its begin" if block else "ends without zero blocks"
            self._faults.add(f"byte {self._at}", what)
            return None
        return block

    def _end(self) -> None:
        """Check what stands at the first zero block: one more, and nothing but zeros after it."""
        after = self._at + 2 * build_tar_header.BLOCK
        if self._file.read(build_tar_header.BLOCK) != _ZERO:
            self._faults.add(
                f"byte {self._at}",
                "it ends with one zero block, not two" + ", and other bytes follow" * (after <= self._size),
            )
            return
        rest = self._size - after
        if rest:
            self.departures.append(f"{rest} bytes follow its two zero blocks")
        at = after
        while at < min(self._size, after + _TAIL):
            held = self._file.read(MIB)
            if junk := held.lstrip(b"\0"):
                self._faults.add(f"byte {at + len(held) - len(junk)}", "junk stands after its end")
                return
            at += len(held) or MIB
        if rest > _TAIL:
            self._faults.add(f"byte {after}", f"{rest} bytes follow its end")

    def _extend(self, header: TarHeader, pending: _Pending) -> None:
        """Take up a pax or GNU header. Raises InputError if it is cut short, too long or not one."""
        where = f"byte {self._at - build_tar_header.BLOCK}"
        if header.size > EXTENDED_MOST:
            raise InputError(where, f"an extended header of {header.size} bytes, more than {EXTENDED_MOST}")
        data = self._file.read(header.size + build_tar_header.padding(header.size))
        if len(data) < header.size + build_tar_header.padding(header.size):
            raise InputError(where, f"an extended header of {header.size} bytes is cut short")
        self._at += len(data)
        pending.header += data
        held = data[: header.size]
        if header.typeflag == GNU_PATH:
            pending.path = held.rstrip(b"\0")
        elif header.typeflag == GNU_LINK:
            pending.link = held.rstrip(b"\0")
        elif header.typeflag == PAX:
            self._take(parse_pax(held, where), pending, where)
        elif header.typeflag == PAX_GLOBAL:
            self.departures.append("it has a global pax header")
            for key in parse_pax(held, where).keys() & set(_FOR_ALL):
                self._faults.add(where, f'a global pax header gives "{key}" to every entry after it')

    def _take(self, records: dict[str, bytes], pending: _Pending, where: str) -> None:
        """Take up the records of a pax header."""
        pending.path = records.get("path", pending.path)
        pending.link = records.get("linkpath", pending.link)
        if "size" in records:
            pending.size = pax_size(records["size"], where)
        pending.sparse = any(key.startswith("GNU.sparse.") for key in records)

    def _entry(self, header: TarHeader, pending: _Pending) -> ReadEntry:
        """Return the entry that a header block and those before it tell of."""
        where = f"byte {pending.start}"
        path = header.path if pending.path is None else pending.path
        size = header.size if pending.size is None else pending.size
        kind = TYPES.get(header.typeflag, f'type "{display_text(header.typeflag)}", which POSIX does not have')
        if kind == "file" and path.endswith(b"/"):  # as before POSIX
            kind = "folder"
        if pending.sparse:
            kind = "GNU sparse file"
        if pending.size is not None and header.size not in (0, pending.size):
            self._faults.add(
                where, f"its pax size is {pending.size} and its header's {header.size}: readers differ in it"
            )
        if size and kind not in _WITH_DATA and header.typeflag in TYPES:
            self._faults.add(where, f"a {kind} says it has {size} bytes of data, and readers differ in that")
            size = 0
        link = header.link if pending.link is None else pending.link
        return ReadEntry(path, kind, link, pending.start, self._at, size, pending.header)

    def _pass(self, entry: ReadEntry) -> None:
        """Go on to the block after an entry's data. Raises InputError if they are cut short."""
        end = entry.offset + entry.size + build_tar_header.padding(entry.size)
        if end > self._size:
            left = max(0, self._size - entry.offset)
            raise InputError(
                f"byte {entry.start}",
                f'"{display_text(entry.path)}" says it has {entry.size} bytes, and {left} are left',
            )
        if entry.size % build_tar_header.BLOCK and not self._odd_padding:
            self._file.seek(entry.offset + entry.size)
            if any(self._file.read(build_tar_header.padding(entry.size))):
                self._odd_padding = True
                self.departures.append(f'the padding of "{display_text(entry.path)}" is not zeros')
        self._at = end
