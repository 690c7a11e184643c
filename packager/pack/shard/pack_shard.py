"""One shard, from its rows of the plan to what is published of it: a task that any worker can run.

What is done is told by files: the tar under its final name, its documents, and last `packed.json`,
which says for what they were made. A task that was killed is simply run again. A virtual shard is packed
by the same pass and has no tar; its documents and torrents are the same.
"""

import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import msgspec

from packager.core.bittorrent.build_torrent import Contents
from packager.core.config.store_url import StoreUrl
from packager.core.releases import documents
from packager.core.releases.next_release import published_shard_error
from packager.core.shards import bag
from packager.core.shards.folder_layout import FolderLayout
from packager.core.shards.layout import Layout
from packager.core.shards.make_layout import make_layout
from packager.core.shards.records_jsonl import as_members
from packager.engine.files import atomic_files, source_files
from packager.engine.files.direct_writer import DirectWriter, Discard, Sink
from packager.engine.hashing.stream_hasher import Digests, FolderHasher, StreamHasher
from packager.engine.hashing.tar_hasher import open_tar_hasher
from packager.engine.project.project import Project
from packager.engine.project.tar_stamps import write_tar_stamp
from packager.engine.published.moved_files import source_paths
from packager.engine.stores import open_members
from packager.engine.stores.base import Place
from packager.engine.tables import parquet
from packager.errors import IncompleteError, InputError
from packager.model import PLANNED, FrozenStruct, Infohash, PlannedShard, ShardName
from packager.pack.content.withdrawn_content import check_withdrawn, withdrawn_digests
from packager.pack.shard import checkpoint, own_tars, write_documents
from packager.pack.shard.checkpoint import CheckpointLog
from packager.pack.shard.read_shard import read_shard
from packager.pack.shard.write_documents import HashedOptions, OuterFields
from packager.progress import Advance

MARKER = "packed.json"
Infohashes = tuple[Infohash | None, Infohash | None]  # v1, v2


class PackedMarker(FrozenStruct, frozen=True, kw_only=True):
    """packed.json: what a shard's files were made for, and what that took."""

    format: int
    content: str  # SHA-256 in hex over all that decides the tar and its infohashes
    links: OuterFields  # what else stands in its torrents
    size: int  # bytes of the tar
    seconds: float
    virtual: bool = False  # no tar was written: its bytes are those of the sources


@dataclass(frozen=True)
class ShardTask:
    """A shard to pack.

    published: its infohashes where a release has listed it; they cannot change any more. virtual: write no
    tar where there is none. threads: more than one takes each hash in a thread of its own. without_tar: whether nothing
    is written in the tar's place; None: as that place tells, which it does on the machine that has the plan.
    stored: bytes of its tar where tars go to a store; None: it is not there. withdrawn: SHA-256 that no member may
    have; moved: the paths of members whose files moved since, by row; None: as the state folder of this machine says.
    owner: the project's id, which is part of the name of what it has begun to write; "" where nobody else writes.
    """

    project: Project
    planned: Path  # the phase's PLANNED table
    source: Place  # the folder or store its members lie in
    shard: PlannedShard
    content: HashedOptions
    links: OuterFields
    published: Infohashes | None
    virtual: bool = False
    threads: int = 1
    without_tar: bool | None = None
    stored: int | None = None
    withdrawn: frozenset[bytes] | None = None
    moved: Mapping[int, bytes] | None = None
    owner: str = ""

    @property
    def is_without_tar(self) -> bool:
        """Whether nothing is written in the tar's place: it is virtual, or published and held elsewhere."""
        if self.without_tar is not None:
            return self.without_tar
        unwanted = self.published is not None or (self.virtual and self.shard.container == "tar")
        return unwanted and self.size_there is None

    @property
    def content_digest(self) -> str:
        """What tells this tar from another."""
        shard = msgspec.structs.replace(
            self.shard, torrent_size=0, first_row=0
        )  # which hang on links, and other shards
        return documents.digest(documents.to_bytes(shard) + documents.to_bytes(self.content))

    @property
    def folder(self) -> Path:
        """Where the shard's documents lie."""
        return self.project.packed(self.shard.name)

    @property
    def tar(self) -> Path:
        """Where its tar lies, or the folder of the bag's own files where the members are kept as files."""
        if self.shard.container == "folder":
            return self.project.folder(self.shard.name)
        return self.project.tar(self.shard.name)

    @property
    def partial(self) -> Path:
        """Where the tar is written before it is complete."""
        return atomic_files.partial_path(self.tar, self.owner)

    @property
    def size_there(self) -> int | None:
        """The bytes that are in its place, where that has its name only once it is whole; None: nothing."""
        if isinstance(self.project.shards_location, StoreUrl):
            return self.stored
        last = self.tar / bag.TAGMANIFEST if self.shard.container == "folder" else self.tar
        try:
            size = last.stat().st_size
        except (FileNotFoundError, NotADirectoryError):
            return None
        return size if last == self.tar else self.shard.size

    @property
    def mtimes(self) -> Path:
        """Where the times of its members' files stand, as they were when they were read."""
        return self.project.source_times(self.shard.name)


