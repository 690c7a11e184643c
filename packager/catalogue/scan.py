"""`scan`: the source folder and the records file to the catalogue. Reads the source, writes only the state folder."""

import filecmp
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from packager import paths
from packager.catalogue import last_scan, warning_log
from packager.catalogue.files_table import FilesTable, Seen
from packager.catalogue.join_records import Counts, check_records, write_catalogue
from packager.catalogue.records import record_formats
from packager.catalogue.records.read_records import read_records
from packager.catalogue.tags.tag_readers import Readers
from packager.catalogue.walk.walk_folder import Walked, walk
from packager.catalogue.walk.walk_store import walk_store
from packager.catalogue.warning_log import Oddities
from packager.core.config.store_url import StoreAddress
from packager.core.reports.reports import ScanReport
from packager.engine.files import atomic_files
from packager.engine.files.file_stamp import FileStamp
from packager.engine.project.project import Workspace
from packager.engine.stores import open_store
from packager.progress import SILENT, Progress

_NEVER = (1 << 63) - 1  # ns; no file is younger


def scan(workspace: Workspace, *, workers: int, progress: Progress = SILENT) -> ScanReport:
    """Make the catalogue of a source folder, with what the records file says, and return what was seen.

    Steps: check the records; walk the source and read the tags of what is new or changed since the last scan; join;
    put the new catalogue in place of the old one if it differs. The bytes of the catalogue hang on the source's and
    the records' contents and the files' mtimes, never on `workers`. Memory: DuckDB's bound and some thousand rows,
    for any number of files, beside the names of the folders on the way down to the one being read. The caller holds
    the state folder's lock. What could not be read is in the report; it keeps the rows that it had. Raises InputError
    (source, records) and IncompleteError (nothing could be read, disk full, a worker killed).
    """
    scratch = workspace.state / "scan"
    atomic_files.remove_tree(scratch)
    started_ns = atomic_files.make_folder(scratch).stat().st_mtime_ns  # the file system's clock, which gives mtimes too
    try:
        if isinstance(workspace.source_place, StoreAddress) and workspace.source_place.scheme == "s3":
            started_ns = _NEVER  # an object's stamp holds its ETag: one that is written twice in a tick has two
        return _scan(workspace, scratch, started_ns, _readers(workspace, workers), progress)
    finally:
        atomic_files.remove_tree(scratch)


def _scan(workspace: Workspace, scratch: Path, started_ns: int, readers: Readers, progress: Progress) -> ScanReport:
    """Do the steps of `scan` with a scratch folder."""
    before = last_scan.read(workspace.state, workspace.catalogue)
    join = _Join(workspace, scratch, scratch / "catalogue.parquet")
    stamp = FileStamp.at(workspace.records)
    if before is None:
        join.read_records()  # first, since it stops early at a hostile file of any size
    records = last_scan.digest(workspace.records)
    if before is not None and records != before.records:
        join.read_records()
    source, walked = _walked(workspace, scratch)
    with warning_log.collect(workspace.state, progress) as (warnings, unread):
        progress.begin("scan", None, "file")
        try:
            name = paths.shown(str(workspace.source_place))
            table = FilesTable(workspace.files, source, name, started_ns, readers, warnings, unread, progress)
            seen = table.write(walked)
        finally:
            readers.close()
            progress.end()
        files = last_scan.digest(workspace.files)
        if before and (before.files, before.records) == (files, records):
            return _report(seen, before.counts, warnings, unread, changed=False)
        (workspace.state / last_scan.FILE).unlink(missing_ok=True)
        told = warnings.count
        counts = join.write(warnings)
        is_quiet = warnings.count == told
    changed = _put(join.catalogue, workspace.catalogue)
    if is_quiet and stamp == FileStamp.at(workspace.records):
        last_scan.write(workspace.state, workspace.catalogue, files, records, counts)
    return _report(seen, counts, warnings, unread, changed=changed)


@dataclass
class _Join:
    """The files table and the records file on their way to a catalogue."""

    workspace: Workspace
    scratch: Path
    catalogue: Path
    records: Path | None = None  # the table of RECORDS, once they are read

    def read_records(self) -> None:
        """Read and check the records file, if there is one. Raises InputError."""
        if self.workspace.records is not None and self.records is None:
            self.records = self.scratch / "records.parquet"
            read_records(self.workspace.records, self.records)
            check_records(self.records, self.scratch / "spill", self._where)

    def _where(self, line: int) -> str:
        """Return how a message names a line of the records file."""
        return record_formats.where(self.workspace.records, line) if self.workspace.records else str(line)

    def write(self, warnings: Oddities) -> Counts:
        """Write the catalogue."""
        self.read_records()
        return write_catalogue(
            self.catalogue,
            self.workspace.files,
            self.records,
            spill=self.scratch / "spill",
            where=self._where,
            oddities=warnings,
        )


def _readers(workspace: Workspace, workers: int) -> Readers:
    """Return what reads tags."""
    if not isinstance(workspace.source_place, StoreAddress):
        return Readers(workers)
    from packager.catalogue.tags.stored_tags import read_stored  # an extra, and slow to import

    return Readers(workers, partial(read_stored, workspace.source_place))


def _walked(workspace: Workspace, scratch: Path) -> tuple[bytes, Iterator[Walked]]:
    """Return what paths of the source are below, and the walk of it."""
    if isinstance(workspace.source_place, StoreAddress):
        return b"", walk_store(open_store(workspace.source_place), scratch)
    source = os.path.realpath(os.fsencode(workspace.source_place))
    return source, walk(source, _own(workspace, source))


def _own(workspace: Workspace, source: bytes) -> frozenset[bytes]:
    """Return what of packager's own lies below the source, as paths below it."""
    ours = (workspace.config, workspace.state, workspace.shards_place, workspace.output)
    real = (os.path.realpath(os.fsencode(path)) for path in ours if isinstance(path, Path))
    prefix = source.rstrip(b"/") + b"/"
    return frozenset(path[len(prefix) :] for path in real if path.startswith(prefix))


def _put(fresh: Path, catalogue: Path) -> bool:
    """Put a new catalogue in place, unless the one there is equal; say whether it was not."""
    if catalogue.exists() and filecmp.cmp(fresh, catalogue, shallow=False):
        return False
    atomic_files.move(fresh, catalogue)
    return True


def _report(seen: Seen, counts: Counts, warnings: Oddities, unread: Oddities, *, changed: bool) -> ScanReport:
    """Return what is told of a scan."""
    return ScanReport(
        files=seen.files,
        bytes=seen.bytes,
        records=counts.records,
        metadata_only=counts.metadata_only,
        tags_read=seen.tags_read,
        kinds=counts.kinds,
        oddity_count=warnings.count,
        oddities=tuple(warnings.first),
        unread_count=unread.count,
        unread=tuple(unread.first),
        changed=changed,
    )
