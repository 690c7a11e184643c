"""Inspect any tar, entry by entry: its contents, its faults, and whether its bytes are like a shard's.

Nothing is written, no link is followed, and the entries' data is skipped.
"""

import os
from pathlib import Path

from packager.core.reports.inspection import BagFacts, TarEntry, TarFacts
from packager.core.reports.issues import LISTED, IssueList
from packager.core.shards import bag, records_jsonl
from packager.core.shards import build_tar_header as tars
from packager.core.shards.layout import PAYLOAD
from packager.core.shards.portable_paths import PathChecks
from packager.engine.files.limited_read import open_regular
from packager.engine.files.tar_reader import ReadEntry, TarReader
from packager.errors import from_os_error
from packager.paths import display_text, encode_path

DEPARTURES = 10  # that are reported
_LEADING = ("bagit.txt", "bag-info.txt", records_jsonl.FILE)  # before the payload, in order
_RANKS = {name: rank for rank, name in enumerate((*_LEADING, PAYLOAD, bag.MANIFEST, bag.TAGMANIFEST))}
_LINKS = ("hard link", "symbolic link")


def inspect_tar(path: Path, faults: IssueList) -> TarFacts:
    """Return the contents of a tar. Raises IncompleteError if it cannot be read. Memory: about 100 bytes per entry."""
    try:
        with open_regular(path) as file:
            reader = TarReader(file, os.fstat(file.fileno()).st_size, faults)
            found = _Found(faults)
            for entry in reader.entries():
                found.add(entry)
    except OSError as error:
        raise from_os_error(error, display_text(str(path))) from error
    bag_facts = found.bag.facts(faults)
    departures = [*found.departures, *found.bag.departures(), *reader.departures]
    return TarFacts(
        entry_count=found.count,
        payload=found.payload,
        bag=bag_facts,
        deterministic=not departures and not faults.count,
        departures=tuple(departures[:DEPARTURES]),
        entries=tuple(_listed(entry, found.bag if bag_facts else None) for entry in found.entries),
    )


class _Found:
    """The totals and faults of a tar's entries."""

    def __init__(self, faults: IssueList) -> None:
        self.count = self.payload = 0
        self.entries: list[ReadEntry] = []
        self.bag = _Bag()
        self.departures: list[str] = []
        self._checks, self._faults = PathChecks(), faults

    def add(self, entry: ReadEntry) -> None:
        """Add one entry."""
        self.count += 1
        self.payload += entry.size
        if len(self.entries) < LISTED:
            self.entries.append(entry)
        self._check(entry)
        self.bag.add(entry)
        if len(self.departures) < DEPARTURES and not _is_ours(entry):
            self.departures.append(f'the header of "{display_text(entry.path)}" is different in a shard')

    def _check(self, entry: ReadEntry) -> None:
        """Add the faults of an entry's path and type."""
        where, name = f"byte {entry.start}", display_text(entry.path)
        if entry.type == "folder":
            self._faults.add_all(where, PathChecks().faults(entry.text.rstrip("/")))
            return
        self._faults.add_all(where, self._checks.faults(entry.text))
        if entry.type in _LINKS:
            self._faults.add(
                where, f'"{name}" is a {entry.type} to "{display_text(entry.link)}", which may lead anywhere'
            )
        elif entry.type != "file":
            self._faults.add(where, f'"{name}" is not a plain file: {entry.type}')


def _is_ours(entry: ReadEntry) -> bool:
    """Return whether an entry's header blocks are those that `core/shards/build_tar_header` writes."""
    try:
        path = entry.path.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return entry.type == "file" and entry.header == tars.build_tar_header(path, entry.size)


class _Bag:
    """The bag in a tar: the folder of the first entry, if it contains bagit.txt (RFC 8493, section 4)."""

    def __init__(self) -> None:
        self.name: bytes | None = None
        self._is_bag = False
        self._outside: bytes | None = None
        self._tag_files: list[bytes] = []
        self._payload_files = self._payload = 0
        self._ranks: list[int] = []  # one for each change

    def add(self, entry: ReadEntry) -> None:
        """Add one entry."""
        name, _, inner = entry.path.partition(b"/")
        if self.name is None:
            self.name = name
        if name != self.name:
            self._outside = self._outside or entry.path
        if entry.type != "file" or name != self.name:
            return
        self._is_bag = self._is_bag or inner == b"bagit.txt"
        if inner.startswith(PAYLOAD.encode()):
            self._payload_files += 1
            self._payload += entry.size
        elif len(self._tag_files) < LISTED:
            self._tag_files.append(inner)
        rank = _RANKS.get(PAYLOAD if inner.startswith(PAYLOAD.encode()) else inner.decode("utf-8", "replace"), -1)
        if self._ranks[-1:] != [rank] and len(self._ranks) <= LISTED:
            self._ranks.append(rank)

    def facts(self, faults: IssueList) -> BagFacts | None:
        """Return the bag, None if there is none; add its faults."""
        if not self._is_bag or self.name is None:
            return None
        if self._outside is not None:
            faults.add("", f'"{display_text(self._outside)}" is outside the bag "{display_text(self.name)}"')
        if not any(name.startswith(b"manifest-") and name.endswith(b".txt") for name in self._tag_files):
            faults.add("", f'the bag "{display_text(self.name)}" has no manifest, such as {bag.MANIFEST}')
        return BagFacts(
            name=encode_path(self.name)[0],
            payload_files=self._payload_files,
            payload=self._payload,
            tag_files=tuple(encode_path(name)[0] for name in self._tag_files),
        )

    def departures(self) -> list[str]:
        """Return how its files differ from a shard's in names or order."""
        if not self._is_bag:
            return ["it contains no bag"]
        ranks = [rank for rank in self._ranks if rank != _RANKS[PAYLOAD]]
        tag_files = [rank for rank in _RANKS.values() if rank != _RANKS[PAYLOAD]]
        if ranks != tag_files or self._ranks != sorted(self._ranks):
            return ["its tag files or their order differ from a shard's"]
        return []


def _listed(entry: ReadEntry, own: _Bag | None) -> TarEntry:
    """Return an entry as the report lists it."""
    path, exact = encode_path(entry.path)
    within = own is not None and entry.type == "file" and entry.path.startswith((own.name or b"") + b"/")
    payload = within and entry.path.partition(b"/")[2].startswith(PAYLOAD.encode())
    return TarEntry(
        path=path,
        path_b64=exact,
        type=entry.type,
        link=encode_path(entry.link)[0] if entry.type in _LINKS else None,
        offset=entry.offset,
        size=entry.size,
        bag=("payload" if payload else "tag file") if within else None,
    )
