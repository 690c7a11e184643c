"""Torrents of all shapes that libtorrent's own tests have: our verdict is libtorrent's, or trust.md has the reason."""

from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from packager.core.bittorrent import bencode, parse_torrent
from packager.core.bittorrent.merkle import BLOCK, pieces_root
from packager.engine.network import libtorrent_session
from packager.errors import InputError

TRUST = (Path(__file__).parents[2] / "docs/explanation/trust.md").read_text(encoding="utf-8")
HASH = b"h" * 20


def top(info: Any, **outer: Any) -> bytes:
    return bencode.encode({b"info": info, **{key.replace("_", " ").encode(): value for key, value in outer.items()}})


def changed(base: dict[bytes, Any], changes: dict[str, Any]) -> dict[bytes, Any]:
    every = {**base, **{key.replace("_", " ").encode(): value for key, value in changes.items()}}
    return {key: value for key, value in every.items() if value is not None}


def one(**changes: Any) -> dict[bytes, Any]:
    """A v1 info dictionary of one file; None takes a key away."""
    return changed({b"name": b"temp", b"piece length": BLOCK, b"length": 5, b"pieces": HASH}, changes)


def many(*files: dict[bytes, Any], **changes: Any) -> dict[bytes, Any]:
    return one(**{"length": None, "files": list(files), **changes})


def file(*path: bytes, **changes: Any) -> dict[bytes, Any]:
    return changed({b"length": 5, b"path": list(path)}, changes)


LAYER = b"".join(sha256(bytes([at]) * BLOCK).digest() for at in range(4))
ROOT = pieces_root(LAYER, BLOCK)


def leaf(size: int = 4 * BLOCK, root: bytes | None = ROOT, **changes: Any) -> dict[bytes, Any]:
    return {b"": changed({b"length": size, **({b"pieces root": root} if root else {})}, changes)}


def two(tree: Any = None, **changes: Any) -> dict[bytes, Any]:
    """A v2 info dictionary of one file of four pieces."""
    tree = {b"temp": leaf()} if tree is None else tree
    return changed({b"name": b"temp", b"piece length": BLOCK, b"meta version": 2, b"file tree": tree}, changes)


def v2(tree: Any = None, layers: Any = None, **changes: Any) -> bytes:
    return top(two(tree, **changes), piece_layers={ROOT: LAYER} if layers is None else layers)


def hybrid(tree: Any = None, layers: Any = None, **changes: Any) -> bytes:
    return v2(tree, layers, **{"length": 4 * BLOCK, "pieces": HASH * 4, **changes})


SMALL = leaf(5, b"r" * 32)
LINK: dict[str, Any] = {"attr": b"l", "length": 0, "symlink_path": [b"a"]}
DEEP: Any = {b"x": SMALL}
for _ in range(120):
    DEEP = {b"d": DEEP}

