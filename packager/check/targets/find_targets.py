"""Find the targets for each PATH of verify, and the documents to check them with. No file is read yet.

Without an option, a tar's documents are found by open_release.documents_around: in the release around it, else
beside it, or in site/manifests or manifests beside or above it; else in NAME.tar.torrent or NAME.torrent beside it.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from packager.check.targets import bag_target, checksum_target, shard_target, torrent_target
from packager.check.targets.target import Inventory, VerifyTarget
from packager.core.bittorrent.unfinished_names import final_name, unfinished_sentence
from packager.core.config.store_url import StoreUrl
from packager.core.reports.faults import Fault, file_fault
from packager.engine.published.open_release import OpenedRelease, documents_around, find_documents, release_near
from packager.engine.published.published_shard import ShardFiles, read_manifest, shard_files, shard_name
from packager.engine.stores import store_at
from packager.engine.stores.base import Place
from packager.errors import InputError, from_os_error
from packager.paths import display_text

_MANIFEST = ".manifest.json"


@dataclass(frozen=True)
class CheckAgainst:
    """What the user names to check against, at most one of these."""

    release: OpenedRelease | None = None
    manifest: Path | None = None
    torrent: Path | None = None
    sums: Path | None = None


def find_targets(paths: Sequence[Place], against: CheckAgainst) -> list[VerifyTarget]:
    """Return all targets. Raises InputError, TrustError, IncompleteError if they cannot be read.

    Without paths: the folder of the list of digests or of the .torrent.
    """
    named = [f"--{name}" for name, value in vars(against).items() if value is not None]
    if len(named) > 1:
        raise InputError("", f"{named[1]} cannot be used with {named[0]}", "remove one of them")
    given = against.sums or against.torrent
    if not paths and given is None:
        raise InputError("PATH", "none is given", "name a tar, a bag, or a folder of tars or of loose files")
    if against.manifest is not None and not against.manifest.name.endswith(_MANIFEST):
        what = f'"{display_text(str(against.manifest))}" is not a NAME{_MANIFEST}'
        raise InputError("--manifest", what, "use --sums for a list of digests, --torrent for a .torrent")
    wanted: list[Place] = list(paths) or ([given.parent] if given else [])
    found: list[VerifyTarget] = []
    for path in wanted:
        if isinstance(path, StoreUrl):
            found += _stored(path, against)
            continue
        try:
            found += _subjects(path, against)
        except OSError as error:
            raise from_os_error(error, display_text(str(error.filename or path)), "fix the permissions") from error
    _check_evidence(found, against.release)
    return found


def _check_evidence(found: Sequence[VerifyTarget], release: OpenedRelease | None) -> None:
    """Raise InputError if there is nothing to check, since an empty list is not evidence."""
    if not found:
        where = release.where if release else "PATH"
        raise InputError(where, "it lists no shard, so nothing can be checked", "name another release or folder")
    for target in found:
        if target.checked_against and not target.units:
            raise InputError(target.checked_against, "it lists no data, so nothing can be checked", "name another list")


def _subjects(path: Path, against: CheckAgainst) -> Iterator[VerifyTarget]:
    """Yield the targets of one path."""
    if path.name in ("", ".."):  # such as ".", so that its name can be the shard's
        path = Path(os.path.abspath(path))
    named = against.torrent is not None or against.sums is not None  # the file may have any name
    if not named and final_name(path.name) and path.is_file():
        yield _unfinished(path)
        return
    control = Path(f"{path}.aria2")
    if not named and control.is_file():
        yield _unfinished(control)
    if against.torrent is not None:
        yield torrent_target.torrent_target(path, against.torrent)
    elif against.sums is not None:
        yield checksum_target.checksum_target(path, against.sums)
    elif not path.is_dir():
        yield _file(path, against)
    elif bag_target.is_bag(path):
        files = _documents(path, against)
        yield _bag(path, files) if files else bag_target.bag_target(path)
    else:
        unfinished = [file for file in sorted(path.iterdir()) if _is_unfinished_tar(file)]
        yield from map(_unfinished, unfinished)
        if found := _shards_in(path, against.release):
            yield from _tars(path, found, against)
        elif not unfinished:
            yield from _loose(path, against)


def _is_unfinished_tar(file: Path) -> bool:
    """Return whether a file is an unfinished download of a tar."""
    final = final_name(file.name)
    if final is None or not final.endswith(".tar") or not file.is_file():
        return False
    return file.name.lower().endswith(".aria2") or not file.with_name(final).exists()


def _unfinished(file: Path) -> VerifyTarget:
    """Return a target with one fault for an unfinished download."""
    final = final_name(file.name)
    assert final is not None
    return _faulty(file, file_fault("short", bytes(file), unfinished_sentence(file.name, final)))


def _bag(folder: Path, files: ShardFiles) -> VerifyTarget:
    """Return the target for a shard's bag in a folder: extracted from its tar, or as published."""
    kept = read_manifest(files.manifest).container
    return (
        shard_target.folder_target(folder, files)
        if kept == "folder"
        else shard_target.extracted_bag_target(folder, files)
    )


def _shards_in(folder: Path, release: OpenedRelease | None) -> list[Path]:
    """Return the tars of a folder, and its bags that have names of shards."""
    visible = (path for path in folder.iterdir() if not path.name.startswith("."))
    return sorted(
        path for path in visible if path.suffix == ".tar" or (bag_target.is_bag(path) and _known(path, release))
    )


def _known(shard: Path, release: OpenedRelease | None) -> ShardFiles | None:
    """Return the documents of a tar or bag by its name."""
    return _listed(shard, release) if release else documents_around(shard)


