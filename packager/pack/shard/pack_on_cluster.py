"""Packs shards on other machines: rows of the plan are sent, documents come back, and tars are written in place.

All machines need the source and the shards folder under the same paths; only this machine has the state folder. A
worker writes a tar into a separate folder of this run. This machine checks the result and gives the tar its final name,
so a late tar of a lost worker is ignored. A store cannot rename files, so a worker completes the upload under the final
name.
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

_LEVEL = 3  # of zstd, for rows that are sent

Given = TypeVar("Given")
Made = TypeVar("Made")
Result = TypeVar("Result")

_MAX_SENT = 900_000  # bytes of rows
ARRIVING = ".arriving-"  # prefix of a run's folder in the shards folder; the project's id follows
_RUNS = "run"  # a file in it during the run


@dataclass(frozen=True)
class SentTask:
    """What is sent to a worker: the task, its rows of the plan (or a file with them), and the folder for the tar.

    arriving: None if tars go to a store.
    """

    task: ShardTask
    rows: tuple[int, bytes] | Path
    arriving: Path | None


@dataclass(frozen=True)
class ReceivedShard:
    """What a worker returns: the marker, the documents by name, and the folder with the tar or the tag files."""

    packed: PackedMarker
    documents: dict[str, bytes]
    folder: Path | None


def split_tasks(tasks: Sequence[ShardTask], cluster: WorkerPool | None) -> tuple[list[ShardTask], list[ShardTask]]:
    """Return the tasks for this machine and those for the cluster, in the same order.

    Shards of a catalogue phase stay here, because their members are in the state folder.
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
    """Run tasks on a cluster. job: makes the job for the folder that workers write to, which is removed at the end."""
    shards = tasks[0].project.shards_location
    if isinstance(shards, StoreUrl):
        yield from cluster.run(job(None), tasks, advance)
        return
    folder = atomic_files.make_folder(shards / f"{ARRIVING}{tasks[0].owner}-{secrets.token_hex(8)}")
    atomic_files.write_bytes(folder / _RUNS, b"")
    try:
        yield from cluster.run(job(folder), tasks, advance)
    finally:
        with contextlib.suppress(OSError):  # so that a lost worker cannot write there
            over = folder.with_name(f"{folder.name}.over")
            folder.rename(over)
            shutil.rmtree(over, ignore_errors=True)


def pack_job(folder: Path | None) -> Job[ShardTask, SentTask, ReceivedShard, PackedMarker]:
    """Return the job for packing on a cluster. folder: of this run, for workers; None: tars go to a store."""
    return Job(
        prepare=lambda task: load(task, folder),
        run=pack_on_worker,
        finish=receive_shard,
        name=lambda task: task.shard.name,
    )


def load(task: ShardTask, folder: Path | None) -> SentTask:
    """Return what is sent for a task: less than 1 MB, mainly rows with about 70 bytes for each member.

    Many rows are not sent but written to a file in `folder`, if there is one.
    """
    status = shard_status(task)
    shard = task.shard
    rows = parquet.read_rows(task.planned, shard.first_row, shard.rows, PLANNED)
    going = replace(
        task,
        shard=msgspec.structs.replace(shard, first_row=0),
        links=links_of(task, status.made),
        virtual=task.virtual or status.virtual,
        without_tar=task.is_without_tar,
        withdrawn=withdrawn_of(task, rows["size"].to_pylist()),
        moved=moved_of(task),
        owner="",  # a worker writes to a separate folder
    )
    size, data = compress_rows(rows)
    if folder is None or len(data) <= _MAX_SENT:
        return SentTask(going, (size, data), folder)
    file = folder / f"{shard.name}.{size}.rows"
    file.write_bytes(data)
    return SentTask(going, file, folder)


def pack_on_worker(given: SentTask, advance: Advance) -> ReceivedShard:
    """Pack a shard on a worker. Raises the errors of `pack_shard.pack_shard`, and removes the partial files then."""
    started = time.monotonic()
    with worker_task(given) as task:
        build_shard(task, task.links, advance)
        seconds = round(time.monotonic() - started, 3)
        done = write_marker(task, task.links, seconds=seconds, virtual=task.virtual and task.is_without_tar)
        found = {path.name: path.read_bytes() for path in sorted(task.folder.iterdir())}
        return ReceivedShard(done, found, worker_folder(task))


