"""Manifests, rows and torrents of a release's shards: by ranges as they are needed, or as the release lists them."""

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import pyarrow as pa

from packager.core.bittorrent import bencode, parse_torrent
from packager.core.releases import documents
from packager.core.releases.sharing_rule import SharingRule, sharing_rule_of
from packager.core.reports.check_reports import Vouched
from packager.core.reports.withheld import Withheld
from packager.engine.files.limited_read import read_limited
from packager.engine.files.shard_torrent import ShardTorrent, open_torrent
from packager.engine.published import member_rows
from packager.engine.published.release_ranges import ReleaseRanges
from packager.errors import InputError
from packager.model import Manifest, PublishedFile, Release, ReleaseShard, ShardName
from packager.paths import display_text, is_safe_name

_MANIFEST_MOST = 1 << 20  # bytes; ours have some 1,500


class ShardTables(Protocol):
    """Reads what tells of a shard's members, and says what vouches for it. Raises InputError, TrustError."""

    vouched: Vouched
    withdrawn: frozenset[str]  # ids that are not to be had, beside those that the index leaves out

    def withheld(self, manifest: Manifest) -> Withheld | None:
        """Return why a shard is not handed out; None: it may be, as far as is known."""

    def manifest(self, shard: ShardName) -> Manifest:
        """Return a shard's manifest."""

    def rows(self, shard: ShardName, rows: list[int]) -> pa.Table:
        """Return rows of a shard's members table."""

    def torrent(self, shard: ShardName) -> ShardTorrent:
        """Return a shard's torrent."""


class RangedTables:
    """Reads as little as can be; what comes is only as good as its way here."""

    vouched: Vouched = "ranges"
    withdrawn: frozenset[str] = frozenset()

    def __init__(self, files: ReleaseRanges, scratch: Path) -> None:
        """Read from `files`; scratch: a folder of ours."""
        self._files, self._scratch = files, scratch

    def withheld(self, manifest: Manifest) -> Withheld | None:
        """Return why a shard is not handed out, by its manifest: the index has no obsolete shard."""
        return sharing_rule_of(manifest)

    def manifest(self, shard: ShardName) -> Manifest:
        """Return a shard's manifest."""
        path = f"manifests/{shard}.manifest.json"
        return _manifest(self._files.read(path, _MANIFEST_MOST), shard, path)

    def rows(self, shard: ShardName, rows: list[int]) -> pa.Table:
        """Return rows of a shard's members table."""
        return member_rows.read_rows(self._files, f"manifests/{shard}.members.parquet", rows, self._scratch)

    def torrent(self, shard: ShardName) -> ShardTorrent:
        """Return a shard's torrent."""
        path = f"torrents/{shard}.torrent"
        data = self._files.read(path, bencode.LIMIT)
        return ShardTorrent(data, parse_torrent.parse_torrent(data, path))


class CompleteTables:
    """Reads whole documents, each the one that a release lists."""

    def __init__(
        self, release: Release, place: Callable[[PublishedFile], Path], vouched: Vouched, *, copied: bool
    ) -> None:
        """Read what `release` lists; place: returns where a document of it lies, found to be the one listed.

        copied: what lies there is a copy for this run.
        """
        self.release, self.vouched, self.copied = release, vouched, copied
        self.withdrawn = frozenset(withdrawal.id for withdrawal in release.in_force)
        self._place = place
        self._shards = {shard.name: shard for shard in release.shards}
        self._hand_out = SharingRule(release)

    def withheld(self, manifest: Manifest) -> Withheld | None:
        """Return why a shard is not handed out, by the release."""
        return self._hand_out.withheld(manifest.name)

    def manifest(self, shard: ShardName) -> Manifest:
        """Return a shard's manifest."""
        path = self._place(self._listed(shard).manifest)
        return _manifest(read_limited(path, _MANIFEST_MOST), shard, path.name)

    def rows(self, shard: ShardName, rows: list[int]) -> pa.Table:
        """Return rows of a shard's members table."""
        return member_rows.rows_of(self.table(shard), rows)

    def torrent(self, shard: ShardName) -> ShardTorrent:
        """Return a shard's torrent."""
        return open_torrent(self._place(self._listed(shard).torrent))

    def table(self, shard: ShardName) -> Path:
        """Return where a shard's whole members table lies."""
        return self._place(self._listed(shard).members_table)

    def _listed(self, shard: ShardName) -> ReleaseShard:
        """Return how the release lists a shard."""
        if shard not in self._shards:
            raise InputError(display_text(shard), "the release lists no such shard", "look again later")
        return self._shards[shard]


def _manifest(data: bytes, shard: ShardName, where: object) -> Manifest:
    """Return a manifest that is of `shard`. Raises InputError."""
    manifest = documents.from_bytes(data, Manifest, where)
    if manifest.name != shard or not is_safe_name(manifest.file) or manifest.piece_length < 1:
        raise InputError(where, f"is not the manifest of {display_text(shard)}")
    return manifest
