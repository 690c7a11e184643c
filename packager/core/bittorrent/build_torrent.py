"""Build the metainfo of a torrent of one file or a folder from digests; no file is read.

BEP 3 (v1), BEP 52 (v2, hybrid), BEP 47 (pad files), BEP 12 (tracker tiers), BEP 19 (web seeds). Its bytes depend on its
arguments alone: it names no tool, and its date is given.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha1, sha256
from typing import TypeAlias

from packager.core.bittorrent import bencode
from packager.model import TorrentVersion
from packager.options import TorrentOptions

V1_DIGEST, V2_DIGEST = 20, 32  # bytes: SHA-1 of a piece, SHA-256 of a tree's node


@dataclass(frozen=True)
class SingleFileContents:
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

    @property
    def v1_list(self) -> bencode.Dictionary:
        """What tells a v1 client of the file."""
        return {b"length": self.size}

    @property
    def tree(self) -> bencode.Dictionary:
        """The file tree."""
        return {self.name.encode(): _leaf(self.size, self.pieces_root)}

    @property
    def layers(self) -> bencode.Dictionary:
        """The piece layers."""
        return _layers(((self.size, self.pieces_root, self.layer),), self.piece_length)


@dataclass(frozen=True, slots=True)
class FolderFile:
    """A file of a folder: "/"-separated path below it, bytes, digests as in SingleFile. pad: zeros after it."""

    path: str
    size: int
    pad: int = 0
    layer: bytes = b""
    pieces_root: bytes | None = None


@dataclass(frozen=True)
class FolderContents:
    """A folder's files in BEP 52's order, and the v1 pieces of their stream, pads included."""

    name: str
    piece_length: int
    files: Sequence[FolderFile]
    pieces: bytes = b""

    @property
    def size(self) -> int:
        """Bytes of the files, without pads."""
        return sum(file.size for file in self.files)

    @property
    def v1_list(self) -> bencode.Dictionary:
        """What tells a v1 client of the files; those that are zeros alone are named as libtorrent names them."""
        listed: list[bencode.Value] = []
        for file in self.files:
            listed.append({b"length": file.size, b"path": [name.encode() for name in file.path.split("/")]})
            if file.pad:
                listed.append({b"attr": b"p", b"length": file.pad, b"path": [b".pad", b"%d" % file.pad]})
        return {b"files": listed}

    @property
    def tree(self) -> bencode.Dictionary:
        """The file tree."""
        tree: bencode.Dictionary = {}
        for file in self.files:
            *folders, name = file.path.encode().split(b"/")
            inner = tree
            for folder in folders:
                below = inner.setdefault(folder, {})
                assert isinstance(below, dict)
                inner = below
            inner[name] = _leaf(file.size, file.pieces_root)
        return tree

    @property
    def layers(self) -> bencode.Dictionary:
        """The piece layers; files alike share one."""
        return _layers(((file.size, file.pieces_root, file.layer) for file in self.files), self.piece_length)


Contents: TypeAlias = SingleFileContents | FolderContents


def _leaf(size: int, pieces_root: bytes | None) -> bencode.Dictionary:
    """Return a file's place in a file tree (BEP 52): an empty one has no pieces root."""
    properties: bencode.Dictionary = {b"length": size}
    if size:
        assert pieces_root is not None
        properties[b"pieces root"] = pieces_root
    return {b"": properties}


def _layers(files: Iterable[tuple[int, bytes | None, bytes]], piece_length: int) -> bencode.Dictionary:
    """Return the piece layers of files, (size, pieces root, layer) each: of those longer than a piece."""
    return {root: layer for size, root, layer in files if size > piece_length and root is not None}


def build_info(contents: Contents, version: TorrentVersion) -> bencode.Dictionary:
    """Return the info dictionary (BEP 3; BEP 52, "info dictionary")."""
    fields: bencode.Dictionary = {b"name": contents.name.encode(), b"piece length": contents.piece_length}
    if version != "v2":
        fields |= contents.v1_list | {b"pieces": contents.pieces}
    if version != "v1":
        fields |= {b"meta version": 2, b"file tree": contents.tree}
    return fields


