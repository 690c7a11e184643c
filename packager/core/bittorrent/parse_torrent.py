"""Read and check an untrusted .torrent: single- or multi-file, v1, v2 or hybrid. Pure; no data is read.

BEP 3, BEP 52, BEP 47 (pad files), BEP 12 (tracker tiers), BEP 19 (web seeds), BEP 27 (private). Limits:
bencode.LIMIT bytes, enough for 370,000 files, and those of parse_file_list.py. What decides about bytes and
paths is strict; fields that do not are ignored if they are wrong, with a remark.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha1, sha256

from packager.core.bittorrent import bencode, merkle
from packager.core.bittorrent.bencode import Dictionary, Value, get_dictionary, get_integer, get_string
from packager.core.bittorrent.build_torrent import V1_DIGEST, V2_DIGEST
from packager.core.bittorrent.parse_file_list import ListedFile, parse_file_list, torrent_name
from packager.errors import InputError
from packager.model import TorrentVersion
from packager.paths import display_text

PIECE_MOST = (1 << 29) - merkle.BLOCK  # bytes of a piece; libtorrent refuses more
# Fields that nothing here reads, and what they should be: BEP 5, 17, 35, 36, 38; those without a BEP by their use.
_UNREAD: Mapping[str, type] = {
    "httpseeds": list,
    "nodes": list,
    "created by": bytes,
    "encoding": bytes,
    "similar": list,
    "collections": list,
}
_UNREAD_INFO: Mapping[str, type] = {
    "source": bytes,
    "similar": list,
    "collections": list,
    "md5sum": bytes,
    "sha1": bytes,
    "ssl-cert": bytes,
}
_STRICT = frozenset((b"info", b"piece layers"))


@dataclass(frozen=True)
class Metainfo:
    """What a .torrent says, checked.

    piece_length: bytes. pieces: 20 bytes a piece, empty in v2. layers: by pieces root, 32 bytes a piece, of
    each file longer than one piece. infohash_v1: 20 bytes; infohash_v2: 32. trackers: announce URLs by
    tier. creation_date: Unix seconds. remarks: what is wrong and was ignored.
    """

    name: str
    version: TorrentVersion
    piece_length: int
    files: tuple[ListedFile, ...]
    pieces: bytes
    layers: Mapping[bytes, bytes]
    infohash_v1: bytes | None
    infohash_v2: bytes | None
    trackers: tuple[tuple[str, ...], ...]
    web_seeds: tuple[str, ...]
    private: bool
    creation_date: int | None
    comment: str | None
    remarks: tuple[str, ...] = ()


def file_numbers(metainfo: Metainfo) -> dict[tuple[str, ...], int]:
    """Return the number of each file by its path, as BEP 53 and clients count: from 0, pad files too.

    Clients count those that a v2 torrent does not list as well.
    """
    numbers, number = {}, 0
    for file in metainfo.files:
        if not file.pad:
            numbers[file.path] = number
        number += 2 if metainfo.version == "v2" and file.length % metainfo.piece_length else 1
    return numbers


def parse_torrent(data: bytes, where: object) -> Metainfo:
    """Return what a .torrent's bytes say; infohashes are those of the bytes of `info` as they are.

    Raises InputError naming the first fault: bencoding that libtorrent does not read or that two readers could
    understand differently, a key that is missing or of the wrong type, a limit passed, a path that leaves its folder
    or that two files share, a symbolic link, no bytes, pieces that are not as many as the bytes need, v1 and v2 lists
    that differ, a piece layer that is missing or whose root is another.
    """
    decoded = bencode.decode_torrent(data, where, _STRICT)
    top, remarks = decoded.value, [*decoded.remarks]
    info = get_dictionary(top, "info", where)
    version = _version(info, where, remarks)
    piece_length = _piece_length(info, version, where)
    files = parse_file_list(info, version, piece_length, where, remarks)
    _check_unread(top, _UNREAD, remarks)
    _check_unread(info, _UNREAD_INFO, remarks)
    raw = memoryview(data)[slice(*decoded.spans[b"info"])]
    return Metainfo(
        name=torrent_name(info, where, remarks),
        version=version,
        piece_length=piece_length,
        files=files,
        pieces=_pieces(info, files, piece_length, where) if version != "v2" else b"",
        layers=_layers(top, files, piece_length, where) if version != "v1" else {},
        infohash_v1=sha1(raw).digest() if version != "v2" else None,
        infohash_v2=sha256(raw).digest() if version != "v1" else None,
        trackers=_trackers(top, remarks),
        web_seeds=_urls(top, "url-list", remarks),
        private=_integer(info, "private", remarks) == 1,
        creation_date=_integer(top, "creation date", remarks),
        comment=_string(top, "comment", remarks),
        remarks=tuple(dict.fromkeys(remarks)),
    )


def _ignored(key: str, what: str, remarks: list[str]) -> None:
    """Take note of a field that is wrong."""
    remarks.append(f'"{key}" {what}, and is ignored')


def _check_unread(fields: Dictionary, kinds: Mapping[str, type], remarks: list[str]) -> None:
    """Take note of fields of a wrong type that other programs read, but not this one."""
    for key, kind in kinds.items():
        value = fields.get(key.encode())
        if value is not None and not isinstance(value, kind):
            _ignored(key, f"is not a {'list' if kind is list else 'string'}", remarks)


def _integer(fields: Dictionary, key: str, remarks: list[str]) -> int | None:
    """Return an optional integer from 0, None if there is none."""
    value = fields.get(key.encode())
    if isinstance(value, int) and value >= 0:
        return value
    if value is not None:
        _ignored(key, "is not a whole number from 0", remarks)
    return None


def _string(fields: Dictionary, key: str, remarks: list[str]) -> str | None:
    """Return an optional string that is only shown, never a path; None if there is none."""
    value = fields.get(key.encode())
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if value is not None:
        _ignored(key, "is not a string", remarks)
    return None


def _version(info: Dictionary, where: object, remarks: list[str]) -> TorrentVersion:
    """Return which of BEP 3 and BEP 52 the info dictionary follows."""
    v1 = b"pieces" in info
    meta = info.get(b"meta version")
    if not isinstance(info.get(b"file tree"), dict) and (not isinstance(meta, int) or meta < 2):
        if meta is not None:
            _ignored("meta version", "is not 2", remarks)
        if b"file tree" in info:
            _ignored("file tree", "is not a dictionary", remarks)
        return "v1"
    if meta != 2:
        raise InputError(where, f'"meta version" is {get_integer(info, "meta version", where)}, not 2')
    return "hybrid" if v1 or b"files" in info or b"length" in info else "v2"


def _piece_length(info: Dictionary, version: TorrentVersion, where: object) -> int:
    """Return the bytes of a piece; BEP 52 wants a power of two of at least 16 KiB."""
    length = get_integer(info, "piece length", where)
    if not 1 <= length <= PIECE_MOST:
        raise InputError(where, f'"piece length" is {length}, not from 1 to {PIECE_MOST} bytes')
    if version != "v1" and (length < merkle.BLOCK or length & (length - 1)):
        raise InputError(where, f'"piece length" is {length}, not a power of two of at least {merkle.BLOCK} bytes')
    return length


def _pieces(info: Dictionary, files: tuple[ListedFile, ...], piece_length: int, where: object) -> bytes:
    """Return the SHA-1 of each piece, joined; there must be as many as the bytes need."""
    pieces = get_string(info, "pieces", where)
    if not any(file.length for file in files if not file.pad):
        raise InputError(where, "its files have no bytes, so it proves nothing")
    needed = -(-(files[-1].offset + files[-1].length) // piece_length)
    if len(pieces) != needed * V1_DIGEST:
        raise InputError(where, f'"pieces" has {len(pieces)} bytes, not {V1_DIGEST} for each of {needed} pieces')
    return pieces


def _layers(top: Dictionary, files: tuple[ListedFile, ...], piece_length: int, where: object) -> dict[bytes, bytes]:
    """Return the piece layer of each file longer than a piece, by its pieces root, which it must give."""
    given = get_dictionary(top, "piece layers", where) if b"piece layers" in top else {}
    layers: dict[bytes, bytes] = {}
    if not any(file.length for file in files):
        raise InputError(where, "its files have no bytes, so it proves nothing")
    for file in files:
        root = file.pieces_root
        if root is None or file.length <= piece_length:
            continue
        layer, name = given.get(root), display_text("/".join(file.path))
        if not isinstance(layer, bytes):
            raise InputError(where, f'"piece layers" lacks the layer of "{name}"')
        if len(layer) != -(-file.length // piece_length) * V2_DIGEST:
            raise InputError(where, f'the piece layer of "{name}" has {len(layer)} bytes, not {V2_DIGEST} a piece')
        if root not in layers:  # files alike share a root, and its layer is checked once
            if merkle.pieces_root(layer, piece_length) != root:
                raise InputError(where, f'the piece layer of "{name}" does not give its pieces root')
            layers[root] = layer
    if len(given) != len(layers):
        raise InputError(where, '"piece layers" holds a layer of no file longer than a piece')
    return layers


def _trackers(top: Dictionary, remarks: list[str]) -> tuple[tuple[str, ...], ...]:
    """Return announce URLs by tier: "announce-list" where there is one (BEP 12), else "announce"."""
    tiers = []
    listed = top.get(b"announce-list", [])
    if not isinstance(listed, list):
        _ignored("announce-list", "is not a list", remarks)
        listed = []
    for tier in listed:
        if isinstance(tier, list):
            tiers.append(_texts(tier, "announce-list", remarks))
        else:
            _ignored("announce-list", "holds something that is not a list", remarks)
    if not any(tiers):
        tiers = [_urls(top, "announce", remarks)]
    return tuple(tier for tier in tiers if tier)


def _urls(top: Dictionary, key: str, remarks: list[str]) -> tuple[str, ...]:
    """Return the URLs of a field that is a list or one string."""
    value = top.get(key.encode(), [])
    if isinstance(value, bytes):
        value = [value]
    if not isinstance(value, list):
        _ignored(key, "is not a list", remarks)
        return ()
    return _texts(value, key, remarks)


def _texts(values: list[Value], key: str, remarks: list[str]) -> tuple[str, ...]:
    """Return URLs as text, without the empty ones that some programs write."""
    found = []
    for value in values:
        if isinstance(value, bytes):
            found.append(value.decode("utf-8", "replace").strip())
        else:
            _ignored(key, "holds something that is not a string", remarks)
    return tuple(url for url in found if url)
