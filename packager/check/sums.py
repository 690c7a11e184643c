"""Lines of digests and paths: a sha256sum file as coreutils write it, or a bag's manifest (RFC 8493 2.1.3). Pure."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from packager.errors import InputError
from packager.paths import shown

BY_DIGITS = {32: "md5", 40: "sha1", 56: "sha224", 64: "sha256", 96: "sha384", 128: "sha512"}
ALGORITHMS = frozenset(BY_DIGITS.values())
_LINE = re.compile(rb"(\\?)([0-9A-Fa-f]{32,128}) [ *](.+)", re.S)
_TAGGED = re.compile(rb"(\\?)(MD5|SHA1|SHA224|SHA256|SHA384|SHA512) \((.+)\) = ([0-9A-Fa-f]{32,128})", re.S)
_MANIFEST = re.compile(rb"([0-9A-Fa-f]{32,128})[ \t]+\*?(.+)", re.S)
_ESCAPED = {b"\\n": b"\n", b"\\r": b"\r", b"\\\\": b"\\"}  # coreutils' manual, "cksum output modes"


@dataclass(frozen=True)
class Sum:
    """The digest that the file at a relative path should have. algorithm: hashlib's name."""

    path: bytes
    algorithm: str
    digest: bytes


def parse_sums(data: bytes, where: object) -> list[Sum]:
    """Return what a sums file lists: "HEX  PATH", "HEX *PATH" or "SHA256 (PATH) = HEX", a line each.

    The digits say which algorithm. Raises InputError naming the first line that is none of these, whose path
    leaves the folder, or whose path stood before.
    """
    sums = []
    for number, line in _lines(data):
        place = f"{where}: line {number}"
        if match := _TAGGED.fullmatch(line):
            escaped, path, digits = match[1], match[3], match[4]
            if BY_DIGITS.get(len(digits)) != match[2].decode().lower():
                raise InputError(place, f"{len(digits)} hex digits are no {match[2].decode()}")
        elif match := _LINE.fullmatch(line):
            escaped, digits, path = match[1], match[2], match[3]
        else:
            raise InputError(place, f'"{shown(line, 80)}" is not a digest and a path')
        if escaped:
            path = re.sub(rb"\\[nr\\]", lambda found: _ESCAPED[found[0]], path)
        sums.append(Sum(_checked(path, place), _algorithm(digits, place), bytes.fromhex(digits.decode())))
    _check_once(sums, where)
    return sums


def parse_manifest(data: bytes, algorithm: str, where: object) -> list[Sum]:
    """Return what a bag's manifest lists; %0A, %0D and %25 in its paths are decoded. Raises InputError."""
    sums = []
    for number, line in _lines(data):
        place = f"{where}: line {number}"
        match = _MANIFEST.fullmatch(line)
        if match is None or BY_DIGITS.get(len(match[1])) != algorithm:
            raise InputError(place, f'"{shown(line, 80)}" is not a {algorithm} digest and a path')
        path = _checked(match[2].removeprefix(b"./"), place)
        sums.append(Sum(path, algorithm, bytes.fromhex(match[1].decode())))
    _check_once(sums, where)
    return sums


def decoded(path: bytes) -> bytes:
    """Return a manifest's path with RFC 8493 2.1.3's percent-encoding taken back."""
    codes = {b"%0A": b"\n", b"%0D": b"\r", b"%25": b"%"}
    return re.sub(rb"%(?:0[AaDd]|25)", lambda found: codes[found[0].upper()], path)


def _lines(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield (number, line) of lines with something in them."""
    for number, line in enumerate(data.removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1):
        text = line.removesuffix(b"\r")
        if text.strip():
            yield number, text


def _algorithm(digits: bytes, place: str) -> str:
    """Return the algorithm whose digests have this many hex digits."""
    name = BY_DIGITS.get(len(digits))
    if name is None:
        raise InputError(place, f"{len(digits)} hex digits are no MD5, SHA-1 or SHA-2")
    return name


def _checked(path: bytes, place: str) -> bytes:
    """Return a path that stays below its folder. Raises InputError for another."""
    names = path.removeprefix(b"./").split(b"/")
    if b"\0" in path or any(name in (b"", b".", b"..") for name in names):
        raise InputError(place, f'"{shown(path)}" leaves the folder, or is not a path')
    return b"/".join(names)


def _check_once(sums: Iterable[Sum], where: object) -> None:
    """Raise InputError where a path stands twice with different digests."""
    seen: dict[tuple[bytes, str], bytes] = {}
    for entry in sums:
        if seen.setdefault((entry.path, entry.algorithm), entry.digest) != entry.digest:
            raise InputError(where, f'lists "{shown(entry.path)}" twice, with different digests')
