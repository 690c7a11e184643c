"""opentracker on loopback, and what it counts."""

import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote_from_bytes

import msgspec

from packager.core.bittorrent import bencode
from packager.core.releases.release_lists import ListedTorrent
from packager.engine.network.http_client import HttpClient
from packager.model import ReleaseShard
from tests.helpers.http_server import LOOPBACK


@contextmanager
def tracking(path: str, home: Path, port: int, shards: Iterable[ReleaseShard]) -> Iterator[str]:
    """Run opentracker for these shards alone, as Debian builds it, and yield its HTTP address."""
    home.mkdir(mode=0o755)
    hashes = [each for shard in shards for each in (shard.infohash_v1, (shard.infohash_v2 or "")[:40]) if each]
    (home / "whitelist").write_text("".join(f"{each}\n" for each in hashes))
    (home / "whitelist").chmod(0o644)
    address = ["-i", "127.0.0.1", "-p", str(port), "-P", str(port)]
    command = [path, *address, "-d", str(home), "-w", "whitelist"]
    with subprocess.Popen(command, cwd=home, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            yield f"http://127.0.0.1:{port}/"
        finally:
            process.kill()


def seeds_of(tracker: str, shards: Iterable[ReleaseShard]) -> dict[str, int]:
    """How many seeds the tracker counts of each shard, by its v1 infohash (BEP 48)."""
    counts = {}
    with HttpClient(seconds=5, allowed=LOOPBACK) as web:
        for shard in shards:
            infohash = bytes.fromhex(shard.infohash_v1 or "")
            answer = web.fetch(f"{tracker}scrape?info_hash={quote_from_bytes(infohash)}", limit=10_000)
            files = bencode.decode(answer, "scrape")[b"files"]  # type: ignore[index, call-overload]
            counts[shard.name] = files[infohash][b"complete"] if infohash in files else 0
    return counts


def counted(torrents: bytes, counts: dict[str, int]) -> bytes:
    """torrents.json with seed counts, as its publisher would write it after asking the tracker."""
    listed = msgspec.json.decode(torrents, type=list[ListedTorrent])
    return msgspec.json.encode(
        [msgspec.structs.replace(each, seeders=counts[each.display_name.removesuffix(".torrent")]) for each in listed]
    )
