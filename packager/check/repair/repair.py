"""Repair a shard's tar in place: only its bad pieces are fetched, and only correct bytes are written.

    1. find the bad pieces: read all, or only those that a report lists
    2. ask each data source in turn for what is still bad, check each piece, write it at its place
    3. fsync, and read the pieces back without the page cache
    4. if every piece is right, cut what follows the shard's end

A kill at any instant is harmless, and no journal is needed. Right pieces are never written. Only right bytes
are written into a bad piece, so at any instant each byte is either unchanged or right. A piece that was only
partly written is still bad, and the next run finds it. The tar grows only by right pieces.
"""

import os
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby, islice
from pathlib import Path

from packager.check.repair.expected_shard import ExpectedShard
from packager.check.repair.find_members import MemberFinder
from packager.check.repair.shard_in_place import ShardInPlace, open_folder_in_place, open_tar_in_place
from packager.check.targets.bag_target import extra_faults
from packager.core.bittorrent.piece_hashes import PieceHashes
from packager.core.reports.check_reports import DataSourceUse, RepairReport, UnrepairedPieces
from packager.core.reports.faults import NOTHING, ExpectedStream, merge_faults, shard_extents
from packager.engine.files import atomic_files
from packager.engine.files.output_lock import lock_output
from packager.engine.files.range_readers import (
    LooseFileReader,
    RangeReader,
    TarRangeReader,
    UnreachableError,
    UnreadableError,
)
from packager.engine.files.shard_torrent import FolderTorrent
from packager.engine.hashing.find_bad_pieces import bad_pieces
from packager.engine.network.connection_options import NetworkOptions
from packager.engine.network.remote_readers import Opener, open_remote_readers
from packager.errors import InputError
from packager.option_fields import DRY_RUN, KEY, MANIFEST, RELEASE_OPTION, WORKERS, option
from packager.paths import display_text
from packager.progress import Progress
from packager.units import count_of, format_size

_LEFT = 1000  # piece ranges that a report lists


@dataclass
class _Work:
    """State of one repair. why: for each piece that is still bad, the reason of each data source."""

    shard: ShardInPlace
    target: ExpectedShard
    progress: Progress
    looked_at: Sequence[int] = ()
    bad: Sequence[int] = ()
    why: dict[int, tuple[str, ...]] = field(default_factory=dict)
    written: list[int] = field(default_factory=list)
    uses: list[DataSourceUse] = field(default_factory=list)
    unreachable: bool = False
    excess: int = 0  # bytes past the shard's end when it was opened
    cut: bool = False
    missing: Sequence[str] = ()  # files without bytes
    created: int = 0
    extra: Sequence[str] = ()  # files that are not in the shard

    @property
    def pieces(self) -> PieceHashes:
        """The expected pieces of the tar."""
        return self.target.pieces


@dataclass(frozen=True)
class RepairOptions:
    """The documents that describe a shard, and where right bytes may be fetched from."""

    network: NetworkOptions = NetworkOptions()
    release: Path | str | None = option(RELEASE_OPTION)
    key: Path | str | None = option(KEY)
    manifest: Path | None = option(MANIFEST)
    torrent: Path | None = option("The shard's .torrent, if you have no other document.", metavar="FILE")
    report: Path | None = option(
        "Check only the pieces that this report of packager verify --json lists as bad.", metavar="FILE"
    )
    dry_run: bool = option(DRY_RUN, False)
    workers: int | None = option(WORKERS)


