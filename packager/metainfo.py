"""Metainfo of a single-file torrent, assembled from digests that one pass found; no file is read.

BEP 3 (v1), BEP 52 (v2, hybrid), BEP 12 (tracker tiers), BEP 19 (web seeds). Its bytes hang on its
arguments alone: it names no tool, and its date is given.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha1, sha256

from packager import bencode
from packager.model import Version
from packager.options import TorrentOptions

V1_DIGEST, V2_DIGEST = 20, 32  # bytes: SHA-1 of a piece, SHA-256 of a tree's node


@dataclass(frozen=True)
class SingleFile:
    """A file and its digests; those of a version that is not asked for may be empty.

    size, piece_length: bytes. pieces: 20 bytes a piece (BEP 3). layer: 32 bytes a piece (BEP 52, "piece
    layers"), empty for a file of at most one piece. pieces_root: 32 bytes, None for an empty file.
    """

    name: str
    size: int
    piece_length: int
    pieces: bytes = b""
    layer: bytes = b""
    pieces_root: bytes | None = None


def info(file: SingleFile, version: Version) -> bencode.Dictionary:
    """Return the info dictionary (BEP 3; BEP 52, "info dictionary")."""
    name = file.name.encode()
    fields: bencode.Dictionary = {b"name": name, b"piece length": file.piece_length}
    if version != "v2":
        fields |= {b"length": file.size, b"pieces": file.pieces}
    if version != "v1":
        leaf: bencode.Dictionary = {b"length": file.size}
        if file.size:
            assert file.pieces_root is not None
            leaf[b"pieces root"] = file.pieces_root
        fields |= {b"meta version": 2, b"file tree": {name: {b"": leaf}}}
    return fields


def infohash_v1(info: bencode.Dictionary) -> bytes:
    """Return the v1 infohash: the SHA-1 (20 bytes) of the bencoded info dictionary (BEP 3)."""
    return sha1(bencode.encode(info)).digest()


def infohash_v2(info: bencode.Dictionary) -> bytes:
    """Return the v2 infohash: the SHA-256 (32 bytes) of the bencoded info dictionary (BEP 52)."""
    return sha256(bencode.encode(info)).digest()


def torrent(
    info: bencode.Dictionary,
    *,
    file: SingleFile,
    trackers: Sequence[Sequence[str]],
    web_seeds: Sequence[str],
    creation_date: int,
) -> bytes:
    """Return a .torrent's bytes around `info`, which was made of `file`.

    trackers: announce URLs by tier (BEP 12). web_seeds: URLs; to one that ends in "/" a client adds the
    file's name (BEP 19). creation_date: Unix seconds.
    """
    fields: bencode.Dictionary = {b"info": info, b"creation date": creation_date}
    tiers = [tier for tier in trackers if tier]
    if tiers:
        fields[b"announce"] = tiers[0][0].encode()
        fields[b"announce-list"] = [[url.encode() for url in tier] for tier in tiers]
    if web_seeds:
        fields[b"url-list"] = [url.encode() for url in web_seeds]
    if b"meta version" in info:
        layers: bencode.Dictionary = {}
        if file.size > file.piece_length:
            assert file.pieces_root is not None
            layers[file.pieces_root] = file.layer
        fields[b"piece layers"] = layers
    return bencode.encode(fields)


def torrent_size(
    name: str, size: int, piece_length: int, options: TorrentOptions, *, creation_date: int = 1_700_000_000
) -> int:
    """Return the bytes of the .torrent that a file of `size` bytes will get, before any of it is hashed.

    Exact for every creation date of ten digits, which those from 2001-09-09 to 2286 are.
    """
    pieces = -(-size // piece_length)
    file = SingleFile(
        name=name,
        size=size,
        piece_length=piece_length,
        pieces=bytes(V1_DIGEST * pieces),
        layer=bytes(V2_DIGEST * pieces) if pieces > 1 else b"",
        pieces_root=bytes(V2_DIGEST),
    )
    made = torrent(
        info(file, options.version),
        file=file,
        trackers=options.trackers,
        web_seeds=options.web_seeds,
        creation_date=creation_date,
    )
    return len(made)
