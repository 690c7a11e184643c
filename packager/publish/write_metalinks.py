"""Writes each shard's Metalink document into the new site."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

from packager.core.bittorrent import bencode
from packager.core.releases.metalink import has_metalink, metalink_of, metalink_path, v1_torrent
from packager.core.releases.withheld_shards import SharingRule
from packager.engine.files.write_errors import write_error
from packager.model import PublishedFile, Release


def write_metalinks(release: Release, built: Path) -> Iterator[PublishedFile]:
    """Write the Metalink document of every offered shard that can have one, and yield their facts in order.

    built: the folder of the new site, which already contains the torrents. Files are not flushed to the disk;
    `swap_site` does that. Memory: one torrent and its document. Raises IncompleteError if a file cannot be written.
    """
    for shard in SharingRule(release).offered():
        if not has_metalink(release, shard):
            continue
        path, torrent = metalink_path(shard), v1_torrent(shard)
        data = metalink_of(release, shard, _pieces(built / torrent.path) if torrent else b"")
        try:
            (built / path).parent.mkdir(exist_ok=True)
            (built / path).write_bytes(data)
        except OSError as error:
            raise write_error(error, built / path, len(data)) from error
        yield PublishedFile(path=path, size=len(data), sha256=hashlib.sha256(data).hexdigest())


def _pieces(torrent: Path) -> bytes:
    """Return the `pieces` of one of our .torrent files, 20 bytes each. It was checked when it was made."""
    top = bencode.decode(torrent.read_bytes(), torrent)
    assert isinstance(top, dict)
    return bencode.get_string(bencode.get_dictionary(top, "info", torrent), "pieces", torrent)