def infohash_v1(info: bencode.Dictionary) -> bytes:
    """Return the v1 infohash: the SHA-1 (20 bytes) of the bencoded info dictionary (BEP 3)."""
    return sha1(bencode.encode(info)).digest()


def infohash_v2(info: bencode.Dictionary) -> bytes:
    """Return the v2 infohash: the SHA-256 (32 bytes) of the bencoded info dictionary (BEP 52)."""
    return sha256(bencode.encode(info)).digest()


def build_torrent(
    info: bencode.Dictionary,
    *,
    file: Contents,
    trackers: Sequence[Sequence[str]],
    web_seeds: Sequence[str],
    creation_date: int | None,
    comment: str = "",
) -> bytes:
    """Return a .torrent's bytes around `info`, which was made of `file`.

    trackers: announce URLs by tier (BEP 12). web_seeds: URLs; to one that ends in "/" a client adds the
    torrent's name (BEP 19). creation_date: Unix seconds, None for none.
    """
    fields: bencode.Dictionary = {b"info": info}
    if creation_date is not None:
        fields[b"creation date"] = creation_date
    if comment:
        fields[b"comment"] = comment.encode()
    tiers = [tier for tier in trackers if tier]
    if tiers:
        fields[b"announce"] = tiers[0][0].encode()
        fields[b"announce-list"] = [[url.encode() for url in tier] for tier in tiers]
    if web_seeds:
        fields[b"url-list"] = [url.encode() for url in web_seeds]
    if b"meta version" in info:
        fields[b"piece layers"] = file.layers
    return bencode.encode(fields)


def torrent_size(
    name: str, size: int, piece_length: int, options: TorrentOptions, *, creation_date: int = 1_700_000_000
) -> int:
    """Return the bytes of the .torrent that a file of `size` bytes will get, before any of it is hashed.

    Exact for every creation date of ten digits, which those from 2001-09-09 to 2286 are.
    """
    pieces = -(-size // piece_length)
    file = SingleFileContents(
        name=name,
        size=size,
        piece_length=piece_length,
        pieces=bytes(V1_DIGEST * pieces),
        layer=bytes(V2_DIGEST * pieces) if pieces > 1 else b"",
        pieces_root=bytes(V2_DIGEST),
    )
    return _unhashed_size(file, options, creation_date)


def folder_torrent_size(
    name: str, files: Iterable[tuple[str, int, int]], piece_length: int, options: TorrentOptions
) -> int:
    """Return the bytes of the .torrent that a folder will get, before any of it is hashed.

    files: (path, bytes, zeros after it) in BEP 52's order. As exact as `torrent_size`; where files longer than a
    piece are alike they share a piece layer, and it will have less.
    """
    return _unhashed_size(unhashed_folder(name, files, piece_length), options, 1_700_000_000)


def unhashed_folder(name: str, files: Iterable[tuple[str, int, int]], piece_length: int) -> FolderContents:
    """Return a folder with made-up digests, as many as the true ones. files: as in `folder_torrent_size`."""
    made, stream = [], 0
    for number, (path, size, pad) in enumerate(files):
        pieces = -(-size // piece_length)
        layer = bytes(V2_DIGEST * pieces) if pieces > 1 else b""
        made.append(FolderFile(path, size, pad, layer, number.to_bytes(V2_DIGEST, "big")))
        stream += size + pad
    return FolderContents(name, piece_length, made, bytes(V1_DIGEST * -(-stream // piece_length)))


def _unhashed_size(file: Contents, options: TorrentOptions, creation_date: int) -> int:
    """Return the bytes of a .torrent."""
    made = build_torrent(
        build_info(file, options.format),
        file=file,
        trackers=options.trackers,
        web_seeds=options.web_seeds,
        creation_date=creation_date,
    )
    return len(made)
