"""Read manifests, rows and torrents of a release's shards: complete and checked, or only the ranges that are needed."""

from pathlib import Path

import pyarrow as pa

from packager.core.bittorrent import bencode, parse_torrent
from packager.core.releases.withheld_shards import SharingRule, sharing_rule_of
from packager.core.reports.evidence import Evidence
from packager.core.reports.withheld import Withheld
from packager.engine.files.limited_read import read_limited
from packager.engine.files.shard_torrent import ShardTorrent, open_torrent
from packager.engine.published import member_rows
from packager.engine.published.open_release import OpenedRelease
from packager.engine.published.published_shard import parse_manifest
from packager.engine.published.release_reader import RATE, ReleaseReader
from packager.errors import InputError
from packager.model import Manifest, ReleaseShard, ShardName
from packager.paths import display_text

_MANIFEST_MOST = 1 << 20  # bytes; ours have some 1,500


class ShardTables:
    """Reads the documents of a release's shards. Raises InputError, TrustError.

    evidence: what vouches for them. withdrawn: ids that are not available, in addition to those that the index omits.
    """

    def __init__(self, reader: ReleaseReader, release: OpenedRelease | None, scratch: Path) -> None:
        """Read complete documents that `release` lists; None: only the needed ranges, unchecked.

        scratch: an empty folder for copies.
        """
        self._reader, self._release, self._scratch = reader, release, scratch
        self._rule = SharingRule(release.release) if release else None
        self._shards = {shard.name: shard for shard in release.release.shards} if release else {}
        self.evidence = release.evidence if release else Evidence(kind="transport", name=reader.name)
        self.withdrawn = frozenset(each.id for each in release.release.in_force) if release else frozenset[str]()

    def withheld(self, manifest: Manifest) -> Withheld | None:
        """Return why a shard must not be handed out; None: no reason is known.

        Without a release, the manifest decides: the index contains no obsolete shard.
        """
        return self._rule.withheld(manifest.name) if self._rule else sharing_rule_of(manifest)

    def manifest(self, shard: ShardName) -> Manifest:
        """Return a shard's manifest."""
        path = f"manifests/{shard}.manifest.json"
        if self._release is None:
            data = self._reader.read(path, _MANIFEST_MOST)
        else:
            data = read_limited(self._release.open_file(self._listed(shard).manifest), _MANIFEST_MOST)
        manifest = parse_manifest(data, path)
        if manifest.name != shard:
            raise InputError(path, f"is not the manifest of {display_text(shard)}")
        return manifest

    def rows(self, shard: ShardName, rows: list[int]) -> pa.Table:
        """Return rows of a shard's members table."""
        if self._release is None:
            return member_rows.read_rows(self._reader, f"manifests/{shard}.members.parquet", rows, self._scratch)
        return member_rows.rows_of(self._release.open_file(self._listed(shard).members_table), rows)

    def torrent(self, shard: ShardName) -> ShardTorrent:
        """Return a shard's torrent."""
        if self._release is not None:
            return open_torrent(self._release.open_file(self._listed(shard).torrent))
        path = f"torrents/{shard}.torrent"
        data = self._reader.read(path, bencode.LIMIT, seconds=bencode.LIMIT / RATE)
        return ShardTorrent(data, parse_torrent.parse_torrent(data, path))

    def _listed(self, shard: ShardName) -> ReleaseShard:
        """Return how the release lists a shard."""
        if shard not in self._shards:
            raise InputError(display_text(shard), "the release does not list this shard", "try again later")
        return self._shards[shard]
