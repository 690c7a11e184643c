"""packager torrent: byte for byte what libtorrent makes of the same files, loaded by real clients."""

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import libtorrent as lt
import pytest
import torf
from hypothesis import given, settings
from hypothesis import strategies as st

from packager import api
from packager.cli.app import main
from packager.core.bittorrent import parse_torrent
from packager.core.bittorrent.file_offsets import sort_key
from packager.core.bittorrent.merkle import BLOCK
from packager.errors import IncompleteError, InputError
from packager.model import Infohash, TorrentVersion
from packager.progress import Silent
from packager.share.make_torrent import TorrentSpec
from tests.helpers.error_lines import as_sentence
from tests.helpers.libtorrent_torrents import FLAGS, pattern

NAMES = st.sampled_from(["a", "b", "a.txt", "a-b", "é", "夏", "A B", "z" * 200, ".hidden", "~", "0", "ab", "a b"])
PATHS = st.lists(NAMES, min_size=1, max_size=3).map("/".join)
SIZES = st.one_of(st.sampled_from([0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 4 * BLOCK, 5 * BLOCK]), st.integers(0, 9 * BLOCK))
TREES = st.dictionaries(PATHS, SIZES, min_size=1, max_size=8)


def plant(folder: Path, tree: dict[str, int]) -> list[str]:
    """Write a tree's files, each of its own bytes, and return the paths that could be, in BEP 52's order."""
    there: list[str] = []
    for path, size in sorted(tree.items()):
        above = path.split("/")
        if any("/".join(above[:depth]) in there for depth in range(len(above))) or (folder / path).is_dir():
            continue
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(pattern(size + len(there))[len(there) :])
        there.append(path)
    return sorted(there, key=sort_key)


def by_libtorrent(
    folder: Path, paths: list[str], piece_length: int, version: TorrentVersion, **kind: Any
) -> dict[bytes, Any]:
    """What libtorrent makes of a folder's files, without its creation date."""
    entries = [lt.create_file_entry(f"{folder.name}/{path}", (folder / path).stat().st_size) for path in paths]
    creator = lt.create_torrent(entries, piece_length, FLAGS[version])
    for infohash in kind.get("similar", ()):
        creator.add_similar_torrent(lt.sha1_hash(bytes.fromhex(infohash)))
    for name in kind.get("collections", ()):
        creator.add_collection(name)
    creator.set_priv(kind.get("private", False))
    if comment := kind.get("comment"):
        creator.set_comment(comment)
    lt.set_piece_hashes(creator, str(folder.parent))
    made: dict[bytes, Any] = creator.generate()
    del made[b"creation date"]
    if version == "v1":
        made.pop(b"piece layers", None)  # libtorrent leaves an empty one in a multi-file v1 torrent
    return made


def made(path: Path, out: Path, wanted: TorrentSpec, processes: int = 1) -> bytes:
    """The bytes of our .torrent of a path."""
    return Path(api.torrent(path, wanted, to=out, overwrite=True, workers=processes).torrent).read_bytes()


@settings(max_examples=60)
@given(tree=TREES, blocks=st.sampled_from([1, 4]), version=st.sampled_from(["hybrid", "v1", "v2"]))
def test_a_folders_torrent_equals_libtorrents_byte_for_byte(
    tmp_path_factory: pytest.TempPathFactory, tree: dict[str, int], blocks: int, version: TorrentVersion
) -> None:
    folder = tmp_path_factory.mktemp("tree") / "the folder"
    folder.mkdir()
    paths = plant(folder, tree)
    if not any((folder / path).stat().st_size for path in paths):
        return
    ours = made(folder, folder.parent / "out.torrent", TorrentSpec(version=version, piece_length=blocks * BLOCK))
    loaded = lt.load_torrent_buffer(ours).ti
    files = loaded.layout()
    pad = lt.file_storage.flag_pad_file
    # BEP 52 has no word for a folder of one file: v2 clients take it for that file.
    above = "" if version == "v2" and len(paths) == 1 and "/" not in paths[0] else "the folder/"
    found = [files.file_path(at) for at in range(files.num_files()) if not files.file_flags(at) & pad]
    assert found == [f"{above}{path}" for path in paths]
    # libtorrent orders a hybrid's files by their whole paths, and then refuses what it made where a name goes on
    # after a folder's by a byte below "/": "a b" beside "a/x". Ours stands in BEP 52's order, which it loads.
    if version != "hybrid" or paths == sorted(paths, key=str.encode):
        assert ours == lt.bencode(by_libtorrent(folder, paths, blocks * BLOCK, version))
    assert parse_torrent.parse_torrent(ours, "ours").name == "the folder"


