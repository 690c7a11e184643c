"""Packs one shard, from its rows of the plan to all its files. Any worker can run this task.

Files show what is done: the tar with its final name, the documents, and last `packed.json`, the marker, which describes
what they were made for. If a task was killed, run it again. A virtual shard is packed in the same way, but without a
tar; its documents and torrents are the same.
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
    """packed.json: what a shard's files were made for, and the size and time."""

    format: int
    content: str  # SHA-256 in hex over everything that decides the tar and its infohashes
    links: OuterFields  # other fields of its torrents
    size: int  # bytes of the tar
    seconds: float
    virtual: bool = False  # no tar was written


@dataclass(frozen=True)
class ShardTask:
    """A shard to pack.

    published: the infohashes of a published shard, which must not change. virtual: do not write a missing tar. threads:
    with more than one, each hash has its own thread. without_tar: whether no tar is written; None: decide from existing
    files, on the machine with the plan. stored: bytes of the tar in a store; None: it is missing. withdrawn: SHA-256
    that no member may have. moved: new paths of moved members, by row. Both None: read from this machine's state
    folder. owner: the project's id for names of partial files; "" in a separate folder.
    """

    project: Project
    planned: Path  # the phase's PLANNED table
    source: Place  # the folder or store of the members
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
        """Return whether no tar is written: the shard is virtual, or published and its tar is not here."""
        if self.without_tar is not None:
            return self.without_tar
        unwanted = self.published is not None or (self.virtual and self.shard.container == "tar")
        return unwanted and self.size_there is None

    @property
    def content_digest(self) -> str:
        """Return a digest of everything that decides this tar."""
        shard = msgspec.structs.replace(
            self.shard, torrent_size=0, first_row=0
        )  # because they depend on links and other shards
        return documents.digest(documents.to_bytes(shard) + documents.to_bytes(self.content))

    @property
    def folder(self) -> Path:
        """The folder of the shard's documents."""
        return self.project.packed(self.shard.name)

    @property
    def tar(self) -> Path:
        """The path of its tar, or the folder of the bag's own files if the members are kept as files."""
        if self.shard.container == "folder":
            return self.project.folder(self.shard.name)
        return self.project.tar(self.shard.name)

    @property
    def partial(self) -> Path:
        """The path of the partial tar."""
        return atomic_files.partial_path(self.tar, self.owner)

    @property
    def size_there(self) -> int | None:
        """The size of the complete tar or folder in bytes; None if there is none."""
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
        """The path of the table with the times of its members' files when they were read."""
        return self.project.source_times(self.shard.name)


@dataclass(frozen=True)
class ShardStatus:
    """The status of a shard, compared with its task."""

    made: PackedMarker | None  # packed.json, even if for another tar
    content: bool  # it was made for this tar
    links: bool  # and for these links
    tar: bool  # a tar of the right size exists
    virtual: bool  # no tar exists, and it was packed without one
    not_local: bool  # no tar exists, and the shard is published: it may be seeded from elsewhere
    to_be_virtual: bool  # no tar exists, and none will be written

    @property
    def is_complete(self) -> bool:
        """Return whether nothing is left to do."""
        return self.content and self.links and (self.tar or self.virtual or self.not_local)

    @property
    def needs_pass(self) -> bool:
        """Return whether source files must be read."""
        return not (self.content and (self.tar or self.virtual or self.not_local or self.to_be_virtual))


def read_packed(project: Project, name: ShardName) -> PackedMarker | None:
    """Return the marker of a packed shard; None if it is missing or damaged."""
    marker = project.packed(name) / MARKER
    try:
        return documents.from_bytes(marker.read_bytes(), PackedMarker, marker)
    except (FileNotFoundError, InputError):
        return None


def shard_status(task: ShardTask) -> ShardStatus:
    """Return a shard's status from its marker and its tar's size."""
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
    """Return the links for a shard's torrents. A published shard keeps its date."""
    if task.published and made:
        return msgspec.structs.replace(task.links, date=made.links.date)
    return task.links


def pack_shard(task: ShardTask, advance: Advance) -> PackedMarker:
    """Write a shard's tar and documents durably, and return the marker. Each source byte is read once.

    If only the torrents' links or twins changed, only the torrents are written again. Raises IncompleteError for
    members that have changed since the scan or have withdrawn content, and for a file that cannot be written;
    InputError if a published shard would change. Complete files are not touched then.
    """
    started = time.monotonic()
    status = shard_status(task)
    links = links_of(task, status.made)
    before = 0.0  # seconds of killed runs
    if status.needs_pass:
        before = build_shard(task, links, advance)
    else:
        if status.to_be_virtual:
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
        seconds=seconds if status.needs_pass or status.made is None else status.made.seconds,
        virtual=(task.virtual or status.virtual) and not _has_tar(task, status),
    )


def _has_tar(task: ShardTask, before: ShardStatus) -> bool:
    """Return whether a shard has its tar after packing. before: its status before."""
    if isinstance(task.project.shards_location, StoreUrl):
        return task.stored is not None or (before.needs_pass and not task.is_without_tar)
    return task.tar.exists()


