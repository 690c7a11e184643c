"""Read the members of a shard's tar, or of another bag in a tar, from its own headers, manifest and records.

Used if the tar's published documents are not available. Only headers are parsed and nothing is unpacked;
names are made safe, links and devices are left out.
"""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import pyarrow as pa

from packager.core.reports.check_reports import MemberIssue
from packager.core.reports.evidence import Evidence
from packager.core.reports.issues import IssueList
from packager.core.shards.bag import MANIFEST
from packager.core.shards.layout import PAYLOAD
from packager.core.shards.records_jsonl import FILE
from packager.engine.files.limited_read import open_regular
from packager.engine.files.range_readers import UnreadableError, read_file
from packager.engine.files.tar_reader import ReadEntry, TarReader
from packager.errors import InputError, from_os_error
from packager.model import KINDS, MEMBERS, TAGS
from packager.paths import display_text, safe_name
from packager.units import MIB

_LINE_MAX = MIB  # bytes of one line of records.jsonl or the manifest that are read
_LINE = re.compile(rb"([0-9A-Fa-f]{64}) [ *](.+)")  # as sha256sum and RFC 8493 2.1.3 write it


@dataclass(frozen=True)
class TarContents:
    """The members that a tar should contain. members: rows of MEMBERS; sha256 is null if it is unknown.

    faults: what cannot be extracted. evidence: the documents that list the members; None: the tar itself.
    """

    name: str
    members: pa.Table
    faults: tuple[MemberIssue, ...]
    evidence: Evidence | None


class _Record(msgspec.Struct):
    """The fields of a line of records.jsonl that are used; a line that does not fit is ignored."""

    path: str
    id: str
    kind: str | None = None
    source_path: str | None = None
    source_path_b64: str | None = None
    title: str | None = None
    artist: str | None = None
    album: str | None = None
    track: int | None = None
    date: str | None = None
    year: int | None = None
    isrc: str | None = None
    duration: float | None = None
    codec: str | None = None
    licence: str | None = None
    popularity: float | None = None
    extra: msgspec.Raw | None = None


@dataclass
class _Bag:
    """The bag that the headers describe: the files' positions in the tar, by their path in it."""

    top: str | None = None
    payload: dict[str, tuple[int, int]] = field(default_factory=dict)  # path below data/: offset, size
    tags: dict[str, tuple[int, int]] = field(default_factory=dict)
    faults: list[MemberIssue] = field(default_factory=list)


def read_tar_contents(tar: Path) -> TarContents:
    """Return the members that a bag in a tar lists. Raises InputError if the tar contains no bag.

    Memory: a few KiB per member.
    """
    bag = _headers(tar)
    if bag.top is None or not bag.payload or MANIFEST not in bag.tags:
        what = f"no published documents were found, and it is not a bag: it has no {PAYLOAD} or no {MANIFEST}"
        raise InputError(
            display_text(str(tar)), what, "name the release with --release, or the manifest with --manifest"
        )
    path = str(tar).encode("utf-8", "surrogateescape")
    digests = _digests(path, *bag.tags[MANIFEST], bag)
    records = _records(path, *bag.tags[FILE], bag) if FILE in bag.tags else {}
    rows = [_row(member, offset, size, digests, records) for member, (offset, size) in bag.payload.items()]
    bag.faults += [
        MemberIssue(id=display_text(member), path=display_text(member), reason="is in the manifest, but not in the tar")
        for member in digests
        if member not in bag.payload
    ]
    name = safe_name(bag.top.encode("utf-8", "surrogateescape"))
    return TarContents(name, pa.Table.from_pylist(rows, MEMBERS), tuple(bag.faults), None)


