"""Write the tars of shards that were packed without one, each byte compared with what was packed.

The sources are read once, in order; a tar gets its name when every hash of it is the one that its torrents
hold. A run that was killed leaves what a killed pack leaves, and is simply run again.
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


def chosen(every: Sequence[ShardTask], names: Sequence[str]) -> list[ShardTask]:
    """Return the tasks of the shards with these names, or their tars'. Raises InputError for one of no shard."""
    by_name = {str(task.shard.name): task for task in every}
    found = {}
    for written in names:
        name = written.removesuffix(".tar")
        if name not in by_name:
            close = nearest(name, by_name)
            fix = f'did you mean "{close}"?' if close else "see: packager status"
            raise InputError(display_text(written), "is no shard of the plan", fix)
        found[name] = replace(by_name[name], without_tar=False)  # its tar is written, published or not
    return list(found.values())


def export(
    wanted: Sequence[ShardTask],
    cores: WorkerPlan,
    *,
    dry_run: bool = False,
    cluster: WorkerPool | None = None,
    progress: Progress = SILENT,
) -> ExportReport:
    """Write the tars of these shards that have none; those with one of the right size, and folders, are left alone.

    A tar that this project wrote and that has no stamp is written again: the run was killed before it wrote the stamp.

    dry_run: only count them. cluster: whose workers write them; None: processes of this machine. A shard that fails (a
    source changed, the disk is full) leaves nothing of itself and does not stop the others; the report names each.
    Raises InputError where one is not packed as the plan says.
    """
    states = [(task, shard_status(task)) for task in wanted]
    for task, found in states:
        if not found.content:
            raise InputError(task.shard.name, "is not packed as the plan has it now", "run: packager pack")
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
    with closing(results):  # what is still out is stopped before anything else ends
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
    """Write tars, largest first, and yield each task with its tar's bytes or its error."""
    largest_first = sorted(missing, key=lambda task: -task.shard.size)
    here, there = pack_on_cluster.split_tasks(largest_first, cluster)
    if cluster and there:
        yield from pack_on_cluster.run(cluster, writing, there, progress.advance)
    processes, tasks = plan_workers(here, cores)
    yield from run_tasks(write_tar, tasks, workers=processes, advance=progress.advance)


def write_tar(task: ShardTask, advance: Advance) -> int:
    """Write a packed shard's tar, durably, and return its bytes.

    Raises IncompleteError naming every member that changed since the scan, or where what was read is not
    what was packed, or the tar cannot be written; then nothing of it is left.
    """
    packed = _packed(task)

    def compare(found: bytes, digests: Digests) -> None:
        if digests != packed:
            raise _other_bytes(task, found)

    _write(task, advance, compare)
    return task.shard.size


def _write(task: ShardTask, advance: Advance, compare: Callable[[bytes, Digests], None]) -> None:
    """Write a shard's tar; `compare` looks at what its members and its bytes were before it gets its name."""
    shard = task.shard
    layout, files = planned_layout(task)
    hashes = hashes_of(shard, msgspec.structs.replace(task.content, sha256=False), layout, task.threads)
    try:
        with tar_sink(task) as sink:
            found, digests = read_shard(
                layout, files, task.source, hashes=hashes, sink=sink, advance=advance, threads=task.threads
            )
            compare(found, digests)
            own_tars.claim(task)
    except IncompleteError as error:
        raise all_changed(error, task.source, files) from error
    write_tar_stamp(task.project, shard.name)


@dataclass(frozen=True)
class SentTarTask:
    """What travels: the task, and the SHA-256 over the digests that its tar must have."""

    load: SentTask
    expected: bytes


@dataclass(frozen=True)
class WrittenTar:
    """What a worker read: its members' SHA-256, joined, and its digests; and the folder where the tar lies.

    Where the digests are others than expected, there is no tar. folder: None: it lies in a store.
    """

    found: bytes
    digests: Digests
    folder: Path | None


class _OtherBytes(Exception):  # noqa: N818 (never reaches a user: it keeps a tar from being finished)
    """What was read is not what was packed."""


def writing(folder: Path | None) -> Job[ShardTask, SentTarTask, WrittenTar, int]:
    """Return how tars are written elsewhere. folder: that workers write to; None: they write to a store."""
    return Job(
        prepare=lambda task: SentTarTask(pack_on_cluster.load(task, folder), _digest(_packed(task))),
        run=write_there,
        finish=take_written,
        name=lambda task: task.shard.name,
    )


def write_there(given: SentTarTask, advance: Advance) -> WrittenTar:
    """Write a tar on a worker, if it is what was packed. Raises IncompleteError where it cannot be read or written."""
    read: list[tuple[bytes, Digests]] = []

    def compare(found: bytes, digests: Digests) -> None:
        read.append((found, digests))
        if _digest(digests) != given.expected:
            raise _OtherBytes

    with pack_on_cluster.at_worker(given.load) as task, contextlib.suppress(_OtherBytes):
        _write(task, advance, compare)
    return WrittenTar(*read[0], pack_on_cluster.where_written(task))


def take_written(task: ShardTask, written: WrittenTar) -> int:
    """Give a tar that was written elsewhere its name. Raises IncompleteError where it was not what was packed."""
    if written.digests != _packed(task):
        raise _other_bytes(task, written.found)
    if written.folder:
        pack_on_cluster.take_tar(task, written.folder)
    return task.shard.size


def _packed(task: ShardTask) -> Digests:
    """Return the digests of a shard as it was packed."""
    return write_documents.read_digests(task.folder, task.shard)


def _digest(digests: Digests) -> bytes:
    """Return the SHA-256 over a tar's digests, whose lengths its size tells."""
    return hashlib.sha256(digests.pieces + digests.layer + (digests.pieces_root or b"")).digest()


def _other_bytes(task: ShardTask, found: bytes) -> IncompleteError:
    """Return the error that names the members whose bytes changed, though their sizes and times did not."""
    table = parquet.read_rows(task.folder / f"{task.shard.name}.members.parquet", 0, task.shard.rows, MEMBERS)
    paths, digests = table["path"].to_pylist(), table["sha256"].to_pylist()
    wrong = [path for row, path in enumerate(paths) if found[32 * row : 32 * row + 32] != digests[row]]
    named = ", ".join(display_text(path) for path in wrong[:_NAMED]) or "no member"
    more = f" and {len(wrong) - _NAMED} more" if len(wrong) > _NAMED else ""
    return IncompleteError(task.shard.name, f"{named}{more}: other bytes than were packed", "bring the old file back")
