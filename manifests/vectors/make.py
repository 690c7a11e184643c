"""Make the published vectors again (`python manifests/vectors/make.py`).

Each file says where its values come from and which second source they were compared with; where the
two differ, nothing is written. The data of a case is byte i = i % 251, so no file has to be kept.
"""

import io
import json
import tarfile
import tempfile
from collections.abc import Callable
from hashlib import sha1, sha256
from pathlib import Path
from typing import Any

import duckdb
import libtorrent as lt
import numpy as np
import torf

from packager.core.bittorrent import build_torrent, merkle
from packager.core.bittorrent.build_torrent import SingleFileContents
from packager.core.bittorrent.magnet import MagnetMember, format_magnet, parse_magnet
from packager.core.bittorrent.piece_length import LOADABLE, choose_piece_length
from packager.core.releases import lookup_index
from packager.core.shards import build_tar_header
from packager.model import Infohash
from packager.units import GIB, KIB, MIB, TIB

FOLDER = Path(__file__).parent
BLOCK = merkle.BLOCK
SIZES = {
    "one byte": 1,
    "one byte less than a block": BLOCK - 1,
    "one block": BLOCK,
    "one byte more than a block": BLOCK + 1,
    "three blocks": 3 * BLOCK,
    "exactly a piece": 4 * BLOCK,
    "a piece and one byte": 4 * BLOCK + 1,
    "five ragged blocks": 4 * BLOCK + 17,
    "three pieces": 12 * BLOCK,
    "ten pieces, the last short": 37 * BLOCK + 5,
}
PIECE_LENGTH = 4 * BLOCK
DATE = 1795219200  # 2026-11-21T00:00:00Z
TRACKERS = (("udp://tracker.example.org:6969/announce",), ("https://b.example.org/announce", "udp://c.example.org:1/a"))
WEB_SEEDS = ("https://seed.example.org/shards/",)
FLAGS = {"hybrid": 0, "v1": lt.create_torrent.v1_only, "v2": lt.create_torrent.v2_only}


