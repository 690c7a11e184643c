"""Lists of digests and paths: what coreutils, openssl and the BSDs' tools write, or a bag's manifest. Pure.

A bag's manifest is strict (RFC 8493 2.1.3). Of any other list, each line is read for itself: those that cannot be
read are reported by their number, and the others are used.
"""

import base64
import binascii
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from urllib.parse import unquote_to_bytes

from packager.core.shards.digest_algorithms import algorithm_of_tag, algorithms_of_size, digest_size
from packager.errors import InputError
from packager.paths import display_text

# "HEX  PATH", "HEX *PATH", "HEX PATH"
_PLAIN = re.compile(rb"[ \t]*(\\?)([0-9A-Fa-f]{16,128})(?: [ *]|[ \t])(.+)", re.S)
_ALONE = re.compile(rb"(?:\(stdin\) ?= ?)?([0-9A-Fa-f]{32,128})[ \t]*")  # what a tool writes of its standard input
NAMELESS = (b"-", b"stdin")  # what stands for the path of that
_ARMOR = re.compile(  # around a list that is signed; a line with a digest and a path is no part of it
    rb"^-----BEGIN PGP SIGNED MESSAGE-----(?:\r?\n(?:Hash|NotDashEscaped|Comment|Charset): [^\n]*)*"
    rb"|^-----BEGIN PGP SIGNATURE-----\r?\n(?:(?:Version|Comment): [^\n]*\n)*(?:[A-Za-z0-9+/=]*\r?\n)*"
    rb"-----END PGP SIGNATURE-----",
    re.M,
)
_TAGGED = re.compile(rb"(\\?)([A-Za-z][A-Za-z0-9/_-]{1,15}) ?\((.+)\) ?= ?([0-9A-Fa-f:]+|[0-9A-Za-z+/]+={0,2})", re.S)
_MANIFEST = re.compile(rb"([0-9A-Fa-f]{2,128})[ \t]+\*?(.+)", re.S)
_OUTSIDE = re.compile(rb"~|[A-Za-z]:[\\/]|\\")  # a home, a drive, a share: RFC 8493 2.1.3 names them
_ESCAPED = {b"\\n": b"\n", b"\\r": b"\r", b"\\\\": b"\\"}  # coreutils' manual, "cksum output modes"
_COMMENTS = (b"#", b";")
_UNREAD = 20  # lines that are reported one by one


@dataclass(frozen=True)
class ListedDigest:
    """The digest that the file at a relative path should have. algorithm: as digest_algorithms names it."""

    path: bytes
    algorithm: str
    digest: bytes


@dataclass
class ChecksumList:
    """What a list of digests says. unread: a sentence for each line that could not be read, for the first of them."""

    sums: list[ListedDigest] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)
    unread_count: int = 0

    def skip(self, error: InputError) -> None:
        """Note a line that cannot be read."""
        self.unread_count += 1
        if self.unread_count <= _UNREAD:
            self.unread.append(f"{error.where}: {error.what}")


def parse_checksum_file(data: bytes, where: object, *, folders: Sequence[bytes] = (), name: str = "") -> ChecksumList:
    """Return what a list of digests says, line by line.

    "HEX  PATH", "HEX *PATH", "HEX PATH", "SHA256 (PATH) = HEX" and "SHA2-256(PATH)= HEX", with LF, CRLF, CR or NUL
    (sha256sum -z) between lines, escaped names, comments, a byte order mark and PGP's armor. A digest alone gets the
    path "-". folders: the absolute paths of the folder that is checked; an absolute path below one of them is that
    file. name: the list's own name. Raises InputError if it has no digest at all.
    """
    read = [_parse_lines(each, folders, name) for each in _readings(data)]
    found = max(read, key=lambda each: len(each.sums))
    if not found.sums:
        what = f"it lists no digest{f'; {found.unread[0]}' if found.unread else ''}"
        raise InputError(where, what, "name a list as sha256sum writes it")
    return found


def _parse_lines(numbered: Iterable[tuple[int, bytes]], folders: Sequence[bytes], name: str) -> ChecksumList:
    """Return what numbered lines say; comments say nothing."""
    found = ChecksumList()
    for number, line in numbered:
        if line.strip() and not line.startswith(_COMMENTS):
            try:
                found.sums.append(_parse_line(line, f"line {number}", folders, name))
            except InputError as error:
                found.skip(error)
    return found


