"""One shard, from its rows of the plan to what is published of it: a task that any worker can run.

What is done is told by files: the tar under its final name, its documents, and last `packed.json`,
which says for which plan they were made. A task that was killed is simply run again.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from packager import __version__, documents, metainfo
from packager.engine import durable, source, tables
from packager.engine.hashing import Digests, OnePass
from packager.engine.torrents import check_torrent
from packager.engine.workers import Tell
from packager.engine.workspace import Workspace
from packager.engine.writer import DirectWriter
from packager.errors import IncompleteError, InputError
from packager.layout import Layout, tar_layout
from packager.model import MEMBERS, MTIME, PLANNED, Infohash, Manifest, PlannedShard, Struct, Version
from packager.options import TorrentOptions
from packager.pack.one_pass import read_shard
from packager.record_lines import as_members
from packager.units import timestamp

MARKER = "packed.json"


class ShardOptions(Struct, frozen=True, kw_only=True):
    """What of the config shapes a packed shard beside its plan."""

    collection: str
    torrent: TorrentOptions
    sha256: bool
    mtimes: bool
    date: str


class Packed(Struct, frozen=True, kw_only=True):
    """packed.json: for which plan a shard's files were made, and what that took."""

    format: int
    task: str  # SHA-256 in hex over the planned shard and ShardOptions
    size: int  # bytes of the tar
    seconds: float


@dataclass(frozen=True)
class ShardTask:
    """A shard to pack."""

    workspace: Workspace
    planned: Path  # the phase's PLANNED table
    source: Path  # the folder its members lie in
    shard: PlannedShard
    options: ShardOptions

    @property
    def digest(self) -> str:
        """What tells this task from one whose result would differ."""
        return documents.digest(documents.to_bytes(self.shard) + documents.to_bytes(self.options))


def packed(task: ShardTask) -> Packed | None:
    """Return what packed.json says where the shard is whole and made for this very task, else None."""
    marker = task.workspace.packed(task.shard.name) / MARKER
    try:
        found = documents.from_bytes(marker.read_bytes(), Packed, marker)
        whole = task.workspace.tar(task.shard.name).stat().st_size == task.shard.size
    except (FileNotFoundError, InputError):
        return None
    return found if whole and found.task == task.digest else None


def pack_shard(task: ShardTask, tell: Tell) -> Packed:
    """Write the shard's tar and documents, durably, reading each source byte once.

    Raises IncompleteError naming every member that changed since the scan, or the file that cannot be
    written; then nothing of the shard stands under a final name but what stood there before.
    """
    started = time.monotonic()
    shard = task.shard
    rows = tables.read_rows(task.planned, shard.first_row, shard.rows, PLANNED)
    members = as_members(rows)
    layout = tar_layout(shard.name, shard.bag_info, members)
    if layout.size != shard.size:
        raise InputError(task.planned, f"does not hold the plan of {shard.name}", "run: packager plan")
    files = source.members(rows)
    folder = durable.make_folder(task.workspace.packed(shard.name))
    (folder / MARKER).unlink(missing_ok=True)
    torrent = task.options.torrent
    hashes = OnePass(
        shard.size,
        shard.piece_length,
        v1=torrent.version != "v2" or torrent.also_v1,
        v2=torrent.version != "v1",
        flat=task.options.sha256,
    )
    try:
        with DirectWriter(task.workspace.tar(shard.name), shard.size) as writer:
            member_digests, digests = read_shard(layout, files, task.source, hashes=hashes, sink=writer, tell=tell)
    except IncompleteError as error:
        raise _all_changed(error, task.source, files) from error
    _write_documents(folder, task, layout, member_digests, digests)
    done = Packed(
        format=documents.FORMAT, task=task.digest, size=shard.size, seconds=round(time.monotonic() - started, 3)
    )
    durable.write_bytes(folder / MARKER, documents.to_bytes(done))
    return done


_NAMED = 20  # changed members named in one error


def _all_changed(first: IncompleteError, root: Path, files: list[source.Member]) -> IncompleteError:
    """Return the error that stopped the pass, with every other member of the shard that changed too."""
    others = [error for error in source.changed(root, files) if error.where != first.where]
    if not others:
        return first
    named = "".join(f"; {error.where}: {error.what}" for error in others[:_NAMED])
    more = f"; and {len(others) - _NAMED} more" if len(others) > _NAMED else ""
    return IncompleteError(first.where, first.what + named + more, first.mend)


def _write_documents(folder: Path, task: ShardTask, layout: Layout, member_digests: bytes, digests: Digests) -> None:
    """Write the torrents, each checked by other libraries, the members table and the manifest."""
    shard, options = task.shard, task.options.torrent
    file = metainfo.SingleFile(
        name=f"{shard.name}.tar",
        size=shard.size,
        piece_length=shard.piece_length,
        pieces=digests.pieces,
        layer=digests.layer,
        pieces_root=digests.pieces_root,
    )
    v1, v2 = _write_torrent(folder / f"{shard.name}.torrent", file, options, options.version, task.options.date)
    also_v1 = None
    if options.also_v1:
        also_v1, _ = _write_torrent(folder / f"{shard.name}.v1.torrent", file, options, "v1", task.options.date)
    schema = MEMBERS.append(MTIME) if task.options.mtimes else MEMBERS
    table = folder / f"{shard.name}.members.parquet"
    tables.write_table(table, schema, _member_rows(layout, member_digests, schema))
    manifest = Manifest(
        format=documents.FORMAT,
        type="manifest",
        tool=f"archive-packager {__version__}",
        collection=task.options.collection,
        name=shard.name,
        phase=shard.phase,
        number=shard.number,
        container="tar",
        file=file.name,
        size=shard.size,
        payload=shard.payload,
        members=shard.rows,
        oversize=shard.oversize,
        piece_length=shard.piece_length,
        pieces_root=digests.pieces_root.hex() if digests.pieces_root else None,
        infohash_v1=v1,
        infohash_v2=v2,
        infohash_also_v1=also_v1,
        sha256=digests.sha256.hex() if digests.sha256 else None,
        bag_info=shard.bag_info,
        mtimes=task.options.mtimes,
    )
    durable.write_bytes(folder / f"{shard.name}.manifest.json", documents.to_bytes(manifest))


def _write_torrent(
    path: Path, file: metainfo.SingleFile, options: TorrentOptions, version: Version, date: str
) -> tuple[Infohash | None, Infohash | None]:
    """Write a checked .torrent durably and return its infohashes, v1 and v2, in hex."""
    info = metainfo.info(file, version)
    v1 = metainfo.infohash_v1(info) if version != "v2" else None
    v2 = metainfo.infohash_v2(info) if version != "v1" else None
    data = metainfo.torrent(
        info, file=file, trackers=options.trackers, web_seeds=options.web_seeds, creation_date=timestamp(date)
    )
    check_torrent(data, infohash_v1=v1, infohash_v2=v2, size=file.size, where=path.name)
    durable.write_bytes(path, data)
    return Infohash(v1.hex()) if v1 else None, Infohash(v2.hex()) if v2 else None


def _member_rows(layout: Layout, digests: bytes, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """Yield the rows of the members table."""
    rows = layout.members
    for name, column in (
        ("offset", pa.array(layout.offsets)),
        ("sha256", pa.FixedSizeBinaryArray.from_buffers(pa.binary(32), rows.num_rows, [None, pa.py_buffer(digests)])),
    ):
        rows = rows.append_column(name, column)
    yield from rows.select(schema.names).cast(schema).to_batches()
