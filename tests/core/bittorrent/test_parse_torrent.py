"""parse_torrent.py and parse_file_list.py: strangers' torrents read right, and hostile ones refused by name."""

import contextlib
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import libtorrent as lt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from packager.core.bittorrent import bencode, build_torrent
from packager.core.bittorrent.build_torrent import SingleFileContents
from packager.core.bittorrent.merkle import BLOCK
from packager.core.bittorrent.parse_torrent import Metainfo, parse_torrent
from packager.errors import InputError
from tests.helpers.libtorrent_torrents import made_of_data, made_of_folder, pattern

FILES = {"b.bin": 3, "a/é.bin": 20_000, "a/empty": 0, "a/z/last.bin": 3 * BLOCK, "C.txt": 5}
VERSIONS = ("hybrid", "v1", "v2")


@pytest.fixture
def album(tmp_path: Path) -> Path:
    for name, size in FILES.items():
        path = tmp_path / "album" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(pattern(size))
    return tmp_path / "album"


def agrees_with_libtorrent(data: bytes) -> Metainfo:
    """Parse, and compare every fact that libtorrent has too."""
    found = parse_torrent(data, "x.torrent")
    theirs = lt.load_torrent_buffer(data)
    layout, hashes = theirs.ti.layout(), theirs.info_hashes
    assert found.infohash_v1 == (hashes.v1.to_bytes() if hashes.has_v1() else None)
    assert found.infohash_v2 == (hashes.v2.to_bytes() if hashes.has_v2() else None)
    assert found.piece_length == theirs.ti.piece_length()
    assert found.name == theirs.ti.name()
    listed = [at for at in range(layout.num_files()) if not layout.file_flags(at) & lt.file_storage.flag_pad_file]
    ours = [file for file in found.files if not file.pad]
    assert ["/".join(file.path) for file in ours] == [layout.file_path(at) for at in listed]
    assert [file.length for file in ours] == [layout.file_size(at) for at in listed]
    placed = [(file, at) for file, at in zip(ours, listed, strict=True) if file.length]
    assert [file.offset for file, _ in placed] == [layout.file_offset(at) for _, at in placed]
    roots = [layout.root(at).to_bytes() for _, at in placed]
    assert [file.pieces_root or bytes(32) for file, _ in placed] == roots
    return found


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("size", [1, BLOCK, 5 * BLOCK + 7])
def test_a_single_file_torrent_is_read_as_libtorrent_reads_it(tmp_path: Path, version: str, size: int) -> None:
    made = made_of_data(tmp_path, "démo.tar", pattern(size), BLOCK, version)
    found = agrees_with_libtorrent(lt.bencode(made))
    assert found.version == version
    assert [file.path for file in found.files] == [("démo.tar",)]
    assert found.pieces == made[b"info"].get(b"pieces", b"")
    assert found.layers == made.get(b"piece layers", {})


@pytest.mark.parametrize("version", VERSIONS)
def test_a_folders_torrent_is_read_as_libtorrent_reads_it(album: Path, version: str) -> None:
    found = agrees_with_libtorrent(lt.bencode(made_of_folder(album, BLOCK, version)))
    assert {"/".join(file.path[1:]): file.length for file in found.files if not file.pad} == FILES
    assert any(file.pad for file in found.files) == (version == "hybrid")
    assert len(found.layers) == (2 if version != "v1" else 0)


def test_files_alike_share_one_piece_layer(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / "twins").mkdir(exist_ok=True)
        (tmp_path / "twins" / name).write_bytes(pattern(3 * BLOCK))
    found = agrees_with_libtorrent(lt.bencode(made_of_folder(tmp_path / "twins", BLOCK, "v2")))
    assert len(found.files) == 2
    assert len(found.layers) == 1


