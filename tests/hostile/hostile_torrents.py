"""Torrents and magnet links with one fault each."""

from hashlib import sha256
from typing import Any

BLOCK = 16384
HASHES = bytes(range(20))


def ben(value: Any) -> bytes:
    """Bencode; a dictionary may be a list of pairs in a tuple, written in that order, doubled keys too."""
    if isinstance(value, bool | int):
        return b"i%de" % value
    if isinstance(value, bytes):
        return b"%d:" % len(value) + value
    if isinstance(value, list):
        return b"l" + b"".join(map(ben, value)) + b"e"
    pairs = value if isinstance(value, tuple) else sorted(value.items())
    return b"d" + b"".join(ben(key) + ben(inner) for key, inner in pairs) + b"e"


def v1(**changes: Any) -> bytes:
    """A one-file v1 torrent; `info_...` changes the info dictionary, None takes a key out."""
    info = {b"length": 4, b"name": b"a.flac", b"piece length": BLOCK, b"pieces": HASHES}
    return ben({b"info": changed(info, changes, "info_"), **changed({}, changes, "top_")})


def changed(fields: dict[bytes, Any], changes: dict[str, Any], start: str) -> dict[bytes, Any]:
    for key, value in changes.items():
        if key.startswith(start):
            name = key.removeprefix(start).replace("_", " ").encode()
            fields[name] = value
    return {key: value for key, value in fields.items() if value is not None}


def listing(*paths: list[bytes], **more: Any) -> bytes:
    """A v1 torrent of files of one byte each."""
    files = [{b"length": 1, b"path": path, **{k.encode(): v for k, v in more.items()}} for path in paths]
    return v1(info_length=None, info_files=files, info_name=b"album")


def tree(root: bytes, data: bytes) -> tuple[bytes, bytes]:
    """The pieces root and piece layer of data of two pieces of one block."""
    layer = b"".join(sha256(data[at : at + BLOCK]).digest() for at in (0, BLOCK))
    return sha256(layer).digest(), layer


DATA = bytes(i % 251 for i in range(2 * BLOCK))
ROOT, LAYER = tree(b"", DATA)


def v2(*, layers: Any = None, leaf: Any = None, hybrid: bool = False, **info: Any) -> bytes:
    """A v2 torrent of one file of two pieces; keys of `info` change the info dictionary."""
    leaf = {b"length": 2 * BLOCK, b"pieces root": ROOT} if leaf is None else leaf
    fields = {b"name": b"a.flac", b"piece length": BLOCK, b"meta version": 2, b"file tree": {b"a.flac": {b"": leaf}}}
    if hybrid:
        fields |= {b"length": 2 * BLOCK, b"pieces": HASHES * 2}
    fields |= {key.replace("_", " ").encode(): value for key, value in info.items()}
    return ben({b"info": fields, b"piece layers": {ROOT: LAYER} if layers is None else layers})


ORDERED = ((b"name", b"a.flac"), (b"length", 4), (b"piece length", BLOCK), (b"pieces", HASHES))

