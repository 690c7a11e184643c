"""A stranger's .torrent read and checked: single- or multi-file, v1, v2 or hybrid. Pure; no data is read.

BEP 3, BEP 52, BEP 47 (pad files), BEP 12 (tracker tiers), BEP 19 (web seeds), BEP 27 (private). Limits:
bencode.LIMIT bytes, which hold at most 370,000 files, and those of file_list.py.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha1, sha256

from packager import bencode, merkle
from packager.bencode import Dictionary, Value, get_dictionary, get_integer, get_list, get_string
from packager.errors import InputError
from packager.file_list import ListedFile, listed_files, torrent_name
from packager.metainfo import V1_DIGEST, V2_DIGEST
from packager.model import Version
from packager.paths import shown

PIECE_MOST = 256 << 20  # bytes of a piece; libtorrent refuses 512 MiB


@dataclass(frozen=True)
class Metainfo:
    """What a .torrent says, checked.

    piece_length: bytes. pieces: 20 bytes a piece, empty in v2. layers: by pieces root, 32 bytes a piece, of
    each file longer than one piece. infohash_v1: 20 bytes; infohash_v2: 32. trackers: announce URLs by
    tier. creation_date: Unix seconds.
    """

    name: str
    version: Version
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


def parse(data: bytes, where: object) -> Metainfo:
    """Return what a .torrent's bytes say.

    Raises InputError naming the first fault: bencoding that is not canonical, a key that is missing or of
    the wrong type, a limit passed, a path that leaves its folder or that two files share, a symbolic link,
    pieces that are not as many as the bytes need, v1 and v2 lists that differ, a piece layer that is
    missing or whose root is another.
    """
    top = bencode.decode(data, where)
    if not isinstance(top, dict):
        raise InputError(where, "is not a bencoded dictionary, so not a .torrent")
    info = get_dictionary(top, "info", where)
    version = _version(info, where)
    piece_length = _piece_length(info, version, where)
    files = listed_files(info, version, piece_length, where)
    raw = bencode.encode(info)
    return Metainfo(
        name=torrent_name(info, where),
        version=version,
        piece_length=piece_length,
        files=files,
        pieces=_pieces(info, files, piece_length, where) if version != "v2" else b"",
        layers=_layers(top, files, piece_length, where) if version != "v1" else {},
        infohash_v1=sha1(raw).digest() if version != "v2" else None,
        infohash_v2=sha256(raw).digest() if version != "v1" else None,
        trackers=_trackers(top, where),
        web_seeds=_web_seeds(top, where),
        private=info.get(b"private") == 1,
        creation_date=get_integer(top, "creation date", where) if b"creation date" in top else None,
        comment=_text(get_string(top, "comment", where)) if b"comment" in top else None,
    )


def _text(raw: bytes) -> str:
    """Return a string that is only shown or fetched from, never a path."""
    return raw.decode("utf-8", "replace")


def _version(info: Dictionary, where: object) -> Version:
    """Return which of BEP 3 and BEP 52 the info dictionary follows."""
    v1 = b"pieces" in info
    if b"meta version" not in info and b"file tree" not in info:
        return "v1"
    if info.get(b"meta version") != 2:
        raise InputError(where, f'"meta version" is {get_integer(info, "meta version", where)}, not 2')
    return "hybrid" if v1 else "v2"


def _piece_length(info: Dictionary, version: Version, where: object) -> int:
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
    needed = -(-(files[-1].offset + files[-1].length) // piece_length)
    if len(pieces) != needed * V1_DIGEST:
        raise InputError(where, f'"pieces" has {len(pieces)} bytes, not {V1_DIGEST} for each of {needed} pieces')
    return pieces


def _layers(top: Dictionary, files: tuple[ListedFile, ...], piece_length: int, where: object) -> dict[bytes, bytes]:
    """Return the piece layer of each file longer than a piece, by its pieces root, which it must give."""
    given = get_dictionary(top, "piece layers", where) if b"piece layers" in top else {}
    layers: dict[bytes, bytes] = {}
    for file in files:
        root = file.pieces_root
        if root is None or file.length <= piece_length:
            continue
        layer, name = given.get(root), shown("/".join(file.path))
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


def _trackers(top: Dictionary, where: object) -> tuple[tuple[str, ...], ...]:
    """Return announce URLs by tier: "announce-list" where there is one (BEP 12), else "announce"."""
    tiers = []
    for tier in get_list(top, "announce-list", where) if b"announce-list" in top else []:
        if not isinstance(tier, list):
            raise InputError(where, '"announce-list" holds something that is not a list')
        tiers.append(_urls(tier, "announce-list", where))
    if not any(tiers) and b"announce" in top:
        tiers = [_urls([get_string(top, "announce", where)], "announce", where)]
    return tuple(tier for tier in tiers if tier)


def _web_seeds(top: Dictionary, where: object) -> tuple[str, ...]:
    """Return the web seeds' URLs: "url-list", a list or one string (BEP 19)."""
    if isinstance(top.get(b"url-list"), bytes):
        return _urls([top[b"url-list"]], "url-list", where)
    return _urls(get_list(top, "url-list", where), "url-list", where) if b"url-list" in top else ()


def _urls(values: list[Value], key: str, where: object) -> tuple[str, ...]:
    """Return URLs as text, without the empty ones that some programs write."""
    urls = []
    for value in values:
        if not isinstance(value, bytes):
            raise InputError(where, f'"{key}" holds something that is not a string')
        urls.append(_text(value))
    return tuple(url for url in urls if url)
