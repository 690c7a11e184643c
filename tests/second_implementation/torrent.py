"""Metainfo: piece hashes, info dictionaries, infohashes (sections 10 and 21; BEP 3, 47, 52)."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from tests.second_implementation import bencode
from tests.second_implementation.problems import must, same
from tests.second_implementation.stream import Segment, cut, size_of

BLOCK = 16384
ZERO = bytes(32)
File = tuple[str, Segment]  # path below the folder, bytes


@dataclass(frozen=True)
class Hashes:
    """The hashes of one file's pieces. layer: a node a piece, also where there is one piece only."""

    size: int
    pieces: bytes
    layer: bytes
    root: bytes


def parent(one: bytes, other: bytes) -> bytes:
    """Return a node of a tree."""
    return hashlib.sha256(one + other).digest()


def tree(nodes: Sequence[bytes], pad: bytes, width: int = 1) -> bytes:
    """Return the root over nodes filled with `pad` to a power of two, at least `width`."""
    level = list(nodes)
    while width < len(level):
        width *= 2
    level += [pad] * (width - len(level))
    while len(level) > 1:
        level = [parent(level[at], level[at + 1]) for at in range(0, len(level), 2)]
    return level[0]


def leaves(data: bytes) -> list[bytes]:
    """Return the leaf of each block."""
    return [hashlib.sha256(data[at : at + BLOCK]).digest() for at in range(0, len(data), BLOCK)]