@pytest.mark.parametrize("version", ["hybrid", "v1", "v2"])
@pytest.mark.parametrize("processes", [1, 3])
def test_any_number_of_processes_makes_the_same_of_many_and_large_files(
    tmp_path: Path, version: TorrentVersion, processes: int
) -> None:
    folder = tmp_path / "many"
    tree = {f"{number % 7}/{number}": number * 37 for number in range(700)} | {"large": (70 << 20) + 5}
    folder.mkdir()
    paths = plant(folder, tree)
    wanted = TorrentSpec(version=version, piece_length=2 * BLOCK)
    ours = made(folder, tmp_path / "x.torrent", wanted, processes)
    assert ours == lt.bencode(by_libtorrent(folder, paths, 2 * BLOCK, version))


def test_what_stands_beside_the_files_equals_libtorrents(tmp_path: Path) -> None:
    folder = tmp_path / "f"
    folder.mkdir()
    paths = plant(folder, {"a": 5, "b": 40000})
    kind: dict[str, Any] = {
        "similar": ["ab" * 20, "01" * 20],
        "collections": ["x", "y"],
        "private": True,
        "comment": "c",
    }
    wanted = TorrentSpec(
        piece_length=BLOCK,
        similar=(Infohash("ab" * 20), Infohash("01" * 20)),
        collections=("x", "y"),
        private=True,
        comment="c",
    )
    assert made(folder, tmp_path, wanted) == lt.bencode(by_libtorrent(folder, paths, BLOCK, "hybrid", **kind))


@pytest.mark.parametrize("version", ["hybrid", "v1", "v2"])
def test_one_file_gives_a_single_file_torrent(tmp_path: Path, version: TorrentVersion) -> None:
    (tmp_path / "one.flac").write_bytes(pattern(100_000))
    ours = lt.bdecode(made(tmp_path / "one.flac", tmp_path, TorrentSpec(version=version, piece_length=BLOCK)))
    creator = lt.create_torrent([lt.create_file_entry("one.flac", 100_000)], BLOCK, FLAGS[version])
    lt.set_piece_hashes(creator, str(tmp_path))
    theirs = creator.generate()
    assert ours[b"info"] == theirs[b"info"]
    assert ours.get(b"piece layers") == (theirs[b"piece layers"] if version != "v1" else None)


def test_equal_files_give_an_equal_torrent_whenever_it_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "f"
    folder.mkdir()
    plant(folder, {"a": 5})
    monkeypatch.chdir(tmp_path)
    assert main(["torrent", "f"]) == 0
    first = Path("f.torrent").read_bytes()
    assert b"creation date" not in first
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    assert main(["torrent", "f", "--overwrite"]) == 0
    assert lt.bdecode(Path("f.torrent").read_bytes())[b"creation date"] == 1700000000
    assert main(["torrent", "f", "--overwrite", "--date", "2026-11-21"]) == 0
    assert lt.bdecode(Path("f.torrent").read_bytes())[b"creation date"] == 1795219200


def test_patterns_include_and_exclude(tmp_path: Path) -> None:
    folder = tmp_path / "f"
    folder.mkdir()
    plant(folder, {"cd1/a.flac": 1, "cd1/a.log": 1, "cd2/b.flac": 1, "cover.jpg": 1, ".DS_Store": 1})

    def taken(**patterns: tuple[str, ...]) -> list[str]:
        data = made(folder, tmp_path, TorrentSpec(**patterns))
        return ["/".join(file.path[1:]) for file in parse_torrent.parse_torrent(data, "x").files if not file.pad]

    assert taken(exclude=(".DS_Store", "*.log")) == ["cd1/a.flac", "cd2/b.flac", "cover.jpg"]
    assert taken(include=("*.flac",)) == ["cd1/a.flac", "cd2/b.flac"]
    assert taken(include=("cd1",)) == ["cd1/a.flac", "cd1/a.log"]
    assert taken(include=("cd1/*",), exclude=("cd1/*.log",)) == ["cd1/a.flac"]
    assert taken(exclude=("cd1/", "cover.*", ".*")) == ["cd2/b.flac"]
    with pytest.raises(InputError, match="contains no data"):
        taken(include=("*.mp3",))


def test_links_are_told_and_left_out_and_the_torrent_itself_is_no_part(tmp_path: Path) -> None:
    folder = tmp_path / "f"
    folder.mkdir()
    plant(folder, {"a": 5})
    os.symlink("a", folder / "link")
    os.mkfifo(folder / "pipe")
    for _ in range(2):
        report = api.torrent(folder, to=folder, overwrite=True)
        assert report.files == 1
    assert [issue.where for issue in report.skipped] == ["link", "pipe"]