@dataclass(frozen=True)
class ShardStatus:
    """How a shard stands against its task."""

    made: PackedMarker | None  # packed.json, whatever it was made for
    content: bool  # it was made for this very tar
    links: bool  # and for these very links
    tar: bool  # a tar of the right size is in its place
    virtual: bool  # no tar is in its place, and it was packed so
    not_local: bool  # no tar is in its place, and a release has listed it: it may be seeded from elsewhere
    to_be_virtual: bool  # no tar is in its place, and none shall be

    @property
    def whole(self) -> bool:
        """Whether nothing is left to do."""
        return self.content and self.links and (self.tar or self.virtual or self.not_local)

    @property
    def needs_pass(self) -> bool:
        """Whether the sources must be read."""
        return not (self.content and (self.tar or self.virtual or self.not_local or self.to_be_virtual))


def read_packed(project: Project, name: ShardName) -> PackedMarker | None:
    """Return what is said of a shard that was packed here; None: it was not, or that is damaged."""
    marker = project.packed(name) / MARKER
    try:
        return documents.from_bytes(marker.read_bytes(), PackedMarker, marker)
    except (FileNotFoundError, InputError):
        return None


def shard_status(task: ShardTask) -> ShardStatus:
    """Return how a shard stands, by its mark and its tar's size; neither is read further."""
    made = read_packed(task.project, task.shard.name)
    size = task.size_there
    virtual = size is None and made is not None and made.virtual
    twin = write_documents.twin_path(task.folder, task.shard.name)
    return ShardStatus(
        made=made,
        content=task.shard.published or (made is not None and made.content == task.content_digest),
        links=made is not None and made.links == links_of(task, made) and twin.exists() == task.content.also_v1,
        tar=size == task.shard.size,
        virtual=virtual,
        not_local=size is None and task.published is not None and not virtual and not task.virtual,
        to_be_virtual=size is None and task.virtual,
    )


def links_of(task: ShardTask, made: PackedMarker | None) -> OuterFields:
    """Return the links that a shard's torrents should have; one that is published keeps its date."""
    if task.published and made:
        return msgspec.structs.replace(task.links, date=made.links.date)
    return task.links


