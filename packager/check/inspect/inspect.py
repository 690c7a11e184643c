"""Detect the kind of a file, from a release or from elsewhere, and call the inspector of that kind.

The kind follows from the first bytes, or from the name if they are not enough. The file is never changed.
"""

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import unquote

from packager.check.inspect import inspect_documents, inspect_tables, inspect_tar, inspect_torrent
from packager.core.bittorrent import magnet
from packager.core.reports.inspection import Facts, FileKind, Inspection
from packager.core.reports.issues import IssueList
from packager.core.shards.parse_tar_header import is_header
from packager.engine.files.limited_read import open_regular
from packager.errors import InputError, TrustError, from_os_error
from packager.paths import display_text

_HEAD = 8192  # bytes that are read to detect the kind
_BOM = b"\xef\xbb\xbf"
_STARTS: tuple[tuple[bytes, FileKind], ...] = (
    (b"PAR1", "members table"),
    (b"\x28\xb5\x2f\xfd", "catalogue"),
    (magnet.SCHEME.encode(), "magnet links"),
)
_NAMES: tuple[tuple[str, FileKind], ...] = (
    (".torrent", "torrent"),
    (".tar", "tar"),
    (".manifest.json", "manifest"),
    ("release.json", "release"),
    (".parquet", "members table"),
    (".tsv.zst", "members table"),
    (".jsonl.zst", "catalogue"),
    (".minisig", "signature"),
    (".pub", "public key"),
)
_DOCUMENT = re.compile(rb'\s*\{.*?"type"\s*:\s*"(manifest|release)"', re.S)
_KNOWN = (
    "name a .torrent, magnet links, a tar, a .manifest.json, a release.json, a .members.parquet or .members.tsv.zst, "
    "a catalogue (.jsonl.zst or .parquet), a .minisig or a .pub"
)
_READERS: Mapping[FileKind, Callable[[Path, IssueList], Facts | None]] = {
    "torrent": inspect_torrent.inspect_torrent,
    "magnet links": inspect_torrent.inspect_magnets,
    "tar": inspect_tar.inspect_tar,
    "manifest": inspect_documents.inspect_manifest,
    "release": inspect_documents.inspect_release,
    "members table": inspect_tables.inspect_members,
    "catalogue": inspect_tables.inspect_catalogue,
    "signature": inspect_documents.inspect_signature,
    "public key": inspect_documents.inspect_public_key,
}


def inspect(what: str) -> Inspection:
    """Return the kind, contents and issues of a file or of a magnet link.

    Raises InputError if the file is not found or its kind is unknown, IncompleteError if it cannot be read.
    """
    faults = IssueList()
    if magnet.is_link(what):
        what = magnet.bare_link(what)
        facts: Facts | None = inspect_torrent.inspect_magnet(what, faults)
        title = what.partition("&")[0] if "@" in unquote(what) else what  # the rest may contain a password
        return _inspection(display_text(title, 200), "magnet links", len(os.fsencode(what)), facts, faults)
    path = Path(what)
    size, head = _look(path)
    kind = _kind(head, path.name)
    if kind is None:
        raise InputError(display_text(what), "is empty" if not size else "is not a known kind of file", _KNOWN)
    facts, read = None, _READERS[kind]
    try:
        if kind == "members table" and inspect_tables.is_catalogue(path):
            kind, read = "catalogue", inspect_tables.inspect_catalogue_table
        if kind == "catalogue" and path.name.endswith(".tsv.zst"):
            kind, read = "members table", inspect_tables.inspect_member_lines
        facts = read(path, faults)
    except (InputError, TrustError) as error:
        faults.add(error.where.removeprefix(display_text(what)).lstrip(": "), error.what)
    return _inspection(display_text(what), kind, size, facts, faults)


def _inspection(file: str, kind: FileKind, size: int, facts: Facts | None, faults: IssueList) -> Inspection:
    """Return the report."""
    return Inspection(
        file=file,
        kind=kind,
        size=size,
        facts=facts,
        fault_count=faults.count,
        faults=faults.kept,
        remarks=tuple(faults.remarks),
    )


def _look(path: Path) -> tuple[int, bytes]:
    """Return a file's size and first bytes."""
    try:
        with open_regular(path) as file:
            return os.fstat(file.fileno()).st_size, file.read(_HEAD)
    except OSError as error:
        raise from_os_error(error, display_text(str(path))) from error


def _kind(head: bytes, name: str) -> FileKind | None:
    """Return the kind of a file by its first bytes, else by its name; None: unknown."""
    text = head.removeprefix(_BOM).lstrip()
    for start, kind in _STARTS:
        if text[: len(start)].lower() == start.lower():
            return kind
    if head.startswith(b"untrusted comment:"):
        return "signature" if b"\ntrusted comment:" in head or name.endswith(".minisig") else "public key"
    if is_header(head[:512]):
        return "tar"
    if re.match(rb"d[0-9]+:", head):
        return "torrent"
    if document := _DOCUMENT.match(head):
        return "manifest" if document[1] == b"manifest" else "release"
    return next((kind for ending, kind in _NAMES if name.endswith(ending)), None)
