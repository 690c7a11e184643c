"""A bag in a folder (RFC 8493), any maker's, held against its own manifests and tag manifests."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from packager.check.places import Folder
from packager.check.subject import Look, Subject
from packager.check.sums import ALGORITHMS, Sum, decoded, parse_manifest
from packager.engine.limited import read_limited
from packager.engine.pieces import WholeFile
from packager.errors import InputError, from_os_error
from packager.evidence import Evidence
from packager.faults import Fault, FaultKind, file_fault
from packager.layout import PAYLOAD
from packager.paths import shown

DECLARATION = "bagit.txt"
_LIMIT = 256 << 20  # bytes of a manifest
_TAG_LIMIT = 1 << 20  # of bagit.txt and bag-info.txt
_NAME = re.compile(r"(tag)?manifest-([a-z0-9]+)\.txt")
_OXUM = re.compile(rb"^Payload-Oxum[ \t]*:[ \t]*(\d{1,18})\.(\d{1,18})[ \t]*\r?$", re.M | re.I)


def is_bag(folder: Path) -> bool:
    """Say whether a folder is a bag: it holds bagit.txt."""
    return (folder / DECLARATION).is_file()


def bag_subject(folder: Path) -> Subject:
    """Return a bag as what to check.

    Each file is read once, for all of the bag's algorithms. Raises InputError where a manifest is broken or none
    is there. Memory: some hundred bytes a file.
    """
    names = [match for path in sorted(folder.iterdir()) if (match := _NAME.fullmatch(path.name)) is not None]
    if not any(not match[1] for match in names):
        raise InputError(shown(str(folder)), "a bag without a manifest", "is it whole?")
    _check_encoding(folder)
    listed: dict[bytes, list[Sum]] = {}
    payload: list[set[bytes]] = []
    for match in names:
        if match[2] not in ALGORITHMS:
            raise InputError(shown(str(folder / match[0])), f'"{match[2]}" is no algorithm that is known here')
        sums = parse_manifest(read_limited(folder / match[0], _LIMIT), match[2], shown(str(folder / match[0])))
        for entry in sums:
            if entry.path.startswith(PAYLOAD.encode()) == bool(match[1]):
                what = f'"{shown(entry.path)}" cannot stand in this manifest'
                raise InputError(shown(str(folder / match[0])), what)
            listed.setdefault(entry.path, []).append(entry)
        if not match[1]:
            payload.append({entry.path for entry in sums})
    found = look(folder, listed, payload)
    return Subject(
        path=folder,
        kind="bag",
        against=", ".join(match[0] for match in names),
        evidence=Evidence(kind="bag", name=", ".join(match[0] for match in names)),
        size=sum(file.size for file in found.files if file),
        pieces=0,
        files=len(found.files),
        quick=lambda: found.faults,
        look=lambda: found,
    )


def _check_encoding(folder: Path) -> None:
    """Raise InputError where the bag's tag files are in an encoding other than UTF-8 or its parts."""
    text = read_limited(folder / DECLARATION, _TAG_LIMIT).decode("utf-8-sig", "replace")
    match = re.search(r"^Tag-File-Character-Encoding[ \t]*:[ \t]*(\S+)", text, re.M | re.I)
    if match and match[1].upper() not in {"UTF-8", "UTF8", "US-ASCII", "ASCII"}:
        raise InputError(shown(str(folder / DECLARATION)), f'"{shown(match[1])}" tag files are not read, only UTF-8')


def extra_faults(folder: Path, known: Iterable[str]) -> list[Fault]:
    """Return the faults of files that stand in a bag's payload and are none of `known`, paths below the bag."""
    inside = Folder(folder)
    paths = {inside.path + b"/" + path.encode() for path in known}
    return [file_fault("extra", path, "not in the shard") for path, _ in _payload(inside, folder) if path not in paths]


def look(
    folder: Path, listed: Mapping[bytes, Sequence[Sum]], payload: Sequence[set[bytes]] = (), *, oxum: bool = True
) -> Look:
    """Return the look at a bag's files.

    listed: the digests of each by its path as a manifest has it. payload: what each payload manifest lists; each
    must list every file of the payload (RFC 8493 3). oxum: hold the payload against bag-info.txt's Payload-Oxum.
    """
    inside = Folder(folder)
    faults: list[Fault] = []
    files: list[WholeFile | None] = []
    known = set[bytes]()
    for path, sums in listed.items():
        found = inside.find(decoded(path))
        if found.size is None and b"%" in path:
            found = min((found, inside.find(path)), key=lambda each: each.size is None)  # not encoded by its maker
        known.add(found.path)
        faults += found.faults
        digests = tuple((entry.algorithm, entry.digest) for entry in sums)
        files.append(None if found.size is None else WholeFile(found.path, found.size, digests, found.stamp))
        if path.startswith(PAYLOAD.encode()) and any(path not in paths for paths in payload):
            faults.append(file_fault("extra", found.path, "not in every manifest of the bag"))
    octets = count = 0
    for path, size in _payload(inside, folder):
        octets, count = octets + size, count + 1
        if path not in known:
            faults.append(file_fault("extra", path, "not in the bag's manifest"))
    if oxum:
        faults += _oxum_faults(folder, octets, count)
    return Look(faults=faults, files=files)


def _payload(inside: Folder, folder: Path) -> Iterator[tuple[bytes, int]]:
    """Yield (path, size) of the files that stand in the payload."""
    try:
        for relative, size in inside.walk(PAYLOAD.rstrip("/").encode()):
            yield inside.path + b"/" + relative, size
    except FileNotFoundError:
        return
    except OSError as error:
        raise from_os_error(error, shown(error.filename or str(folder)), "mend the rights") from error


def _oxum_faults(folder: Path, octets: int, count: int) -> list[Fault]:
    """Return the fault of a payload that has not the bytes and files that bag-info.txt says (RFC 8493 2.2.2)."""
    info = folder / "bag-info.txt"
    if not info.is_file():
        return []
    match = _OXUM.search(read_limited(info, _TAG_LIMIT))
    if match is None or (int(match[1]), int(match[2])) == (octets, count):
        return []
    kind: FaultKind = "long" if (octets, count) > (int(match[1]), int(match[2])) else "short"
    what = f"{count} files of {octets} bytes, and Payload-Oxum is {match[1].decode()}.{match[2].decode()}"
    return [file_fault(kind, bytes(folder) + b"/" + PAYLOAD.encode(), what)]