def repair(
    tar: Path,
    target: ExpectedShard,
    copies: Sequence[Path],
    remote: NetworkOptions,
    *,
    only: Iterable[int] | None,
    workers: int,
    dry_run: bool,
    progress: Progress,
) -> RepairReport:
    """Repair the tar from `copies` (tars, or folders with the tar or the loose files), then over the network.

    only: the pieces to check, in addition to those past the file's end; None: all. workers: processes that check.
    dry_run: only find bad pieces. Raises InputError if the tar or a copy is missing, IncompleteError if the disk
    fails.
    """
    started = time.monotonic()
    path = Path(os.path.realpath(tar))
    local = _copies(path, target, copies)
    with nullcontext() if dry_run else lock_output(path):
        shard = _opened(path, target, writable=not dry_run)
        if not dry_run:
            atomic_files.remove_tree(_scratch(path))  # left by a killed run
        work = _Work(shard, target, progress, excess=shard.excess)
        _find(work, path, only, workers)
        work.missing = shard.missing_empty()
        if isinstance(target.file, FolderTorrent):
            work.extra = [fault.path for fault in extra_faults(path, (name for name, _ in target.file.files()))]
        if not dry_run:
            work.created = sum(shard.create_empty(name) for name in work.missing)
        if not work.looked_at and not work.excess:
            what = f"names no bad piece of {display_text(tar.name)}, so nothing was checked"
            raise InputError("--report", what, "run the command without the report to check every piece")
        if work.bad and not dry_run:
            _fix(work, local, remote, _scratch(path))
        if work.excess and not dry_run and not work.why and len(work.looked_at) == target.pieces.count:
            shard.cut()
            work.cut = True
    return _report(work, tar, dry_run=dry_run, seconds=time.monotonic() - started)


def _opened(path: Path, target: ExpectedShard, *, writable: bool) -> ShardInPlace:
    """Open the shard to repair."""
    if isinstance(target.file, FolderTorrent):
        return open_folder_in_place(path, target.file)
    return open_tar_in_place(path, target.pieces, writable=writable)


def _scratch(path: Path) -> Path:
    """Return the folder that stores the swarm's pieces until they are written."""
    return path.with_name(f".{path.name}.swarm")


def _copies(path: Path, target: ExpectedShard, copies: Sequence[Path]) -> list[RangeReader]:
    """Return the data sources on this machine: first tars, then all folders of loose files as one."""
    sources: list[RangeReader] = []
    folders = []
    for copy in copies:
        if not copy.exists():
            raise InputError(display_text(str(copy)), "not found", "name a copy of the tar, or a folder")
        tar = copy / target.file.name if copy.is_dir() else copy
        if tar.is_file() and not (path.exists() and tar.samefile(path)):
            sources.append(TarRangeReader(tar))
        if copy.is_dir():
            folders.append(copy)
    published = target.published
    if folders and published is not None:
        finder = MemberFinder(published.manifest.name, published.members, folders)
        sources.append(LooseFileReader(published.layout, published.digests, finder.places))
    return sources


def _looked_at(shard: ShardInPlace, pieces: PieceHashes, only: Iterable[int] | None) -> Sequence[int]:
    """Return the pieces to check: all, or those listed as bad and those past the end of the file."""
    if only is None:
        return range(pieces.count)
    return sorted({*(piece for piece in only if piece < pieces.count), *shard.unreached()})


def _find(work: _Work, path: Path, only: Iterable[int] | None, workers: int) -> None:
    """Find the bad pieces, without a reason yet."""
    work.looked_at = _looked_at(work.shard, work.pieces, only)
    work.progress.begin("Checking", _bytes(work.pieces, work.looked_at))
    ranges = partial(work.target.file.ranges, path)
    work.bad = bad_pieces(ranges, work.pieces, work.looked_at, workers=workers, advance=work.progress.advance)
    work.progress.end()
    work.why = dict.fromkeys(work.bad, ())
    if work.bad:
        work.progress.note(f"{count_of(len(work.bad), 'bad piece')}, {format_size(_bytes(work.pieces, work.bad))}")


