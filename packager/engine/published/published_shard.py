"""A published shard read back: its manifest, members table and torrent, checked against each other.

They come from strangers, so nothing of them is used before it fits: paths stay inside the bag, offsets
and sizes are those of the layout, the torrent's hashes are the manifest's.
"""

import os
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from packager.core.bittorrent import bencode, parse_torrent
from packager.core.bittorrent.parse_torrent import Metainfo
from packager.core.bittorrent.piece_hashes import PieceHashes, folder_hashes
from packager.core.releases import documents
from packager.core.reports.evidence import Evidence
from packager.core.shards import build_tar_header
from packager.core.shards.folder_layout import FolderLayout, file_of
from packager.core.shards.layout import Layout
from packager.core.shards.make_layout import published_layout
from packager.core.shards.portable_paths import PathChecks
from packager.engine.files.limited_read import read_limited
from packager.engine.project.nearest_project import project_of_tars
from packager.engine.stores.base import Place
from packager.engine.tables import parquet, untrusted_parquet
from packager.errors import InputError, TrustError
from packager.model import MEMBERS, Manifest
from packager.paths import display_text, is_safe_name, is_safe_path
from packager.units import count_of

_PIECES_MOST = bencode.LIMIT // 20  # more do not fit a .torrent
_MEMBERS_MOST = 50_000_000


class WithdrawnMembersError(InputError):
    """Members of a shard were withdrawn, so its layout is told by nothing but the shard itself; its torrent stays."""


@dataclass(frozen=True)
class ShardFiles:
    """Where a shard's published documents are.

    twin: the v1 torrent of the same bytes, if there is one. release: the release that was found to list them, if one
    is known. origin: where the manifest was copied from, if it was.
    """

    manifest: Path
    table: Path
    torrent: Path
    twin: Path | None = None
    release: Evidence | None = None
    origin: str | None = None

    @property
    def told_by(self) -> str:
        """What is said to tell of the shard."""
        return display_text(self.origin or str(self.manifest))

    @property
    def evidence(self) -> Evidence:
        """What vouches for the shard: the release, or the manifest alone."""
        return self.release or Evidence(kind="manifest", name=self.told_by)


@dataclass(frozen=True)
class PublishedShard:
    """All that is published of a shard, found to agree. digests: the members' SHA-256, 32 bytes each, joined."""

    manifest: Manifest
    members: pa.Table
    layout: Layout
    digests: bytes
    pieces: PieceHashes
    metainfo: Metainfo
    evidence: Evidence


def shard_files(manifest: Path) -> ShardFiles:
    """Return where a manifest's table and torrent lie: beside it, or as a release has them, in ../torrents/."""
    name = manifest.name.removesuffix(".manifest.json")
    folder = manifest.parent
    torrent = folder / f"{name}.torrent"
    if not torrent.exists():
        torrent = folder.parent / "torrents" / torrent.name
    twin = torrent.with_suffix(".v1.torrent")
    return ShardFiles(manifest, folder / f"{name}.members.parquet", torrent, twin if twin.is_file() else None)


def find_nearby_documents(tar: Path) -> ShardFiles | None:
    """Return where the documents of a shard lie: beside its tar, or in a release around it; None: nowhere there.

    A release around it: manifests/ or site/manifests/ of its folder or the one above, or manifests/ of
    any folder above that holds a release.json. Else what the project packed that its folder belongs to.
    """
    name = f"{shard_name(tar)}.manifest.json"
    folder = Path(os.path.abspath(tar)).parent
    places = [folder]
    for base in (folder, folder.parent):
        places += [base / "site" / "manifests", base / "manifests"]
    places += [above / "manifests" for above in folder.parents if os.path.isfile(above / "release.json")]
    found = next((place / name for place in places if os.path.isfile(place / name)), None)
    if found is None and (project := project_of_tars(folder)) is not None:
        found = project.packed_folder / shard_name(tar) / name
    return shard_files(found) if found is not None and found.is_file() else None


def shard_name(tar: Place) -> str:
    """Return the name of the shard whose tar (or name alone) a path or an address is."""
    name = Path(os.path.abspath(tar)).name if isinstance(tar, Path) else tar.parted()[1]
    return name.removesuffix(".tar")


