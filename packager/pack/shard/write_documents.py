"""Writes the documents of a shard from its digests: torrents, members table and manifest.

If only links change (trackers, web seeds, date), the torrents are rebuilt with the hashes of the old ones.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pyarrow as pa

from packager import __version__
from packager.core.bittorrent import bencode, build_torrent, parse_torrent
from packager.core.bittorrent.parse_torrent import Metainfo
from packager.core.releases import documents
from packager.core.shards import bag
from packager.core.shards.folder_layout import FolderLayout, file_of
from packager.core.shards.layout import Layout
from packager.engine.files import atomic_files
from packager.engine.files.file_stamp import FileStamp
from packager.engine.files.source_files import SourceFile
from packager.engine.hashing.stream_hasher import Digests, FileTree
from packager.engine.network.check_torrent import check_torrent
from packager.engine.project.project import Project
from packager.engine.stores.base import Place
from packager.engine.tables import members_tsv, parquet
from packager.errors import from_os_error
from packager.model import MEMBERS, MTIME, FrozenStruct, Infohash, Manifest, PlannedShard, ShardName, TorrentVersion
from packager.units import timestamp


class HashedOptions(FrozenStruct, frozen=True, kw_only=True):
    """The config options that change a shard's bytes and infohashes, besides its plan."""

    collection: str
    version: TorrentVersion
    also_v1: bool
    sha256: bool
    mtimes: bool


class OuterFields(FrozenStruct, frozen=True, kw_only=True):
    """The config options in a .torrent that do not change the infohash."""

    trackers: tuple[tuple[str, ...], ...]
    web_seeds: tuple[str, ...]
    date: str  # RFC 3339; the torrent's creation date


@dataclass(frozen=True)
class BuiltTorrent:
    """A .torrent of a shard: file name, version and info dictionary."""

    file: str
    version: TorrentVersion
    info: dict[bytes, bencode.Value]

    @property
    def infohashes(self) -> tuple[Infohash | None, Infohash | None]:
        """The infohashes, v1 and v2, in hex; None if the version does not have it."""
        return (
            Infohash(build_torrent.infohash_v1(self.info).hex()) if self.version != "v2" else None,
            Infohash(build_torrent.infohash_v2(self.info).hex()) if self.version != "v1" else None,
        )


def single_file(shard: PlannedShard, digests: Digests) -> build_torrent.SingleFileContents:
    """Return the tar's content for its metainfo."""
    return build_torrent.SingleFileContents(
        name=f"{shard.name}.tar",
        size=shard.size,
        piece_length=shard.piece_length,
        pieces=digests.pieces,
        layer=digests.layer,
        pieces_root=digests.pieces_root,
    )


def folder(layout: FolderLayout, digests: Digests) -> build_torrent.FolderContents:
    """Return the metainfo content of a shard that is kept as files."""
    trees = digests.trees or [FileTree(b"", None)] * len(layout.space.sizes)
    files = [
        build_torrent.FolderFile(path, size, pad, tree.layer, tree.pieces_root)
        for (path, _, size), pad, tree in zip(layout.files(), layout.space.pads.tolist(), trees, strict=True)
    ]
    return build_torrent.FolderContents(layout.file, layout.space.piece_length, files, digests.pieces)


def torrents(file: build_torrent.Contents, content: HashedOptions) -> list[BuiltTorrent]:
    """Return the shard's torrents, the main one first."""
    name = file.name.removesuffix(".tar")
    made = [BuiltTorrent(f"{name}.torrent", content.version, build_torrent.build_info(file, content.version))]
    if content.also_v1:
        made.append(BuiltTorrent(f"{name}.v1.torrent", "v1", build_torrent.build_info(file, "v1")))
    return made


def write_torrents(folder: Path, file: build_torrent.Contents, made: list[BuiltTorrent], links: OuterFields) -> None:
    """Write .torrent files durably. Other libraries check each. Raises TrustError, IncompleteError."""
    for torrent in made:
        v1, v2 = (bytes.fromhex(infohash) if infohash else None for infohash in torrent.infohashes)
        data = build_torrent.build_torrent(
            torrent.info,
            file=file,
            trackers=links.trackers,
            web_seeds=links.web_seeds,
            creation_date=timestamp(links.date),
        )
        check_torrent(data, infohash_v1=v1, infohash_v2=v2, size=file.size, where=torrent.file)
        atomic_files.write_bytes(folder / torrent.file, data)


def twin_path(folder: Path, name: ShardName) -> Path:
    """Return the path of a shard's extra v1-only torrent, whether or not it exists."""
    return folder / f"{name}.v1.torrent"


def keep_torrents(project: Project, name: ShardName) -> None:
    """Copy the torrents of a published shard to files named by their digests, before new ones are written.

    An obsolete shard keeps the torrents of the last release in which it was live.
    """
    folder = project.packed(name)
    for path in (folder / f"{name}.torrent", twin_path(folder, name)):
        if path.exists():
            kept = project.listed_torrent_place(name, documents.digest(path.read_bytes()))
            if not kept.exists():
                atomic_files.link(path, atomic_files.make_folder(kept.parent) / kept.name)
                atomic_files.fsync_folder(kept.parent)


