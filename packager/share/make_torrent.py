"""Makes a torrent of any file or folder, in place: nothing is packed or copied.

The same files, names and options always make the same .torrent: it does not name a program, and has a date only
if you set one.
"""

import time
from dataclasses import dataclass
from pathlib import Path

import msgspec

from packager.core.bittorrent import bencode, build_torrent
from packager.core.bittorrent.build_torrent import (
    Contents,
    FolderContents,
    FolderFile,
    SingleFileContents,
    unhashed_folder,
)
from packager.core.bittorrent.file_offsets import FileOffsets, file_offsets
from packager.core.bittorrent.magnet import SCHEME, format_magnet, parse_magnet
from packager.core.bittorrent.piece_length import LOADABLE, piece_length_of_files
from packager.core.config import option_values
from packager.core.config.url_values import WEB, tracker_tier, url
from packager.core.reports.issues import Issue
from packager.core.reports.reports import TorrentReport
from packager.core.shards.path_patterns import PatternFilter
from packager.engine.files import atomic_files
from packager.engine.hashing.hash_torrent import TorrentHashes, hash_torrent_files
from packager.engine.hashing.stream_hasher import FileTree
from packager.engine.network.check_torrent import check_torrent, note_missing_check
from packager.errors import InputError
from packager.model import Infohash, TorrentVersion
from packager.option_fields import option
from packager.paths import NAME_MAX, display_text
from packager.progress import Progress
from packager.share.select_files import SelectedFile, check_unchanged, find_files, named_file
from packager.units import parse_date, timestamp


def _web_seed(text: str, where: str) -> str:
    """Parse the URL of a web seed."""
    return url(text, where, WEB)


def _infohash(text: str, where: str) -> Infohash:
    """Parse a v1 infohash in hex."""
    found = parse_magnet(f"{SCHEME}xt=urn:btih:{text}", where).infohash_v1
    assert found is not None
    return found


@dataclass(frozen=True)
class TorrentSpec:
    """The options of a torrent.

    piece_length: in bytes; None: by size. trackers: URLs by tier. date: RFC 3339.
    """

    version: TorrentVersion = option(
        "hybrid (both v1 and v2), v1 or v2.",
        "hybrid",
        "--format",
        metavar="FORMAT",
        parse=option_values.one_of("hybrid", "v1", "v2"),
    )
    piece_length: int | None = option(
        'A power of two from 16 KiB to 16 MiB, such as "1 MiB", or auto.',
        "auto",
        metavar="SIZE",
        parse=option_values.piece_length,
    )
    trackers: tuple[tuple[str, ...], ...] = option(
        "Trackers of one tier, separated by commas. Repeatable.",
        (),
        "--tracker",
        metavar="URL",
        parse=tracker_tier,
    )
    web_seeds: tuple[str, ...] = option(
        "Address of the file, or of the web folder that contains it, ending in / (BEP 19). Repeatable.",
        (),
        "--web-seed",
        metavar="URL",
        parse=_web_seed,
    )
    include: tuple[str, ...] = option(
        'Include only matching files, such as "*.flac" or "cd1/*". Repeatable.', (), "--include", metavar="PATTERN"
    )
    exclude: tuple[str, ...] = option("Exclude names like this. Repeatable.", (), "--exclude", metavar="PATTERN")
    name: str | None = option("The torrent's name. Default: that of PATH.")
    comment: str = option("A comment; it does not change the infohash.", "", metavar="TEXT", parse=option_values.text)
    source_tag: str = option(
        "A text that makes the infohash differ from other torrents of the same files.",
        "",
        metavar="TEXT",
        parse=option_values.line,
    )
    private: bool = option("Clients find peers only through the trackers (BEP 27).", False)
    similar: tuple[Infohash, ...] = option(
        "v1 infohash of a torrent with some of the same files (BEP 38). Repeatable.",
        (),
        metavar="INFOHASH",
        parse=_infohash,
    )
    collections: tuple[str, ...] = option(
        "A name for a group of torrents with some of the same files (BEP 38). Repeatable.",
        (),
        "--collection",
        metavar="NAME",
        parse=option_values.title,
    )
    date: str | None = option(
        "Creation date, such as 2026-11-21. Default: SOURCE_DATE_EPOCH, or no date.",
        metavar="DATE",
        parse=parse_date,
    )

    @property
    def filter(self) -> PatternFilter:
        """The files to include."""
        return PatternFilter(self.include, self.exclude)

    @property
    def extra(self) -> bencode.Dictionary:
        """More keys of the info dictionary: BEP 27, BEP 38, and "source", which some trackers use."""
        extra: bencode.Dictionary = {}
        if self.private:
            extra[b"private"] = 1
        if self.source_tag:
            extra[b"source"] = self.source_tag.encode()
        if self.similar:
            extra[b"similar"] = [bytes.fromhex(infohash) for infohash in self.similar]
        if self.collections:
            extra[b"collections"] = [name.encode() for name in self.collections]
        return extra


