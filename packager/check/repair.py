"""Mend a shard's tar in place: only its bad pieces are fetched, and only right bytes are ever written.

    1. find the bad pieces: read all, or only those that are said to be bad
    2. ask each source in turn for what is still bad, check each piece, write it at its place
    3. make it durable and read it back past the page cache
    4. where every piece is right, cut what stands past the shard's end

A kill at any instant is harmless, and needs no journal. A piece that is right is never written to. What is
written into a bad one is the right byte of each place, so at any instant every byte is what it was before, or
right; a piece cut off half way is still bad, and the next run finds it. The tar grows only by right pieces.
"""

import os
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

from packager.check.in_place import InPlace, opened
from packager.check.loose import Finder
from packager.check.target import Target
from packager.check_reports import LeftPieces, RepairReport, SourceUse
from packager.engine.bad_pieces import bad_pieces
from packager.engine.claim import only_writer
from packager.engine.ranges import LooseRanges, RangeSource, TarRanges, Unreadable
from packager.engine.remote import Opener, Remote, Unreachable, remote_sources
from packager.engine.shared_file import SharedFile
from packager.errors import InputError
from packager.paths import shown
from packager.piece_hashes import PieceHashes
from packager.progress import Progress
from packager.units import count_of, show_size

_LEFT = 1000  # ranges of pieces that a report lists


@dataclass
class _Work:
    """One repair under way. why: of each bad piece, what each source said."""

    shard: InPlace
    pieces: PieceHashes
    progress: Progress
    why: dict[int, tuple[str, ...]] = field(default_factory=dict)
    written: list[int] = field(default_factory=list)
    uses: list[SourceUse] = field(default_factory=list)
    unreachable: bool = False


def repair(
    tar: Path,
    target: Target,
    copies: Sequence[Path],
    remote: Remote,
    *,
    only: Iterable[int] | None,
    workers: int,
    dry_run: bool,
    progress: Progress,
) -> RepairReport:
    """Mend the tar from `copies` (tars, or folders with the tar or the loose files), then over the network.

    only: the pieces to look at, beside those past the file's end; None: all. workers: processes that look.
    dry_run: only find what is bad. Raises InputError for a tar or a copy that is not there, IncompleteError
    where the disk fails.
    """
    started = time.monotonic()
    path = Path(os.path.realpath(tar))
    local = _copies(path, target, copies)
    with (
        nullcontext() if dry_run else only_writer(path),
        opened(path, target.pieces, writable=not dry_run) as shard,
    ):
        work = _Work(shard, target.pieces, progress)
        excess = shard.excess
        looked_at = _looked_at(shard, target.pieces, only)
        bad = _find(work, path, looked_at, workers)
        if bad and not dry_run:
            work.why = dict.fromkeys(bad, ())
            _mend(work, local, target.file, remote, path.with_name(f".{path.name}.swarm"))
        left = [piece for piece in bad if piece in work.why]
        cut = bool(excess) and not dry_run and not left and len(looked_at) == target.pieces.count
        if cut:
            shard.cut()
    return _report(work, tar, looked_at, bad, left, excess=excess, cut=cut, dry_run=dry_run, started=started)


def _copies(path: Path, target: Target, copies: Sequence[Path]) -> list[RangeSource]:
    """Return the sources on this machine: tars first, then all folders of loose files as one."""
    sources: list[RangeSource] = []
    folders = []
    for copy in copies:
        if not copy.exists():
            raise InputError(shown(str(copy)), "not found", "give a copy of the tar, or a folder")
        tar = copy / target.file.name if copy.is_dir() else copy
        if tar.is_file() and not (path.exists() and tar.samefile(path)):
            sources.append(TarRanges(tar))
        if copy.is_dir():
            folders.append(copy)
    published = target.published
    if folders and published is not None:
        finder = Finder(published.manifest.name, published.members, folders)
        sources.append(LooseRanges(published.layout, published.digests, finder.places))
    return sources


def _looked_at(shard: InPlace, pieces: PieceHashes, only: Iterable[int] | None) -> Sequence[int]:
    """Return the pieces to check: all, or those said to be bad and those that the file does not reach."""
    if only is None:
        return range(pieces.count)
    missing = pieces.touched(min(shard.size, pieces.size), pieces.size)
    return sorted({*(piece for piece in only if piece < pieces.count), *missing})