def update_twin_field(folder: Path, name: ShardName, made: list[BuiltTorrent]) -> None:
    """Update the twin in a shard's manifest durably, to the one in its torrents or none."""
    infohash = made[1].infohashes[0] if len(made) > 1 else None
    path = folder / f"{name}.manifest.json"
    manifest = documents.from_bytes(path.read_bytes(), Manifest, path)
    if manifest.twin_infohash != infohash:
        manifest = msgspec.structs.replace(manifest, twin_infohash=infohash)
        atomic_files.write_bytes(path, documents.to_bytes(manifest))
    if infohash is None:
        twin_path(folder, name).unlink(missing_ok=True)


def read_digests(folder: Path, shard: PlannedShard) -> Digests:
    """Return a shard's digests from its torrents. Raises InputError if these are broken."""
    found = Digests(pieces=b"", layer=b"", pieces_root=None, sha256=None)
    for path in (folder / f"{shard.name}.torrent", folder / f"{shard.name}.v1.torrent"):
        if path.exists():
            metainfo = parse_torrent.parse_torrent(path.read_bytes(), path)
            if shard.container == "folder":
                found = _several_digests(metainfo, found)
                continue
            root = metainfo.files[0].pieces_root
            found = Digests(
                pieces=metainfo.pieces or found.pieces,
                layer=metainfo.layers.get(root, b"") if root else found.layer,
                pieces_root=root or found.pieces_root,
                sha256=None,
            )
    return found


def _several_digests(metainfo: Metainfo, found: Digests) -> Digests:
    """Return `found` with the digests of several files."""
    trees = tuple(
        FileTree(metainfo.layers.get(file.pieces_root, b"") if file.pieces_root else b"", file.pieces_root)
        for file in metainfo.files
        if not file.pad
    )
    return Digests(
        pieces=metainfo.pieces or found.pieces,
        layer=b"",
        pieces_root=None,
        sha256=None,
        trees=found.trees if metainfo.version == "v1" else trees,
    )


def write_tag_files(folder: Path, layout: Layout, digests: bytes) -> None:
    """Write the bag's own files durably, the tag manifest last. digests: the members' SHA-256, joined."""
    for name in (*bag.TAGGED, bag.TAGMANIFEST):
        with atomic_files.replace_file(folder / name) as file:
            file.writelines(layout.tag_file(name, digests))


def write_table(path: Path, layout: Layout, digests: bytes, *, mtimes: bool) -> None:
    """Write a shard's members table and its text form durably. digests: the members' SHA-256, joined."""
    rows = layout.members if mtimes else layout.members.drop_columns(MTIME.name)
    column = pa.FixedSizeBinaryArray.from_buffers(pa.binary(32), rows.num_rows, [None, pa.py_buffer(digests)])
    rows = rows.append_column("offset", pa.array(layout.offsets)).append_column("sha256", column)
    parquet.write_members(path, MEMBERS, parquet.with_columns(rows, MEMBERS).to_batches(), rows.num_rows)
    members_tsv.write_members_tsv(path)


def write_mtimes(path: Path, root: Place, members: Sequence[SourceFile]) -> None:
    """Write durably the time of each member's file when it was read; one row for each member.

    A plan without times is of a catalogue phase; its files have their present times. Raises IncompleteError.
    """
    try:
        folder = os.fsencode(str(root))
        times = [
            FileStamp.of(os.stat(os.path.join(folder, each.path))).mtime_ns if each.mtime_ns is None else each.mtime_ns
            for each in members
        ]
    except OSError as error:
        raise from_os_error(error, root) from error
    rows = pa.table({MTIME.name: pa.array(times, MTIME.type)})
    parquet.write_rows(path, rows.schema, iter(rows.to_batches()))


def write_manifest(
    folder: Path, shard: PlannedShard, content: HashedOptions, digests: Digests, made: list[BuiltTorrent]
) -> None:
    """Write NAME.manifest.json durably."""
    v1, v2 = made[0].infohashes
    manifest = Manifest(
        format=documents.FORMAT,
        type="manifest",
        tool=f"archive-packager {__version__}",
        collection=content.collection,
        name=shard.name,
        phase=shard.phase,
        number=shard.number,
        container=shard.container,
        file=file_of(shard.name, shard.container),
        size=shard.size,
        payload=shard.payload,
        members=shard.rows,
        oversize=shard.oversize,
        piece_length=shard.piece_length,
        pieces_root=digests.pieces_root.hex() if digests.pieces_root else None,
        infohash_v1=v1,
        infohash_v2=v2,
        twin_infohash=made[1].infohashes[0] if content.also_v1 else None,
        sha256=digests.sha256.hex() if digests.sha256 else None,
        bag_info=shard.bag_info,
        mtimes=content.mtimes,
    )
    atomic_files.write_bytes(folder / f"{shard.name}.manifest.json", documents.to_bytes(manifest))