@dataclass(frozen=True)
class _Source:
    """The files of a torrent. top: the file or folder."""

    top: Path
    name: str
    files: list[SelectedFile]
    space: FileOffsets

    @property
    def single(self) -> bool:
        """Whether the user named one file, not a folder."""
        return not self.files[0].path

    def contents(self, hashes: TorrentHashes) -> Contents:
        """Return the content for the metainfo."""
        trees = hashes.trees or [FileTree(b"", None)] * len(self.files)
        length = self.space.piece_length
        if self.single:
            tree, size = trees[0], self.files[0].size
            return SingleFileContents(self.name, size, length, hashes.pieces, tree.layer, tree.pieces_root)
        files = [
            FolderFile(file.path, file.size, pad, tree.layer, tree.pieces_root)
            for file, pad, tree in zip(self.files, self.space.pads.tolist(), trees, strict=True)
        ]
        return FolderContents(self.name, length, files, hashes.pieces)

    def torrent_bytes(self, wanted: TorrentSpec) -> int:
        """Return the maximum size of the .torrent in bytes; files with the same content make it smaller."""
        files = zip(
            (file.path for file in self.files), self.space.sizes.tolist(), self.space.pads.tolist(), strict=True
        )
        return len(_torrent(unhashed_folder(self.name, files, self.space.piece_length), wanted)[1])


def make_torrent(
    path: Path,
    wanted: TorrentSpec,
    *,
    to: Path | None,
    overwrite: bool,
    dry_run: bool,
    processes: int,
    progress: Progress,
) -> TorrentReport:
    """Hash a file or folder, write its .torrent, and return the report.

    to: the .torrent, or a folder for it; None: NAME.torrent in the current folder. overwrite: replace the file.
    dry_run: write nothing.
    Raises InputError for a path, name or pattern that cannot become a torrent, and if the .torrent exists or is too
    large for clients; IncompleteError for a file that cannot be read or is changed meanwhile.
    """
    began = time.monotonic()
    name = _name(path, wanted)
    place = _place(to, name, overwrite=overwrite)
    source, left_out = _source(path, name, wanted, place)
    _check_size(source, wanted)
    progress.begin("Hashing", int(source.space.sizes.sum()))
    hashes = hash_torrent_files(
        [bytes(source.top / file.path) if file.path else bytes(source.top) for file in source.files],
        source.space,
        v1=wanted.version != "v2",
        v2=wanted.version != "v1",
        processes=processes,
        advance=progress.advance,
    )
    progress.end()
    check_unchanged(source.top, source.files)
    contents = source.contents(hashes)
    info, data = _torrent(contents, wanted)
    v1 = build_torrent.infohash_v1(info) if wanted.version != "v2" else None
    v2 = build_torrent.infohash_v2(info) if wanted.version != "v1" else None
    check_torrent(data, infohash_v1=v1, infohash_v2=v2, size=contents.size, where=display_text(str(place)))
    note_missing_check(progress)
    if not dry_run:
        atomic_files.write_bytes(place, data)
    report = _report(source, wanted, (v1, v2))
    return msgspec.structs.replace(
        report,
        torrent=str(place),
        dry_run=dry_run,
        torrent_size=len(data),
        skipped=tuple(left_out),
        seconds=round(time.monotonic() - began, 3),
    )


