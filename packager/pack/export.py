"""`export`: writes the tars of shards that were packed without one, and verifies them.

The source files are read once, in order. A tar gets its final name only if all its hashes match its torrents. If a run
was killed, run it again.
"""

import contextlib
import hashlib
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from packager.core.config.option_values import nearest
from packager.core.reports.issues import Issue
from packager.core.reports.reports import ExportReport
from packager.engine.hashing.stream_hasher import Digests
from packager.engine.processes.local_workers import run_tasks
from packager.engine.processes.worker_pool import Job, WorkerPool
from packager.engine.project.tar_stamps import write_tar_stamp
from packager.engine.tables import parquet
from packager.errors import IncompleteError, InputError, PackagerError
from packager.model import MEMBERS
from packager.pack.pack import failure
from packager.pack.shard import own_tars, pack_on_cluster, write_documents
from packager.pack.shard.existing_tars import remove_leftovers
from packager.pack.shard.pack_on_cluster import SentTask
from packager.pack.shard.pack_shard import ShardTask, all_changed, hashes_of, planned_layout, shard_status, tar_sink
from packager.pack.shard.read_shard import read_shard
from packager.pack.worker_plan import WorkerPlan, plan_workers
from packager.paths import display_text
from packager.progress import SILENT, Advance, Progress
from packager.units import format_size

_NAMED = 20  # changed members named in one error


def select_tasks(every: Sequence[ShardTask], names: Sequence[str]) -> list[ShardTask]:
    """Return the tasks of the named shards or tars. Raises InputError for an unknown name."""
    by_name = {str(task.shard.name): task for task in every}
    found = {}
    for written in names:
        name = written.removesuffix(".tar")
        if name not in by_name:
            close = nearest(name, by_name)
            fix = f'did you mean "{close}"?' if close else "see: packager status"
            raise InputError(display_text(written), "is not a shard of the plan", fix)
        found[name] = replace(by_name[name], without_tar=False)  # write its tar, published or not
    return list(found.values())


def export(
    wanted: Sequence[ShardTask],
    cores: WorkerPlan,
    *,
    dry_run: bool = False,
    cluster: WorkerPool | None = None,
    progress: Progress = SILENT,
) -> ExportReport:
    """Write the missing tars of shards, and return the report. Tars of the right size, and folders, are not touched.

    A tar of this project without a stamp is written again, because the run was killed before it wrote the stamp.
    dry_run: only count. cluster: its workers write the tars; None: use processes of this machine. If a shard fails (a
    source file changed, the disk is full), its partial tar is removed, the others continue, and the report lists it.
    Raises InputError for a shard that is not packed as planned.
    """
    states = [(task, shard_status(task)) for task in wanted]
    for task, found in states:
        if not found.content:
            raise InputError(task.shard.name, "is not packed as planned", "run: packager pack")
    missing = [
        task
        for task, found in states
        if task.shard.container == "tar" and (not found.tar or own_tars.is_unstamped(task))
    ]
    for task in missing:
        own_tars.check_name(task)
    to = str(wanted[0].project.shards_location) if wanted else ""
    if dry_run:
        size, unchanged = sum(task.shard.size for task in missing), len(wanted) - len(missing)
        return ExportReport(
            written=len(missing),
            unchanged=unchanged,
            written_bytes=size,
            to=to,
            seconds=0.0,
            failed=(),
            dry_run=True,
        )
    for place, owner in {(task.project.shards_location, task.owner) for task in missing}:
        remove_leftovers(place, owner, [f"{task.shard.name}.tar" for task in missing])
    started = time.monotonic()
    failed: list[Issue] = []
    progress.begin("Exporting", sum(task.shard.size for task in missing))
    written = size = 0
    results = _results(missing, cores, cluster=cluster, progress=progress)
    with closing(results):  # stops the running tasks first
        for task, result in results:
            if isinstance(result, int):
                written, size = written + 1, size + result
                progress.detail(f"{task.shard.name}: {format_size(result)}")
            else:
                failed.append(failure(task, result))
                progress.note(f"{task.shard.name}: {result}")
    progress.end()
    return ExportReport(
        written=written,
        unchanged=len(wanted) - len(missing),
        written_bytes=size,
        to=to,
        seconds=round(time.monotonic() - started, 3),
        failed=tuple(sorted(failed, key=lambda issue: issue.where)),
        retried_tasks=cluster.retried_tasks if cluster else 0,
    )