def worker_folder(task: ShardTask) -> Path | None:
    """Return the folder of a worker's tar; None if the tar is in a store."""
    return None if isinstance(task.project.shards_location, StoreUrl) else task.project.shards_location


@contextlib.contextmanager
def worker_task(given: SentTask) -> Iterator[ShardTask]:
    """Yield the task for this worker, with a temporary state folder and a separate folder for the tar."""
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
            with atomic_files.without_fsync(scratch):  # results are made durable where they are received
                parquet.write_rows(planned, PLANNED, decompress_rows(rows).to_batches())
                yield replace(given.task, project=project, planned=planned)
        if arriving and not (arriving / _RUNS).exists():
            raise TaskStopped
    except BaseException:
        if own and arriving:
            shutil.rmtree(own, ignore_errors=True)
            if not (arriving / _RUNS).exists():  # the run has ended; `own` created the folder again
                shutil.rmtree(arriving, ignore_errors=True)
        raise


def _not_there(folder: Path) -> IncompleteError:
    """Return the error of a worker that cannot see a folder."""
    missing = FileNotFoundError(errno.ENOENT, "does not exist for a worker: all machines need it under this path")
    error = from_os_error(missing, folder, "mount it there")
    error.__cause__ = missing  # another worker may have it
    return error


def receive_shard(task: ShardTask, arrived: ReceivedShard) -> PackedMarker:
    """Put a shard from a worker in its place, durably, its marker last. Raises IncompleteError."""
    if arrived.packed.content != task.content_digest:
        raise InputError(task.shard.name, "a worker packed a shard that is not in the plan")
    bare = task.is_without_tar
    clear_documents(task)
    if not bare and arrived.folder:
        receive_tar(task, arrived.folder)
    elif not bare and task.shard.container == "tar":
        write_tar_stamp(task.project, task.shard.name)
    for name, data in arrived.documents.items():
        if name != MARKER:
            atomic_files.write_bytes(task.folder / name, data)
    atomic_files.write_bytes(task.folder / MARKER, arrived.documents[MARKER])
    checkpoint.remove(task.folder)  # from a killed pass on this machine
    if arrived.folder:
        shutil.rmtree(arrived.folder, ignore_errors=True)
        atomic_files.discard(task.tar, task.owner)
    return arrived.packed


def receive_tar(task: ShardTask, folder: Path) -> None:
    """Move a worker's file to its final name. Raises IncompleteError if this machine cannot see the file."""
    shard = task.shard
    own_tars.record_own(task)
    try:
        if shard.container == "folder":
            atomic_files.make_folder(task.tar)
            for name in (*bag.TAGGED, bag.TAGMANIFEST):
                os.replace(folder / shard.name / name, task.tar / name)
            atomic_files.fsync_folder(task.tar)
            return
        size = (folder / task.tar.name).stat().st_size
        if size != shard.size:
            what = f"a worker wrote {shard.size} bytes, but this machine sees {size}"
            raise IncompleteError(task.tar, what, "use the same shards.folder on all machines")
        atomic_files.move_file(folder / task.tar.name, task.tar)
        write_tar_stamp(task.project, shard.name)
    except OSError as error:
        raise write_error(error, Path(error.filename or task.tar)) from error


def compress_rows(rows: pa.Table) -> tuple[int, bytes]:
    """Return the size of the rows' Arrow stream in bytes, and the stream as one zstd frame.

    One frame, so that repeated values in other columns, such as a member's path, cost little.
    """
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema) as stream:
        stream.write_table(rows)
    plain = sink.getvalue()
    return plain.size, pa.Codec("zstd", _LEVEL).compress(plain, asbytes=True)


def decompress_rows(rows: tuple[int, bytes]) -> pa.Table:
    """Return the rows from `compress_rows`."""
    size, data = rows
    plain = pa.Codec("zstd", _LEVEL).decompress(data, decompressed_size=size)
    return pa.ipc.open_stream(plain).read_all()