def parse_manifest(data: bytes, where: object) -> Manifest:
    """Return a shard's manifest that has no fault by itself, but is not compared with anything. Raises InputError."""
    manifest = documents.from_bytes(data, Manifest, where)
    if not is_safe_name(manifest.name) or manifest.file != file_of(manifest.name, manifest.container):
        raise InputError(where, f'"{display_text(manifest.file)}" is not the file of a shard')
    pieces = -(-manifest.size // max(manifest.piece_length, 1))
    counted = 0 < pieces <= _PIECES_MOST and 0 < manifest.members <= _MEMBERS_MOST and manifest.piece_length > 0
    header = build_tar_header.BLOCK if manifest.container == "tar" else 0
    if not counted or not 0 <= manifest.payload <= manifest.size - manifest.members * header:
        raise InputError(where, "its sizes are not those of a shard")
    return manifest


def read_manifest(path: Path) -> Manifest:
    """Return the manifest in a file. Raises as `parse_manifest`."""
    return parse_manifest(read_limited(path, documents.LIMIT), display_text(str(path)))


def open_published_shard(files: ShardFiles) -> PublishedShard:
    """Read a shard's documents.

    Raises InputError if one is broken, TrustError if they disagree, and WithdrawnMembersError if not
    all members are told any more.

    Memory: the members table and five int64 a member.
    """
    manifest = read_manifest(files.manifest)
    metainfo = parse_torrent.parse_torrent(read_limited(files.torrent, bencode.LIMIT), files.torrent)
    _check_torrent(manifest, metainfo, files)
    rows = untrusted_parquet.count_untrusted_rows(files.table, MEMBERS)
    most = manifest.size // build_tar_header.BLOCK if manifest.container == "tar" else len(metainfo.files)
    left = manifest.members - manifest.withdrawn
    if rows != left or rows > most:
        raise TrustError(files.table, f"has {rows} members, the manifest says {left}")
    if manifest.withdrawn:
        told = f"{manifest.withdrawn:,} of its {count_of(manifest.members, 'member')} were withdrawn"
        fix = "its torrent still proves it: packager verify, packager repair"
        raise WithdrawnMembersError(manifest.name, f"{told}, and its table lacks them", fix)
    members = untrusted_parquet.read_untrusted_table(files.table, MEMBERS)
    _check_members(members, manifest, files.table)
    layout = published_layout(manifest, members)
    if layout is None:
        raise TrustError(files.table, f"does not give the layout of the {manifest.size} bytes that were published")
    digests = b"".join(members["sha256"].to_pylist())
    if isinstance(layout, FolderLayout):
        pieces: PieceHashes = folder_pieces(layout, metainfo, files.torrent)
    else:
        pieces = _pieces(manifest, metainfo, files)
    return PublishedShard(manifest, members, layout, digests, pieces, metainfo, files.evidence)


def _check_torrent(manifest: Manifest, metainfo: Metainfo, files: ShardFiles) -> None:
    """Raise TrustError if a torrent is not the manifest's."""
    v1, v2 = (hash_.hex() if hash_ else None for hash_ in (metainfo.infohash_v1, metainfo.infohash_v2))
    if (v1, v2) != (manifest.infohash_v1, manifest.infohash_v2):
        raise TrustError(files.torrent, f"its infohashes are {v1} and {v2}, not those of {files.manifest.name}")
    if metainfo.piece_length != manifest.piece_length:
        raise TrustError(files.torrent, "its piece length is not the manifest's")


def folder_pieces(layout: FolderLayout, metainfo: Metainfo, where: Path) -> PieceHashes:
    """Return the hashes of a folder from its torrent. Raises TrustError if the layout has other files."""
    told = [file for file in metainfo.files if not file.pad]
    if [(file.path, file.offset, file.length) for file in told] != [
        ((layout.file, *path.split("/")), start, size) for path, start, size in layout.files()
    ]:
        raise TrustError(where, f"does not contain the files of the folder {layout.file} in their order")
    trees = [
        (file.pieces_root, metainfo.layers.get(file.pieces_root, b"") if file.pieces_root else b"") for file in told
    ]
    return folder_hashes(layout.space, trees, metainfo.pieces)


def _pieces(manifest: Manifest, metainfo: Metainfo, files: ShardFiles) -> PieceHashes:
    """Return the hashes of the tar from its torrent."""
    file = metainfo.files[0]
    if len(metainfo.files) != 1 or file.path != (manifest.file,) or file.length != manifest.size:
        raise TrustError(files.torrent, f"does not contain the one file {manifest.file} of {manifest.size} bytes")
    root = file.pieces_root
    if (root.hex() if root else None) != manifest.pieces_root:
        raise TrustError(files.torrent, "its pieces root is not the manifest's")
    return PieceHashes(
        size=manifest.size,
        piece_length=manifest.piece_length,
        pieces_root=root,
        layer=metainfo.layers.get(root, b"") if root else b"",
        pieces=metainfo.pieces,
    )


def _check_members(members: pa.Table, manifest: Manifest, where: Path) -> None:
    """Raise InputError for a member that no shard of ours can hold, TrustError if their sum is another."""
    paths = PathChecks()
    payload = 0  # Python's integers: a sum of int64 could wrap around to the manifest's
    for batch in members.select(["path", "size"]).to_batches(parquet.BATCH_ROWS):
        for path, size in zip(batch["path"].to_pylist(), batch["size"].to_pylist(), strict=True):
            if path is None or size is None or not is_safe_path(path):
                raise InputError(where, f'"{display_text(path or "")}" cannot be the path of a member')
            if not 0 <= size < 1 << 60:
                raise InputError(where, f'"{display_text(path)}" has {size} bytes')
            for fault in paths.clashes(path):
                raise InputError(where, fault)
            payload += size
    if payload != manifest.payload or payload >= manifest.size:
        raise TrustError(where, f"its members have {payload} bytes, the manifest says {manifest.payload}")
