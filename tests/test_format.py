"""A second implementation of manifests/FORMAT.md, from its text alone: nothing of packager is imported here.

The golden files are made again from the loose files, the manifest and the members' rows, and compared.
"""

import base64
import hashlib
import io
import json
import re
import tarfile
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

VECTORS = Path(__file__).parents[1] / "manifests/vectors"
SHARD = VECTORS / "shard"
EXPECTED = SHARD / "expected"
NAME = "example-texts-00001"
MANIFEST = json.loads((EXPECTED / f"{NAME}.manifest.json").read_bytes())
MEMBERS = json.loads((EXPECTED / "members.json").read_bytes())
RELEASE = json.loads((EXPECTED / "release.json").read_bytes())
TRACKERS = [["udp://tracker.example.org:6969/announce"], ["https://b.example.org/announce"]]
WEB_SEEDS = ["https://seed.example.org/shards/"]
DATE = 1795219200  # 2026-11-21T00:00:00Z

LINE_FIELDS = (
    *("id", "path", "source_path", "source_path_b64", "kind", "size", "title", "artist", "album", "track", "date"),
    *("year", "isrc", "duration", "codec", "licence", "popularity", "extra"),
)


# 3. The tar, with Python's tarfile


def header_block(path: str, size: int, typeflag: bytes) -> bytes:
    """tarfile makes the block but for the device fields, which it leaves empty for a regular file."""
    info = tarfile.TarInfo(path)
    info.mode, info.size, info.mtime, info.type = 0o644, size, 315532800, typeflag
    block = bytearray(info.tobuf(tarfile.USTAR_FORMAT, "ascii", "strict"))
    block[329:345] = b"0000000\0" * 2
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def pax_record(key: str, value: str) -> bytes:
    rest = f" {key}={value}\n".encode()
    length = next(n for n in range(len(rest), len(rest) + 20) if n == len(rest) + len(str(n)))
    return str(length).encode() + rest


def fits_ustar(path: str) -> bool:
    if not path.isascii():
        return False
    if len(path) <= 100:
        return True
    cut = path.find("/", len(path) - 101)
    return 1 <= cut <= 155 and cut != len(path) - 1


def header(path: str, size: int) -> bytes:
    records = b""
    short = path
    if not fits_ustar(path):
        records += pax_record("path", path)
        short = "".join(c if c.isascii() else "_" for c in path)[-100:].lstrip("/")
    if size >= 8 << 30:
        records += pax_record("size", str(size))
    block = header_block(short, 0 if size >= 8 << 30 else size, b"0")
    if not records:
        return block
    name = block[:100].rstrip(b"\0").decode()
    return header_block("PaxHeaders/" + name[-89:].replace("/", "_"), len(records), b"x") + padded(records) + block


def padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 512)


def rebuilt_tar() -> bytes:
    files = {
        "bagit.txt": b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n",
        "bag-info.txt": MANIFEST["bag_info"].encode(),
        "records.jsonl": "".join(map(record_line, MEMBERS)).encode(),
    }
    out = io.BytesIO()
    for name, data in files.items():
        out.write(header(f"{NAME}/{name}", len(data)) + padded(data))
    for row in MEMBERS:
        data = (SHARD / "source" / source_path(row)).read_bytes()
        out.write(header(f"{NAME}/data/{row['path']}", row["size"]))
        assert out.tell() == row["offset"]
        assert (len(data), hashlib.sha256(data).hexdigest()) == (row["size"], row["sha256"])
        out.write(padded(data))
    files["manifest-sha256.txt"] = "".join(f"{row['sha256']}  data/{row['path']}\n" for row in MEMBERS).encode()
    files["tagmanifest-sha256.txt"] = "".join(
        f"{hashlib.sha256(files[name]).hexdigest()}  {name}\n" for name in sorted(files)
    ).encode()
    for name in ("manifest-sha256.txt", "tagmanifest-sha256.txt"):
        out.write(header(f"{NAME}/{name}", len(files[name])) + padded(files[name]))
    return out.getvalue() + bytes(1024)


def source_path(row: dict[str, Any]) -> str:
    return str(row["source_path"] or row["path"])


def record_line(row: dict[str, Any]) -> str:
    return "{" + ",".join(f'"{key}":{json_value(key, row[key])}' for key in LINE_FIELDS if row[key] is not None) + "}\n"


def json_value(key: str, value: Any) -> str:
    if key == "extra":
        return str(value)
    return repr(value).removesuffix(".0") if isinstance(value, float) else json.dumps(value, ensure_ascii=False)


def test_the_shard_is_written_again_from_loose_files_by_the_text_alone() -> None:
    tar = rebuilt_tar()
    assert tar == (EXPECTED / f"{NAME}.tar").read_bytes()
    assert (len(tar), hashlib.sha256(tar).hexdigest()) == (MANIFEST["size"], MANIFEST["sha256"])


