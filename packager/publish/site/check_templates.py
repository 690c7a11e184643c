"""Checks the archivist's own templates with an example release, before anything is packed.

The example has a shard of every kind, a phase of every state, a withdrawal and seed counts, so that a wrong name or bad
syntax is found, with its file and line.
"""

from pathlib import Path

import pyarrow as pa

from packager.core.bittorrent.scrape import SwarmCounts
from packager.core.releases.next_release import collection_facts
from packager.core.releases.seed_counts import Counted
from packager.model import (
    MEMBERS,
    Infohash,
    PhaseState,
    PublishedFile,
    Release,
    ReleasePhase,
    ReleaseShard,
    ShardName,
    Withdrawal,
)
from packager.options import Config
from packager.publish.site import render

_DATE = "2026-01-01T00:00:00Z"
_DIGEST = "0" * 64
_SIZE = 1 << 30


def check_templates(config: Config, templates: Path, *, signed: bool) -> None:
    """Raise InputError, with file and line, for a template in the folder `templates` that does not render."""
    release = _release(config)
    counts = Counted(counts=SwarmCounts(seeders=1, leechers=2, completed=3), at=_DATE)
    counted = {shard.name: counts for shard in release.shards[1:]}
    metalinks = {f"torrents/{shard.name}.meta4" for shard in release.shards}
    for known in ({}, counted):
        render.check_pages(release, _members, templates=templates, signed=signed, counted=known, metalinks=metalinks)


def _release(config: Config) -> Release:
    """Return an example release of the collection."""
    shards = (_shard(1, obsolete=True), _shard(2, twin=True), _shard(3))
    return Release(
        format=1,
        type="release",
        serial=2,
        date=_DATE,
        previous=_DIGEST,
        collection=collection_facts(config),
        base_url=config.release.url,
        catalogue_records=3,
        phases=(_phase("files", "published", 2), _phase("more", "next", 1), _phase("none", "planned", 0)),
        shards=shards,
        withdrawals=(Withdrawal(id="id", reason="reason", date=_DATE, since=2, title="title", artist="artist"),),
    )


def _phase(name: str, state: PhaseState, shards: int) -> ReleasePhase:
    """Return a phase with this number of shards."""
    return ReleasePhase(
        name=name,
        title=name.title(),
        state=state,
        content="files",
        records=shards,
        files=shards,
        payload=shards * _SIZE,
        size=shards * _SIZE,
        shards=shards,
        embargo=None if state == "published" else _DATE,
    )


def _shard(number: int, *, obsolete: bool = False, twin: bool = False) -> ReleaseShard:
    """Return a shard of the phase "files"."""
    name = ShardName(f"sample-files-{number:05d}")
    infohash = Infohash("0" * 40)
    magnet = f"magnet:?xt=urn:btih:{infohash}&dn={name}.tar"
    return ReleaseShard(
        name=name,
        phase="files",
        number=number,
        file=f"{name}.tar",
        size=_SIZE,
        payload=_SIZE,
        members=2,
        added=_DATE,
        piece_length=1 << 20,
        pieces_root=_DIGEST,
        infohash_v1=infohash,
        infohash_v2=Infohash(_DIGEST),
        magnet=magnet,
        torrent=_file(f"torrents/{name}.torrent"),
        manifest=_file(f"manifests/{name}.manifest.json"),
        members_table=_file(f"manifests/{name}.members.parquet"),
        members_tsv=_file(f"manifests/{name}.members.tsv.zst"),
        twin_infohash=infohash if twin else None,
        twin_magnet=magnet if twin else None,
        twin_torrent=_file(f"torrents/{name}.v1.torrent") if twin else None,
        since=2,
        obsolete=obsolete,
        obsolete_since=2 if obsolete else 0,
        superseded_by=(ShardName("sample-files-00002"),) if obsolete else (),
        reason="reason" if obsolete else "",
        withdrawn=1 if obsolete else 0,
    )


def _file(path: str) -> PublishedFile:
    """Return a published file."""
    return PublishedFile(path=path, size=1000, sha256=_DIGEST)


def _members(shard: ReleaseShard, count: int) -> pa.Table:
    """Return two rows of a members table: one with all tags, one with none."""
    del shard, count
    samples = {pa.string(): "text", pa.int64(): 1, pa.int32(): 1, pa.float64(): 1.0, pa.binary(32): bytes(32)}
    full = {field.name: samples.get(field.type) for field in MEMBERS}
    bare = {name: None if MEMBERS.field(name).nullable else value for name, value in full.items()}
    return pa.Table.from_pylist([full, bare], MEMBERS)