def _torrent(contents: Contents, wanted: TorrentSpec) -> tuple[bencode.Dictionary, bytes]:
    """Return the info dictionary and the .torrent's bytes."""
    info = build_torrent.build_info(contents, wanted.version) | wanted.extra
    date = timestamp(wanted.date) if wanted.date is not None else None
    data = build_torrent.build_torrent(
        info,
        file=contents,
        trackers=wanted.trackers,
        web_seeds=wanted.web_seeds,
        creation_date=date,
        comment=wanted.comment,
    )
    return info, data


def _name(path: Path, wanted: TorrentSpec) -> str:
    """Return the torrent's name."""
    name = wanted.name if wanted.name is not None else path.absolute().resolve().name
    try:
        good = name not in ("", ".", "..") and not set("/\0") & set(name) and len(name.encode()) <= NAME_MAX
    except UnicodeEncodeError:
        good = False
    if not good:
        raise InputError(display_text(name), "cannot be the name of a torrent", "choose another with --name")
    return name


def _place(to: Path | None, name: str, *, overwrite: bool) -> Path:
    """Return the path of the .torrent. Raises InputError if it exists already."""
    place = Path(f"{name}.torrent") if to is None else to / f"{name}.torrent" if to.is_dir() else to
    if place.exists() and not overwrite:
        raise InputError(
            display_text(str(place)), "already exists", "choose another file with --to, or replace it with --overwrite"
        )
    return place.absolute()


def _source(path: Path, name: str, wanted: TorrentSpec, place: Path) -> tuple[_Source, list[Issue]]:
    """Return the files of the torrent, and what was left out."""
    left_out: list[Issue] = []
    if path.is_dir():
        files, left_out = find_files(path, wanted.filter, place)
    else:
        files = [named_file(path)]
    sizes = [file.size for file in files]
    if not sum(sizes):
        fix = "change --include and --exclude" if wanted.include or wanted.exclude else ""
        raise InputError(display_text(str(path)), "contains no data for a torrent", fix)
    for seed in wanted.web_seeds:
        if path.is_dir() and not seed.endswith("/"):
            raise InputError("--web-seed", f'"{seed}" is not a folder', f'add "/" at the end: "{seed}/" (BEP 19)')
    length = wanted.piece_length or piece_length_of_files(sizes, wanted.version)
    space = file_offsets(sizes, length, aligned=wanted.version != "v1")
    return _Source(path, name, files, space), left_out


def _check_size(source: _Source, wanted: TorrentSpec) -> None:
    """Raise InputError if the .torrent is too large for clients."""
    size = source.torrent_bytes(wanted)
    if size > LOADABLE:
        what = f"the .torrent would have {size:,} bytes, but clients load at most {LOADABLE:,}"
        fix = "make several smaller torrents, or set larger pieces with --piece-length"
        raise InputError(f"{display_text(str(source.top))}: {len(source.files):,} files", what, fix)


def _report(source: _Source, wanted: TorrentSpec, infohashes: tuple[bytes | None, bytes | None]) -> TorrentReport:
    """Return the report of a torrent that is not yet written."""
    v1, v2 = (Infohash(infohash.hex()) if infohash else None for infohash in infohashes)
    size = int(source.space.sizes.sum())
    return TorrentReport(
        torrent="",
        name=source.name,
        version=wanted.version,
        files=len(source.files),
        size=size,
        piece_length=source.space.piece_length,
        pieces=source.space.pieces,
        torrent_size=0,
        infohash_v1=v1,
        infohash_v2=v2,
        magnet=format_magnet(
            infohash_v1=v1,
            infohash_v2=v2,
            name=source.name,
            size=size,
            trackers=[url for tier in wanted.trackers for url in tier],
            web_seeds=wanted.web_seeds,
        ),
        skipped=(),
        seconds=0,
    )