SHAPES = {
    "base": top(one()),
    "empty_path": top(many(file(b"", b"bar"))),
    "parent_path": top(many(file(b"..", b"bar"))),
    "hidden_parent_path": top(many(file(b"foo", b".. ", b"bar"))),
    "single_multi_file": top(many(file(b"foo", b"bar.txt"))),
    "slash_path": top(many(file(b"/", b"bar"))),
    "slash_path2": top(many(file(b"abc/../../def", b"bar"))),
    "slash_path3": top(one(name=b"temp/../../abc")),
    "backslash_path": top(many(file(b"foo\\bar", b"x"))),
    "url_list": top(one(), **{"url-list": [b"http://a/", b"http://b/"]}),
    "url_list2": top(one(), **{"url-list": b"http://a/"}),
    "url_list3": top(one(), **{"url-list": []}),
    "url_list_number": top(one(), **{"url-list": 3}),
    "httpseed": top(one(), httpseeds=[b"http://a/"]),
    "empty_httpseed": top(one(), httpseeds=b""),
    "long_name": top(one(name=b"n" * 300)),
    "whitespace_url": top(one(), announce=b" udp://test.example/announce \n"),
    "duplicate_files": top(many(file(b"foo", b"bar.txt"), file(b"foo", b"bar.txt"))),
    "pad_file": top(many(file(b"a"), file(b".pad", b"7", length=7, attr=b"p"))),
    "pad_file_no_path": top(many(file(b"a"), {b"length": 7, b"attr": b"p"})),
    "pad_file_symlink": top(many(file(b"a"), file(b".pad", b"7", length=7, attr=b"pl", symlink_path=[b"a"]))),
    "creation_date": top(one(), creation_date=1234567),
    "creation_date_ms": top(one(), creation_date=1234567000000),
    "no_creation_date": top(one()),
    "url_seed": top(one(), **{"url-list": b"http://test.example/file"}),
    "url_seed_multi": top(many(file(b"a")), **{"url-list": [b"http://test.example/file"]}),
    "url_seed_multi_space": top(many(file(b"a")), **{"url-list": [b"http://test.example/test file/"]}),
    "duplicate_web_seeds": top(one(), **{"url-list": [b"http://a/", b"http://a/"]}),
    "relative_web_seed": top(one(), **{"url-list": [b"/32/items/x/"]}),
    "empty_path_multi": top(many(file(b"a"), file(b""))),
    "invalid_name2": top(one(name=b"/")),
    "invalid_name3": top(one(name=b"foobar ")),
    "invalid_name4": top(one(name=b"\xff\xfe.bin")),
    "symlink1": top(many(file(b"a"), file(b"b", **LINK))),
    "symlink_zero_size": top(many(file(b"a"), file(b"b", **{**LINK, "length": None}))),
    "symlink_filtered_path": top(many(file(b"a"), file(b"b", **{**LINK, "symlink_path": [b"..", b"a"]}))),
    "unordered": b"d4:infod4:name4:temp6:lengthi5e12:piece lengthi16384e6:pieces20:" + HASH + b"ee",
    "newline_behind": top(one()) + b"\n",
    "unordered_outside": b"d4:info" + bencode.encode(one()) + b"8:announce8:http://ae",
    "absolute_filename": top(many(file(b"/abcde"), file(b"foobar"))),
    "invalid_filename": top(many(file(b"a\x00b"), file(b"c"))),
    "invalid_filename2": top(many(file(b"\x01"), file(b"\x02"), file(b"\x7f"))),
    "invalid_directory_name": top(many(file(b".", b"a"))),
    "large_piece_size": top(one(piece_length=32767 * BLOCK)),
    "too_large_piece_size": top(one(piece_length=32768 * BLOCK)),
    "sanitize_limits": top(many(file(*[b"d"] * 99, b"x"))),
    "similar": top(one(similar=[HASH]), similar=[HASH]),
    "similar_wrong": top(one(similar=7)),
    "collection": top(one(collections=[b"bar", b"foo"])),
    "collection_wrong": top(one(collections=b"bar")),
    "dht_nodes": top(one(), nodes=[[b"192.0.2.1", 6881]]),
    "dht_nodes_wrong": top(one(), nodes=b"x"),
    "sample": top(many(file(b"a"), file(b"b")), announce=b"http://a/announce"),
    "announce_list_wrong": top(one(), **{"announce-list": b"http://a/"}),
    "comment_wrong": top(one(), comment=[b"x"]),
    "private_wrong": top(one(private=b"1")),
    "empty_file_among_others": top(many(file(b"a"), file(b"b", length=0))),
    "v2": hybrid({b"temp": leaf(BLOCK, b"r" * 32)}, {}, length=BLOCK, pieces=HASH),
    "v2_multipiece_file": hybrid(),
    "v2_only": v2(),
    "v2_multiple_files": v2({b"a": SMALL, b"b": leaf(), b"c": {b"d": SMALL}}),
    "v2_hybrid": hybrid({b"a": SMALL}, {}, length=None, files=[file(b"a")], pieces=HASH),
    "v2_empty_file": v2({b"a": leaf(0, None), b"b": SMALL}, {}),
    "v2_empty_file_with_root": v2({b"a": leaf(0, ROOT), b"b": SMALL}, {}),
    "v2_invalid_filename": v2({b"\x01estMB": SMALL}, {}),
    "v2_invalid_filename2": v2({b"\x01": SMALL, b"\x02": SMALL}, {}),
    "v2_symlinks": v2({b"a": SMALL, b"b": {b"": {b"attr": b"l", b"length": 0, b"symlink path": [b"a"]}}}, {}),
    "v2_no_piece_layers": top(two()),
    "v2_incomplete_piece_layer": v2({b"a": leaf(), b"b": leaf(2 * BLOCK, b"s" * 32)}),
    "meta_version_1": top(one(meta_version=1)),
    "missing_piece_len": top(one(piece_length=None)),
    "invalid_piece_len": top(one(piece_length=0)),
    "negative_piece_len": top(one(piece_length=-1)),
    "no_name": top(one(name=None)),
    "bad_name": top(one(name=[b"temp"])),
    "invalid_name": top(one(name=b"..")),
    "invalid_info": top([b"info"]),
    "string": b"4:temp",
    "negative_size": top(one(length=-5)),
    "negative_file_size": top(many(file(b"a", length=-5))),
    "invalid_path_list": top(many(file(b"a", path=[7]))),
    "missing_path_list": top(many(file(b"a", path=None))),
    "invalid_pieces": top(one(pieces=7)),
    "unaligned_pieces": top(one(pieces=HASH + b"x")),
    "invalid_file_size": top(many(file(b"a", length=b"5"))),
    "invalid_symlink": top(many(file(b"a"), file(b"b", **{**LINK, "symlink_path": None}))),
    "many_pieces": top(one(length=1 << 40, pieces=HASH)),
    "no_files": top(many(pieces=b"")),
    "zero": top(one(length=0, pieces=b"")),
    "zero2": top(many(file(b"a", length=0), pieces=b"")),
    "v2_zero": v2({b"a": leaf(0, None)}, {}),
    "invalid_root_hash": top(one(pieces=None, root_hash=HASH)),
    "invalid_merkle": top(one(root_hash=7)),
    "v2_mismatching_metadata": hybrid(length=4 * BLOCK + 1, pieces=HASH * 5),
    "v2_no_power2_piece": v2(piece_length=BLOCK + 1),
    "v2_piece_size": v2(piece_length=BLOCK // 2),
    "v2_invalid_file": v2({b"temp": 7}),
    "v2_file_and_folder": v2({b"temp": {**leaf(), b"x": SMALL}}),
    "v2_deep_recursion": v2(DEEP, {}),
    "nested_99": top(one()).replace(b"d4:info", b"d7:comment" + b"l" * 98 + b"e" * 98 + b"4:info"),
    "nested_100": top(one()).replace(b"d4:info", b"d7:comment" + b"l" * 99 + b"e" * 99 + b"4:info"),
    "nested_100_in_info": top(one(x=0)).replace(b"i0e", b"l" * 98 + b"e" * 98),
    "nested_99_in_info": top(one(x=0)).replace(b"i0e", b"l" * 97 + b"e" * 97),
    "v2_non_multiple_piece_layer": v2(layers={ROOT: LAYER + b"x"}),
    "v2_piece_layer_invalid_file_hash": v2(layers={ROOT: LAYER, b"s" * 31: LAYER}),
    "v2_unknown_piece_layer_entry": v2(layers={ROOT: LAYER, b"s" * 32: LAYER}),
    "v2_invalid_piece_layer": v2(layers={ROOT: 7}),
    "v2_invalid_piece_layer_root": v2(layers={ROOT: LAYER[::-1]}),
    "v2_invalid_piece_layer_size": v2(layers={ROOT: LAYER[:64]}),
    "v2_bad_file_alignment": hybrid(
        {b"a": SMALL, b"b": SMALL}, {}, length=None, files=[file(b"a"), file(b"b")], pieces=HASH
    ),
    "v2_unordered_files": hybrid(
        {b"a": SMALL, b"b": SMALL},
        {},
        length=None,
        files=[file(b"b"), file(b".pad", b"x", length=BLOCK - 5, attr=b"p"), file(b"a")],
        pieces=HASH * 2,
    ),
    "v2_overlong_integer": top(one()).replace(b"i5e", b"i99999999999999999999e"),
    "v2_missing_file_root": v2({b"temp": leaf(root=None)}),
    "v2_invalid_root_hash": v2({b"temp": leaf(root=b"r" * 20)}),
    "v2_large_file": v2({b"temp": leaf(1 << 60)}),
    "v2_large_offset": v2({b"a": leaf(1 << 50, b"r" * 32), b"b": SMALL}, {}),
    "v2_invalid_pad_file": v2({b"a": leaf(5, b"r" * 32, attr=b"p")}, {}),
    "v2_zero_root": v2({b"temp": leaf(root=bytes(32))}, {bytes(32): LAYER}),
    "v2_zero_root_small": v2({b"temp": leaf(5, bytes(32))}, {}),
    "v2_empty_filename": v2({b"": SMALL}, {}),
    "v2_hybrid_without_pieces": hybrid(pieces=None),
    "v2_meta_version_3": v2(meta_version=3),
    "v2_tree_alone": v2(meta_version=None),
    "tree_without_meta_version": top(one(file_tree={b"temp": SMALL})),
    "tree_of_a_wrong_type": top(one(file_tree=7, meta_version=1)),
    "one_file_symlink": top(one(attr=b"l")),
    "one_file_executable": top(one(attr=b"x")),
    "integer_of_65_bits": top(one()).replace(b"d4:info", b"d13:creation datei99999999999999999999e4:info"),
    "integer_of_21_digits": top(one()).replace(b"d4:info", b"d13:creation datei999999999999999999999e4:info"),
    "length_of_65_bits": top(many(file(b"a", length=1))).replace(b"i1e", b"i18446744073709551621e"),
    "long_digits": top(one()).replace(b"d4:info", b"d7:comment0000000000001:x4:info"),
    "length_and_files": top(many(file(b"a"), length=5)),
    "doubled_key": b"d4:infod6:lengthi5e6:lengthi6e4:name1:n12:piece lengthi16384e6:pieces20:" + HASH + b"ee",
}

# What libtorrent loads and packager does not: the words with which trust.md gives the reason.
NAMES, LINKS, LAYERS, READINGS = (
    "**a name that no file here can have**",
    "**a symbolic link**",
    "**no piece layer**",
    "**two readings**",
)
EXCEPTIONS = {
    **dict.fromkeys(["empty_path", "parent_path", "slash_path", "slash_path2", "slash_path3", "long_name"], NAMES),
    **dict.fromkeys(["empty_path_multi", "absolute_filename", "invalid_filename"], NAMES),
    **dict.fromkeys(["invalid_directory_name"], NAMES),
    **dict.fromkeys(["duplicate_files", "length_and_files", "v2_hybrid_without_pieces", "doubled_key"], READINGS),
    **dict.fromkeys(["symlink1", "symlink_zero_size", "symlink_filtered_path", "v2_symlinks"], LINKS),
    **dict.fromkeys(["pad_file_symlink", "invalid_symlink"], LINKS),  # later versions of libtorrent refuse them, too
    **dict.fromkeys(["v2_no_piece_layers", "v2_incomplete_piece_layer"], LAYERS),
}


def loads(data: bytes, *, ours: bool) -> bool:
    try:
        parse_torrent.parse_torrent(data, "x") if ours else libtorrent_session.read_with_libtorrent(data, "x")
    except InputError:
        return False
    return True


@pytest.mark.parametrize("name", SHAPES)
def test_our_verdict_is_libtorrents_or_trust_gives_the_reason(name: str) -> None:
    theirs, ours = loads(SHAPES[name], ours=False), loads(SHAPES[name], ours=True)
    if name in EXCEPTIONS:
        assert (theirs, ours, EXCEPTIONS[name] in TRUST) == (True, False, True)
    else:
        assert ours == theirs