def _results(
    missing: Sequence[ShardTask], cores: WorkerPlan, *, cluster: WorkerPool | None, progress: Progress
) -> Generator[tuple[ShardTask, int | PackagerError], None, None]:
    """Write tars, largest first, and yield each task with its tar's size in bytes or its error."""
    largest_first = sorted(missing, key=lambda task: -task.shard.size)
    here, there = pack_on_cluster.split_tasks(largest_first, cluster)
    if cluster and there:
        yield from pack_on_cluster.run(cluster, export_job, there, progress.advance)
    processes, tasks = plan_workers(here, cores)
    yield from run_tasks(write_tar, tasks, workers=processes, advance=progress.advance)


def write_tar(task: ShardTask, advance: Advance) -> int:
    """Write a packed shard's tar durably, and return its size in bytes.

    Raises IncompleteError if members have changed since the scan or since packing, or the tar cannot be written. The
    partial tar is removed then.
    """
    packed = _packed(task)

    def compare(found: bytes, digests: Digests) -> None:
        if digests != packed:
            raise _other_bytes(task, found)

    _write(task, advance, compare)
    return task.shard.size


def _write(task: ShardTask, advance: Advance, compare: Callable[[bytes, Digests], None]) -> None:
    """Write a shard's tar. compare: checks the digests of members and tar before the tar gets its name."""
    shard = task.shard
    layout, files = planned_layout(task)
    hashes = hashes_of(shard, msgspec.structs.replace(task.content, sha256=False), layout, task.threads)
    try:
        with tar_sink(task) as sink:
            found, digests = read_shard(
                layout, files, task.source, hashes=hashes, sink=sink, advance=advance, threads=task.threads
            )
            compare(found, digests)
            own_tars.record_own(task)
    except IncompleteError as error:
        raise all_changed(error, task.source, files) from error
    write_tar_stamp(task.project, shard.name)


@dataclass(frozen=True)
class SentTarTask:
    """What is sent to a worker: the task, and the SHA-256 over the expected digests of its tar."""

    load: SentTask
    expected: bytes


@dataclass(frozen=True)
class WrittenTar:
    """What a worker returns: the members' SHA-256, joined, the tar's digests, and the folder with the tar.

    If the digests are not the expected ones, there is no tar. folder: None if the tar is in a store.
    """

    found: bytes
    digests: Digests
    folder: Path | None


class _OtherBytes(Exception):  # noqa: N818 (users never see it)
    """The source files have changed since packing, so the tar must not be finished."""


def export_job(folder: Path | None) -> Job[ShardTask, SentTarTask, WrittenTar, int]:
    """Return the job for writing tars on a cluster. folder: workers write there; None: they write to a store."""
    return Job(
        prepare=lambda task: SentTarTask(pack_on_cluster.load(task, folder), _digest(_packed(task))),
        run=write_on_worker,
        finish=receive_written_tar,
        name=lambda task: task.shard.name,
    )


def write_on_worker(given: SentTarTask, advance: Advance) -> WrittenTar:
    """Write a tar on a worker, if it is as packed. Raises IncompleteError if a file cannot be read or written."""
    read: list[tuple[bytes, Digests]] = []

    def compare(found: bytes, digests: Digests) -> None:
        read.append((found, digests))
        if _digest(digests) != given.expected:
            raise _OtherBytes

    with pack_on_cluster.worker_task(given.load) as task, contextlib.suppress(_OtherBytes):
        _write(task, advance, compare)
    return WrittenTar(*read[0], pack_on_cluster.worker_folder(task))


def receive_written_tar(task: ShardTask, written: WrittenTar) -> int:
    """Move a worker's tar to its final name. Raises IncompleteError if its digests are wrong."""
    if written.digests != _packed(task):
        raise _other_bytes(task, written.found)
    if written.folder:
        pack_on_cluster.receive_tar(task, written.folder)
    return task.shard.size


def _packed(task: ShardTask) -> Digests:
    """Return the digests of a packed shard."""
    return write_documents.read_digests(task.folder, task.shard)


def _digest(digests: Digests) -> bytes:
    """Return the SHA-256 over a tar's digests. Their lengths follow from its size."""
    return hashlib.sha256(digests.pieces + digests.layer + (digests.pieces_root or b"")).digest()


def _other_bytes(task: ShardTask, found: bytes) -> IncompleteError:
    """Return the error that names the members with changed bytes but unchanged sizes and times."""
    table = parquet.read_rows(task.folder / f"{task.shard.name}.members.parquet", 0, task.shard.rows, MEMBERS)
    paths, digests = table["path"].to_pylist(), table["sha256"].to_pylist()
    wrong = [path for row, path in enumerate(paths) if found[32 * row : 32 * row + 32] != digests[row]]
    named = ", ".join(display_text(path) for path in wrong[:_NAMED]) or "no member"
    more = f" and {len(wrong) - _NAMED} more" if len(wrong) > _NAMED else ""
    what = f"{named}{more}: the content has changed since packing"
    return IncompleteError(task.shard.name, what, "restore the old file")