def test_a_folder_with_one_file_of_its_own_name_stays_a_folder_where_v1_says_so(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    (tmp_path / "x/x").write_bytes(b"abc")
    found = agrees_with_libtorrent(lt.bencode(made_of_folder(tmp_path / "x", BLOCK, "hybrid")))
    assert found.files[0].path == ("x", "x")


def test_our_own_torrent_is_read_back_whole() -> None:
    file = SingleFileContents("demo.tar", 5, BLOCK, b"p" * 20, b"", b"r" * 32)
    info = build_torrent.build_info(file, "hybrid")
    data = build_torrent.build_torrent(
        info,
        file=file,
        trackers=(("http://a/x",), ("http://b/x", "udp://c:1")),
        web_seeds=("http://w/",),
        creation_date=7,
    )
    found = parse_torrent(data, "x")
    assert found.trackers == (("http://a/x",), ("http://b/x", "udp://c:1"))
    assert found.web_seeds == ("http://w/",)
    assert (found.creation_date, found.comment, found.private) == (7, None, False)
    assert (found.infohash_v1, found.infohash_v2) == (build_torrent.infohash_v1(info), build_torrent.infohash_v2(info))


INFO: dict[bytes, Any] = {b"name": b"n", b"piece length": BLOCK, b"length": 5, b"pieces": b"x" * 20}


def v1(**changes: Any) -> bytes:
    """A v1 torrent; a change to None takes the key away, "_" stands for a space."""
    info = {**INFO, **{key.replace("_", " ").encode(): value for key, value in changes.items()}}
    return bencode.encode({b"info": {key: value for key, value in info.items() if value is not None}})


def v1_files(*files: Any) -> bytes:
    return v1(length=None, files=[{b"length": 5, b"path": [b"a"]}, *files], pieces=b"x" * 20)


def test_other_programs_ways_of_writing_are_read() -> None:
    found = parse_torrent(bencode.encode({b"info": INFO, b"announce": b"http://a/x", b"url-list": b""}), "x")
    assert found.trackers == (("http://a/x",),)
    assert found.web_seeds == ()
    found = parse_torrent(
        bencode.encode({b"info": INFO, b"announce-list": [[], [b"http://a/x", b""]], b"url-list": b"w"}), "x"
    )
    assert found.trackers == (("http://a/x",),)
    assert found.web_seeds == ("w",)
    found = parse_torrent(
        v1(**{"private": 1, "name.utf-8": "é".encode(), "name": b"\xe9", "piece_length": 20_000}), "x"
    )
    assert (found.name, found.private, found.piece_length) == ("é", True, 20_000)
    assert parse_torrent(v1(name=b"\xe9.flac"), "x").files[0].path == ("\udce9.flac",)
    assert parse_torrent(bencode.encode({b"info": INFO, b"comment": b"a\xff"}), "x").comment == "a\ufffd"


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (b"le", "is not a bencoded dictionary, so not a .torrent"),
        (b"de", '"info" is missing or not a dictionary'),
        (b"d4:info1:xe", '"info" is missing or not a dictionary'),
        (v1(name=None), '"name" is missing or not a string'),
        (v1(name=b".."), '".." cannot be the name of a file or folder'),
        (v1(name=b"a/b"), '"a/b" cannot be the name of a file or folder'),
        (v1(name=b"/etc"), '"/etc" cannot be the name of a file or folder'),
        (v1(name=b"\x1b[31m\0"), '"\\x1b[31m\\x00" cannot be the name'),
        (v1(name=b"a" * 256), "cannot be the name of a file or folder"),
        (v1(piece_length=0), '"piece length" is 0, not from 1 to 536854528 bytes'),
        (v1(piece_length=1 << 31), '"piece length" is 2147483648, not from 1'),
        (v1(piece_length=None), '"piece length" is missing or not a whole number from 0'),
        (v1(piece_length=b"16384"), '"piece length" is missing or not a whole number from 0'),
        (v1(length=None), '"length" is missing or not a whole number from 0'),
        (v1(length=-5), '"length" is missing or not a whole number from 0'),
        (v1(length=1 << 60), "its files hold 1152921504606846976 bytes, 1 EiB or more"),
        (v1(pieces=b"x" * 21), '"pieces" has 21 bytes, not 20 for each of 1 pieces'),
        (v1(pieces=b""), '"pieces" has 0 bytes, not 20 for each of 1 pieces'),
        (v1(pieces=None), '"pieces" is missing or not a string'),
        (v1(files=[]), '"info" has both "length" and "files"'),
        (v1(length=None, files=[]), "lists no file"),
        (v1(length=None, files=b"x"), '"files" is missing or not a list'),
        (v1_files(7), '"files" holds something that is not a dictionary'),
        (v1_files({b"length": 0}), '"path" is missing or not a list'),
        (v1_files({b"length": 0, b"path": []}), "a path of 0 names, not from 1 to 100"),
        (v1_files({b"length": 0, b"path": [b"a"] * 1000}), "a path of 1000 names, not from 1 to 100"),
        (v1_files({b"length": 0, b"path": [b"..", b"x"]}), '".." cannot be the name'),
        (v1_files({b"length": 0, b"path": [b"", b"x"]}), '"" cannot be the name'),
        (v1_files({b"length": 0, b"path": [7]}), "a path holds something that is not a string"),
        (v1_files({b"length": 0, b"path": [b"a"]}), 'lists "n/a" twice'),
        (v1_files({b"length": 0, b"path": [b"a", b"b"]}), '"n/a" is both a file and a folder'),
        (v1_files({b"length": 0, b"path": [b"s"], b"attr": b"l"}), "holds a symbolic link"),
        (v1(length=0, pieces=b""), "its files have no bytes, so it proves nothing"),
        (v1(length=None, files=[{b"length": 0, b"path": [b"a"]}], pieces=b""), "its files have no bytes"),
        (v1(**{"name.utf-8": b"..", "name": b"a"}), '".." cannot be the name of a file or folder'),
    ],
    ids=lambda part: part if isinstance(part, str) else "",
)
def test_a_v1_torrents_fault_is_named(data: bytes, fault: str) -> None:
    with pytest.raises(InputError, match=re.escape(fault)):
        parse_torrent(data, "x.torrent")


