"""Verify a bag in a folder (RFC 8493), made by any program, against its own manifests and tag manifests."""

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from packager.check.targets.find_files import SafeFolder
from packager.check.targets.target import Inventory, VerifyTarget
from packager.core.bittorrent.unfinished_names import final_name, unfinished_sentence
from packager.core.reports.evidence import Evidence
from packager.core.reports.faults import Fault, FaultKind, file_fault
from packager.core.shards.checksum_file import ListedDigest, check_bag_path, decode_text, parse_bag_manifest, tag_lines
from packager.core.shards.digest_algorithms import algorithm_named
from packager.core.shards.layout import PAYLOAD
from packager.engine.files.limited_read import read_limited
from packager.engine.hashing.check_tasks import FileDigestCheck
from packager.errors import InputError, from_os_error
from packager.paths import display_text

DECLARATION = "bagit.txt"
FETCH = "fetch.txt"
_LIMIT = 256 << 20  # bytes of a manifest, or of fetch.txt
_TAG_LIMIT = 1 << 20  # of bagit.txt and bag-info.txt
_NAME = re.compile(r"(tag)?manifest-([a-z0-9]+(?:[_-][0-9]+)?)\.txt")  # bagit-python writes sha3_256
_DECLARED = re.compile(
    r"BagIt-Version: (0\.9[3-7]|1\.[0-9]+)(?:\r\n|\n|\r)"
    r"Tag-File-Character-Encoding: ([A-Za-z0-9._:-]{1,40})(?:\r\n|\n|\r)?"
)  # RFC 8493 2.1.1, and the versions before it
_OXUM = re.compile(r"^Payload-Oxum[ \t]*:\s*(.*?)[ \t]*$", re.M | re.I | re.A)
_OCTETS_COUNT = re.compile(r"([0-9]{1,18})\.([0-9]{1,18})")
_INFO = ("bag-info.txt", "package-info.txt")  # the second name until version 0.95
_EVERY = "1."  # versions from which each manifest lists every file (RFC 8493 3)


def is_bag(folder: Path) -> bool:
    """Return whether a folder is a bag, which contains bagit.txt."""
    return (folder / DECLARATION).is_file()


def bag_target(folder: Path) -> VerifyTarget:
    """Return the target for a bag.

    Each file is read once, for all of the bag's algorithms. Raises InputError if a tag file is broken, the manifest
    is missing or empty, or a path leaves the bag. Memory: a few hundred bytes per file.
    """
    where = display_text(str(folder))
    every = [match for path in sorted(folder.iterdir()) if (match := _NAME.fullmatch(path.name)) is not None]
    names = [match for match in every if algorithm_named(match[2])]
    unknown = next((match for match in every if not match[1] and match not in names), None)
    if unknown and not any(not match[1] for match in names):
        raise InputError(display_text(str(folder / unknown[0])), f'the algorithm "{unknown[2]}" is not supported')
    if not any(not match[1] for match in names):
        raise InputError(where, "a bag without a manifest", "check that the bag is complete")
    if not (folder / PAYLOAD).is_dir():
        raise InputError(where, f"a bag without {PAYLOAD}", "check that the bag is complete")
    version, encoding = _declared(folder)
    listed: dict[bytes, list[ListedDigest]] = {}
    payload: list[set[bytes]] = []
    for match in names:
        text = _tag_file(folder, match[0], encoding, _LIMIT)
        algorithm = algorithm_named(match[2]) or ""
        for entry in (sums := parse_bag_manifest(text, algorithm, display_text(str(folder / match[0])))):
            if entry.path.startswith(PAYLOAD.encode()) == bool(match[1]):
                what = f'"{display_text(entry.path)}" must not be in this manifest'
                raise InputError(display_text(str(folder / match[0])), what)
            listed.setdefault(entry.path, []).append(entry)
        if not match[1]:
            payload.append({entry.path for entry in sums})
    if not any(payload):
        raise InputError(where, "its manifests list no files, so nothing can be checked")
    _check_fetch(folder, encoding, set().union(*payload))
    found = find_bag_files(folder, listed, payload if version.startswith(_EVERY) else (), encoding=encoding)
    return VerifyTarget(
        path=folder,
        kind="bag",
        checked_against=", ".join(match[0] for match in names),
        evidence=Evidence(kind="bag", name=", ".join(match[0] for match in names)),
        size=sum(file.size for file in found.files if file),
        files=len(found.files),
        look=lambda: found,
    )


def _declared(folder: Path) -> tuple[str, str]:
    """Return a bag's version and the encoding of its other tag files. Raises InputError if bagit.txt is wrong."""
    where = display_text(str(folder / DECLARATION))
    match = _DECLARED.fullmatch(read_limited(folder / DECLARATION, _TAG_LIMIT).decode("utf-8", "replace"))
    if match is None:
        what = "is not the two lines of a BagIt declaration, in UTF-8 without a byte order mark"
        raise InputError(where, what, "see RFC 8493 2.1.1")
    try:
        "".encode(match[2])
    except (LookupError, UnicodeError):
        raise InputError(where, f'"{display_text(match[2])}" is not a known text encoding') from None
    return match[1], match[2]


