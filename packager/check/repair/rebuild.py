"""Rebuild a published shard, byte for byte, from loose files.

1. find each member: by path, else by content through an index of the folders
2. in one pass, read the members, write the tar under a temporary name, hash members and pieces
3. if a member differs from what was published, look for it elsewhere and start the pass again
4. rename the tar to its final name only if every member and every published piece hash is right
"""

import os
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

from packager.check.repair.find_members import MemberFinder
from packager.core.bittorrent.piece_hashes import FolderHashes, folder_hashes
from packager.core.reports.check_reports import MissingMember, RebuildReport
from packager.core.shards.folder_layout import FolderLayout
from packager.core.shards.layout import Layout, MemberRange
from packager.core.shards.tar_layout import TarLayout
from packager.engine.files.direct_writer import DirectWriter, Sink
from packager.engine.files.folder_writer import FolderWriter
from packager.engine.files.output_lock import lock_output
from packager.engine.files.range_readers import (
    FolderRangeReader,
    OpenRanges,
    RangeReader,
    TarRangeReader,
    UnreadableError,
    unreadable,
)
from packager.engine.files.regular_file import RegularFile
from packager.engine.hashing.file_index import FileIndex
from packager.engine.hashing.hashing_writer import HashingWriter
from packager.engine.hashing.stream_hasher import Digests, FileTree, FolderHasher, StreamHasher
from packager.engine.network.connection_options import NetworkOptions
from packager.engine.published.open_release import OpenedRelease, find_documents
from packager.engine.published.published_shard import PublishedShard, ShardFiles, shard_files
from packager.errors import InputError, TrustError
from packager.option_fields import DRY_RUN, KEY, MANIFEST, RELEASE_OPTION, WORKERS, option
from packager.paths import display_text
from packager.progress import Progress


class WrongMember(Exception):  # noqa: N818 (ends one pass and never reaches a user)
    """A member's bytes differ from what was published."""

    def __init__(self, member: int, what: str) -> None:
        """Store the member and what is wrong with it."""
        super().__init__(member, what)
        self.member, self.what = member, what


@dataclass(frozen=True)
class RebuildOptions:
    """The documents that describe a shard, and where members that no folder has may be fetched from."""

    release: Path | str | None = option(RELEASE_OPTION)
    key: Path | str | None = option(KEY)
    manifest: Path | None = option(MANIFEST)
    index: Path | None = option("File that records the hashes of files. Default: in your cache folder.", metavar="FILE")
    network: NetworkOptions = NetworkOptions()
    dry_run: bool = option(DRY_RUN, False)
    workers: int | None = option(WORKERS)


def rebuild(
    published: PublishedShard,
    roots: Sequence[Path],
    out: Path,
    *,
    index: Path,
    workers: int,
    dry_run: bool = False,
    fetch: OpenRanges | None,
    progress: Progress,
) -> RebuildReport:
    """Write the shard's tar to `out`, or report which members are missing; a correct tar there is not changed.

    index: the file that stores hashes of the folders' files. fetch: opens a source for the bytes of missing members,
    which are checked like all others. dry_run: only look for the members. Raises InputError if another file has the
    name `out`, TrustError if the published members do not match the published pieces, IncompleteError if the disk
    is full.
    """
    started = time.monotonic()
    finder = MemberFinder(published.manifest.name, published.members, roots)
    job = _Rebuild(published, finder, out, progress)
    by_path = list(finder.places)
    fetched: list[int] | None = []
    with lock_output(out):
        already = _is_there(published, out, progress)
        if not already:
            with FileIndex(index, workers=workers, progress=progress) as known:
                fetched = job.find(known) if dry_run else job.run(known, fetch)
    at_path = sum(place is not None and place == first for place, first in zip(finder.places, by_path, strict=True))
    return RebuildReport(
        shard=published.manifest.name,
        to=display_text(str(out)),
        size=published.manifest.size,
        members=len(by_path),
        complete=already or fetched is not None,
        unchanged=already,
        dry_run=dry_run,
        found_by_path=at_path,
        found_by_content=sum(place is not None for place in finder.places) - at_path,
        fetched=len(fetched or ()),
        fetched_bytes=sum(finder.sizes[member] for member in fetched or ()),
        seconds=round(time.monotonic() - started, 3),
        missing=tuple(job.missing(member) for member in finder.missing) if fetched is None else (),
        evidence=published.evidence,
    )


