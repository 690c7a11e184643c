"""Shards packed and written on other machines: the plan's rows go there, documents come back, tars stay where they are.

Every machine sees the source and the shards' folder under the same paths; the state folder only this one sees. A
worker writes a tar into a folder of this run's own, beside its place. It gets its name here, once what came back was
looked at: what a worker writes late, when another one did its work, is never seen. Into a store, which knows no
renaming, a worker writes it under its name, once all of it is there.
"""

import contextlib
import errno
import os
import secrets
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import msgspec
import pyarrow as pa

from packager.core.config.store_url import StoreUrl
from packager.core.shards import bag
from packager.engine.files import atomic_files
from packager.engine.files.write_errors import write_error
from packager.engine.processes.worker_pool import Job, TaskStopped, WorkerPool
from packager.engine.project.tar_stamps import write_tar_stamp
from packager.engine.tables import parquet
from packager.errors import IncompleteError, InputError, PackagerError, from_os_error
from packager.model import PLANNED
from packager.pack.shard import checkpoint, own_tars
from packager.pack.shard.pack_shard import (
    MARKER,
    PackedMarker,
    ShardTask,
    build_shard,
    clear_documents,
    links_of,
    moved_of,
    shard_status,
    withdrawn_of,
    write_marker,
)
from packager.progress import Advance

_LEVEL = 3  # of zstd, for rows that travel

Given = TypeVar("Given")
Made = TypeVar("Made")
Result = TypeVar("Result")

_TRAVELS = 900_000  # bytes of rows
ARRIVING = ".arriving-"  # begins the name of a folder in the shards' folder, one a run; the project's id follows
_RUNS = "run"  # a file in it while the run lasts


@dataclass(frozen=True)
class SentTask:
    """What travels: the task, its rows of the plan, or the file of many, and the folder that the tar goes to.

    arriving: None where tars go to a store.
    """

    task: ShardTask
    rows: tuple[int, bytes] | Path
    arriving: Path | None


@dataclass(frozen=True)
class ReceivedShard:
    """What comes back: the mark, the documents by their names, and the folder where the tar or the tag files lie."""

    packed: PackedMarker
    documents: dict[str, bytes]
    folder: Path | None


def split_tasks(tasks: Sequence[ShardTask], cluster: WorkerPool | None) -> tuple[list[ShardTask], list[ShardTask]]:
    """Return the tasks to be done here, and those for the cluster, each in the order given.

    Members that lie in the state folder, a catalogue phase's, are not seen elsewhere.
    """
    if cluster is None:
        return list(tasks), []
    here = [task for task in tasks if task.source != task.project.source_location]
    return here, [task for task in tasks if task.source == task.project.source_location]


def run(
    cluster: WorkerPool,
    job: Callable[[Path | None], Job[ShardTask, Given, Made, Result]],
    tasks: Sequence[ShardTask],
    advance: Advance,
) -> Iterator[tuple[ShardTask, Result | PackagerError]]:
    """Run shards' tasks on a cluster. job: made for the folder that workers write to; what is left in it goes."""
    shards = tasks[0].project.shards_location
    if isinstance(shards, StoreUrl):
        yield from cluster.run(job(None), tasks, advance)
        return
    folder = atomic_files.make_folder(shards / f"{ARRIVING}{tasks[0].owner}-{secrets.token_hex(8)}")
    atomic_files.write_bytes(folder / _RUNS, b"")
    try:
        yield from cluster.run(job(folder), tasks, advance)
    finally:
        with contextlib.suppress(OSError):  # a worker that nobody hears any more finds nothing to write to
            over = folder.with_name(f"{folder.name}.over")
            folder.rename(over)
            shutil.rmtree(over, ignore_errors=True)


def packing(folder: Path | None) -> Job[ShardTask, SentTask, ReceivedShard, PackedMarker]:
    """Return how shards are packed elsewhere. folder: of this run, that workers write to; None: tars go to a store."""
    return Job(
        prepare=lambda task: load(task, folder),
        run=pack_there,
        finish=take_packed,
        name=lambda task: task.shard.name,
    )


def load(task: ShardTask, folder: Path | None) -> SentTask:
    """Return what travels of a task, less than 1 MB: its rows, of some 70 bytes a member, and little else.

    Many rows do not travel by the scheduler, but lie in a file in `folder`; where there is none, they do.
    """
    stands = shard_status(task)
    shard = task.shard
    rows = parquet.read_rows(task.planned, shard.first_row, shard.rows, PLANNED)
    going = replace(
        task,
        shard=msgspec.structs.replace(shard, first_row=0),
        links=links_of(task, stands.made),
        virtual=task.virtual or stands.virtual,
        without_tar=task.is_without_tar,
        withdrawn=withdrawn_of(task, rows["size"].to_pylist()),
        moved=moved_of(task),
        owner="",  # there a folder of its own is written to
    )
    size, data = compress_rows(rows)
    if folder is None or len(data) <= _TRAVELS:
        return SentTask(going, (size, data), folder)
    file = folder / f"{shard.name}.{size}.rows"
    file.write_bytes(data)
    return SentTask(going, file, folder)