def _find(work: _Work, path: Path, looked_at: Sequence[int], workers: int) -> list[int]:
    """Return which pieces are bad."""
    work.progress.begin("check", _bytes(work.pieces, looked_at))
    bad = bad_pieces(bytes(path), work.pieces, looked_at, workers=workers, tell=work.progress.advance)
    work.progress.end()
    if bad:
        work.progress.note(f"{count_of(len(bad), 'bad piece')}, {show_size(_bytes(work.pieces, bad))}")
    return bad


def _mend(work: _Work, local: Sequence[RangeSource], file: SharedFile, remote: Remote, scratch: Path) -> None:
    """Write every bad piece that some source has; for the others, `work.why` says why not."""
    work.progress.begin("mend", _bytes(work.pieces, work.why))
    for source in local:
        _mend_from(work, source)
    if work.why:
        with remote_sources(file, remote, scratch) as openers:
            for opener in openers:
                if work.why:
                    _open_and_mend(work, opener)
    work.progress.end()
    for piece in work.shard.still_bad(work.written):
        work.written.remove(piece)
        work.why[piece] = ("right bytes were written, and the disk gives others back",)


def _open_and_mend(work: _Work, opener: Opener) -> None:
    """Ask a source over the network, if it opens."""
    try:
        source = opener([work.pieces.span(piece) for piece in work.why])
    except Unreachable as error:
        work.unreachable = True
        for piece in work.why:
            work.why[piece] += (str(error),)
        return
    _mend_from(work, source)


def _mend_from(work: _Work, source: RangeSource) -> None:
    """Take from one source all that is still bad and that it has right."""
    mended = read = 0
    for piece in list(work.why):
        start, stop = work.pieces.span(piece)
        try:
            data = b"".join(source.read(start, stop))
        except Unreadable as error:
            work.unreachable |= isinstance(error, Unreachable)
            work.why[piece] += (str(error),)
            continue
        read += len(data)
        if len(data) != stop - start or not work.pieces.is_right(piece, data):
            work.why[piece] += (f"{source.name}: what it has there is not right either",)
            continue
        work.shard.write(piece, data)
        del work.why[piece]
        work.written.append(piece)
        work.progress.advance(stop - start)
        mended += 1
    work.uses.append(SourceUse(name=source.name, pieces=mended, bytes=read))


def _report(
    work: _Work,
    tar: Path,
    looked_at: Sequence[int],
    bad: Sequence[int],
    left: Sequence[int],
    *,
    excess: int,
    cut: bool,
    dry_run: bool,
    started: float,
) -> RepairReport:
    """Return what was done."""
    pieces = work.pieces
    remaining = bad if dry_run else left
    return RepairReport(
        shard=shown(str(tar)),
        size=pieces.size,
        piece_length=pieces.piece_length,
        pieces=pieces.count,
        checked=len(looked_at),
        bad=len(bad),
        bad_bytes=_bytes(pieces, bad),
        mended=len(work.written),
        mended_bytes=_bytes(pieces, work.written),
        excess=excess,
        cut=cut,
        whole=not remaining and (cut or not excess),
        unreachable=work.unreachable and bool(remaining),
        dry_run=dry_run,
        seconds=time.monotonic() - started,
        sources=tuple(work.uses),
        left_pieces=len(remaining),
        left=tuple(_ranges(pieces, remaining, work.why)),
    )


def _ranges(pieces: PieceHashes, left: Sequence[int], why: dict[int, tuple[str, ...]]) -> Iterator[LeftPieces]:
    """Yield adjacent pieces with the same reasons as one, the first thousand."""
    runs = groupby(enumerate(left), lambda each: (each[1] - each[0], why.get(each[1], ())))
    for _, ((_, reasons), run) in zip(range(_LEFT), runs, strict=False):
        numbers = [piece for _, piece in run]
        first, last = numbers[0], numbers[-1]
        start, stop = pieces.span(first)[0], pieces.span(last)[1]
        yield LeftPieces(first=first, last=last, start=start, stop=stop, why=reasons)


def _bytes(pieces: PieceHashes, numbers: Iterable[int]) -> int:
    """Return how many bytes these pieces have."""
    return sum(stop - start for start, stop in map(pieces.span, numbers))