def _parse_line(line: bytes, place: str, folders: Sequence[bytes], name: str) -> ListedDigest:
    """Return what one line says. Raises InputError."""
    if match := _TAGGED.fullmatch(line):
        escaped, tag, path, digits = match.groups()
        digest = _digest(digits, place)
        algorithm = algorithm_of_tag(tag.decode(), len(digest), place)
    elif (match := _PLAIN.fullmatch(line)) and len(match[2]) % 2 == 0:
        escaped, digits, path = match.groups()
        digest = bytes.fromhex(digits.decode())
        algorithm = algorithms_of_size(len(digest), name)
    elif (match := _ALONE.fullmatch(line)) and len(match[1]) % 2 == 0:
        digest = bytes.fromhex(match[1].decode())
        return ListedDigest(NAMELESS[0], algorithms_of_size(len(digest), name), digest)
    else:
        raise InputError(place, f'"{display_text(line, 80)}" is not a digest and a path')
    if escaped:
        path = re.sub(rb"\\[nr\\]", lambda found: _ESCAPED[found[0]], path)
    return ListedDigest(_relative(path, place, folders), algorithm, digest)


def _digest(text: bytes, place: str) -> bytes:
    """Return a digest written in hex, in hex with colons (openssl dgst -c) or in base64 (cksum --base64)."""
    digits = text.replace(b":", b"")
    if len(digits) % 2 == 0 and re.fullmatch(rb"[0-9A-Fa-f]+", digits):
        return bytes.fromhex(digits.decode())
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        raise InputError(place, f'"{display_text(text, 80)}" is not a digest') from None


def parse_bag_manifest(data: bytes, algorithm: str, where: object) -> list[ListedDigest]:
    """Return what a bag's manifest lists; %0A, %0D and %25 in its paths are decoded. Raises InputError."""
    sums, digits = [], 2 * digest_size(algorithm)
    for number, line in tag_lines(data):
        place = f"{where}: line {number}"
        match = _MANIFEST.fullmatch(line)
        if match is None or len(match[1]) != digits:
            raise InputError(place, f'"{display_text(line, 80)}" is not a {algorithm} digest and a path')
        path = check_bag_path(match[2].removeprefix(b"./"), place)
        sums.append(ListedDigest(path, algorithm, bytes.fromhex(match[1].decode())))
    _check_once(sums, where)
    return sums


def decode_text(path: bytes) -> bytes:
    """Return a manifest's path with RFC 8493 2.1.3's percent-encoding taken back."""
    codes = {b"%0A": b"\n", b"%0D": b"\r", b"%25": b"%"}
    return re.sub(rb"%(?:0[AaDd]|25)", lambda found: codes[found[0].upper()], path)


def _readings(data: bytes) -> Iterator[Iterable[tuple[int, bytes]]]:
    """Yield the ways in which a list may be cut into numbered lines: by NUL, if it has one, and by line ends."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):  # as a Windows shell writes what it redirects
        data = data.decode("utf-16", "replace").encode()
    if b"\0" in data:
        yield enumerate(data.removeprefix(b"\xef\xbb\xbf").split(b"\0"), 1)
    data = _ARMOR.sub(lambda found: b"\n" * found[0].count(b"\n"), data)
    yield split_lines(data if b"\n" in data else data.replace(b"\r", b"\n"))  # file names may hold CR


def tag_lines(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield (number, line) of a bag's tag file, whose lines end with LF, CRLF or CR (RFC 8493 2.1.1)."""
    return split_lines(data.replace(b"\r\n", b"\n").replace(b"\r", b"\n"))


def split_lines(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield (number, line) of lines with something in them."""
    for number, line in enumerate(data.removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1):
        text = line.removesuffix(b"\r")
        if text.strip():
            yield number, text


def _relative(path: bytes, place: str, folders: Sequence[bytes]) -> bytes:
    """Return a path of a list below the folder that is checked. Raises InputError if it is not below it."""
    if path.startswith(b"/"):
        below = next((path[len(top) :] for top in folders if path.startswith(top.rstrip(b"/") + b"/")), None)
        if below is None:
            raise InputError(place, f'"{display_text(path)}" is not in the folder that is checked')
        path = below
    names = [name for name in path.split(b"/") if name not in (b"", b".")]
    return check_path(b"/".join(names), place)


def check_bag_path(path: bytes, place: object) -> bytes:
    """Return a path of a bag's tag file as it is written. Raises InputError if some reader takes it out of the bag."""
    for reading in (path, unquote_to_bytes(path)):
        if _OUTSIDE.match(reading):
            raise InputError(place, f'"{display_text(path)}" leaves the bag')
        check_path(reading, place)
    return check_path(path, place)


def check_path(path: bytes, place: object) -> bytes:
    """Return a path that stays below its folder. Raises InputError for another."""
    names = path.removeprefix(b"./").split(b"/")
    if b"\0" in path or any(name in (b"", b".", b"..") for name in names):
        raise InputError(place, f'"{display_text(path)}" leaves the folder, or is not a path')
    return b"/".join(names)


def _check_once(sums: Iterable[ListedDigest], where: object) -> None:
    """Raise InputError if a path is listed twice with different digests."""
    seen: dict[tuple[bytes, str], bytes] = {}
    for entry in sums:
        if seen.setdefault((entry.path, entry.algorithm), entry.digest) != entry.digest:
            raise InputError(where, f'lists "{display_text(entry.path)}" twice, with different digests')