def documents_of(shard: Path, release: OpenedRelease | None, manifest: Path | None) -> ShardFiles:
    """Return the documents of a shard that is named by its manifest, its tar's path or its name."""
    if shard.name.endswith(".manifest.json") and manifest is None:
        return shard_files(shard)
    return find_documents(shard, release, manifest)


def place_of(shard: Path, published: PublishedShard) -> Path:
    """Return the default path of the tar: `shard` if that is the tar's path, else the current folder."""
    return shard if shard.name == published.manifest.file else Path(published.manifest.file)


def rebuild_stream(published: PublishedShard) -> StreamHasher:
    """Return the hasher of a pass over the shard; it computes the hashes that are published."""
    pieces = published.pieces
    if isinstance(published.layout, FolderLayout) and isinstance(pieces, FolderHashes):
        return FolderHasher(published.layout.space, v1=bool(pieces.pieces), v2=bool(pieces.nodes))
    v1, v2 = bool(pieces.pieces), pieces.pieces_root is not None
    return StreamHasher(pieces.size, pieces.piece_length, v1=v1, v2=v2, flat=published.manifest.sha256 is not None)


def is_published(published: PublishedShard, found: Digests) -> bool:
    """Return whether a pass over a shard found all its published hashes."""
    layout = published.layout
    if isinstance(layout, FolderLayout):
        trees = [
            (tree.pieces_root, tree.layer) for tree in found.trees or [FileTree(b"", None)] * len(layout.space.sizes)
        ]
        made = folder_hashes(layout.space, trees, found.pieces)
        known = published.pieces
        return isinstance(known, FolderHashes) and (made.pieces, made.nodes) == (known.pieces, known.nodes)
    pieces, flat = published.pieces, found.sha256.hex() if found.sha256 else None
    said = (pieces.pieces, pieces.layer, pieces.pieces_root, published.manifest.sha256)
    return said == (found.pieces, found.layer, found.pieces_root, flat)


def _is_there(published: PublishedShard, out: Path, progress: Progress) -> bool:
    """Return whether the complete shard is already there. Raises InputError if another file has its name."""
    if not os.path.lexists(out):
        return False
    hashes = rebuild_stream(published)
    progress.begin("Checking", published.manifest.size)
    try:
        source = _there(published, out)
        if source is not None:
            for data in source.read(0, published.layout.size):
                hashes.update(memoryview(data))
                progress.advance(len(data))
            if is_published(published, hashes.finish()):
                return True
    except OSError as error:
        raise InputError(display_text(str(out)), f"cannot be read ({error.strerror})") from error
    except UnreadableError as error:
        raise InputError(error.where, error.what) from error
    finally:
        progress.end()
    raise InputError(
        display_text(str(out)),
        "exists and differs from the shard",
        f"run: packager repair {display_text(str(out))}, or choose another file with --to",
    )


def _there(published: PublishedShard, out: Path) -> RangeReader | None:
    """Return a reader of the file or folder with the shard's name; None if its size is wrong."""
    layout = published.layout
    if isinstance(layout, FolderLayout):
        good = all((out / path).stat().st_size == size for path, _, size in layout.files())
        return FolderRangeReader(out, layout.named) if good else None
    return TarRangeReader(out) if out.stat().st_size == published.manifest.size else None