def _headers(tar: Path) -> _Bag:
    """Return the positions of a tar's files, the last of several with one name; damage ends the reading."""
    bag, faults = _Bag(), IssueList()
    try:
        with open_regular(tar) as file:
            for entry in TarReader(file, os.fstat(file.fileno()).st_size, faults).entries():
                _take(bag, entry)
    except OSError as error:
        raise from_os_error(error, display_text(str(tar))) from error
    if not bag.payload and faults.kept:
        first = faults.kept[0]
        raise InputError(display_text(str(tar)), f"not a readable tar ({first.where}: {first.what})")
    bag.faults += [MemberIssue(id="", path="", reason=f"{fault.where}: {fault.what}") for fault in faults.kept]
    return bag


def _take(bag: _Bag, entry: ReadEntry) -> None:
    """Add an entry to the bag."""
    if entry.type == "folder":
        return
    path = entry.text.removeprefix("./")
    top, _, inside = path.partition("/")
    if entry.type != "file":
        _fault(bag, entry.text, f"a {entry.type}, not a file")
    elif "\0" in path or any(name in ("", ".", "..") for name in path.split("/")):
        _fault(bag, entry.text, "its path leaves the bag or is invalid")
    elif bag.top not in (None, top):
        _fault(bag, entry.text, f"is outside the bag's folder {display_text(bag.top or '')}")
    else:
        bag.top = top
        of = bag.payload if inside.startswith(PAYLOAD) else bag.tags
        of[inside.removeprefix(PAYLOAD)] = entry.offset, entry.size


def _fault(bag: _Bag, path: str, what: str) -> None:
    """Record something that is left out."""
    bag.faults.append(MemberIssue(id="", path=display_text(path), reason=what))


def _lines(path: bytes, start: int, size: int) -> Iterator[bytes]:
    """Yield the lines of a file in the tar, without what exceeds _LINE_MAX; damage ends the reading."""
    held = b""
    try:
        for data in read_file(path, start, start + size):
            *lines, held = (held + data).split(b"\n")
            yield from lines
            if len(held) > _LINE_MAX:
                held = held[:_LINE_MAX]
    except UnreadableError:
        return
    yield held


def _digests(path: bytes, start: int, size: int, bag: _Bag) -> dict[str, bytes]:
    """Return the SHA-256 of payload files by path, from the tar's manifest."""
    found: dict[str, bytes] = {}
    for line in _lines(path, start, size):
        match = _LINE.fullmatch(line.removesuffix(b"\r"))
        name = match[2].decode("utf-8", "surrogateescape") if match else ""
        if match and name.startswith(PAYLOAD):
            member = name.removeprefix(PAYLOAD)
            if member not in bag.payload:
                member = member.replace("%0A", "\n").replace("%0D", "\r").replace("%25", "%")  # RFC 8493 2.1.3
            found[member] = bytes.fromhex(match[1].decode())
    return found


def _records(path: bytes, start: int, size: int, bag: _Bag) -> dict[str, _Record]:
    """Return the record of each payload file in records.jsonl."""
    found: dict[str, _Record] = {}
    decoder = msgspec.json.Decoder(_Record)
    for line in _lines(path, start, size):
        try:
            record = decoder.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            continue
        if record.path in bag.payload:
            found[record.path] = record
    return found


def _row(
    member: str, offset: int, size: int, digests: dict[str, bytes], records: dict[str, _Record]
) -> dict[str, object]:
    """Return a row of the members table, with a safe path."""
    exact = member.encode("utf-8", "surrogateescape")
    path = "/".join(safe_name(name) for name in exact.split(b"/"))
    record = records.get(member)
    row: dict[str, object] = {"id": path, "path": path, "kind": "other", "offset": offset, "size": size}
    row["sha256"] = digests.get(member) or None
    if record is None:
        return row
    tags = {name: getattr(record, name) for name in TAGS.names if name != "extra"}
    for name in ("track", "year"):
        tags[name] = tags[name] if tags[name] is not None and abs(tags[name]) < 1 << 31 else None
    extra = bytes(record.extra).decode("utf-8", "replace") if record.extra is not None else None
    source = {"source_path": record.source_path, "source_path_b64": record.source_path_b64}
    return {
        **row,
        **tags,
        **source,
        "id": record.id,
        "kind": record.kind if record.kind in KINDS else "other",
        "extra": extra,
    }