def test_python_reads_every_entry_of_the_shard_with_the_fixed_owner_mode_and_time() -> None:
    with tarfile.open(EXPECTED / f"{NAME}.tar") as tar:
        entries = tar.getmembers()
    assert [e.name for e in entries[3:-2]] == [f"{NAME}/data/{row['path']}" for row in MEMBERS]
    assert {(e.uid, e.gid, e.uname, e.gname, e.mode, e.mtime, e.type) for e in entries} == {
        (0, 0, "", "", 0o644, 315532800, b"0")
    }
    assert [e.offset_data for e in entries[3:-2]] == [row["offset"] for row in MEMBERS]


@pytest.mark.parametrize("size", [(8 << 30) - 1, 8 << 30, 1 << 45])
@pytest.mark.parametrize("path", ["a/b", "a/" * 40 + "é", "p" * 90 + "/" + "n" * 100, "n" * 101, "é" * 200])
def test_headers_of_the_text_are_read_back_by_tarfile(path: str, size: int) -> None:
    with tarfile.open(fileobj=io.BytesIO(header(path, size) + bytes(1024))) as tar:
        entry = tar.next()
    assert entry is not None
    assert (entry.name, entry.size) == (path, size)


# 5. Member names

FORBIDDEN = {*range(0x20), *range(0x7F, 0xA0), 0x61C, 0x200E, 0x200F, *range(0x2028, 0x202F), *range(0x2066, 0x206A)}
FORBIDDEN |= set(map(ord, '%\\<>:"|?*'))
RESERVED = re.compile(r"(CON|PRN|AUX|NUL|CONIN\$|CONOUT\$|(COM|LPT)[0-9¹²³])\s*(\..*)?", re.IGNORECASE | re.DOTALL)


def is_safe(name: bytes) -> bool:
    try:
        text = name.decode()
    except UnicodeDecodeError:
        return False
    return (
        0 < len(name) <= 255
        and text not in (".", "..")
        and not {*map(ord, text)} & {*FORBIDDEN, ord("/")}
        and text[-1] != "."
        and not text[-1].isspace()
        and not RESERVED.fullmatch(text)
    )


def extension(text: str) -> str:
    found = re.fullmatch(r".+(\.[A-Za-z0-9]{1,10})", text, re.DOTALL)
    return found[1] if found else ""


def replacement(name: bytes) -> str:
    text = "".join("_" if c == "\ufffd" or ord(c) in FORBIDDEN else c for c in name.decode("utf-8", "replace"))
    kept = text.removesuffix(extension(text)).encode()[:180].decode("utf-8", "ignore")
    stem = kept.rstrip(". \t\u00a0\u3000").strip() or "_"
    new = f"{stem}~{hashlib.sha256(name).hexdigest()[:8]}{extension(text)}"
    return "_" + new if RESERVED.fullmatch(new) else new