def _listed(shard: Place, release: OpenedRelease) -> ShardFiles | None:
    """Return a release's documents of a tar or bag."""
    name = shard_name(shard)
    return release.files(name) if release.has_documents(name) else None


def _documents(path: Path, against: CheckAgainst) -> ShardFiles | None:
    """Return a shard's documents: those that an option names, else those around it."""
    if against.manifest or against.release:
        return find_documents(path, against.release, against.manifest)
    return documents_around(path)


def _file(path: Path, against: CheckAgainst) -> VerifyTarget:
    """Return the target for one tar; the tar may be missing if its documents are found."""
    if files := _documents(path, against):
        return shard_target.tar_target(path, files)
    if torrent := _torrent_beside(path):
        return torrent_target.torrent_target(path, torrent)
    if not path.exists():
        fix = "check the path: name a tar, a bag, or a folder of tars or of loose files"
        raise InputError(display_text(str(path)), "not found", fix)
    fix = "name the release, manifest, .torrent or list of digests: --release, --manifest, --torrent, --sums"
    raise InputError(display_text(str(path)), "no document here describes it", fix)


def _torrent_beside(tar: Path) -> Path | None:
    """Return the .torrent beside a file."""
    beside = (tar.with_name(f"{tar.name}.torrent"), tar.with_suffix(".torrent"))
    return next((path for path in beside if path.is_file()), None)


def _tars(folder: Path, tars: list[Path], against: CheckAgainst) -> Iterator[VerifyTarget]:
    """Yield the targets for a folder's tars and bags; a tar without documents is extra if others have them."""
    if against.manifest is not None:
        files = shard_files(against.manifest)
        name = against.manifest.name.removesuffix(_MANIFEST)
        bag = folder / name
        yield _bag(bag, files) if bag_target.is_bag(bag) else shard_target.tar_target(folder / f"{name}.tar", files)
        return
    known = {tar: _known(tar, against.release) for tar in tars}
    release = against.release or release_near(folder)
    torrents = {tar: _torrent_beside(tar) for tar in tars if known[tar] is None}
    if release is None and not any(known.values()) and not any(torrents.values()):
        fix = "name the release, a manifest, a .torrent or a list of digests: --release, --manifest, --torrent, --sums"
        raise InputError(display_text(str(folder)), "no document near it describes its tars", fix)
    for tar in tars:
        if found := known[tar]:
            yield _bag(tar, found) if tar.is_dir() else shard_target.tar_target(tar, found)
        elif torrent := torrents[tar]:
            yield torrent_target.torrent_target(tar, torrent)
        else:
            yield _extra(tar, release)


def _stored(place: StoreUrl, against: CheckAgainst) -> Iterator[VerifyTarget]:
    """Yield the targets for a tar in a store or all tars of a folder there, by default with the release found here."""
    where = display_text(str(place))
    if against.sums is not None:
        raise InputError("--sums", f"describes files in a folder, but {where} is in a store", "copy them here")
    if against.torrent is not None:
        yield torrent_target.torrent_target(place, against.torrent)
        return
    if against.manifest is not None:
        name = against.manifest.name.removesuffix(_MANIFEST)
        tar = place if _is_tar(place) else _below(place, f"{name}.tar")
        yield shard_target.tar_target(tar, shard_files(against.manifest))
        return
    release = against.release or release_near(Path())
    if release is None:
        raise InputError(
            where, "no release is named, and none was found here", "name its folder or address with --release"
        )
    if _is_tar(place):
        yield shard_target.tar_target(place, find_documents(place, release))
        return
    entries = store_at(place).entries()
    listed = {each.path: each.stat for each in entries if each.path.endswith(".tar") and "/" not in each.path}
    if not listed:
        raise InputError(where, "contains no tar", "name the URL of a tar, or of the folder that contains the tars")
    for name, stat in sorted(listed.items()):
        tar = _below(place, name)
        files = _listed(tar, release)
        yield shard_target.tar_target(tar, files, stat) if files else _extra(tar, release)


def _is_tar(place: StoreUrl) -> bool:
    """Return whether a URL is a tar's."""
    return place.path.endswith(".tar")


def _below(place: StoreUrl, name: str) -> StoreUrl:
    """Return the URL of a file below another URL."""
    return replace(place, path=place.below(name))


def _extra(tar: Place, release: OpenedRelease | None) -> VerifyTarget:
    """Return a target with one fault for a tar without documents."""
    where = f"the release in {release.where}" if release else "what is published near it"
    is_listed = release is not None and shard_name(tar) in release.names
    lacks = "lists this shard, but its documents are missing" if is_listed else "has no such shard"
    return _faulty(tar, file_fault("extra", bytes(tar), f"{where} {lacks}"))


def _faulty(tar: Place, fault: Fault) -> VerifyTarget:
    """Return a target that has only a fault."""
    look = Inventory(faults=[fault])
    return VerifyTarget(path=tar, kind="tar", look=lambda: look)


def _loose(folder: Path, against: CheckAgainst) -> Iterator[VerifyTarget]:
    """Yield targets for the loose files of a folder, one per shard."""
    if against.manifest is not None:
        yield shard_target.loose_files_target(folder, shard_files(against.manifest))
    elif (release := against.release) is not None:
        for name in release.with_loose_files():
            yield shard_target.loose_files_target(folder, find_documents(Path(name), release))
    else:
        what = "contains no tar and is not a bag, so a release must describe its files"
        raise InputError(display_text(str(folder)), what, "name it: --release, --manifest, --torrent or --sums")