def test_a_name_that_is_not_utf8_is_refused_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "f").mkdir()
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/f/\xff")).write_bytes(b"x")
    with pytest.raises(InputError, match="not UTF-8"):
        api.torrent(tmp_path / "f", to=tmp_path)


class _Writes(Silent):
    """Writes to a file while it is hashed."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def advance(self, amount: int) -> None:  # noqa: ARG002
        self.path.write_bytes(b"other" * 10)


def test_a_file_written_to_while_it_is_hashed_gives_no_torrent(tmp_path: Path) -> None:
    (tmp_path / "f").mkdir()
    plant(tmp_path / "f", {"a": 5, "b": 50})
    with pytest.raises(IncompleteError, match=r"changed while it was read|ended"):
        api.torrent(tmp_path / "f", to=tmp_path, progress=_Writes(tmp_path / "f" / "a"))
    assert not list(tmp_path.glob("*.torrent"))


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["gone"], "gone: not found; check the path"),
        (["f", "--format", "v3"], '--format: "v3" is not one of "hybrid", "v1", "v2"; did you mean "v2"?'),
        (["f", "--piece-length", "300 KiB"], "is not a power of two"),
        (["f", "--tracker", "nowhere"], "is not a URL"),
        (["f", "--web-seed", "https://a.example/f"], 'add "/" at the end'),
        (["f", "--similar", "xyz"], "is not a v1 infohash"),
        (["f", "--name", "a/b"], "cannot be the name of a torrent"),
        (["f", "--date", "soon"], "is not a date"),
        (["f", "--to", "there"], "already exists"),
        (["empty"], "contains no data"),
        (["pipe"], "neither a regular file nor a folder"),
    ],
)
def test_bad_input_is_told_in_a_sentence(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    sentence: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "f").mkdir()
    plant(tmp_path / "f", {"a": 5})
    (tmp_path / "empty").mkdir()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "there").write_bytes(b"")
    assert main(["torrent", *arguments]) == 2
    assert sentence in as_sentence(capsys.readouterr().err)
    assert not list(tmp_path.glob("*.torrent"))


def test_json_is_one_document_and_the_magnet_stands_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "f").mkdir()
    plant(tmp_path / "f", {"a": 5, "b": 6})
    tracker = "udp://tracker.example:1337"
    assert (
        main(
            [
                "torrent",
                "f",
                "--json",
                "--tracker",
                tracker,
                "--tracker",
                f"{tracker}/2,{tracker}/3",
                "--source-tag",
                "S",
            ]
        )
        == 0
    )
    report = json.loads(capsys.readouterr().out)
    found = parse_torrent.parse_torrent(Path("f.torrent").read_bytes(), "x")
    assert found.trackers == ((tracker,), (f"{tracker}/2", f"{tracker}/3"))
    assert report["magnet"].startswith(f"magnet:?xt=urn:btih:{report['infohash_v1']}&xt=urn:btmh:1220")
    assert (report["files"], report["size"], report["pieces"]) == (2, 11, 2)
    assert report["infohash_v1"] == found.infohash_v1.hex()  # type: ignore[union-attr]


def test_a_torrent_that_no_client_would_load_is_refused_before_a_byte_is_read(tmp_path: Path) -> None:
    (tmp_path / "f").mkdir()
    (tmp_path / "f" / "huge").touch()
    os.truncate(tmp_path / "f" / "huge", 8 << 30)
    (tmp_path / "f" / "small").write_bytes(b"x")
    with pytest.raises(InputError, match="clients load at most"):
        api.torrent(tmp_path / "f", TorrentSpec(piece_length=BLOCK), to=tmp_path)


@pytest.mark.interop
def test_transmission_and_torf_load_it_and_find_the_infohash(tmp_path: Path, program: Callable[[str], str]) -> None:
    folder = tmp_path / "f"
    folder.mkdir()
    plant(folder, {"a/x": 5, "a b": 40000, "z": 0})
    hybrid = api.torrent(folder, to=tmp_path / "hybrid.torrent")
    assert torf.Torrent.read(hybrid.torrent, validate=True).infohash == hybrid.infohash_v1
    report = api.torrent(folder, TorrentSpec(version="v1"), to=tmp_path)
    show = [program("transmission-show"), report.torrent]  # 3.00 takes no hybrid, whoever made it
    assert str(report.infohash_v1) in subprocess.run(show, capture_output=True, text=True, check=True).stdout
    read = torf.Torrent.read(report.torrent, validate=True)
    assert read.infohash == report.infohash_v1
    assert read.verify(folder)