def _fix(work: _Work, local: Sequence[RangeReader], remote: NetworkOptions, scratch: Path) -> None:
    """Write every bad piece that a data source has; `work.why` has the reasons for the others."""
    work.progress.begin("Repairing", _bytes(work.pieces, work.bad))
    for source in local:
        _repair_from(work, source)
    if work.why:
        with open_remote_readers(work.target.file, remote, scratch) as openers:
            for opener in openers:
                if work.why:
                    _open_and_repair(work, opener)
    work.progress.end()
    for piece in work.shard.still_bad(work.written):
        work.written.remove(piece)
        work.why[piece] = ("right bytes were written, but the disk returns other bytes",)


def _open_and_repair(work: _Work, opener: Opener) -> None:
    """Open a data source on the network and repair from it."""
    try:
        source = opener([work.pieces.span(piece) for piece in work.why])
    except UnreadableError as error:
        work.unreachable |= isinstance(error, UnreachableError)
        for piece in work.why:
            work.why[piece] += (str(error),)
        return
    _repair_from(work, source)


def _repair_from(work: _Work, source: RangeReader) -> None:
    """Repair every piece that is still bad and that one data source has right."""
    repaired = read = 0
    for piece in list(work.why):
        start, stop = work.pieces.span(piece)
        try:
            data = b"".join(source.read(start, stop))
        except UnreadableError as error:
            work.unreachable |= isinstance(error, UnreachableError)
            work.why[piece] += (str(error),)
            continue
        read += len(data)
        if len(data) != stop - start or not work.pieces.is_right(piece, data):
            work.why[piece] += (f"{source.name}: its bytes of this piece are wrong, too",)
            continue
        work.shard.write(piece, data)
        del work.why[piece]
        work.written.append(piece)
        work.progress.advance(stop - start)
        repaired += 1
    work.uses.append(DataSourceUse(name=source.name, pieces=repaired, bytes=read))


def _report(work: _Work, tar: Path, *, dry_run: bool, seconds: float) -> RepairReport:
    """Return the report."""
    pieces, published = work.pieces, work.target.published
    known = ExpectedStream(pieces, shard_extents(published.layout) if published else NOTHING)
    return RepairReport(
        shard=display_text(str(tar)),
        size=pieces.size,
        piece_length=pieces.piece_length,
        pieces=pieces.count,
        checked=len(work.looked_at),
        bad_pieces=len(work.bad),
        bad_bytes=_bytes(pieces, work.bad),
        repaired=len(work.written),
        repaired_bytes=_bytes(pieces, work.written),
        excess_bytes=work.excess,
        truncated=work.cut,
        missing_files=tuple(work.missing[:_LEFT]),
        missing_file_count=len(work.missing),
        created_files=work.created,
        complete=not work.why
        and (work.cut or not work.excess)
        and work.created == len(work.missing)
        and not work.extra,
        extra_files=tuple(work.extra[:_LEFT]),
        extra_file_count=len(work.extra),
        unreachable=work.unreachable and bool(work.why),
        dry_run=dry_run,
        seconds=seconds,
        data_sources=tuple(work.uses),
        unrepaired_pieces=len(work.why),
        unrepaired=tuple(islice(_left(known, work.why), _LEFT)),
        evidence=work.target.evidence,
    )


def _left(known: ExpectedStream, why: dict[int, tuple[str, ...]]) -> Iterator[UnrepairedPieces]:
    """Yield the unrepaired pieces; adjacent ones with the same reasons are joined."""
    for reasons, alike in groupby(sorted(why), lambda piece: why[piece]):
        for run in merge_faults(alike):
            start, stop = known.pieces.span(run.start)[0], known.pieces.span(run.stop - 1)[1]
            members, tag_files = known.extents.touched(start, stop)
            yield UnrepairedPieces(
                first=run.start,
                last=run.stop - 1,
                start=start,
                stop=stop,
                reasons=reasons,
                members=tuple(members),
                tag_files=tuple(tag_files),
            )


def _bytes(pieces: PieceHashes, numbers: Iterable[int]) -> int:
    """Return the total size of these pieces in bytes."""
    return sum(stop - start for start, stop in map(pieces.span, numbers))