def with_info(raw: bytes, after: bytes = b"") -> bytes:
    """A .torrent with an info dictionary of these bytes, and what follows it in the outer dictionary."""
    return b"d4:info" + raw + after + b"e"


RAW = bencode.encode(INFO)
UNSORTED = b"d4:name1:n6:lengthi5e12:piece lengthi16384e6:pieces20:" + b"x" * 20 + b"e"


@pytest.mark.parametrize(
    ("data", "remark"),
    [
        (with_info(RAW) + b"\n", "byte 83: 1 bytes follow the end"),
        (with_info(RAW) + b"\0" * 400, "byte 83: 400 bytes follow the end"),
        (with_info(RAW, b"8:announce8:http://a"), "byte 82: dictionary keys out of order"),
        (with_info(UNSORTED), "byte 17: dictionary keys out of order"),
        (with_info(RAW.replace(b"i5e", b"i05e")), "a number has a leading zero or is -0"),
        (with_info(RAW.replace(b"1:n", b"01:n")), "a number has a leading zero or is -0"),
        (b"d7:comment1:a7:comment1:b4:info" + RAW + b"e", "byte 22: a dictionary's key is doubled; the first counts"),
        (bencode.encode({b"info": INFO, b"announce-list": 7}), '"announce-list" is not a list'),
        (
            bencode.encode({b"info": INFO, b"announce-list": [b"x"]}),
            '"announce-list" holds something that is not a list',
        ),
        (
            bencode.encode({b"info": INFO, b"announce-list": [[7]]}),
            '"announce-list" holds something that is not a string',
        ),
        (bencode.encode({b"info": INFO, b"announce": 7}), '"announce" is not a list'),
        (bencode.encode({b"info": INFO, b"url-list": 7}), '"url-list" is not a list'),
        (bencode.encode({b"info": INFO, b"url-list": [7]}), '"url-list" holds something that is not a string'),
        (bencode.encode({b"info": INFO, b"creation date": b"x"}), '"creation date" is not a whole number'),
        (bencode.encode({b"info": INFO, b"creation date": -1}), '"creation date" is not a whole number'),
        (bencode.encode({b"info": INFO, b"comment": 7}), '"comment" is not a string'),
        (bencode.encode({b"info": INFO, b"httpseeds": 7}), '"httpseeds" is not a list'),
        (bencode.encode({b"info": INFO, b"nodes": b"x"}), '"nodes" is not a list'),
        (bencode.encode({b"info": INFO, b"encoding": [b"gbk"]}), '"encoding" is not a string'),
        (v1(source=7), '"source" is not a string'),
        (v1(collections=b"x"), '"collections" is not a list'),
        (v1(attr=7), '"attr" is not a string'),
        (v1(file_tree=7), '"file tree" is not a dictionary'),
        (bencode.encode({b"creation date": 1 << 64, b"info": INFO}), "an integer has more than 64 bits"),
        (v1(private=b"1"), '"private" is not a whole number'),
        (v1(**{"name.utf-8": 7}), '"name.utf-8" is of the wrong type'),
        (v1(meta_version=1), '"meta version" is not 2'),
        (v1(meta_version=b"2"), '"meta version" is not 2'),
        (v1_files({b"length": 0, b"path": [b"b"], b"attr": 7}), '"attr" is not a string'),
        (v1_files({b"length": 0, b"path": [b"b"], b"path.utf-8": 7}), '"path.utf-8" is of the wrong type'),
    ],
    ids=lambda part: part if isinstance(part, str) else "",
)
def test_what_does_not_matter_is_ignored_with_a_remark(data: bytes, remark: str) -> None:
    found = agrees_with_libtorrent(data)  # the infohashes, too: those of the bytes as they are
    assert len(found.remarks) == 1
    assert remark in found.remarks[0]
    assert sum(file.length for file in found.files) == 5