def write_marker(task: ShardTask, links: OuterFields, *, seconds: float, virtual: bool) -> PackedMarker:
    """Write the marker of a complete shard durably, and return it."""
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
    """Write the tar and all documents except the marker, and return the seconds of killed runs.

    Raises the errors of `pack_shard`.
    """
    shard, content = task.shard, task.content
    layout, files = planned_layout(task)
    withdrawn = withdrawn_of(task, [file.size for file in files])
    hashes = hashes_of(shard, content, layout, task.threads)
    log = _open_log(task, layout)
    begun = log.begun if log else None
    try:
        with _sink(task, begun.start if begun else 0) as sink:
            member_digests, digests = read_shard(
                layout, files, task.source, hashes=hashes, sink=sink, advance=advance, threads=task.threads, log=log
            )
            check_withdrawn(shard.name, [file.path for file in files], member_digests, withdrawn)
            file = _contents(shard, layout, digests)
            made = write_documents.torrents(file, content)
            if task.published and made[0].infohashes != task.published:
                checkpoint.remove(task.folder)  # the source files may be repaired
                raise published_shard_error(shard.name)
            own_tars.record_own(task)
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
    checkpoint.remove(task.folder)
    return begun.seconds if begun else 0


def clear_documents(task: ShardTask) -> None:
    """Prepare the folder of a shard's documents for a new pass: remove the old marker and twin."""
    atomic_files.make_folder(task.folder)
    if task.published:
        write_documents.keep_torrents(task.project, task.shard.name)
    (task.folder / MARKER).unlink(missing_ok=True)
    write_documents.twin_path(task.folder, task.shard.name).unlink(missing_ok=True)


def _open_log(task: ShardTask, layout: Layout) -> CheckpointLog | None:
    """Return the checkpoint log of a pass; None if the tar's SHA-256 is needed, which cannot resume, or for a store."""
    if task.content.sha256 or isinstance(task.source, StoreUrl) or not isinstance(task.project.shards_location, Path):
        return None
    begun = None if task.is_without_tar else task.partial
    return checkpoint.open_log(task.folder, task.content_digest, layout, task.shard.piece_length, begun)


def _contents(shard: PlannedShard, layout: Layout, digests: Digests) -> Contents:
    """Return a shard's content for its metainfo."""
    if isinstance(layout, FolderLayout):
        return write_documents.folder(layout, digests)
    return write_documents.single_file(shard, digests)


def planned_layout(task: ShardTask) -> tuple[Layout, list[source_files.SourceFile]]:
    """Return a shard's layout and its members' files, from the plan. Raises InputError if they do not match."""
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
        raise InputError(task.planned, f"does not contain the plan of {shard.name}", "run: packager plan")
    return layout, source_files.source_files(rows, moved_of(task))


def moved_of(task: ShardTask) -> Mapping[int, bytes]:
    """Return the new paths of a published shard's moved members, by row."""
    if task.moved is not None:
        return task.moved
    return source_paths(task.project, task.shard.name) if task.shard.published else {}


def withdrawn_of(task: ShardTask, sizes: Sequence[int]) -> frozenset[bytes]:
    """Return the SHA-256 that no file of a shard may have. sizes: of its files."""
    if task.withdrawn is not None:
        return task.withdrawn
    return withdrawn_digests(task.project, sizes)


def hashes_of(shard: PlannedShard, content: HashedOptions, layout: Layout, threads: int) -> StreamHasher:
    """Return the hasher for a pass over a shard. A folder has no SHA-256 of its own."""
    v1, v2 = content.version != "v2" or content.also_v1, content.version != "v1"
    if isinstance(layout, FolderLayout):
        return FolderHasher(layout.space, v1=v1, v2=v2)
    return open_tar_hasher(shard.size, shard.piece_length, v1=v1, v2=v2, flat=content.sha256, threads=threads)


def _sink(task: ShardTask, at: int) -> AbstractContextManager[Sink]:
    """Return the sink for the tar: a writer, or one that discards the bytes if no tar is written."""
    if task.shard.container == "folder" or task.is_without_tar:
        return nullcontext(Discard())
    return tar_sink(task, at)


def tar_sink(task: ShardTask, at: int = 0) -> AbstractContextManager[Sink]:
    """Return a writer for a shard's tar. The tar gets its final name when the block ends without an error.

    at: the bytes of a killed run's partial tar to keep.
    """
    if isinstance(task.project.shards_location, StoreUrl):
        from packager.engine.stores.stored_writer import StoreWriter  # optional dependency, slow to import

        return StoreWriter(task.project.shards_location, f"{task.shard.name}.tar", task.shard.size)
    return DirectWriter(task.tar, task.shard.size, at, owner=task.owner)


_NAMED = 20  # changed members named in one error


def all_changed(first: IncompleteError, root: Place, files: list[source_files.SourceFile]) -> IncompleteError:
    """Return the error that stopped the pass, with all other changed members of the shard."""
    if isinstance(root, StoreUrl) and not isinstance(first, source_files.SourceChangedError):
        return first  # the store fails, so do not ask it for every member
    others = [error for error in open_members.is_changed(root, files) if error.where != first.where]
    if not others:
        return first
    named = "".join(f"; {error.where}: {error.what}" for error in others[:_NAMED])
    more = f"; and {len(others) - _NAMED} more" if len(others) > _NAMED else ""
    return IncompleteError(first.where, first.what + named + more, first.fix)