def hash_file(segments: Iterable[Segment], piece_length: int) -> Hashes:
    """Return the v1 and v2 hashes of one file."""
    size, pieces, layer, only = 0, b"", [], []
    for piece in cut(segments, piece_length):
        size += len(piece)
        pieces += hashlib.sha1(piece).digest()
        only = leaves(piece)
        layer.append(tree(only, ZERO, piece_length // BLOCK))
    if len(layer) == 1:
        root = tree(only, ZERO)
    else:
        root = tree(layer, tree([], ZERO, piece_length // BLOCK)) if layer else ZERO
    return Hashes(size, pieces, b"".join(layer), root)


@dataclass(frozen=True)
class Derived:
    """What of a .torrent is derived from the shard's bytes: its info dictionary and piece layers (None in v1)."""

    info: bytes
    layers: dict[bytes, bytes] | None
    root: bytes | None

    @property
    def infohash_v1(self) -> str:
        return hashlib.sha1(self.info).hexdigest()

    @property
    def infohash_v2(self) -> str:
        return hashlib.sha256(self.info).hexdigest()


def of_tar(file: str, hashes: Hashes, piece_length: int, version: str) -> Derived:
    """Return the torrent of a tar. version: v1, v2 or hybrid."""
    info: dict[str, Any] = {"name": file, "piece length": piece_length}
    if version != "v2":
        info |= {"length": hashes.size, "pieces": hashes.pieces}
    if version == "v1":
        return Derived(bencode.encode(info), None, None)
    info |= {"meta version": 2, "file tree": {file: {"": {"length": hashes.size, "pieces root": hashes.root}}}}
    layers = {hashes.root: hashes.layer} if hashes.size > piece_length else {}
    return Derived(bencode.encode(info), layers, hashes.root)


def stream_order(path: str) -> list[bytes]:
    """Return what orders the files of a folder: name by name, as bytes."""
    return [name.encode() for name in path.split("/")]


def pads(files: Sequence[File], piece_length: int, *, aligned: bool) -> list[int]:
    """Return the zeros after each file."""
    return [-size_of(data) % piece_length if aligned else 0 for _, data in files]


def of_folder(name: str, files: Sequence[File], piece_length: int, version: str, *, aligned: bool) -> Derived:
    """Return the torrent of a folder, files in the stream's order. aligned: each file begins a piece."""
    info: dict[str, Any] = {"name": name, "piece length": piece_length}
    padding = pads(files, piece_length, aligned=aligned)
    if version != "v2":
        listed: list[dict[str, Any]] = []
        stream: list[Segment] = []
        for (path, data), zeros in zip(files, padding, strict=True):
            listed.append({"length": size_of(data), "path": path.split("/")})
            stream += [data, bytes(zeros)]
            if zeros:
                listed.append({"attr": "p", "length": zeros, "path": [".pad", str(zeros)]})
        pieces = b"".join(hashlib.sha1(piece).digest() for piece in cut(stream, piece_length))
        info |= {"files": listed, "pieces": pieces}
    if version == "v1":
        return Derived(bencode.encode(info), None, None)
    nodes: dict[str, Any] = {}
    layers = {}
    for path, data in files:
        inner = nodes
        *folders, last = path.split("/")
        for folder in folders:
            inner = inner.setdefault(folder, {})
        inner[last] = {"": {"length": size_of(data)}}
        if size_of(data):
            hashes = hash_file([data], piece_length)
            inner[last][""]["pieces root"] = hashes.root
            if hashes.size > piece_length:
                layers[hashes.root] = hashes.layer
    info |= {"meta version": 2, "file tree": nodes}
    return Derived(bencode.encode(info), layers, None)


@dataclass(frozen=True)
class Kept:
    """What of a .torrent is kept and not derived: trackers in tiers, web seeds, and the creation date."""

    tiers: list[list[str]]
    web_seeds: list[str]
    date: int


KEYS = {b"announce", b"announce-list", b"creation date", b"info", b"piece layers", b"url-list"}


def kept(torrent: bytes) -> Kept:
    """Return the kept parts of a .torrent."""
    top = bencode.decode(torrent)
    must(set(top) <= KEYS, f"the torrent has other keys: {sorted(set(top) - KEYS)}")
    tiers = [[url.decode() for url in tier] for tier in top.get(b"announce-list", [])]
    return Kept(tiers, [url.decode() for url in top.get(b"url-list", [])], top[b"creation date"])


def written(parts: Kept, derived: Derived) -> bytes:
    """Return a complete .torrent."""
    around: dict[str, Any] = {"creation date": parts.date}
    if parts.tiers:
        around |= {"announce": parts.tiers[0][0], "announce-list": parts.tiers}
    if parts.web_seeds:
        around["url-list"] = parts.web_seeds
    if derived.layers is not None:
        around["piece layers"] = derived.layers
    body = bencode.encode(around | {"info": 0})
    return body.replace(b"4:infoi0e", b"4:info" + derived.info, 1)


def version_of(shard: dict[str, Any]) -> str:
    """Return the version of a shard's torrent from the infohashes that are listed."""
    has = shard["infohash_v1"] is not None, shard["infohash_v2"] is not None
    must(any(has), "it has no infohash")
    return {(True, True): "hybrid", (True, False): "v1", (False, True): "v2"}[has]


def check_infohashes(torrent: bytes, shard: dict[str, Any]) -> None:
    """Check a shard's .torrent against the listed infohashes, without the shard's bytes."""
    info, version = bencode.info_bytes(torrent), version_of(shard)
    if version != "v2":
        same(hashlib.sha1(info).hexdigest(), shard["infohash_v1"], "infohash_v1")
    if version != "v1":
        same(hashlib.sha256(info).hexdigest(), shard["infohash_v2"], "infohash_v2")


def chosen_piece_length(size: int, version: str) -> int:
    """Return the piece length of a tar where the archivist chose none."""
    digests = {"hybrid": 52, "v2": 32, "v1": 20}[version]
    length = 256 << 10
    while length < 16 << 20 and -(-size // length) * digests + (64 << 10) > 1 << 20:
        length *= 2
    while -(-size // length) * digests + (64 << 10) > 10_000_000:
        length *= 2
    return length


def chosen_piece_length_of_files(sizes: Sequence[int], version: str) -> int:
    """Return the piece length of a folder where the archivist chose none."""
    if version == "v1":
        return chosen_piece_length(sum(sizes), version)
    digests, mean = {"hybrid": 52, "v2": 32}[version], sum(sizes) // len(sizes)
    length = BLOCK
    while length < mean and length < 256 << 10:
        length *= 2
    while length < 16 << 20 and sum(-(-s // length) - 1 for s in sizes if s) * digests + (64 << 10) > 1 << 20:
        length *= 2
    return length