def test_a_torrent_of_our_own_has_no_remark_and_a_pad_file_needs_no_path() -> None:
    assert parse_torrent(v1(), "x").remarks == ()
    found = parse_torrent(v1_files({b"length": 4, b"attr": b"p"}), "x")
    assert found.files[1].path == ("n", ".pad", "4")


@pytest.mark.parametrize(
    "data",
    [
        with_info(b"d6:lengthi5e6:lengthi6e4:name1:n12:piece lengthi16384e6:pieces20:" + b"x" * 20 + b"e"),
        with_info(RAW, b"4:info" + RAW),
        with_info(RAW, b"12:piece layersde12:piece layersde"),
    ],
)
def test_a_doubled_key_that_decides_is_refused(data: bytes) -> None:
    with pytest.raises(InputError, match="a dictionary's key is doubled"):
        parse_torrent(data, "x")


Change = Callable[[dict[bytes, Any]], object]


def tree(top: dict[bytes, Any]) -> dict[bytes, Any]:
    found: dict[bytes, Any] = top[b"info"][b"file tree"]
    return found


def flipped(top: dict[bytes, Any]) -> None:
    layers = top[b"piece layers"]
    root, layer = next(iter(layers.items()))
    layers[root] = bytes([layer[0] ^ 1]) + layer[1:]


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda top: top[b"info"].update({b"meta version": 3}), '"meta version" is 3, not 2'),
        (lambda top: top[b"info"].pop(b"meta version"), '"meta version" is missing'),
        (lambda top: top[b"info"].pop(b"file tree"), '"file tree" is missing or not a dictionary'),
        (lambda top: top[b"info"].update({b"piece length": 20_000}), "not a power of two of at least 16384 bytes"),
        (lambda top: top[b"info"].update({b"piece length": 8192}), "not a power of two of at least 16384 bytes"),
        (lambda top: top[b"info"].update({b"file tree": {}}), 'its v1 and v2 lists differ at "album/C.txt"'),
        (lambda top: tree(top).update({b"": {b"length": 1}}), '"" cannot be the name of a file or folder'),
        (lambda top: tree(top).update({b"..": {}}), '".." cannot be the name of a file or folder'),
        (lambda top: tree(top).update({b"zz": 7}), '"file tree" holds something that is not a dictionary'),
        (lambda top: tree(top).update({b"zz": {b"": 7}}), '"" is missing or not a dictionary'),
        (lambda top: tree(top)[b"b.bin"].update({b"x": {}}), '"album/b.bin" is both a file and a folder'),
        (lambda top: tree(top)[b"b.bin"][b""].pop(b"pieces root"), '"pieces root" is missing or not a string'),
        (lambda top: tree(top)[b"b.bin"][b""].update({b"pieces root": b"x"}), 'a "pieces root" has 1 bytes, not 32'),
        (lambda top: tree(top)[b"b.bin"][b""].update({b"attr": b"p"}), '"file tree" holds a pad file'),
        (lambda top: tree(top)[b"b.bin"][b""].update({b"attr": b"xl"}), "holds a symbolic link"),
        (lambda top: tree(top)[b"b.bin"][b""].update({b"length": 4}), 'its v1 and v2 lists differ at "album/b.bin"'),
        (lambda top: tree(top).update({b"zz": {b"": {b"length": 0}}}), 'its v1 list lacks "album/zz"'),
        (lambda top: top[b"info"][b"files"].pop(1), '"album/a/z/last.bin" does not begin a piece'),
        (lambda top: top.pop(b"piece layers"), '"piece layers" lacks the layer of "album/a/z/last.bin"'),
        (lambda top: top.update({b"piece layers": 7}), '"piece layers" is missing or not a dictionary'),
        (lambda top: top[b"piece layers"].update({b"y" * 32: b""}), '"piece layers" holds a layer of no file'),
        (
            lambda top: top.update({b"piece layers": dict.fromkeys(top[b"piece layers"], b"short")}),
            'the piece layer of "album/a/z/last.bin" has 5 bytes, not 32 a piece',
        ),
        (flipped, "does not give its pieces root"),
        (
            lambda top: tree(top)[b"b.bin"][b""].update({b"pieces root": bytes(32)}),
            'root of "album/b.bin" is all zeros',
        ),
    ],
)
def test_a_hybrid_torrents_fault_is_named(album: Path, change: Change, fault: str) -> None:
    top = made_of_folder(album, BLOCK, "hybrid")
    change(top)
    with pytest.raises(InputError, match=re.escape(fault)):
        parse_torrent(bencode.encode(top), "x.torrent")


