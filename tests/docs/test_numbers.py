"""The figures in docs/design.md are those that the code gives."""

from pathlib import Path

import msgspec

from packager.core.bittorrent.build_torrent import torrent_size
from packager.core.bittorrent.piece_length import choose_piece_length
from packager.core.releases import documents
from packager.core.releases.metalink import metalink
from packager.core.shards.build_tar_header import BLOCK
from packager.model import Infohash, PublishedFile, ReleaseShard, ShardName
from packager.options import TorrentOptions
from packager.units import GIB, format_size

DESIGN = Path(__file__).parents[2] / "docs/design.md"
RECORDS, BYTES = 256_000_000, 300 * 10**12
NAME = "x" * 40


def shard(size: int) -> ReleaseShard:
    """A shard as a release of this size lists it."""
    file = PublishedFile(path=f"manifests/{NAME}.members.parquet", size=10_000_000, sha256="0" * 64)
    v1, v2 = Infohash("0" * 40), Infohash("0" * 64)
    return ReleaseShard(
        name=ShardName(NAME),
        phase="audio-popular",
        number=1000,
        file=f"{NAME}.tar",
        size=size,
        payload=size,
        members=RECORDS // (BYTES // size),
        added="2026-11-21T00:00:00Z",
        piece_length=1 << 22,
        pieces_root="0" * 64,
        infohash_v1=v1,
        infohash_v2=v2,
        magnet=f"magnet:?xt=urn:btih:{v1}&xt=urn:btmh:1220{v2}&dn={NAME}.tar&xl={size}",
        torrent=file,
        manifest=file,
        members_table=file,
        members_tsv=file,
    )


def figures(size: int) -> dict[str, str]:
    shards = -(-BYTES // size)
    piece = choose_piece_length(size, "hybrid")
    torrent = torrent_size(f"{NAME}.tar", size, piece, TorrentOptions())
    listed = msgspec.structs.replace(shard(size), piece_length=piece)
    address = f"https://files.example.org/shards/{NAME}.tar"
    meta4 = metalink(listed, web_seeds=[address], torrent=address, pieces=bytes(20 * -(-size // piece)))
    entry = documents.to_bytes(listed).count(b"\n") * 4 + len(documents.to_bytes(listed))
    return {
        "shards": f"{shards:,}",
        "piece length (hybrid)": format_size(piece),
        "one .torrent": format_size(torrent),
        "all .torrents": format_size(torrent * shards),
        "all .meta4, if there are web seeds or a `release.url`": format_size(len(meta4) * shards),
        "release.json": format_size(entry * shards),
        "magnets.txt": format_size((len(listed.magnet) + 1) * shards),
        "tar headers and padding": format_size((BLOCK + BLOCK // 2) * RECORDS),
        "digests in all members tables": format_size(32 * RECORDS),
    }


def test_what_grows_with_what_is_computed() -> None:
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in DESIGN.read_text(encoding="utf-8").split("\n")
    ]
    shown = {row[0]: (row[2], row[3]) for row in rows if len(row) == 4}
    small, large = figures(64 * GIB), figures(100 * GIB)
    assert {key: shown.get(key) for key in small} == {key: (small[key], large[key]) for key in small}


def test_a_release_of_that_size_is_one_that_is_read() -> None:
    assert len(msgspec.json.encode(shard(64 * GIB))) * 2 * (BYTES // (64 * GIB)) < documents.LIMIT
