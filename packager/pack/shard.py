"""One shard, from its rows of the plan to what is published of it: a task that any worker can run.

What is done is told by files: the tar under its final name, its documents, and last `packed.json`,
which says for what they were made. A task that was killed is simply run again.
"""

import time
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import msgspec

from packager import documents
from packager.engine import durable, source, tables
from packager.engine.hashing import OnePass
from packager.engine.workers import Tell
from packager.engine.workspace import Workspace
from packager.engine.writer import DirectWriter, Discard, Sink
from packager.errors import IncompleteError, InputError
from packager.layout import tar_layout
from packager.model import PLANNED, Infohash, PlannedShard, Struct
from packager.pack import shard_documents
from packager.pack.one_pass import read_shard
from packager.pack.shard_documents import Content, Links
from packager.record_lines import as_members
from packager.releasing import would_change

MARKER = "packed.json"
Infohashes = tuple[Infohash | None, Infohash | None]  # v1, v2


class Packed(Struct, frozen=True, kw_only=True):
    """packed.json: what a shard's files were made for, and what that took."""

    format: int
    content: str  # SHA-256 in hex over all that decides the tar and its infohashes
    links: Links  # what else stands in its torrents
    size: int  # bytes of the tar
    seconds: float


@dataclass(frozen=True)
class ShardTask:
    """A shard to pack. published: its infohashes where a release has listed it; they cannot change any more."""

    workspace: Workspace
    planned: Path  # the phase's PLANNED table
    source: Path  # the folder its members lie in
    shard: PlannedShard
    content: Content
    links: Links
    published: Infohashes | None

    @property
    def content_digest(self) -> str:
        """What tells this tar from another."""
        shard = msgspec.structs.replace(self.shard, torrent_size=0)  # which hangs on the links
        return documents.digest(documents.to_bytes(shard) + documents.to_bytes(self.content))

    @property
    def folder(self) -> Path:
        """Where the shard's documents lie."""
        return self.workspace.packed(self.shard.name)

    @property
    def tar(self) -> Path:
        """Where its tar lies."""
        return self.workspace.tar(self.shard.name)


@dataclass(frozen=True)
class Condition:
    """How a shard stands against its task."""

    made: Packed | None  # packed.json, whatever it was made for
    content: bool  # it was made for this very tar
    links: bool  # and for these very links
    tar: bool  # a tar of the right size is in its place
    elsewhere: bool  # no tar is in its place, and a release has listed it: it may be seeded from elsewhere

    @property
    def whole(self) -> bool:
        """Whether nothing is left to do."""
        return self.content and self.links and (self.tar or self.elsewhere)

    @property
    def needs_pass(self) -> bool:
        """Whether the sources must be read."""
        return not (self.content and (self.tar or self.elsewhere))


def condition(task: ShardTask) -> Condition:
    """Return how a shard stands, by its mark and its tar's size; neither is read further."""
    marker = task.folder / MARKER
    try:
        made = documents.from_bytes(marker.read_bytes(), Packed, marker)
    except (FileNotFoundError, InputError):
        made = None
    try:
        size = task.tar.stat().st_size
    except FileNotFoundError:
        size = None
    return Condition(
        made=made,
        content=made is not None and made.content == task.content_digest,
        links=made is not None and made.links == _links(task, made),
        tar=size == task.shard.size,
        elsewhere=size is None and task.published is not None,
    )


def _links(task: ShardTask, made: Packed | None) -> Links:
    """Return the links that a shard's torrents should have; one that is published keeps its date."""
    if task.published and made:
        return msgspec.structs.replace(task.links, date=made.links.date)
    return task.links


def pack_shard(task: ShardTask, tell: Tell) -> Packed:
    """Write the shard's tar and documents, durably, reading each source byte once.

    Where only the torrents' links changed, only the torrents are made anew. Raises IncompleteError naming
    every member that changed since the scan, or the file that cannot be written, and InputError where
    a published shard would become another; then all that stood under a final name still stands.
    """
    started = time.monotonic()
    stands = condition(task)
    links = _links(task, stands.made)
    if stands.needs_pass:
        _pack(task, links, tell)
    else:
        digests = shard_documents.read_digests(task.folder, task.shard)
        file = shard_documents.single_file(task.shard, digests)
        shard_documents.write_torrents(task.folder, file, shard_documents.torrents(file, task.content), links)
    seconds = round(time.monotonic() - started, 3)
    done = Packed(
        format=documents.FORMAT,
        content=task.content_digest,
        links=links,
        size=task.shard.size,
        seconds=seconds if stands.needs_pass or stands.made is None else stands.made.seconds,
    )
    durable.write_bytes(task.folder / MARKER, documents.to_bytes(done))
    return done


def _pack(task: ShardTask, links: Links, tell: Tell) -> None:
    """Make the tar and all its documents."""
    shard, content = task.shard, task.content
    rows = tables.read_rows(task.planned, shard.first_row, shard.rows, PLANNED)
    layout = tar_layout(shard.name, shard.bag_info, as_members(rows))
    if layout.size != shard.size:
        raise InputError(task.planned, f"does not hold the plan of {shard.name}", "run: packager plan")
    files = source.members(rows)
    hashes = OnePass(
        shard.size,
        shard.piece_length,
        v1=content.version != "v2" or content.also_v1,
        v2=content.version != "v1",
        flat=content.sha256,
    )
    try:
        with _sink(task) as sink:
            member_digests, digests = read_shard(layout, files, task.source, hashes=hashes, sink=sink, tell=tell)
            file = shard_documents.single_file(shard, digests)
            made = shard_documents.torrents(file, content)
            if task.published and made[0].infohashes != task.published:
                raise would_change(shard.name)
            durable.make_folder(task.folder)
            (task.folder / MARKER).unlink(missing_ok=True)
    except IncompleteError as error:
        raise _all_changed(error, task.source, files) from error
    shard_documents.write_torrents(task.folder, file, made, links)
    table = task.folder / f"{shard.name}.members.parquet"
    shard_documents.write_table(table, layout, member_digests, mtimes=content.mtimes)
    shard_documents.write_manifest(task.folder, shard, content, digests, made)


def _sink(task: ShardTask) -> AbstractContextManager[Sink]:
    """Return where the tar goes: its place, or nowhere for a published tar that is held elsewhere."""
    if task.published and not task.tar.exists():
        return nullcontext(Discard())
    return DirectWriter(task.tar, task.shard.size)


_NAMED = 20  # changed members named in one error


def _all_changed(first: IncompleteError, root: Path, files: list[source.Member]) -> IncompleteError:
    """Return the error that stopped the pass, with every other member of the shard that changed too."""
    others = [error for error in source.changed(root, files) if error.where != first.where]
    if not others:
        return first
    named = "".join(f"; {error.where}: {error.what}" for error in others[:_NAMED])
    more = f"; and {len(others) - _NAMED} more" if len(others) > _NAMED else ""
    return IncompleteError(first.where, first.what + named + more, first.mend)