def pattern(size: int) -> bytes:
    """Return a case's data."""
    return (bytes(range(251)) * (size // 251 + 1))[:size]


def by_libtorrent(name: str, data: bytes, version: str) -> dict[bytes, Any]:
    """Return the metainfo that libtorrent makes of one file."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / name).write_bytes(data)
        creator = lt.create_torrent([lt.create_file_entry(name, len(data))], PIECE_LENGTH, FLAGS[version])
        lt.set_piece_hashes(creator, folder)
        made: dict[bytes, Any] = creator.generate()
        return made


def file_of(name: str, data: bytes) -> SingleFileContents:
    """Return a file's digests by the plain reading of BEP 3 and BEP 52."""
    pieces = [data[at : at + PIECE_LENGTH] for at in range(0, len(data), PIECE_LENGTH)]
    width = PIECE_LENGTH // BLOCK
    leaves = b"".join(sha256(data[at : at + BLOCK]).digest() for at in range(0, len(data), BLOCK))
    layer = b"".join(merkle.root(leaves[at : at + 32 * width], width) for at in range(0, len(leaves), 32 * width))
    single = len(data) <= PIECE_LENGTH
    return SingleFileContents(
        name=name,
        size=len(data),
        piece_length=PIECE_LENGTH,
        pieces=b"".join(sha1(piece).digest() for piece in pieces),
        layer=b"" if single else layer,
        pieces_root=merkle.root_of_blocks(leaves) if single else merkle.pieces_root(layer, PIECE_LENGTH),
    )


def merkle_vectors() -> dict[str, Any]:
    """Return pieces roots and piece layers."""
    cases = []
    for name, size in SIZES.items():
        made = by_libtorrent("data", pattern(size), "v2")
        root = made[b"info"][b"file tree"][b"data"][b""][b"pieces root"]
        layer = made[b"piece layers"].get(root, b"")
        file = file_of("data", pattern(size))
        agree(name, (root, layer), (file.pieces_root, file.layer))
        cases.append(
            {
                "name": name,
                "length": size,
                "piece_length": PIECE_LENGTH,
                "pieces_root": root.hex(),
                "piece_layer": layer.hex(),
            }
        )
    return {
        "origin": "libtorrent 2.1.1, set_piece_hashes with v2_only (BEP 52)",
        "second_source": "packager/merkle.py",
        "data": "byte i of a case's data is i % 251; piece_layer is empty for a file of at most one piece",
        "cases": cases,
    }


def metainfo_vectors() -> dict[str, Any]:
    """Return whole .torrent files with their infohashes."""
    cases = []
    for name, size in SIZES.items():
        for version in ("hybrid", "v1", "v2"):
            file = file_of("d\u00e9mo-audio-00001.tar", pattern(size))
            info = build_torrent.build_info(file, version)
            data = build_torrent.build_torrent(
                info, file=file, trackers=TRACKERS, web_seeds=WEB_SEEDS, creation_date=DATE
            )
            made = by_libtorrent(file.name, pattern(size), version)
            v1 = build_torrent.infohash_v1(info).hex() if version != "v2" else None
            v2 = build_torrent.infohash_v2(info).hex() if version != "v1" else None
            agree(f"{name}, {version}", lt.bencode(info), lt.bencode(made[b"info"]))
            agree(f"{name}, {version}", lt.bdecode(data).get(b"piece layers"), made.get(b"piece layers"))
            if v1:
                agree(f"{name}, {version}", torf.Torrent.read_stream(data).infohash, v1)
            cases.append(
                {
                    "name": f"{name}, {version}",
                    "length": size,
                    "version": version,
                    "infohash_v1": v1,
                    "infohash_v2": v2,
                    "torrent": data.hex(),
                }
            )
    return {
        "origin": "packager/metainfo.py (BEP 3, BEP 12, BEP 19, BEP 52)",
        "second_source": "libtorrent 2.1.1: same info dictionary and piece layers; torf 4.3.1: same v1 infohash",
        "data": "byte i of a case's data is i % 251",
        "file_name": "d\u00e9mo-audio-00001.tar",
        "piece_length": PIECE_LENGTH,
        "creation_date": DATE,
        "trackers": TRACKERS,
        "web_seeds": WEB_SEEDS,
        "cases": cases,
    }


def magnet_vectors() -> dict[str, Any]:
    """Return magnet links with what they say."""
    v1, v2 = Infohash(sha1(b"v1").hexdigest()), Infohash(sha256(b"v2").hexdigest())
    trackers = [url for tier in TRACKERS for url in tier]
    seed = "https://seed.example.org/a b/d\u00e9mo.tar?x=1&y=2"
    cases = []
    for name, file, one, two, urls, seeds in (
        ("hybrid", "demo-audio-00001.tar", v1, v2, trackers, [seed]),
        ("v1", "demo-audio-00001.tar", v1, None, trackers[:1], []),
        ("v2", "demo-audio-00001.tar", None, v2, [], []),
        ("a name that must be encoded", "d\u00e9mo &=#%+?/ \u97f3\u697d.tar", v1, v2, [], []),
    ):
        link = format_magnet(infohash_v1=one, infohash_v2=two, name=file, size=1 << 36, trackers=urls, web_seeds=seeds)
        theirs = lt.parse_magnet_uri(link)
        agree(name, theirs.info_hashes.v1.to_bytes().hex(), one or "0" * 40)
        agree(name, theirs.info_hashes.v2.to_bytes().hex(), two or "0" * 64)
        agree(name, (theirs.name, theirs.trackers, theirs.url_seeds), (file, urls, seeds))
        agree(name, parse_magnet(link).size, 1 << 36)
        cases.append(
            {
                "name": name,
                "infohash_v1": one,
                "infohash_v2": two,
                "file_name": file,
                "size": 1 << 36,
                "trackers": urls,
                "web_seeds": seeds,
                "magnet": link,
            }
        )
    for name, file, chosen in (
        ("one member of a tar", "demo-audio-00001.tar", []),
        ("one member of a folder", "demo-audio-00001", [12]),
    ):
        path = "\u00c6r\u00f8/a b&c=d.flac"
        member = MagnetMember(path, 1536, 4_000_000, sha256(b"member").hexdigest())
        facts = {"infohash_v1": v1, "infohash_v2": v2, "size": 1 << 36, "trackers": trackers[:1], "web_seeds": []}
        link = format_magnet(**facts, name=file, chosen=chosen, members=[member])
        theirs = lt.parse_magnet_uri(link)
        agree(name, (theirs.name, theirs.trackers), (file, trackers[:1]))
        agree(name, [at for at, priority in enumerate(theirs.file_priorities) if priority], chosen)
        agree(name, parse_magnet(link).members, (member,))
        cases.append(
            {
                "name": name,
                "infohash_v1": v1,
                "infohash_v2": v2,
                "file_name": file,
                "size": 1 << 36,
                "trackers": trackers[:1],
                "web_seeds": [],
                "file_numbers": chosen,
                "member": {"path": path, "offset": 1536, "size": 4_000_000, "sha256": member.sha256},
                "magnet": link,
            }
        )
    return {
        "origin": "packager/magnet.py (BEP 9, BEP 52, BEP 53)",
        "second_source": "libtorrent 2.1.1, parse_magnet_uri: the same infohashes, name, trackers and web seeds",
        "cases": cases,
    }


def torrent_bytes(size: int, piece_length: int, version: str) -> int:
    """Return the bytes of a .torrent made by libtorrent's bencoder around digests of zeros, and no URL."""
    pieces = -(-size // piece_length)
    info: dict[bytes, Any] = {b"name": b"data", b"piece length": piece_length}
    made: dict[bytes, Any] = {b"info": info}
    if version != "v2":
        info |= {b"length": size, b"pieces": bytes(20 * pieces)}
    if version != "v1":
        info |= {b"meta version": 2, b"file tree": {b"data": {b"": {b"length": size, b"pieces root": bytes(32)}}}}
        made[b"piece layers"] = {bytes(32): bytes(32 * pieces)}
    return len(lt.bencode(made))


def piece_length_vectors() -> dict[str, Any]:
    """Return chosen piece lengths, at and around the sizes where they change."""
    cases = []
    room = MIB - 64 * KIB
    edges = [room // digests * length for digests in (20, 32, 52) for length in (256 * KIB, MIB, 16 * MIB)]
    sizes = {1, MIB, GIB, 4 * GIB, 16 * GIB, 64 * GIB, 100 * GIB, 256 * GIB, TIB, 3 * TIB, 8 * TIB}
    for size in sorted(sizes | {edge + more for edge in edges for more in (0, 1)}):
        for version in ("hybrid", "v1", "v2"):
            chosen = choose_piece_length(size, version)
            where = f"{size} {version}"
            agree(where, torrent_bytes(size, chosen, version) < MIB or chosen >= 16 * MIB, True)
            agree(where, torrent_bytes(size, chosen, version) < LOADABLE, True)
            smaller = torrent_bytes(size, chosen // 2, version)
            agree(where, chosen == 256 * KIB or smaller > (room if chosen <= 16 * MIB else LOADABLE - 64 * KIB), True)
            cases.append({"size": size, "version": version, "piece_length": chosen})
    return {
        "origin": "packager/piece_length.py, whose rule docs/explanation/piece-length.md tells",
        "second_source": "the size of a .torrent with digests of zeros, bencoded by libtorrent 2.1.1, at this piece "
        "length and at half of it",
        "cases": cases,
    }


def lookup_vectors() -> dict[str, Any]:
    """Return where keys stand in a lookup index of some numbers of buckets."""
    cases = []
    with duckdb.connect() as database:
        for key in ("ex-1", "USS1Z9900001", "us-s1z-99-00001", "Us S1z 99 00001", "USS1Z990000", "café/01 é.flac", ""):
            query = "SELECT ('0x' || substr(sha256($1), 1, 16))::UHUGEINT AS hash"
            theirs = database.execute(query, [lookup_index.normal(key)]).fetchall()[0][0]
            agree(key, lookup_index.key_hash(key), theirs)
            places = []
            for buckets in (1, 7, 129_000, (1 << 32) - 1):
                shifted = f"SELECT ($1::UHUGEINT * {buckets}) >> 64"
                (bucket,) = lookup_index.bucket_numbers(np.array([theirs], np.uint64), buckets).tolist()
                agree(key, bucket, database.execute(shifted, [theirs]).fetchall()[0][0])
                places.append({"buckets": buckets, "bucket": bucket})
            cases.append({"key": key, "normal": lookup_index.normal(key), "hash": f"{theirs:016x}", "places": places})
    return {
        "origin": "packager/lookup.py",
        "second_source": "DuckDB 2.0.0: its sha256 and its integers of 128 bits",
        "cases": cases,
    }


HEADERS = {
    "a short path": ("example-a-00001/data/plain.txt", 19600),
    "an empty member": ("example-a-00001/data/empty.txt", 0),
    "one byte less than 8 GiB": ("example-a-00001/data/large.bin", 8 * GIB - 1),
    "8 GiB: a pax record for the size": ("example-a-00001/data/large.bin", 8 * GIB),
    "1 TiB and a long path: name and prefix stay": (f"example-a-00001/data/{'folder/' * 20}large.bin", TIB),
    "8 GiB and a path that is not ASCII: both records": ("example-a-00001/data/Ærø.bin", 8 * GIB),
    "the largest size of a document": ("example-a-00001/data/large.bin", (1 << 63) - 1),
}


def header_vectors() -> dict[str, Any]:
    """Return the tar headers of members of every size, above all from 8 GiB on."""
    cases = []
    for shows, (path, size) in HEADERS.items():
        data = build_tar_header.build_tar_header(path, size)
        with tarfile.open(
            fileobj=io.BytesIO(data + bytes(2 * build_tar_header.BLOCK)), format=tarfile.PAX_FORMAT
        ) as read:
            found = read.next()
        assert found is not None
        agree(shows, (path, size), (found.name, found.size))
        cases.append({"shows": shows, "path": path, "size": size, "header": data.hex()})
    return {
        "origin": "packager.tar; header: all bytes before the member's first, in hex",
        "second_source": "Python's tarfile reads the same path and size out of each",
        "cases": cases,
    }


def agree(where: str, ours: object, theirs: object) -> None:
    """Stop where two sources differ."""
    if ours != theirs:
        raise SystemExit(f"{where}: the two sources differ: {ours!r} and {theirs!r}")


MAKERS: dict[str, Callable[[], dict[str, Any]]] = {
    "merkle.json": merkle_vectors,
    "metainfo.json": metainfo_vectors,
    "magnet.json": magnet_vectors,
    "piece_length.json": piece_length_vectors,
    "lookup.json": lookup_vectors,
    "headers.json": header_vectors,
}


def text(name: str) -> str:
    """Return what the vector file `name` should hold."""
    return json.dumps(MAKERS[name](), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    for name in MAKERS:
        (FOLDER / name).write_text(text(name), encoding="utf-8")
