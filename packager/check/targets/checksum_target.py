"""Verify the files of a folder against a list of digests, as sha256sum, openssl and others write it."""

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from packager.check.targets.find_files import SafeFolder
from packager.check.targets.target import Inventory, VerifyTarget
from packager.core.reports.evidence import Evidence
from packager.core.reports.faults import file_fault
from packager.core.shards.checksum_file import NAMELESS, ListedDigest, parse_checksum_file
from packager.engine.files.limited_read import read_limited
from packager.engine.hashing.check_tasks import FileDigestCheck
from packager.errors import InputError
from packager.paths import display_text
from packager.units import count_of

_LIMIT = 256 << 20  # bytes of a list


def checksum_target(path: Path, sums: Path) -> VerifyTarget:
    """Return the target for a list of digests; lines that cannot be read are faults.

    path: the folder that its paths are relative to, or one file in it. Raises InputError if the list has no digest or
    does not list that file.
    """
    folder = path if path.is_dir() else path.parent
    where = display_text(str(sums))
    tops = dict.fromkeys((os.fsencode(os.path.abspath(folder)), os.path.realpath(os.fsencode(folder))))
    listed = parse_checksum_file(read_limited(sums, _LIMIT), where, folders=list(tops), name=sums.name)
    chosen = listed.sums
    faults = [file_fault("unreadable", os.fsencode(sums), what) for what in listed.unread]
    if listed.unread_count > len(listed.unread):
        more = count_of(listed.unread_count - len(listed.unread), "more line")
        faults.append(file_fault("unreadable", os.fsencode(sums), f"{more} without a digest and a path"))
    if path.is_dir() and all(each.path in NAMELESS and not (path / os.fsdecode(each.path)).exists() for each in chosen):
        raise InputError(where, "its digest has no path", "name its file: packager verify FILE --sums LIST")
    if not path.is_dir():
        faults, chosen = [], _lines_of(path, sums, chosen)
    inside = SafeFolder(folder)
    by_path: dict[bytes, list[ListedDigest]] = {}
    for entry in chosen:
        by_path.setdefault(entry.path, []).append(entry)
    files: list[FileDigestCheck | None] = []
    for name, entries in by_path.items():
        found = inside.find_any(*_readings(name))
        faults += found.faults
        digests = tuple(dict.fromkeys((entry.algorithm, entry.digest) for entry in entries))
        files.append(None if found.size is None else FileDigestCheck(found.path, found.size, digests, found.stamp))
    look = Inventory(faults=faults, files=files)
    return VerifyTarget(
        path=path,
        kind="sums",
        checked_against=where,
        evidence=Evidence(kind="list", name=where),
        size=sum(file.size for file in files if file),
        files=len(files),
        look=lambda: look,
    )


def _lines_of(path: Path, sums: Path, listed: list[ListedDigest]) -> list[ListedDigest]:
    """Return a list's digests of one file; its path is relative to the file's folder or to the list's."""
    name = os.fsencode(path.name)
    from_list = os.path.relpath(os.path.abspath(os.fsencode(path)), os.path.abspath(os.fsencode(sums.parent)))
    for wanted in dict.fromkeys((name, from_list)):
        if found := [ListedDigest(name, each.algorithm, each.digest) for each in listed if each.path == wanted]:
            return found
    if len(listed) == 1 and listed[0].path in NAMELESS:
        return [replace(listed[0], path=name)]
    raise InputError(display_text(str(sums)), f'does not list "{display_text(name)}"')


def _readings(path: bytes) -> Iterator[bytes]:
    """Yield the possible readings of a path: unchanged, without leading white space, with Windows backslashes."""
    yield path
    for other in (path.lstrip(b" \t"), path.replace(b"\\", b"/").removeprefix(b"./")):
        if other != path and not any(name in (b"", b".", b"..") for name in other.split(b"/")):
            yield other
