"""Finds the shards that can be shared, with their torrents.

A tar is refused if its size is wrong or, after a complete check, if it has bad pieces.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from packager.core.reports.evidence import Evidence
from packager.core.reports.issues import Issue
from packager.core.reports.withheld import Withheld
from packager.engine.files.shard_torrent import ShardTorrent, open_shard_torrent
from packager.engine.files.unfinished_files import check_finished
from packager.engine.hashing.find_bad_pieces import bad_pieces
from packager.engine.published.open_release import OpenedRelease, find_documents
from packager.engine.published.published_shard import ShardFiles, shard_name
from packager.engine.published.release_reader import RELEASE
from packager.engine.published.shareable_files import ShareableFiles
from packager.errors import InputError
from packager.paths import display_text
from packager.progress import Advance, Progress
from packager.share.seedable_folder import folders_in, is_shards_folder, shared_folder
from packager.share.shareable_tars import KnownTar, TarSharingRule
from packager.units import count_of


@dataclass(frozen=True)
class Seedable:
    """A tar, or a shard's folder, and a torrent of it.

    evidence: why the torrent can be trusted. verified: the tar was read completely in this run, and is right.
    """

    tar: Path
    file: ShardTorrent
    evidence: Evidence
    verified: bool = False


@dataclass(frozen=True)
class Seedables:
    """Shards that can be shared, shards that are bad, and withheld shards.

    rule: decides later whether one of them is withheld by then.
    """

    found: Sequence[Seedable]
    refused: Sequence[Issue]
    withheld: Sequence[Withheld]
    rule: TarSharingRule

    def nothing(self) -> InputError:
        """Return an error with the reason why nothing can be shared."""
        if self.refused:
            what, _, fix = self.refused[0].what.partition("; ")
            return InputError(self.refused[0].where, what, fix)
        if not self.withheld:
            return InputError("PATH", "none is given", "name a tar, a shard's folder, or a folder that contains them")
        first = self.withheld[0]
        return InputError(first.name, first.reason, first.fix)


def find_seedable(
    paths: Sequence[Path],
    shareable: ShareableFiles,
    *,
    release: OpenedRelease | None,
    torrent: Path | None,
    source: Path | None = None,
    allow_withdrawn: bool = False,
) -> Seedables:
    """Return which shards can be shared, by their sizes, and why the others cannot.

    paths: tars, shards' folders, or folders that contain them. shareable: decides what is withheld; allow_withdrawn:
    share withdrawn shards too. source: the collection's folder, for members of shards that are kept as files.
    torrent: for a single tar or folder; by default, the torrent and its v1 twin are found with the shard's documents.
    Raises InputError for a path that does not exist.
    """
    tars = tars_of(paths)
    if torrent is not None and len(tars) != 1:
        raise InputError("--torrent", f"is for one tar, but {count_of(len(tars), 'tar')} are given")
    found: list[Seedable] = []
    refused: list[Issue] = []
    withheld: list[Withheld] = []
    rule = TarSharingRule(shareable, allow_withdrawn=allow_withdrawn)
    for tar in tars:
        torrents: list[Seedable] = []
        documents = bad = None
        try:
            documents = None if torrent else find_documents(tar, release)
            every = [each for each in (torrent, documents and documents.torrent, documents and documents.twin) if each]
            torrents = [_one(tar, each, documents, source) for each in every]
            places, name = (tar, every[0]), torrents[0].file.name.removesuffix(".tar")
        except InputError as error:
            bad = Issue(where=display_text(str(tar)), what=error.advice)
            places, name = (tar, release.folder / RELEASE if release else tar), shard_name(tar)
        manifest = documents.manifest if documents is not None else None
        size = torrents[0].file.size if torrents else None
        why = rule.withheld(tar, KnownTar(places, name, _hashes(torrents), size, manifest))
        if why is not None:
            withheld.append(why)
        elif bad is not None:
            refused.append(bad)
        else:
            found += torrents
    return Seedables(found, refused, withheld, rule)


def _hashes(torrents: Sequence[Seedable]) -> frozenset[str]:
    """Return the infohashes of a tar's torrents and its pieces root, in hex."""
    metainfos = [each.file.metainfo for each in torrents]
    roots = [each.files[0].pieces_root for each in metainfos if len(each.files) == 1]
    digests = [digest for each in metainfos for digest in (each.infohash_v1, each.infohash_v2)]
    return frozenset(digest.hex() for digest in (*digests, *roots) if digest is not None)


