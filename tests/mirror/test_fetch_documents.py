"""A torrent that a mirror fetches is of the files that the release lists, whatever its infohashes."""

from pathlib import Path

import msgspec
import pytest

from packager.core.bittorrent.parse_torrent import parse_torrent
from packager.core.releases import documents
from packager.errors import TrustError
from packager.mirror.fetch_documents import check_torrent
from packager.model import Release, ReleaseShard, ShardName

VECTORS = Path(__file__).parents[2] / "manifests/vectors"
NAME = ShardName("example-texts-00001")


def listed(container: str) -> tuple[bytes, ReleaseShard]:
    """Return a golden torrent, and a shard that is listed with its infohashes."""
    expected = VECTORS / container.replace("tar", "shard") / "expected"
    torrent = (expected / f"{NAME}.torrent").read_bytes()
    found = parse_torrent(torrent, NAME)
    body = (VECTORS / "shard/expected/release.json").read_bytes()
    shard = documents.from_bytes(body, Release, NAME).shards[0]
    files = [file for file in found.files if not file.pad]
    return torrent, msgspec.structs.replace(
        shard,
        container=container,
        file=found.name,
        size=sum(file.length for file in files),
        infohash_v1=found.infohash_v1.hex() if found.infohash_v1 else None,
        infohash_v2=found.infohash_v2.hex() if found.infohash_v2 else None,
    )


@pytest.mark.parametrize("container", ["tar", "folder"])
def test_the_torrent_of_a_shard_is_accepted(container: str) -> None:
    torrent, shard = listed(container)
    check_torrent(torrent, shard, shard.infohash_v1, shard.infohash_v2)


@pytest.mark.parametrize("container", ["tar", "folder"])
@pytest.mark.parametrize("change", ["file", "size", "members", "container", "infohash_v1", "infohash_v2"])
def test_a_torrent_of_other_files_than_the_release_lists_is_refused(container: str, change: str) -> None:
    torrent, shard = listed(container)
    other: dict[str, object] = {
        "file": "example-texts-00002.tar",
        "size": shard.size + 1,
        "members": shard.members + 1,
        "container": "folder" if container == "tar" else "tar",
        "infohash_v1": "ab" * 20,
        "infohash_v2": "ab" * 32,
    }
    shard = msgspec.structs.replace(shard, **{change: other[change]})
    if (container, change) == ("tar", "members"):
        check_torrent(torrent, shard, shard.infohash_v1, shard.infohash_v2)  # a torrent of a tar knows no members
        return
    with pytest.raises(TrustError, match="swapped torrent"):
        check_torrent(torrent, shard, shard.infohash_v1, shard.infohash_v2)