def pack_shard(task: ShardTask, advance: Advance) -> PackedMarker:
    """Write the shard's tar and documents, durably, reading each source byte once.

    Where only the torrents' links or twins changed, only the torrents are made anew. Raises IncompleteError naming
    every member that changed since the scan or has withdrawn content, or the file that cannot be written, and
    InputError where a published shard would become another; then all that stood under a final name still stands.
    """
    started = time.monotonic()
    stands = shard_status(task)
    links = links_of(task, stands.made)
    before = 0.0  # seconds of runs that were killed
    if stands.needs_pass:
        before = build_shard(task, links, advance)
    else:
        if stands.to_be_virtual:
            write_documents.write_mtimes(task.mtimes, task.source, planned_layout(task)[1])
        digests = write_documents.read_digests(task.folder, task.shard)
        file = _contents(task.shard, planned_layout(task)[0], digests)
        made = write_documents.torrents(file, task.content)
        if task.published:
            write_documents.keep_torrents(task.project, task.shard.name)
        write_documents.write_torrents(task.folder, file, made, links)
        write_documents.update_twin_field(task.folder, task.shard.name, made)
    seconds = round(before + time.monotonic() - started, 3)
    return write_marker(
        task,
        links,
        seconds=seconds if stands.needs_pass or stands.made is None else stands.made.seconds,
        virtual=(task.virtual or stands.virtual) and not _has_tar(task, stands),
    )


def _has_tar(task: ShardTask, before: ShardStatus) -> bool:
    """Say whether a shard has its tar now that it was packed. before: how it stood."""
    if isinstance(task.project.shards_location, StoreUrl):
        return task.stored is not None or (before.needs_pass and not task.is_without_tar)
    return task.tar.exists()


def write_marker(task: ShardTask, links: OuterFields, *, seconds: float, virtual: bool) -> PackedMarker:
    """Say durably that a shard is whole, and return what is said."""
    done = PackedMarker(
        format=documents.FORMAT,
        content=task.content_digest,
        links=links,
        size=task.shard.size,
        seconds=seconds,
        virtual=virtual,
    )
    atomic_files.write_bytes(task.folder / MARKER, documents.to_bytes(done))
    return done


def build_shard(task: ShardTask, links: OuterFields, advance: Advance) -> float:
    """Make the tar and all its documents but the mark of what is whole, and return the seconds that killed runs took.

    Raises as `pack_shard`.
    """
    shard, content = task.shard, task.content
    layout, files = planned_layout(task)
    withdrawn = withdrawn_of(task, [file.size for file in files])
    hashes = hashes_of(shard, content, layout, task.threads)
    notes = _notes(task, layout)
    begun = notes.begun if notes else None
    try:
        with _sink(task, begun.start if begun else 0) as sink:
            member_digests, digests = read_shard(
                layout, files, task.source, hashes=hashes, sink=sink, advance=advance, threads=task.threads, notes=notes
            )
            check_withdrawn(shard.name, [file.path for file in files], member_digests, withdrawn)
            file = _contents(shard, layout, digests)
            made = write_documents.torrents(file, content)
            if task.published and made[0].infohashes != task.published:
                checkpoint.forget(task.folder)  # the sources may be repaired
                raise published_shard_error(shard.name)
            own_tars.claim(task)
            clear_documents(task)
    except IncompleteError as error:
        raise all_changed(error, task.source, files) from error
    if shard.container == "tar" and not task.is_without_tar:
        write_tar_stamp(task.project, shard.name)
    write_documents.write_torrents(task.folder, file, made, links)
    table = task.folder / f"{shard.name}.members.parquet"
    write_documents.write_table(table, layout, member_digests, mtimes=content.mtimes)
    write_documents.write_manifest(task.folder, shard, content, digests, made)
    write_documents.write_mtimes(task.mtimes, task.source, files)
    if shard.container == "folder" and not task.is_without_tar:
        write_documents.write_tag_files(task.tar, layout, member_digests)
    checkpoint.forget(task.folder)
    return begun.seconds if begun else 0


def clear_documents(task: ShardTask) -> None:
    """Make the folder of a shard's documents ready for those of another pass: no marker, no twin of an earlier one."""
    atomic_files.make_folder(task.folder)
    if task.published:
        write_documents.keep_torrents(task.project, task.shard.name)
    (task.folder / MARKER).unlink(missing_ok=True)
    write_documents.twin_path(task.folder, task.shard.name).unlink(missing_ok=True)