def key(name: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFKD", name).casefold())


def member_names(names: Sequence[bytes], *, topmost: bool) -> dict[bytes, str]:
    keys = {name: key(name.decode("utf-8", "surrogateescape")) for name in names}
    replaced = {n for n in names if not is_safe(n) or list(keys.values()).count(keys[n]) > 1}
    if topmost:
        replaced |= {n for n in names if keys[n] == key("long-paths~")}
    while more := {n for n in names if n not in replaced and keys[n] in {key(replacement(r)) for r in replaced}}:
        replaced |= more
    return {n: replacement(n) if n in replaced else n.decode() for n in names}


def member_paths(paths: Sequence[bytes]) -> dict[bytes, str]:
    folders: dict[bytes, set[bytes]] = {}
    for path in paths:
        parts = path.split(b"/")
        for depth, part in enumerate(parts):
            folders.setdefault(b"/".join(parts[:depth]), set()).add(part)
    named = {folder: member_names(sorted(names), topmost=not folder) for folder, names in folders.items()}
    return {path: member_path(path, named) for path in paths}


def member_path(path: bytes, named: dict[bytes, dict[bytes, str]]) -> str:
    parts = path.split(b"/")
    names = [named[b"/".join(parts[:depth])][part] for depth, part in enumerate(parts)]
    joined = "/".join(names)
    if len(joined.encode()) <= 1024:
        return joined
    return f"long-paths~/{hashlib.sha256(path).hexdigest()[:32]}{extension(names[-1])}"


NAMES = json.loads((VECTORS / "names.json").read_text(encoding="utf-8"))["folders"]


@pytest.mark.parametrize("folder", NAMES, ids=lambda folder: folder["shows"])
def test_member_names_follow_from_the_text_alone(folder: dict[str, Any]) -> None:
    expected = {
        base64.b64decode(case["source_b64"]) if "source_b64" in case else case["source"].encode(): case["member"]
        for case in folder["files"]
    }
    assert member_paths(sorted(expected)) == expected
    assert all(is_safe(part.encode()) for path in expected.values() for part in path.split("/"))


# 8, 10 to 13. Documents, torrent, magnet, lists


@pytest.mark.parametrize("name", [f"{NAME}.manifest.json", "release.json", "torrents.json"])
def test_documents_are_canonical(name: str) -> None:
    data = (EXPECTED / name).read_bytes()
    assert (json.dumps(json.loads(data), ensure_ascii=False, indent=2) + "\n").encode() == data


def bencoded(value: Any) -> bytes:
    if isinstance(value, int):
        return b"i%de" % value
    if isinstance(value, list):
        return b"l" + b"".join(map(bencoded, value)) + b"e"
    if isinstance(value, dict):
        raw = {k if isinstance(k, bytes) else k.encode(): v for k, v in value.items()}
        return b"d" + b"".join(bencoded(k) + bencoded(raw[k]) for k in sorted(raw)) + b"e"
    raw_text = value if isinstance(value, bytes) else value.encode()
    return b"%d:%s" % (len(raw_text), raw_text)


def tree(nodes: list[bytes], pad: bytes) -> bytes:
    while len(nodes) & (len(nodes) - 1):
        nodes = [*nodes, pad]
    while len(nodes) > 1:
        nodes = [hashlib.sha256(nodes[i] + nodes[i + 1]).digest() for i in range(0, len(nodes), 2)]
    return nodes[0]


def slices(data: bytes, length: int) -> list[bytes]:
    return [data[at : at + length] for at in range(0, len(data), length)]


def test_the_torrents_follow_from_the_tar_and_the_text() -> None:
    tar, length = (EXPECTED / f"{NAME}.tar").read_bytes(), MANIFEST["piece_length"]
    blocks_a_piece = length // 16384
    leaf_roots = []
    for piece in slices(tar, length):
        leaves = [hashlib.sha256(block).digest() for block in slices(piece, 16384)]
        leaf_roots.append(tree(leaves + [bytes(32)] * (blocks_a_piece - len(leaves)), bytes(32)))
    root = tree(leaf_roots, tree([bytes(32)] * blocks_a_piece, bytes(32)))
    v1 = {
        "length": len(tar),
        "name": f"{NAME}.tar",
        "piece length": length,
        "pieces": b"".join(hashlib.sha1(piece).digest() for piece in slices(tar, length)),
    }
    hybrid = v1 | {"meta version": 2, "file tree": {f"{NAME}.tar": {"": {"length": len(tar), "pieces root": root}}}}
    around = {"announce": TRACKERS[0][0], "announce-list": TRACKERS, "creation date": DATE, "url-list": WEB_SEEDS}
    layers = {"piece layers": {root: b"".join(leaf_roots)}}
    assert bencoded(around | {"info": hybrid} | layers) == (EXPECTED / f"{NAME}.torrent").read_bytes()
    assert bencoded(around | {"info": v1}) == (EXPECTED / f"{NAME}.v1.torrent").read_bytes()
    assert root.hex() == MANIFEST["pieces_root"]
    assert hashlib.sha1(bencoded(hybrid)).hexdigest() == MANIFEST["infohash_v1"]
    assert hashlib.sha256(bencoded(hybrid)).hexdigest() == MANIFEST["infohash_v2"]
    assert hashlib.sha1(bencoded(v1)).hexdigest() == MANIFEST["twin_infohash"]


def magnet(*topics: str) -> str:
    fields = [f"xt={topic}" for topic in topics] + [f"dn={NAME}.tar", f"xl={MANIFEST['size']}"]
    fields += [f"tr={quote(url, safe='')}" for tier in TRACKERS for url in tier]
    fields += [f"ws={quote(url + NAME + '.tar', safe='')}" for url in WEB_SEEDS]
    return "magnet:?" + "&".join(fields)


def test_the_magnets_and_lists_follow_from_the_documents_and_the_text() -> None:
    [shard] = RELEASE["shards"]
    topics = (f"urn:btih:{MANIFEST['infohash_v1']}", f"urn:btmh:1220{MANIFEST['infohash_v2']}")
    assert shard["magnet"] == magnet(*topics)
    assert shard["twin_magnet"] == magnet(f"urn:btih:{MANIFEST['twin_infohash']}")
    assert (EXPECTED / "magnets.txt").read_text() == shard["magnet"] + "\n"
    assert (EXPECTED / "magnets-v1.txt").read_text() == shard["twin_magnet"] + "\n"
    assert json.loads((EXPECTED / "torrents.json").read_bytes()) == [
        {
            "url": f"{RELEASE['base_url'].rstrip('/')}/torrents/{NAME}.torrent",
            "top_level_group_name": "example",
            "group_name": "texts",
            "display_name": f"{NAME}.torrent",
            "added_to_torrents_list_at": "2026-11-21",
            "is_metadata": False,
            "btih": MANIFEST["infohash_v1"],
            "magnet_link": shard["magnet"],
            "torrent_size": shard["torrent"]["size"],
            "num_files": 1,
            "data_size": MANIFEST["size"],
            "obsolete": False,
            "embargo": False,
            "seeders": None,
            "leechers": None,
            "completed": None,
            "stats_scraped_at": None,
        }
    ]


def test_the_release_names_the_golden_files_by_size_and_digest() -> None:
    [shard] = RELEASE["shards"]
    for file in (shard["torrent"], shard["twin_torrent"], shard["manifest"], shard["members_table"]):
        data = (EXPECTED / Path(file["path"]).name).read_bytes()
        assert (file["size"], file["sha256"]) == (len(data), hashlib.sha256(data).hexdigest())
