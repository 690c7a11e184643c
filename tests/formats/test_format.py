"""FORMAT.md's own examples, and the vectors beside it, by the second implementation alone: no packager here."""

import base64
import io
import json
import re
import tarfile
from pathlib import Path
from typing import Any

import pytest

from tests.second_implementation import bencode, lists, lookup, metalink, minisign, names, tar, torrent
from tests.second_implementation.bag import record_line
from tests.second_implementation.documents import MANIFEST, RELEASE, parse
from tests.second_implementation.magnet import magnet
from tests.second_implementation.problems import WrongError
from tests.second_implementation.rebuild import folder_files, in_source, tar_segments
from tests.second_implementation.shard import same_stream
from tests.second_implementation.table import members_tsv, read, read_tsv

MANIFESTS = Path(__file__).parents[2] / "manifests"
VECTORS = MANIFESTS / "vectors"
SHARD, FOLDER = VECTORS / "shard/expected", VECTORS / "folder/expected"
SOURCE = VECTORS / "shard/source"
NAME = "example-texts-00001"
TEXT = (MANIFESTS / "FORMAT.md").read_text(encoding="utf-8")


def vector(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((VECTORS / name).read_text(encoding="utf-8"))
    return found


def pattern(length: int) -> bytes:
    """The data of merkle.json and metainfo.json: byte i is i % 251."""
    return (bytes(range(251)) * (length // 251 + 1))[:length]


# FORMAT.md's examples


def dumps() -> list[tuple[str, int, str]]:
    """Path, size and dump of each worked header."""
    found = re.findall(r"<!-- header (\d+) (.*) -->\n\n((?: {4}.*\n)+)", TEXT)
    return [(path, int(size), dump) for size, path, dump in found]


@pytest.mark.parametrize(("path", "size", "dump"), dumps(), ids=["prefix", "pax path", "8 GiB"])
def test_the_worked_headers_are_those_of_the_second_implementation(path: str, size: int, dump: str) -> None:
    written = bytearray(len(tar.header(path, size)))
    for line in dump.splitlines():
        offset, digits = int(line[4:8], 16), bytes.fromhex(line[10:57])
        written[offset : offset + len(digits)] = digits
        assert line[59:] == "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in digits)
    assert bytes(written) == tar.header(path, size)


def example(first: str, last: str) -> str:
    """An indented code block of FORMAT.md that has a line `first` in it, up to a line `last`."""
    [block] = re.findall(
        rf"^ {{4}}<\?xml[^\n]*\n {{4}}{re.escape(first)}\n.*?^ {{4}}{re.escape(last)}\n", TEXT, re.M | re.S
    )
    return "".join(line.removeprefix("    ") for line in block.splitlines(keepends=True))


def test_the_feed_and_the_metalink_that_the_text_shows_are_those_of_the_golden_release() -> None:
    release = parse((SHARD / "release.json").read_bytes(), RELEASE)
    feed = example('<rss version="2.0" xmlns:atom="http://www.w3.org/2005/Atom">', "</rss>")
    assert feed.encode() == (SHARD / "feed.xml").read_bytes() == lists.feed(release)
    shown = example('<metalink xmlns="urn:ietf:params:xml:ns:metalink">', "</metalink>")
    twin = (SHARD / f"{NAME}.v1.torrent").read_bytes()
    assert shown.encode() == metalink.metalink(release, release["shards"][0], twin)


# 3. The tar


@pytest.mark.parametrize("size", [(8 << 30) - 1, 8 << 30, 1 << 45])
@pytest.mark.parametrize("path", ["a/b", "a/" * 40 + "é", "p" * 90 + "/" + "n" * 100, "n" * 101, "é" * 200])
def test_headers_of_the_text_are_read_back_by_tarfile(path: str, size: int) -> None:
    with tarfile.open(fileobj=io.BytesIO(tar.header(path, size) + bytes(1024))) as archive:
        entry = archive.next()
    assert entry is not None
    assert (entry.name, entry.size) == (path, size)


def test_python_reads_every_entry_of_the_shard_with_the_fixed_owner_mode_and_time() -> None:
    rows = read_tsv(SHARD / f"{NAME}.members.tsv.zst")
    with tarfile.open(SHARD / f"{NAME}.tar") as archive:
        entries = archive.getmembers()
    assert [e.name for e in entries[3:-2]] == [f"{NAME}/data/{row['path']}" for row in rows]
    assert {(e.uid, e.gid, e.uname, e.gname, e.mode, e.mtime, e.type) for e in entries} == {
        (0, 0, "", "", 0o644, 315532800, b"0")
    }
    assert [e.offset_data for e in entries[3:-2]] == [row["offset"] for row in rows]


# 5. Names


@pytest.mark.parametrize("folder", vector("names.json")["folders"], ids=lambda folder: folder["shows"])
def test_member_names_follow_from_the_text_alone(folder: dict[str, Any]) -> None:
    expected = {
        base64.b64decode(case["source_b64"]) if "source_b64" in case else case["source"].encode(): case["member"]
        for case in folder["files"]
    }
    assert names.member_paths(sorted(expected)) == expected
    assert all(names.is_safe_path(path) for path in expected.values())


# 10, 11, 12, 20: hashes, torrents, magnets, signatures, keys


@pytest.mark.parametrize("case", vector("merkle.json")["cases"], ids=lambda case: case["name"])
def test_pieces_roots_and_layers_follow_from_the_text_alone(case: dict[str, Any]) -> None:
    hashes = torrent.hash_file([pattern(case["length"])], case["piece_length"])
    layer = hashes.layer if case["length"] > case["piece_length"] else b""
    assert (hashes.root.hex(), layer.hex()) == (case["pieces_root"], case["piece_layer"])


METAINFO = vector("metainfo.json")


@pytest.mark.parametrize("case", METAINFO["cases"], ids=lambda case: case["name"])
def test_torrents_follow_from_the_text_alone(case: dict[str, Any]) -> None:
    length = METAINFO["piece_length"]
    hashes = torrent.hash_file([pattern(case["length"])], length)
    derived = torrent.of_tar(METAINFO["file_name"], hashes, length, case["version"])
    parts = torrent.Kept(METAINFO["trackers"], METAINFO["web_seeds"], METAINFO["creation_date"])
    written = torrent.written(parts, derived)
    assert written.hex() == case["torrent"]
    assert torrent.kept(written) == parts
    torrent.check_infohashes(written, case)


@pytest.mark.parametrize("case", vector("piece_length.json")["cases"], ids=lambda c: f"{c['size']}-{c['version']}")
def test_piece_lengths_follow_from_the_text_alone(case: dict[str, Any]) -> None:
    assert torrent.chosen_piece_length(case["size"], case["version"]) == case["piece_length"]


@pytest.mark.parametrize("case", vector("magnet.json")["cases"], ids=lambda case: case["name"])
def test_magnets_follow_from_the_text_alone(case: dict[str, Any]) -> None:
    parts = torrent.Kept([case["trackers"]], case["web_seeds"], 0)
    shard = {"file": case["file_name"], "size": case["size"]}
    assert case["magnet"].startswith(magnet(case["infohash_v1"], case["infohash_v2"], shard, parts))


@pytest.mark.parametrize("case", vector("lookup.json")["cases"], ids=lambda case: case["key"])
def test_hashes_and_buckets_of_keys_follow_from_the_text_alone(case: dict[str, Any]) -> None:
    hashed = lookup.key_hash(case["key"])
    assert (lookup.normal(case["key"]), f"{hashed:016x}") == (case["normal"], case["hash"])
    assert [hashed * each["buckets"] >> 64 for each in case["places"]] == [each["bucket"] for each in case["places"]]


def test_of_one_hash_the_newest_64_are_in_the_index_and_shards_of_one_serial_are_in_reverse_order() -> None:
    shards = [
        {"name": f"a-b-{number:05d}", "phase": "b", "number": number, "since": since, "obsolete": number == 4}
        for number, since in ((1, 1), (2, 3), (3, 3), (4, 4), (5, 2))
    ]
    release = {"phases": [{"name": "a"}, {"name": "b"}], "shards": shards, "withdrawals": []}
    row = dict.fromkeys(("current_id", "source_path", "current_path", "isrc")) | {"id": "x", "path": "x"}
    found = lookup.slots(release, {shard["name"]: [row] * 30 for shard in shards})
    assert [(number, nth) for _, number, nth in found] == (
        [(100_003, nth) for nth in range(30)]
        + [(100_002, nth) for nth in range(30)]
        + [(100_005, nth) for nth in range(4)]
    )


SIGNATURES = vector("signature.json")


@pytest.mark.parametrize("case", SIGNATURES["signed"][:4], ids=lambda case: case["name"])
def test_signatures_follow_from_the_text_alone(case: dict[str, Any]) -> None:
    key, data = minisign.Key.parse(SIGNATURES["public_key"]), bytes.fromhex(case["data_hex"])
    minisign.check(data, case["signature"].encode(), key, case["trusted_comment"])
    for wrong in (data + b"\n", data[:-1] or b"x"):
        with pytest.raises(WrongError, match="does not verify"):
            minisign.check(wrong, case["signature"].encode(), key, case["trusted_comment"])


# The golden shards


@pytest.mark.parametrize("golden", [SHARD, FOLDER], ids=["tar", "folder"])
def test_golden_documents_are_canonical_and_their_rows_agree(golden: Path) -> None:
    manifest = parse((golden / f"{NAME}.manifest.json").read_bytes(), MANIFEST)
    rows = [row | {"sha256": row["sha256"]} for row in json.loads((golden / "members.json").read_bytes())]
    assert len(rows) == manifest["members"]
    assert "".join(map(record_line, rows)).encode() == (golden / "records.jsonl").read_bytes()
    parse((golden / "torrents.json").read_bytes(), None)


def test_the_golden_tables_have_the_same_rows() -> None:
    rows = read(SHARD / f"{NAME}.members.parquet")
    lines = read_tsv(SHARD / f"{NAME}.members.tsv.zst")
    assert members_tsv(rows).decode().splitlines(keepends=True) == [
        "\t".join((row["id"], row["path"], str(row["offset"]), str(row["size"]), row["sha256"], row["line"]))
        for row in lines
    ]


def test_the_golden_tar_is_written_again_from_loose_files_and_lines_without_parquet() -> None:
    manifest = parse((SHARD / f"{NAME}.manifest.json").read_bytes(), MANIFEST)
    rows = read_tsv(SHARD / f"{NAME}.members.tsv.zst")
    segments = list(tar_segments(manifest, rows, in_source(SOURCE)))
    same_stream(segments, SHARD / f"{NAME}.tar")
    hashes = torrent.hash_file(segments, manifest["piece_length"])
    for name, version in ((f"{NAME}.torrent", "hybrid"), (f"{NAME}.v1.torrent", "v1")):
        data = (SHARD / name).read_bytes()
        derived = torrent.of_tar(manifest["file"], hashes, manifest["piece_length"], version)
        assert torrent.written(torrent.kept(data), derived) == data


def test_the_golden_folder_has_the_torrents_of_the_text() -> None:
    manifest = parse((FOLDER / f"{NAME}.manifest.json").read_bytes(), MANIFEST)
    rows = read_tsv(SHARD / f"{NAME}.members.tsv.zst")
    offsets = {row["path"]: row["offset"] for row in json.loads((FOLDER / "members.json").read_bytes())}
    rows = [row | {"offset": offsets[row["path"]]} for row in rows]
    files = folder_files(manifest, rows, in_source(SOURCE), aligned=True)
    for name, version in ((f"{NAME}.torrent", "hybrid"), (f"{NAME}.v1.torrent", "v1")):
        data = (FOLDER / name).read_bytes()
        derived = torrent.of_folder(NAME, files, manifest["piece_length"], version, aligned=True)
        assert torrent.written(torrent.kept(data), derived) == data
    assert bencode.decode((FOLDER / f"{NAME}.torrent").read_bytes())[b"piece layers"]


@pytest.mark.parametrize("case", vector("headers.json")["cases"], ids=lambda case: case["shows"])
def test_the_header_of_a_member_of_any_size_is_made_from_the_text(case: dict[str, Any]) -> None:
    assert tar.header(case["path"], case["size"]).hex() == case["header"]