def _notes(task: ShardTask, layout: Layout) -> CheckpointLog | None:
    """Return the notes of a shard's pass; None where its SHA-256, which has no parts, is taken, or a store holds it."""
    if task.content.sha256 or isinstance(task.source, StoreUrl) or not isinstance(task.project.shards_location, Path):
        return None
    begun = None if task.is_without_tar else task.partial
    return checkpoint.notes(task.folder, task.content_digest, layout, task.shard.piece_length, begun)


def _contents(shard: PlannedShard, layout: Layout, digests: Digests) -> Contents:
    """Return a shard as its metainfo tells it."""
    if isinstance(layout, FolderLayout):
        return write_documents.folder(layout, digests)
    return write_documents.single_file(shard, digests)


def planned_layout(task: ShardTask) -> tuple[Layout, list[source_files.SourceFile]]:
    """Return the layout of a shard and its members' files, from the plan. Raises InputError where that is another."""
    shard = task.shard
    rows = parquet.read_rows(task.planned, shard.first_row, shard.rows, PLANNED)
    layout = make_layout(
        shard.name,
        shard.bag_info,
        as_members(rows),
        container=shard.container,
        piece_length=shard.piece_length,
        version=task.content.version,
    )
    if layout.disk_size != shard.size:
        raise InputError(task.planned, f"does not hold the plan of {shard.name}", "run: packager plan")
    return layout, source_files.source_files(rows, moved_of(task))


def moved_of(task: ShardTask) -> Mapping[int, bytes]:
    """Return where the files of a published shard's members are that moved since, by row."""
    if task.moved is not None:
        return task.moved
    return source_paths(task.project, task.shard.name) if task.shard.published else {}


def withdrawn_of(task: ShardTask, sizes: Sequence[int]) -> frozenset[bytes]:
    """Return the SHA-256 that none of a shard's files, which have these sizes, may have."""
    if task.withdrawn is not None:
        return task.withdrawn
    return withdrawn_digests(task.project, sizes)


def hashes_of(shard: PlannedShard, content: HashedOptions, layout: Layout, threads: int) -> StreamHasher:
    """Return the hashes that a pass over a shard takes with so many threads; a folder has no SHA-256 of its own."""
    v1, v2 = content.version != "v2" or content.also_v1, content.version != "v1"
    if isinstance(layout, FolderLayout):
        return FolderHasher(layout.space, v1=v1, v2=v2)
    return open_tar_hasher(shard.size, shard.piece_length, v1=v1, v2=v2, flat=content.sha256, threads=threads)


def _sink(task: ShardTask, at: int) -> AbstractContextManager[Sink]:
    """Return where the tar goes: its place, or nowhere for a virtual one and a published one held elsewhere."""
    if task.shard.container == "folder" or task.is_without_tar:
        return nullcontext(Discard())
    return tar_sink(task, at)


def tar_sink(task: ShardTask, at: int = 0) -> AbstractContextManager[Sink]:
    """Return what writes a shard's tar in its place, where it is once all of it is, and the block has ended well.

    at: the bytes that a killed run left beside that place.
    """
    if isinstance(task.project.shards_location, StoreUrl):
        from packager.engine.stores.stored_writer import StoreWriter  # an extra, and slow to import

        return StoreWriter(task.project.shards_location, f"{task.shard.name}.tar", task.shard.size)
    return DirectWriter(task.tar, task.shard.size, at, owner=task.owner)


_NAMED = 20  # changed members named in one error


def all_changed(first: IncompleteError, root: Place, files: list[source_files.SourceFile]) -> IncompleteError:
    """Return the error that stopped the pass, with every other member of the shard that changed too."""
    if isinstance(root, StoreUrl) and not isinstance(first, source_files.SourceChangedError):
        return first  # the store itself fails: it is not asked for every member
    others = [error for error in open_members.is_changed(root, files) if error.where != first.where]
    if not others:
        return first
    named = "".join(f"; {error.where}: {error.what}" for error in others[:_NAMED])
    more = f"; and {len(others) - _NAMED} more" if len(others) > _NAMED else ""
    return IncompleteError(first.where, first.what + named + more, first.fix)