def _tag_file(folder: Path, name: str, encoding: str, limit: int) -> bytes:
    """Return a tag file of a bag in UTF-8. Raises InputError if it is not in the bag's encoding."""
    data = read_limited(folder / name, limit)
    if encoding.upper() in {"UTF-8", "UTF8", "US-ASCII", "ASCII"}:
        return data  # file names that are not UTF-8 are kept
    try:
        return data.decode(encoding).removeprefix("\ufeff").encode()
    except (UnicodeError, LookupError):
        raise InputError(
            display_text(str(folder / name)), f"is not in {display_text(encoding)}, the bag's encoding"
        ) from None


def _check_fetch(folder: Path, encoding: str, payload: set[bytes]) -> None:
    """Raise InputError if a line of fetch.txt is malformed, leaves data/, or is in no manifest."""
    if not (folder / FETCH).is_file():
        return
    text = _tag_file(folder, FETCH, encoding, _LIMIT)
    listed = {decode_text(path) for path in payload}
    for number, line in tag_lines(text):
        place = f"{display_text(str(folder / FETCH))}: line {number}"
        parts = line.split(None, 2)
        if len(parts) != 3 or not re.fullmatch(rb"-|[0-9]{1,18}", parts[1]) or b":" not in parts[0]:
            raise InputError(place, f'"{display_text(line, 80)}" is not a URL, a length and a path')
        path = decode_text(check_bag_path(parts[2].removeprefix(b"./"), place))
        if not path.startswith(PAYLOAD.encode()):
            raise InputError(place, f'"{display_text(path)}" is not in {PAYLOAD}')
        if path not in listed and parts[2] not in payload:
            raise InputError(place, f'"{display_text(path)}" is in no manifest of the bag')


def extra_faults(folder: Path, known: Iterable[str]) -> list[Fault]:
    """Return the faults of payload files that are not in `known`, paths below the bag."""
    inside = SafeFolder(folder)
    paths = {inside.path + b"/" + path.encode() for path in known}
    extra = (path for path, _ in _payload(inside, folder) if path not in paths)
    return [file_fault("extra", path, _unfinished(path) or "not in the shard") for path in extra]


def _unfinished(path: bytes) -> str:
    """Return the sentence for an unfinished download, "" if the file is not one."""
    name = os.fsdecode(os.path.basename(path))
    final = final_name(name)
    return unfinished_sentence(name, final) if final else ""


def find_bag_files(
    folder: Path,
    listed: Mapping[bytes, Sequence[ListedDigest]],
    payload: Sequence[set[bytes]] = (),
    *,
    oxum: bool = True,
    encoding: str = "UTF-8",
) -> Inventory:
    """Return the inventory of a bag's files.

    listed: the digests of each file by its path in a manifest. payload: the paths in each payload manifest; each
    must list every payload file (RFC 8493 3). oxum: compare the payload with Payload-Oxum in bag-info.txt.
    encoding: of bag-info.txt.
    """
    inside = SafeFolder(folder)
    faults: list[Fault] = []
    files: list[FileDigestCheck | None] = []
    known = set[bytes]()
    for path, sums in listed.items():
        found = inside.find_any(decode_text(path), path)  # some programs do not encode it
        if found.path in known:  # another path of the manifest
            found = inside.find(decode_text(path))
        known.add(found.path)
        faults += found.faults
        digests = tuple((entry.algorithm, entry.digest) for entry in sums)
        files.append(None if found.size is None else FileDigestCheck(found.path, found.size, digests, found.stamp))
        if path.startswith(PAYLOAD.encode()) and any(path not in paths for paths in payload):
            faults.append(file_fault("extra", found.path, "not in every manifest of the bag"))
    octets = count = 0
    for path, size in _payload(inside, folder):
        octets, count = octets + size, count + 1
        if path not in known:
            faults.append(file_fault("extra", path, _unfinished(path) or "not in the bag's manifest"))
    if oxum:
        faults += _oxum_faults(folder, octets, count, encoding)
    return Inventory(faults=faults, files=files)


def _payload(inside: SafeFolder, folder: Path) -> Iterator[tuple[bytes, int]]:
    """Yield (path, size) of the payload files on disk."""
    try:
        for relative, size in inside.walk(PAYLOAD.rstrip("/").encode()):
            yield inside.path + b"/" + relative, size
    except FileNotFoundError:
        return
    except OSError as error:
        raise from_os_error(error, display_text(error.filename or str(folder)), "fix the permissions") from error


def _oxum_faults(folder: Path, octets: int, count: int, encoding: str) -> list[Fault]:
    """Return the fault if the payload's bytes and files differ from Payload-Oxum in bag-info.txt (RFC 8493 2.2.2)."""
    for name in _INFO:
        if not (folder / name).is_file():
            continue
        text = _tag_file(folder, name, encoding, _TAG_LIMIT).decode("utf-8", "replace").replace("\r", "\n")
        for oxum in _OXUM.findall(text):
            if (match := _OCTETS_COUNT.fullmatch(oxum)) is None:
                what = f'Payload-Oxum is "{display_text(oxum, 40)}", not OCTETS.FILES'
                return [file_fault("unreadable", bytes(folder / name), what)]
            if (int(match[1]), int(match[2])) == (octets, count):
                continue
            kind: FaultKind = "long" if (octets, count) > (int(match[1]), int(match[2])) else "short"
            what = f"{count} files of {octets} bytes, but Payload-Oxum is {match[0]}"
            return [file_fault(kind, bytes(folder) + b"/" + PAYLOAD.encode(), what)]
    return []