def pack_there(given: SentTask, advance: Advance) -> ReceivedShard:
    """Pack a shard on a worker. Raises as `pack_shard.pack_shard`; then nothing of it is left."""
    started = time.monotonic()
    with at_worker(given) as task:
        build_shard(task, task.links, advance)
        seconds = round(time.monotonic() - started, 3)
        done = write_marker(task, task.links, seconds=seconds, virtual=task.virtual and task.is_without_tar)
        found = {path.name: path.read_bytes() for path in sorted(task.folder.iterdir())}
        return ReceivedShard(done, found, where_written(task))


def where_written(task: ShardTask) -> Path | None:
    """Return the folder that a worker's tar lies in; None: it lies in a store."""
    return None if isinstance(task.project.shards_location, StoreUrl) else task.project.shards_location


@contextlib.contextmanager
def at_worker(given: SentTask) -> Iterator[ShardTask]:
    """Yield the task as this worker does it: its state in a temporary folder, its tar in one of its own."""
    source, arriving = given.task.source, given.arriving
    if isinstance(source, Path) and not source.is_dir():
        raise _not_there(source)
    if arriving and not (arriving / _RUNS).exists():
        raise _not_there(arriving)
    own = arriving / f"{given.task.shard.name}.{secrets.token_hex(8)}" if arriving else None
    place = own or given.task.project.shards_location
    rows = given.rows
    if isinstance(rows, Path):
        rows = int(rows.suffixes[-2][1:]), rows.read_bytes()
    try:
        with tempfile.TemporaryDirectory(prefix="packager-") as made:
            scratch = Path(made)
            project = replace(given.task.project, config=scratch / "packager.toml", shards_location=place)
            planned = scratch / "planned.parquet"
            with atomic_files.without_fsync(scratch):  # what is kept of it is made durable where it is received
                parquet.write_rows(planned, PLANNED, decompress_rows(rows).to_batches())
                yield replace(given.task, project=project, planned=planned)
        if arriving and not (arriving / _RUNS).exists():
            raise TaskStopped
    except BaseException:
        if own and arriving:
            shutil.rmtree(own, ignore_errors=True)
            if not (arriving / _RUNS).exists():  # the run is over, and the folder was made again for `own`
                shutil.rmtree(arriving, ignore_errors=True)
        raise


def _not_there(folder: Path) -> IncompleteError:
    """Return the error of a worker that does not see a folder."""
    missing = FileNotFoundError(errno.ENOENT, "is not there for a worker: all machines need it under this path")
    error = from_os_error(missing, folder, "mount it there")
    error.__cause__ = missing  # another worker may see it
    return error


def take_packed(task: ShardTask, arrived: ReceivedShard) -> PackedMarker:
    """Put a shard that was packed elsewhere in its place, durably, its mark last. Raises IncompleteError."""
    if arrived.packed.content != task.content_digest:
        raise InputError(task.shard.name, "a worker packed another shard than the plan has")
    bare = task.is_without_tar
    clear_documents(task)
    if not bare and arrived.folder:
        take_tar(task, arrived.folder)
    elif not bare and task.shard.container == "tar":
        write_tar_stamp(task.project, task.shard.name)
    for name, data in arrived.documents.items():
        if name != MARKER:
            atomic_files.write_bytes(task.folder / name, data)
    atomic_files.write_bytes(task.folder / MARKER, arrived.documents[MARKER])
    checkpoint.forget(task.folder)  # of a pass here, that was killed before
    if arrived.folder:
        shutil.rmtree(arrived.folder, ignore_errors=True)
        atomic_files.discard(task.tar, task.owner)
    return arrived.packed


def take_tar(task: ShardTask, folder: Path) -> None:
    """Give what a worker wrote its final name. Raises IncompleteError where it is not seen here."""
    shard = task.shard
    own_tars.claim(task)
    try:
        if shard.container == "folder":
            atomic_files.make_folder(task.tar)
            for name in (*bag.TAGGED, bag.TAGMANIFEST):
                os.replace(folder / shard.name / name, task.tar / name)
            atomic_files.fsync_folder(task.tar)
            return
        size = (folder / task.tar.name).stat().st_size
        if size != shard.size:
            what = f"a worker wrote {shard.size} bytes, and {size} of them are seen here"
            raise IncompleteError(task.tar, what, "shards.folder must be one folder for all machines")
        atomic_files.move_file(folder / task.tar.name, task.tar)
        write_tar_stamp(task.project, shard.name)
    except OSError as error:
        raise write_error(error, Path(error.filename or task.tar)) from error


def compress_rows(rows: pa.Table) -> tuple[int, bytes]:
    """Return the size of the rows' Arrow stream in bytes, and the stream in one zstd frame.

    One frame, so that a column that repeats another, as a member's name does its path, costs little.
    """
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema) as stream:
        stream.write_table(rows)
    plain = sink.getvalue()
    return plain.size, pa.Codec("zstd", _LEVEL).compress(plain, asbytes=True)


def decompress_rows(rows: tuple[int, bytes]) -> pa.Table:
    """Return the rows that were compressed."""
    size, data = rows
    plain = pa.Codec("zstd", _LEVEL).decompress(data, decompressed_size=size)
    return pa.ipc.open_stream(plain).read_all()
