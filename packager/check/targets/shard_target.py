"""Shards held against their published documents: as tars, or as the loose files that went into them."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pyarrow as pa

from packager.check.targets import bag_target, torrent_target
from packager.check.targets.find_files import Folder, Found, find_place
from packager.check.targets.target import Look, Looking, Subject, one_stream
from packager.core.bittorrent import bencode
from packager.core.releases import documents
from packager.core.releases.members_table import source_paths
from packager.core.reports.check_reports import SubjectKind
from packager.core.reports.faults import NOTHING, Fault, Known, shard_extents
from packager.core.shards import build_tar_header
from packager.core.shards.bag import TAGGED, TAGMANIFEST, tagmanifest
from packager.core.shards.checksum_file import Sum
from packager.core.shards.layout import PAYLOAD
from packager.engine.files.limited_read import read_limited
from packager.engine.files.shard_torrent import open_shared
from packager.engine.hashing.check_tasks import WholeFile
from packager.engine.project.project import STATE
from packager.engine.published.published_shard import Published, ShardFiles, WithdrawnMembersError, open_published
from packager.engine.stores.base import Place, Stat
from packager.errors import InputError
from packager.model import Manifest
from packager.paths import shown

_PIECES_MOST = bencode.LIMIT // 20  # more do not fit a .torrent
_MEMBERS_MOST = 50_000_000


def read_manifest(path: Path) -> Manifest:
    """Return a shard's manifest, not yet held against its other documents. Raises InputError."""
    manifest = documents.from_bytes(read_limited(path, documents.LIMIT), Manifest, shown(str(path)))
    pieces = -(-manifest.size // max(manifest.piece_length, 1))
    counted = 0 < pieces <= _PIECES_MOST and 0 < manifest.members <= _MEMBERS_MOST and manifest.piece_length > 0
    header = build_tar_header.BLOCK if manifest.container == "tar" else 0
    if not counted or not 0 <= manifest.payload <= manifest.size - manifest.members * header:
        raise InputError(shown(str(path)), "its sizes are not those of a shard")
    return manifest


def tar_subject(tar: Place, files: ShardFiles, listed: Stat | None = None) -> Subject:
    """Return a shard's tar as what to check. Raises InputError where its manifest is broken.

    listed: what the listing of its store says of it.
    """
    manifest = read_manifest(files.manifest)

    def look() -> Look:
        try:
            published = open_published(files)
            known = Known(published.pieces, shard_extents(published.layout))
        except WithdrawnMembersError:
            known = Known(open_shared(files.torrent).pieces, NOTHING)
        return one_stream(find_place(tar, manifest.size, listed), known)

    def quick() -> list[Fault]:
        return list(look().faults) if find_place(tar, manifest.size, listed).faults else []

    return _subject(tar, "tar", files, look, size=manifest.size, pieces=_pieces(manifest), quick=quick)


def folder_subject(folder: Path, files: ShardFiles) -> Subject:
    """Return a shard that is kept as files as what to check, with its members where any are. Raises InputError."""
    manifest = read_manifest(files.manifest)
    if not (folder / PAYLOAD).exists() and _is_of_project(folder):
        return _own_files(folder, files)

    def look() -> Look:
        metainfo = open_published(files).metainfo
        found = torrent_target.look(folder, metainfo)
        extra = bag_target.extra_faults(folder, ("/".join(file.path[1:]) for file in metainfo.files))
        return replace(found, faults=[*found.faults, *extra])

    return _subject(folder, "bag", files, look, size=manifest.size, pieces=_pieces(manifest))


def _is_of_project(folder: Path) -> bool:
    """Say whether a project is above a folder or above the current one: its packer leaves members where they are.

    Anybody else who has no member has lost them.
    """
    places = (*folder.absolute().parents, Path.cwd(), *Path.cwd().parents)
    return any((place / STATE).is_dir() for place in places)


def _own_files(folder: Path, files: ShardFiles) -> Subject:
    """Return the bag's own files as what to check: its members are in the project's sources."""

    def look() -> Look:
        listed = _listed(open_published(files))
        names = (name.encode() for name in (*TAGGED, TAGMANIFEST))
        return bag_target.look(folder, {name: listed[name] for name in names}, oxum=False)

    size = sum(path.stat().st_size for path in folder.iterdir())
    return _subject(folder, "bag", files, look, size=size, count=len(TAGGED) + 1)


def loose_subject(folder: Path, files: ShardFiles) -> Subject:
    """Return the loose files of a shard's members in a folder as what to check. Raises InputError."""
    manifest = read_manifest(files.manifest)

    def look() -> Look:
        return _look(Folder(folder), open_published(files))

    return _subject(folder, "loose files", files, look, size=manifest.payload, count=manifest.members)


def bag_subject(folder: Path, files: ShardFiles) -> Subject:
    """Return a shard's bag, taken out of its tar, as what to check: its tag files, too. Raises InputError."""
    manifest = read_manifest(files.manifest)

    def look() -> Look:
        return bag_target.look(folder, _listed(open_published(files)))

    count = manifest.members + len(TAGGED) + 1
    return _subject(folder, "bag", files, look, size=manifest.payload, count=count)


def _subject(
    path: Place,
    kind: SubjectKind,
    files: ShardFiles,
    look: Looking,
    *,
    size: int,
    pieces: int = 0,
    count: int = 0,
    quick: Callable[[], Sequence[Fault]] | None = None,
) -> Subject:
    """Return what to check by a shard's documents. count: files; quick: None for the faults of `look`."""
    return Subject(
        path=path,
        kind=kind,
        against=files.told_by,
        evidence=files.evidence,
        size=size,
        pieces=pieces,
        files=count,
        quick=quick or (lambda: look().faults),
        look=look,
    )


def _pieces(manifest: Manifest) -> int:
    """Return how many pieces a shard has."""
    return -(-manifest.size // manifest.piece_length)


def _listed(published: Published) -> dict[bytes, list[Sum]]:
    """Return the SHA-256 of every file of a shard's bag by its path."""
    digests, tags = published.digests, published.layout.tag_digests(published.digests)
    listed = {
        f"{PAYLOAD}{path}": digests[32 * row : 32 * row + 32]
        for row, path in enumerate(published.members["path"].to_pylist())
    }
    listed |= dict(zip(TAGGED, tags, strict=True)) | {TAGMANIFEST: hashlib.sha256(tagmanifest(tags)).digest()}
    return {path.encode(): [Sum(path.encode(), "sha256", digest)] for path, digest in listed.items()}


def _look(folder: Folder, published: Published) -> Look:
    """Return the look at a shard's members, each found by its own path or by its source's."""
    faults: list[Fault] = []
    files: list[WholeFile | None] = []
    for paths, size, digest in _members(published.members):
        found = _find(folder, paths, size)
        faults += found.faults
        files.append(
            None if found.size is None else WholeFile(found.path, found.size, (("sha256", digest),), found.stamp)
        )
    return Look(faults=faults, files=files)


def _members(members: pa.Table) -> Iterator[tuple[list[bytes], int, bytes]]:
    """Yield each member's paths, its source's first, its size and its SHA-256."""
    columns = (members[name].to_pylist() for name in ("path", "size", "sha256"))
    for paths, path, size, digest in zip(source_paths(members), *columns, strict=True):
        yield list(dict.fromkeys([*paths, path.encode()])), size, digest


def _find(folder: Folder, paths: list[bytes], size: int) -> Found:
    """Return what is at the first of these paths that has the right size, else at the first that is there."""
    every = [folder.find(path, size) for path in paths]
    return min(every, key=lambda found: (found.size is None, bool(found.faults)))