def verify_tars_to_seed(
    found: Sequence[Seedable], *, workers: int, stop: Callable[[], bool], progress: Progress
) -> tuple[list[Seedable], list[Issue]]:
    """Read every tar completely, and return the good tars and the issues of the bad ones.

    A second torrent of a tar counts as verified only if it has the same hashes as the first. Raises KeyboardInterrupt
    if `stop` returns True.
    """

    def advance(size: int) -> None:
        if stop():
            raise KeyboardInterrupt
        progress.advance(size)

    verified: list[Seedable] = []
    refused: list[Issue] = []
    progress.begin("Checking", sum({each.tar: each.file.size for each in found}.values()))
    for torrents in by_tar(found):
        if bad := fault(torrents[0], workers=workers, advance=advance):
            refused.append(bad)
            continue
        verified += [replace(each, verified=_same_hashes(torrents[0].file, each.file)) for each in torrents]
    progress.end()
    return verified, refused


def by_tar(found: Sequence[Seedable]) -> list[list[Seedable]]:
    """Return the torrents of each tar. The release's torrent comes before its twin."""
    tars: dict[Path, list[Seedable]] = {}
    for each in found:
        tars.setdefault(each.tar, []).append(each)
    return list(tars.values())


def fault(each: Seedable, *, workers: int, advance: Advance) -> Issue | None:
    """Read a tar completely, and return the issue if it has bad pieces, else None.

    advance: called with the number of bytes that were read.
    """
    pieces = each.file.pieces
    ranges = partial(each.file.ranges, each.tar)
    wrong = bad_pieces(ranges, pieces, range(pieces.count), workers=workers, advance=advance)
    return _bad(each.tar, len(wrong)) if wrong else None


def _same_hashes(one: ShardTorrent, other: ShardTorrent) -> bool:
    """Return whether two torrents are the same or have the same v1 pieces."""
    if one is other:
        return True
    same = (one.metainfo.piece_length, one.metainfo.pieces) == (other.metainfo.piece_length, other.metainfo.pieces)
    return same and bool(one.metainfo.pieces)


def _bad(tar: Path, count: int) -> Issue:
    """Return the issue of a tar with bad pieces."""
    where = display_text(str(tar))
    return Issue(where=where, what=f"{count_of(count, 'bad piece')}; repair it with: packager repair {where}")


def tars_of(paths: Sequence[Path]) -> list[Path]:
    """Return the tars at some paths, each once. Raises InputError for a path that does not exist."""
    return list(dict.fromkeys(tar for path in paths for tar in _tars(path)))


def _tars(path: Path) -> Iterator[Path]:
    """Yield a tar, or the tars and shards' folders of a folder, by name."""
    if not path.is_dir() or is_shards_folder(path):
        if not path.exists():
            check_finished(path)
            raise InputError(display_text(str(path)), "not found", "name a shard's tar, or a folder of tars")
        yield path
        return
    tars = sorted(tar for tar in path.glob("*.tar") if not tar.name.startswith("."))
    tars += folders_in(path)
    if not tars:
        for part in sorted(path.glob("*.tar.*")):
            check_finished(part)
        raise InputError(display_text(str(path)), "contains no tar", "name the folder that contains the tars")
    yield from tars


def _one(tar: Path, torrent: Path, documents: ShardFiles | None, source: Path | None) -> Seedable:
    """Return a tar or folder with its torrent, if all files exist with the right sizes.

    Raises InputError.
    """
    release = documents.release if documents is not None else None
    evidence = release or Evidence(kind="torrent", name=display_text(str(torrent)))
    if tar.is_dir():
        return Seedable(tar, shared_folder(tar, torrent, documents, source), evidence)
    file = open_shard_torrent(torrent)
    size = tar.stat().st_size
    if size != file.size:
        where = display_text(str(tar))
        raise InputError(where, f"has {size} bytes, not {file.size}", f"repair it with: packager repair {where}")
    return Seedable(tar, file, evidence)
