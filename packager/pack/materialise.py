"""Write the tars of shards that were packed without one, each byte compared with what was packed.

The sources are read once, in order; a tar gets its name when every hash of it is the one that its torrents
hold. A run that was killed leaves what a killed pack leaves, and is simply run again.
"""

import time
from collections.abc import Sequence

import msgspec

from packager.engine import tables
from packager.engine.workers import Tell, run_tasks
from packager.engine.writer import DirectWriter
from packager.errors import IncompleteError, InputError
from packager.model import MEMBERS
from packager.pack import shard_documents
from packager.pack.crew import crew
from packager.pack.one_pass import read_shard
from packager.pack.run import failure, remove_partials
from packager.pack.shard import ShardTask, all_changed, condition, hashes_of, planned_layout
from packager.paths import shown
from packager.progress import SILENT, Progress
from packager.reports import MaterialiseReport, Oddity
from packager.units import show_size
from packager.values import nearest

_NAMED = 20  # changed members named in one error


def chosen(every: Sequence[ShardTask], names: Sequence[str]) -> list[ShardTask]:
    """Return the tasks of the shards with these names, or their tars'. Raises InputError for one of no shard."""
    by_name = {str(task.shard.name): task for task in every}
    found = {}
    for written in names:
        name = written.removesuffix(".tar")
        if name not in by_name:
            close = nearest(name, by_name)
            mend = f'did you mean "{close}"?' if close else "see: packager status"
            raise InputError(shown(written), "is no shard of the plan", mend)
        found[name] = by_name[name]
    return list(found.values())


def materialise(wanted: Sequence[ShardTask], *, workers: int, progress: Progress = SILENT) -> MaterialiseReport:
    """Write the tars of these shards that have none; those that have one of the right size are left alone.

    A shard that fails (a source changed, the disk is full) leaves nothing of itself and does not stop
    the others; the report names each. Raises InputError where one is not packed as the plan says.
    """
    stands = [(task, condition(task)) for task in wanted]
    for task, found in stands:
        if not found.content:
            raise InputError(task.shard.name, "is not packed as the plan has it now", "run: packager pack")
    missing = [task for task, found in stands if not found.tar]
    for folder in {task.workspace.shards for task in missing}:
        remove_partials(folder)
    started = time.monotonic()
    failed: list[Oddity] = []
    progress.begin("materialise", sum(task.shard.size for task in missing))
    processes, tasks = crew(sorted(missing, key=lambda task: -task.shard.size), workers)
    written = size = 0
    for task, result in run_tasks(write_tar, tasks, workers=processes, progress=progress):
        if isinstance(result, int):
            written, size = written + 1, size + result
            progress.note(f"{task.shard.name}: {show_size(result)}")
        else:
            failed.append(failure(task, result))
            progress.note(f"{task.shard.name}: {result}")
    progress.end()
    return MaterialiseReport(
        written=written,
        already=len(wanted) - len(missing),
        bytes=size,
        seconds=round(time.monotonic() - started, 3),
        failed=tuple(sorted(failed, key=lambda oddity: oddity.where)),
    )


def write_tar(task: ShardTask, tell: Tell) -> int:
    """Write a packed shard's tar, durably, and return its bytes.

    Raises IncompleteError naming every member that changed since the scan, or where what was read is not
    what was packed, or the tar cannot be written; then nothing of it is left.
    """
    shard = task.shard
    layout, files = planned_layout(task)
    packed = shard_documents.read_digests(task.folder, shard)
    hashes = hashes_of(shard, msgspec.structs.replace(task.content, sha256=False), layout)
    try:
        with DirectWriter(task.tar, shard.size) as sink:
            found, digests = read_shard(
                layout, files, task.source, hashes=hashes, sink=sink, tell=tell, threads=task.threads
            )
            if digests != packed:
                raise _other_bytes(task, found)
    except IncompleteError as error:
        raise all_changed(error, task.source, files) from error
    return shard.size


def _other_bytes(task: ShardTask, found: bytes) -> IncompleteError:
    """Return the error that names the members whose bytes changed, though their sizes and times did not."""
    table = tables.read_rows(task.folder / f"{task.shard.name}.members.parquet", 0, task.shard.rows, MEMBERS)
    paths, digests = table["path"].to_pylist(), table["sha256"].to_pylist()
    wrong = [path for row, path in enumerate(paths) if found[32 * row : 32 * row + 32] != digests[row]]
    named = ", ".join(shown(path) for path in wrong[:_NAMED]) or "no member"
    more = f" and {len(wrong) - _NAMED} more" if len(wrong) > _NAMED else ""
    return IncompleteError(task.shard.name, f"{named}{more}: other bytes than were packed", "bring the old file back")