@dataclass
class _Rebuild:
    """Rebuilds one shard. reasons: why what was fetched of a member cannot be used."""

    published: PublishedShard
    finder: MemberFinder
    out: Path
    progress: Progress
    reasons: dict[int, str] = field(default_factory=dict)

    def run(self, index: FileIndex, fetch: OpenRanges | None) -> list[int] | None:
        """Write the tar and return the members that were fetched; None if some are missing."""
        self.finder.find(index)
        while not (missing := self.finder.missing) or (fetch is not None and not self.reasons):
            try:
                self._write(self._source(fetch, missing))
            except WrongMember as wrong:
                self._look_elsewhere(wrong, index)
            else:
                return missing
        # No pass read the other members to their end, and the list of missing members must be right.
        self._refuse_wrong(range(len(self.finder.places)), index)
        return None

    def find(self, index: FileIndex) -> list[int] | None:
        """Look for the members, read their files, and write nothing; None if some are missing."""
        self.finder.find(index)
        self._refuse_wrong(range(len(self.finder.places)), index)
        return None if self.finder.missing else []

    def _source(self, fetch: OpenRanges | None, missing: Sequence[int]) -> RangeReader | None:
        """Open the source of missing members."""
        layout = self.published.layout
        ranges = [(at := int(layout.offsets[member]), at + self.finder.sizes[member]) for member in missing]
        return fetch(layout, ranges) if fetch and ranges else None

    def _look_elsewhere(self, wrong: WrongMember, index: FileIndex) -> None:
        """Look elsewhere for the member that ended a pass, and for every later member with a wrong file."""
        if self.finder.places[wrong.member] is None:
            self.reasons[wrong.member] = wrong.what
            return
        self.finder.refuse(wrong.member)
        tar = isinstance(self.published.layout, TarLayout)  # position of the pass in the members' order
        self._refuse_wrong(range(wrong.member + 1 if tar else 0, len(self.finder.places)), index)

    def _refuse_wrong(self, members: range, index: FileIndex) -> None:
        """Read the files of members that are not in the index, and look for wrong ones elsewhere."""
        self.finder.refuse_wrong(members, index)
        self.finder.find(index)

    def _write(self, source: RangeReader | None) -> None:
        """Write the tar in one pass. Raises WrongMember after it has removed what it wrote."""
        layout = self.published.layout
        hashes = rebuild_stream(self.published)
        self.progress.begin("Rebuilding", layout.size)
        try:
            with _writer(self.out, layout) as sink:
                with HashingWriter(hashes, sink, self.progress.advance) as stream:
                    for segment in layout.segments(digests=self.published.digests):
                        if isinstance(segment, MemberRange):
                            self._read(segment.member, stream, source)
                        else:
                            stream.write(segment.data)
                if not is_published(self.published, hashes.finish()):
                    what = "its published members do not match its published pieces"
                    raise TrustError(self.published.manifest.name, what, "fetch its documents again")
        finally:
            self.progress.end()

    def _read(self, member: int, stream: HashingWriter, source: RangeReader | None) -> None:
        """Read a complete member into the stream. Raises WrongMember if it differs from what was published."""
        size, place = self.finder.sizes[member], self.finder.places[member]
        stream.begin_member()
        try:
            if place is not None:
                with unreadable(), RegularFile(place) as file:
                    stream.copy(file.read, 0, size)
            elif size and source is not None:
                start = int(self.published.layout.offsets[member])
                for data in source.read(start, start + size):
                    stream.write(data)
        except UnreadableError as error:
            raise WrongMember(member, str(error)) from error
        stream.end_member()
        if stream.digests[-32:] != self.finder.digests[member]:
            where = source.name if place is None and source else display_text(place or b"")
            raise WrongMember(member, f"{where}: its SHA-256 is not {self.finder.digests[member].hex()}")

    def missing(self, member: int) -> MissingMember:
        """Return a missing member, and why it is missing."""
        row = {name: self.published.members[name][member].as_py() for name in ("id", "path")}
        wrong = self.finder.wrong(member)
        what = "no file has its size and SHA-256"
        if wrong:
            what = f"{display_text(wrong[0])} has its size, but other contents"
        return MissingMember(
            id=display_text(row["id"]),
            path=display_text(row["path"]),
            size=self.finder.sizes[member],
            sha256=self.finder.digests[member].hex(),
            reason=self.reasons.get(member, what),
        )


def _writer(out: Path, layout: Layout) -> AbstractContextManager[Sink]:
    """Return the writer of the tar or folder."""
    if isinstance(layout, FolderLayout):
        return FolderWriter(out, layout)
    return DirectWriter(out, layout.size, claimed=True)
