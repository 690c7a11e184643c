"""Take members out of a shard's tar: each checked as it is written, and nothing outside the folder they go to.

Against the published documents where they are found: then a damaged tar still gives its good members.
Otherwise against the tar's own manifest.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa

from packager import file_names
from packager.check.bare import Contents, read_bag
from packager.check_reports import BadMember, ExtractReport, TakenFile
from packager.engine import foreign_tables
from packager.engine.destination import Destination, InTheWayError, NameRefusedError
from packager.engine.members import chosen
from packager.engine.published import documents_near, find_documents, open_published
from packager.engine.ranges import TarRanges, Unreadable
from packager.errors import InputError
from packager.model import MTIME
from packager.paths import encode_path, shown
from packager.progress import Progress
from packager.targets import Naming, targets


@dataclass(frozen=True)
class Wanted:
    """Which members are meant; all where nothing is said."""

    ids: Sequence[str] = ()
    globs: Sequence[str] = ()
    where: str | None = None


@dataclass(frozen=True)
class _Member:
    """One member to take out, and where to."""

    id: str
    path: str  # in the shard
    target: bytes  # below the folder it goes to
    offset: int
    size: int
    sha256: bytes | None
    mtime_ns: int | None


@dataclass
class _Found:
    """What happened so far."""

    written: int = 0
    already: int = 0
    bad: list[BadMember] = field(default_factory=list)
    in_the_way: list[BadMember] = field(default_factory=list)
    renamed: list[BadMember] = field(default_factory=list)


def extract(
    tar: Path,
    to: Path | None,
    *,
    release: Path | None,
    manifest: Path | None,
    wanted: Wanted,
    naming: Naming,
    overwrite: bool,
    dry_run: bool,
    progress: Progress,
) -> ExtractReport:
    """Write the members that are wanted below `to` (None: a folder with the shard's name, here).

    A member that is not what was published, or whose name another file has, stands in the report; the
    others are written. Raises InputError where the tar or a document cannot be used or nothing is meant,
    IncompleteError where a file cannot be written.
    """
    contents = open_contents(tar, release, manifest)
    rows = chosen(contents.members, ids=wanted.ids, globs=wanted.globs, where=wanted.where)
    to = Path(contents.name) if to is None else to
    members = contents.members.take(pa.array(rows, pa.int64()))
    found = _Found(bad=list(contents.faults) if len(rows) == contents.members.num_rows else [])
    asked = targets(members, naming)
    found.renamed += [_refused(members, row) for row in asked.refused]
    files: tuple[TakenFile, ...] = ()
    if dry_run:
        files = tuple(
            _taken(member) for member in _members(members, file_names.distinct(asked.paths, file_names.exact))
        )
    else:
        _write(tar, to, members, asked.paths, naming=naming, overwrite=overwrite, found=found, progress=progress)
    return ExtractReport(
        shard=contents.name,
        to=shown(str(to)),
        dry_run=dry_run,
        chosen=len(rows),
        bytes=_total(members),
        written=found.written,
        already=found.already,
        bad=tuple(found.bad),
        in_the_way=tuple(found.in_the_way),
        renamed=tuple(found.renamed),
        documents=contents.published,
        files=files,
    )


def open_contents(tar: Path, release: Path | None, manifest: Path | None) -> Contents:
    """Return what a tar should hold: from its documents, from itself where none are told of or found."""
    if not tar.is_file():
        raise InputError(shown(str(tar)), "not found" if not tar.exists() else "is not a file", "give a shard's tar")
    told = release is not None or manifest is not None
    files = find_documents(tar, release, manifest) if told else documents_near(tar)
    if files is None:
        return read_bag(tar)
    published = open_published(files)
    members = published.members
    if published.manifest.mtimes:
        times = foreign_tables.read_table(files.table, pa.schema([MTIME]))[MTIME.name]
    else:
        times = pa.nulls(members.num_rows, MTIME.type)
    return Contents(published.manifest.name, members.append_column(MTIME, times), (), published=True)


def _total(members: pa.Table) -> int:
    """Return the bytes of members."""
    return int(np.sum(members["size"].to_numpy(), dtype=np.int64))


def _members(members: pa.Table, paths: Sequence[bytes]) -> Iterator[_Member]:
    """Yield the members with the files they become."""
    columns = (members[name].to_pylist() for name in ("id", "path", "offset", "size", "sha256", "mtime_ns"))
    for target, id_, path, *facts in zip(paths, *columns, strict=True):
        yield _Member(id_, path, target, *facts)


def _write(
    tar: Path,
    to: Path,
    members: pa.Table,
    asked: Sequence[bytes],
    *,
    naming: Naming,
    overwrite: bool,
    found: _Found,
    progress: Progress,
) -> None:
    """Write every member that is good."""
    source = TarRanges(tar)
    with Destination(to, avoid={path.partition(b"/")[0] for path in asked}) as destination:
        # Names as at the source may differ only by case; the shard's own and a layout's never should.
        exact = naming.original and not destination.folds_case()
        paths = file_names.distinct(asked, file_names.exact if exact else file_names.folded)
        progress.begin("extract", _total(members))
        for member in _members(members, paths):
            _take(source, destination, member, overwrite=overwrite, found=found)
            progress.advance(member.size)
        progress.end()


def _take(source: TarRanges, destination: Destination, member: _Member, *, overwrite: bool, found: _Found) -> None:
    """Write one member, or note why not."""
    try:
        _put(source, destination, member, member.target, overwrite=overwrite, found=found)
    except NameRefusedError as error:
        found.renamed.append(_told(member.id, member.path, f"{shown(member.target)}: {error}"))
        try:
            _put(source, destination, member, member.path.encode(), overwrite=overwrite, found=found)
        except NameRefusedError as refused:
            found.in_the_way.append(_told(member.id, member.path, str(refused)))


def _put(
    source: TarRanges, destination: Destination, member: _Member, target: bytes, *, overwrite: bool, found: _Found
) -> None:
    """Write one member under a name. Raises NameRefusedError."""
    if member.sha256 is None:
        found.bad.append(_told(member.id, member.path, "the tar's manifest has no SHA-256 of it"))
        return
    try:
        there = _there(destination, target, member, overwrite=overwrite)
        if there == member.sha256:
            found.already += 1
            return
        if there is not None and not overwrite:
            raise InTheWayError("a file with other contents is there")
        pieces = source.read(member.offset, member.offset + member.size)
        if destination.put(target, pieces, sha256_=member.sha256, mtime_ns=member.mtime_ns):
            found.written += 1
        else:
            found.bad.append(_told(member.id, member.path, f"its SHA-256 is not {member.sha256.hex()}"))
    except Unreadable as error:
        found.bad.append(_told(member.id, member.path, f"the tar {error.what}"))
    except InTheWayError as error:
        found.in_the_way.append(_told(member.id, member.path, f"{shown(target)}: {error}"))


def _there(destination: Destination, target: bytes, member: _Member, *, overwrite: bool) -> bytes | None:
    """Return the SHA-256 of the file that has the name, None for none or one that may be overwritten."""
    try:
        return destination.digest(target, member.size)
    except InTheWayError:
        if overwrite:
            return None  # what cannot be overwritten is told when it is tried
        raise


def _refused(members: pa.Table, row: int) -> BadMember:
    """Return a member whose path at the source no folder can hold."""
    id_, path, source = (members[name][row].as_py() for name in ("id", "path", "source_path"))
    return _told(id_, path, f'"{shown(source)}" is no path below a folder')


def _told(id_: str, path: str, what: str) -> BadMember:
    """Return a member and what is to be said of it."""
    return BadMember(id=shown(id_), path=shown(path), what=what)


def _taken(member: _Member) -> TakenFile:
    """Return a line of a dry run."""
    path, path_b64 = encode_path(member.target)
    return TakenFile(id=shown(member.id), member=member.path, path=path, path_b64=path_b64, size=member.size)