TORRENTS = {
    "torrent-bytes-after-the-end.torrent": v1() + b"d4:infoe",
    "torrent-cut-short.torrent": v1()[:-30],
    "torrent-depth-of-101.torrent": b"d4:info" + b"l" * 101 + b"e" * 102,
    "torrent-folder-and-file.torrent": listing([b"a"], [b"a", b"b.flac"]),
    "torrent-has-no-info.torrent": ben({b"announce": b"udp://tracker.example.org:1/announce"}),
    "torrent-hybrid-lists-differ.torrent": v2(hybrid=True, length=BLOCK + 1),
    "torrent-hybrid-names-differ.torrent": v2(hybrid=True, name=b"b.flac"),
    "torrent-integer-leading-zero.torrent": v1().replace(b"6:lengthi4e", b"6:lengthi04e"),
    "torrent-integer-minus-zero.torrent": v1().replace(b"6:lengthi4e", b"6:lengthi-0e"),
    "torrent-integer-of-500-digits.torrent": v1().replace(b"6:lengthi4e", b"6:lengthi" + b"9" * 500 + b"e"),
    "torrent-keys-doubled.torrent": ben(((b"info", {}), (b"info", {}))),
    "torrent-keys-out-of-order.torrent": b"d4:info" + ben(ORDERED) + b"e",
    "torrent-layer-missing.torrent": v2(layers={}),
    "torrent-layer-of-another-root.torrent": v2(layers={ROOT: LAYER[32:] + LAYER[:32]}),
    "torrent-layer-of-no-file.torrent": v2(layers={ROOT: LAYER, bytes(32): LAYER}),
    "torrent-layer-too-long.torrent": v2(layers={ROOT: LAYER + bytes(32)}),
    "torrent-layer-too-short.torrent": v2(layers={ROOT: LAYER[:32]}),
    "torrent-length-negative.torrent": v1(info_length=-1),
    "torrent-length-of-2-to-the-62.torrent": v1(info_length=1 << 62),
    "torrent-lengths-add-up-to-an-overflow.torrent": v1(
        info_length=None,
        info_files=[{b"length": (1 << 63) - 1, b"path": [b"%d" % at]} for at in range(3)],
    ),
    "torrent-meta-version-3.torrent": v2(meta_version=3),
    "torrent-name-climbs.torrent": v1(info_name=b".."),
    "torrent-name-empty.torrent": v1(info_name=b""),
    "torrent-name-with-escape.torrent": v1(info_name=b"a\x1b]0;pwned\x07.flac"),
    "torrent-name-with-nul.torrent": v1(info_name=b"a.flac\0.exe"),
    "torrent-name-with-slash.torrent": v1(info_name=b"/etc/passwd"),
    "torrent-no-files.torrent": v1(info_length=None, info_files=[], info_pieces=b""),
    "torrent-path-climbs.torrent": listing([b"..", b"..", b"x"]),
    "torrent-path-doubled.torrent": listing([b"a"], [b"a"]),
    "torrent-path-empty.torrent": listing([]),
    "torrent-path-of-1000-folders.torrent": listing([b"a"] * 1000),
    "torrent-path-with-backslash.torrent": listing([b"..\\..\\x.dll"]),
    "torrent-paths-case-twins.torrent": listing([b"Song.flac"], [b"song.FLAC"]),
    "torrent-paths-normalisation-twins.torrent": listing(["\u00e9".encode()], ["e\u0301".encode()]),
    "torrent-piece-length-0.torrent": v1(info_piece_length=0),
    "torrent-piece-length-1-in-v2.torrent": v2(piece_length=1),
    "torrent-piece-length-2gib.torrent": v1(info_piece_length=2 << 30),
    "torrent-piece-length-not-a-power-of-two.torrent": v2(piece_length=BLOCK + 1),
    "torrent-pieces-not-a-multiple-of-20.torrent": v1(info_pieces=HASHES + b"x"),
    "torrent-pieces-too-few.torrent": v1(info_length=10 * BLOCK),
    "torrent-pieces-too-many.torrent": v1(info_pieces=HASHES * 50),
    "torrent-root-of-20-bytes.torrent": v2(leaf={b"length": 2 * BLOCK, b"pieces root": HASHES}),
    "torrent-string-length-lies.torrent": b"d4:info9999999:x",
    "torrent-symbolic-link.torrent": listing([b"a"], attr=b"l"),
    "torrent-tracker-of-no-scheme.torrent": v1(top_announce=b"javascript:alert(1)"),
    "torrent-tree-file-with-children.torrent": v2(file_tree={b"a": {b"": {b"length": 0}, b"b": {b"": {b"length": 0}}}}),
    "torrent-tree-of-99-folders-climbs.torrent": v2(file_tree={b"a": {b"..": {b"..": {b"": {b"length": 0}}}}}),
    "torrent-web-seed-of-a-file.torrent": v1(top_url_list=None, **{"top_url-list": [b"file:///etc/passwd"]}),
    "torrent-windows-reserved.torrent": listing([b"CON"], [b"aux.flac"]),
}

V1 = "magnet:?xt=urn:btih:" + "ab" * 20
LINKS = {
    "magnet-base32-wrong.txt": "magnet:?xt=urn:btih:" + "1" * 32,
    "magnet-file-range-huge.txt": V1 + "&so=0-99999999999",
    "magnet-hash-too-short.txt": "magnet:?xt=urn:btih:abcdef",
    "magnet-multihash-of-sha1.txt": "magnet:?xt=urn:btmh:1114" + "ab" * 20,
    "magnet-name-climbs.txt": V1 + "&dn=..%2F..%2Fetc%2Fpasswd",
    "magnet-no-hash.txt": "magnet:?dn=nothing",
    "magnet-not-utf8.txt": V1 + "&dn=%ff%fe",
    "magnet-nul-in-name.txt": V1 + "&dn=a%00.exe",
    "magnet-peer-port-99999.txt": V1 + "&x.pe=192.0.2.1:99999",
    "magnet-size-negative.txt": V1 + "&xl=-5",
    "magnet-tracker-with-line-break.txt": V1 + "&tr=udp%3A%2F%2Fx%3A1%0Aevil",
    "magnet-two-hashes.txt": V1 + "&xt=urn:btih:" + "cd" * 20,
    "magnet-twice-in-a-list.txt": f"{V1}\n\n{V1}",
    "magnet-web-seed-of-a-file.txt": V1 + "&ws=file%3A%2F%2F%2Fetc%2Fpasswd",
}
MADE = TORRENTS | {name: f"{link}\n".encode() for name, link in LINKS.items()}
