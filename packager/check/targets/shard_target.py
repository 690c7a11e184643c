"""Verify shards against their published documents: as tars, as folders, or as the loose files of their members."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pyarrow as pa

from packager.check.targets import bag_target, torrent_target
from packager.check.targets.find_files import FoundFile, SafeFolder, find_place
from packager.check.targets.target import Inventory, Looking, VerifyTarget, one_stream
from packager.core.releases.members_table import source_paths
from packager.core.reports.check_reports import SubjectKind
from packager.core.reports.faults import NOTHING, ExpectedStream, Fault, shard_extents
from packager.core.shards.bag import TAGGED, TAGMANIFEST, tagmanifest
from packager.core.shards.checksum_file import ListedDigest
from packager.core.shards.layout import PAYLOAD
from packager.engine.files.shard_torrent import open_shard_torrent
from packager.engine.hashing.check_tasks import FileDigestCheck
from packager.engine.project.project import STATE
from packager.engine.published.published_shard import (
    PublishedShard,
    ShardFiles,
    WithdrawnMembersError,
    open_published_shard,
    read_manifest,
)
from packager.engine.stores.base import Place, StoreStat
from packager.model import Manifest


def tar_target(tar: Place, files: ShardFiles, listed: StoreStat | None = None) -> VerifyTarget:
    """Return the target for a shard's tar. Raises InputError if its manifest is broken.

    listed: its facts from the listing of its store.
    """
    manifest = read_manifest(files.manifest)

    def look() -> Inventory:
        try:
            published = open_published_shard(files)
            known = ExpectedStream(published.pieces, shard_extents(published.layout))
        except WithdrawnMembersError:
            known = ExpectedStream(open_shard_torrent(files.torrent).pieces, NOTHING)
        return one_stream(find_place(tar, manifest.size, listed), known)

    def quick() -> list[Fault]:
        return list(look().faults) if find_place(tar, manifest.size, listed).faults else []

    return _target(tar, "tar", files, look, size=manifest.size, pieces=_pieces(manifest), quick=quick)


def folder_target(folder: Path, files: ShardFiles) -> VerifyTarget:
    """Return the target for a shard that is stored as files, with its members if there are any. Raises InputError."""
    manifest = read_manifest(files.manifest)
    if not (folder / PAYLOAD).exists() and _is_of_project(folder):
        return _own_files(folder, files)

    def look() -> Inventory:
        metainfo = open_published_shard(files).metainfo
        found = torrent_target.find_torrent_files(folder, metainfo)
        extra = bag_target.extra_faults(folder, ("/".join(file.path[1:]) for file in metainfo.files))
        return replace(found, faults=[*found.faults, *extra])

    return _target(folder, "bag", files, look, size=manifest.size, pieces=_pieces(manifest))


def _is_of_project(folder: Path) -> bool:
    """Return whether this folder or the current one is in a project, whose members stay in the source.

    Anywhere else, members that are not in the folder are missing.
    """
    places = (*folder.absolute().parents, Path.cwd(), *Path.cwd().parents)
    return any((place / STATE).is_dir() for place in places)


def _own_files(folder: Path, files: ShardFiles) -> VerifyTarget:
    """Return the target for the bag's own files; its members are in the project's source."""

    def look() -> Inventory:
        listed = _listed(open_published_shard(files))
        names = (name.encode() for name in (*TAGGED, TAGMANIFEST))
        return bag_target.find_bag_files(folder, {name: listed[name] for name in names}, oxum=False)

    size = sum(path.stat().st_size for path in folder.iterdir())
    return _target(folder, "bag", files, look, size=size, count=len(TAGGED) + 1)


def loose_files_target(folder: Path, files: ShardFiles) -> VerifyTarget:
    """Return the target for the loose files of a shard's members in a folder. Raises InputError."""
    manifest = read_manifest(files.manifest)

    def look() -> Inventory:
        return _look(SafeFolder(folder), open_published_shard(files))

    return _target(folder, "loose files", files, look, size=manifest.payload, count=manifest.members)


def extracted_bag_target(folder: Path, files: ShardFiles) -> VerifyTarget:
    """Return the target for a shard's bag that was extracted from its tar, with its tag files. Raises InputError."""
    manifest = read_manifest(files.manifest)

    def look() -> Inventory:
        return bag_target.find_bag_files(folder, _listed(open_published_shard(files)))

    count = manifest.members + len(TAGGED) + 1
    return _target(folder, "bag", files, look, size=manifest.payload, count=count)


def _target(
    path: Place,
    kind: SubjectKind,
    files: ShardFiles,
    look: Looking,
    *,
    size: int,
    pieces: int = 0,
    count: int = 0,
    quick: Callable[[], Sequence[Fault]] | None = None,
) -> VerifyTarget:
    """Return a target that is checked with a shard's documents. count: files; quick: None for the faults of `look`."""
    return VerifyTarget(
        path=path,
        kind=kind,
        checked_against=files.told_by,
        evidence=files.evidence,
        size=size,
        pieces=pieces,
        files=count,
        find_faults=quick,
        look=look,
    )


def _pieces(manifest: Manifest) -> int:
    """Return how many pieces a shard has."""
    return -(-manifest.size // manifest.piece_length)


def _listed(published: PublishedShard) -> dict[bytes, list[ListedDigest]]:
    """Return the SHA-256 of every file of a shard's bag by its path."""
    digests, tags = published.digests, published.layout.tag_digests(published.digests)
    listed = {
        f"{PAYLOAD}{path}": digests[32 * row : 32 * row + 32]
        for row, path in enumerate(published.members["path"].to_pylist())
    }
    listed |= dict(zip(TAGGED, tags, strict=True)) | {TAGMANIFEST: hashlib.sha256(tagmanifest(tags)).digest()}
    return {path.encode(): [ListedDigest(path.encode(), "sha256", digest)] for path, digest in listed.items()}


def _look(folder: SafeFolder, published: PublishedShard) -> Inventory:
    """Return the inventory of a shard's members, each found by its member path or by its source path."""
    faults: list[Fault] = []
    files: list[FileDigestCheck | None] = []
    for paths, size, digest in _members(published.members):
        found = _find(folder, paths, size)
        faults += found.faults
        files.append(
            None if found.size is None else FileDigestCheck(found.path, found.size, (("sha256", digest),), found.stamp)
        )
    return Inventory(faults=faults, files=files)


def _members(members: pa.Table) -> Iterator[tuple[list[bytes], int, bytes]]:
    """Yield each member's paths (the source path first), size and SHA-256."""
    columns = (members[name].to_pylist() for name in ("path", "size", "sha256"))
    for paths, path, size, digest in zip(source_paths(members), *columns, strict=True):
        yield list(dict.fromkeys([*paths, path.encode()])), size, digest


def _find(folder: SafeFolder, paths: list[bytes], size: int) -> FoundFile:
    """Return the file at the first of these paths with the right size, else at the first that exists."""
    every = [folder.find(path, size) for path in paths]
    return min(every, key=lambda found: (found.size is None, bool(found.faults)))
