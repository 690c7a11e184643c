"""Which shards of the given paths can be shared: their tars, their torrents, and whether they are right.

Nothing is shared that is not of the published size; with a full check, nothing that is not right.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from packager.engine.bad_pieces import bad_pieces
from packager.engine.published import find_documents
from packager.engine.shared_file import SharedFile, open_shared
from packager.errors import InputError
from packager.paths import shown
from packager.progress import Progress
from packager.reports import Oddity
from packager.units import count_of


@dataclass(frozen=True)
class Seedable:
    """A tar and a torrent of it. proved: it was read in full in this run, and found right."""

    tar: Path
    file: SharedFile
    proved: bool = False


def find(paths: Sequence[Path], *, release: Path | None, torrent: Path | None) -> tuple[list[Seedable], list[Oddity]]:
    """Return what can be shared of tars and folders of tars, and what cannot and why, by sizes alone.

    torrent: of the one tar given; otherwise each tar's is found with its documents, and beside it the
    v1 torrent of the same bytes, where there is one. Raises InputError for a path that is not there.
    """
    tars = [tar for path in paths for tar in _tars(path)]
    if torrent is not None and len(tars) != 1:
        raise InputError("--torrent", f"is of one tar, and {count_of(len(tars), 'tar')} are given")
    found: list[Seedable] = []
    refused: list[Oddity] = []
    for tar in dict.fromkeys(tars):
        try:
            found += [_checked(tar, each) for each in ([torrent] if torrent else _torrents(tar, release))]
        except InputError as error:
            refused.append(Oddity(where=shown(str(tar)), what=f"{error.what}; {error.mend}"))
    return found, refused


def prove(
    found: Sequence[Seedable], *, workers: int, stop: Callable[[], bool], progress: Progress
) -> tuple[list[Seedable], list[Oddity]]:
    """Read every tar in full, once, and return what was found right and what is refused.

    A second torrent of a tar is proved with it only where its hashes are the first one's. Raises
    KeyboardInterrupt where `stop` says so: nothing is shared yet.
    """

    def tell(size: int) -> None:
        if stop():
            raise KeyboardInterrupt
        progress.advance(size)

    proved: list[Seedable] = []
    refused: list[Oddity] = []
    read: dict[Path, Seedable | None] = {}  # None: found bad
    progress.begin("verify", sum({each.tar: each.file.size for each in found}.values()))
    for each in found:
        if each.tar not in read:
            pieces = each.file.pieces
            wrong = bad_pieces(bytes(each.tar), pieces, range(pieces.count), workers=workers, tell=tell)
            read[each.tar] = None if wrong else each
            if wrong:
                refused.append(_bad(each.tar, len(wrong)))
        first = read[each.tar]
        if first is not None:
            proved.append(replace(each, proved=_same_hashes(first.file, each.file)))
    progress.end()
    return proved, refused


def _same_hashes(one: SharedFile, other: SharedFile) -> bool:
    """Say whether two torrents have the same v1 pieces of a file; one is the same as itself."""
    if one is other:
        return True
    same = (one.metainfo.piece_length, one.metainfo.pieces) == (other.metainfo.piece_length, other.metainfo.pieces)
    return same and bool(one.metainfo.pieces)


def _bad(tar: Path, count: int) -> Oddity:
    """Return what is said of a tar with bad pieces."""
    where = shown(str(tar))
    return Oddity(where=where, what=f"{count_of(count, 'bad piece')}; mend with: packager repair {where}")


def _tars(path: Path) -> Iterator[Path]:
    """Yield a tar, or the tars of a folder in the order of their names."""
    if not path.is_dir():
        if not path.is_file():
            raise InputError(shown(str(path)), "not found", "give a shard's tar, or a folder of tars")
        yield path
        return
    tars = sorted(tar for tar in path.glob("*.tar") if not tar.name.startswith("."))
    if not tars:
        raise InputError(shown(str(path)), "holds no tar", "give the folder where the tars lie")
    yield from tars


def _torrents(tar: Path, release: Path | None) -> list[Path]:
    """Return a tar's torrents. Raises InputError where there is none."""
    torrent = find_documents(tar, release).torrent
    twin = torrent.with_suffix(".v1.torrent")
    return [torrent, twin] if twin.is_file() else [torrent]


def _checked(tar: Path, torrent: Path) -> Seedable:
    """Return a tar with a torrent of one file of its size. Raises InputError."""
    file = open_shared(torrent)
    size = tar.stat().st_size
    if size != file.size:
        where = shown(str(tar))
        raise InputError(where, f"has {size} bytes, not {file.size}", f"mend with: packager repair {where}")
    return Seedable(tar, file)