def test_pad_files_may_share_a_name(album: Path) -> None:
    top = made_of_folder(album, BLOCK, "hybrid")
    for entry in top[b"info"][b"files"]:
        if entry.get(b"attr") == b"p":
            entry[b"path"] = [b".pad", b"0"]
    assert parse_torrent(bencode.encode(top), "x").version == "hybrid"


KEYS = st.sampled_from(
    [b"", b"info", b"name", b"length", b"files", b"path", b"file tree", b"pieces root", b"pieces", b"a"]
)
HOSTILE = st.recursive(
    st.integers(-2, 1 << 61) | st.binary(max_size=4) | st.just(b"x" * 32),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=8,
)


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every (list or dictionary, index or key) below a value."""
    for key in list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield value, key
        yield from places(value[key])


@given(at=st.integers(0, 1000), value=HOSTILE)
@settings(max_examples=300)
def test_a_torrent_with_any_value_anywhere_ends_in_our_error_alone(at: int, value: Any) -> None:
    top: Any = {
        b"info": {
            **{key: INFO[key] for key in (b"name", b"piece length", b"pieces")},
            b"meta version": 2,
            b"files": [{b"length": 5, b"path": [b"a"]}],
            b"file tree": {b"a": {b"": {b"length": 5, b"pieces root": b"r" * 32}}},
        },
        b"piece layers": {},
        b"announce-list": [[b"http://a"]],
        b"url-list": [b"http://w"],
    }
    parse_torrent(bencode.encode(top), "x.torrent")
    every = list(places(top))
    holder, key = every[at % len(every)]
    holder[key] = value
    with contextlib.suppress(InputError):
        parse_torrent(bencode.encode(top), "x.torrent")


@given(data=st.binary(max_size=200))
@settings(max_examples=100)
def test_any_bytes_end_in_our_error_alone(data: bytes) -> None:
    with pytest.raises(InputError):
        parse_torrent(data, "x.torrent")


@pytest.mark.interop
@pytest.mark.parametrize("what", ["album", "album/a/z/last.bin"])
def test_what_mktorrent_makes_is_read(program: Callable[[str], str], album: Path, what: str) -> None:
    made = album.parent / "made.torrent"
    seed, tracker = "http://w.example/", "http://t.example/announce"
    source = str(album.parent / what)
    subprocess.run([program("mktorrent"), "-l", "15", "-a", tracker, "-w", seed, "-o", str(made), source], check=True)
    found = agrees_with_libtorrent(made.read_bytes())
    assert (found.trackers, found.web_seeds) == (((tracker,),), (seed,))


@pytest.mark.interop
@pytest.mark.parametrize("what", ["album", "album/a/z/last.bin"])
def test_what_transmission_makes_is_read(program: Callable[[str], str], album: Path, what: str) -> None:
    made = album.parent / "made.torrent"
    options = ["-p", "-c", "a comment", "-t", "http://t.example/announce", "-o", str(made)]
    subprocess.run([program("transmission-create"), *options, str(album.parent / what)], check=True)
    found = agrees_with_libtorrent(made.read_bytes())
    assert (found.private, found.comment, found.version) == (True, "a comment", "v1")
