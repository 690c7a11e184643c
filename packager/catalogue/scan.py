"""`scan`: makes the catalogue from the source and the records file. It writes only to the state folder."""

import filecmp
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from packager import paths
from packager.catalogue import last_scan, warning_log
from packager.catalogue.files_table import FilesTable, ScanCounts
from packager.catalogue.join_records import CatalogueCounts, check_records, write_catalogue
from packager.catalogue.records import record_formats
from packager.catalogue.records.read_records import read_records
from packager.catalogue.tags.tag_readers import TagReaders
from packager.catalogue.walk.walk_folder import Walked, walk_folder
from packager.catalogue.walk.walk_store import walk_store
from packager.catalogue.warning_log import UnreadLog, WarningLog
from packager.core.config.store_url import StoreUrl
from packager.core.reports.reports import ScanReport
from packager.engine.files import atomic_files
from packager.engine.files.file_stamp import FileStamp
from packager.engine.project.project import Project
from packager.engine.stores import open_store
from packager.progress import SILENT, Progress

_NEVER = (1 << 63) - 1  # ns; later than every mtime


def scan(project: Project, *, workers: int, progress: Progress = SILENT) -> ScanReport:
    """Make the catalogue of a source and a records file, and return the report.

    Steps: check the records; walk the source and read the tags of new and changed files; join; replace the old
    catalogue if the new one differs. The bytes of the catalogue depend on the contents of source and records and on
    the files' mtimes, never on `workers`. Memory: DuckDB's limit, some thousand rows, and the names in the folders that
    are open in the walk. The caller must have locked the state folder. Files that cannot be read keep their old rows
    and are in the report. Raises InputError (source, records) and IncompleteError (nothing can be read, disk full, a
    worker was killed).
    """
    scratch = project.state / "scan"
    atomic_files.remove_tree(scratch)
    started_ns = atomic_files.make_folder(scratch).stat().st_mtime_ns  # by the file system's clock, like other mtimes
    try:
        if isinstance(project.source_location, StoreUrl) and project.source_location.scheme == "s3":
            started_ns = _NEVER  # ETags change with every write, so a store has no racy files
        return _scan(project, scratch, started_ns, _readers(project, workers), progress)
    finally:
        for folder in (scratch, project.state / "spill"):
            atomic_files.remove_tree(folder)


def _scan(project: Project, scratch: Path, started_ns: int, readers: TagReaders, progress: Progress) -> ScanReport:
    """Run the steps of `scan` with a scratch folder."""
    before = last_scan.read_last_scan(project.state, project.catalogue)
    join = _Join(project, scratch, scratch / "catalogue.parquet")
    stamp = FileStamp.at(project.records)
    if before is None:
        join.read_records()  # first, because it fails early
    records = last_scan.file_digest(project.records)
    if before is not None and records != before.records:
        join.read_records()
    source, walked = _walked(project, scratch)
    with warning_log.collect_warnings(project.state, progress) as (warnings, unread):
        progress.begin("Scanning", None, "file")
        try:
            name = paths.display_text(str(project.source_location))
            table = FilesTable(project.files, source, name, started_ns, readers, warnings, unread, progress)
            seen = table.write(walked)
        finally:
            readers.close()
            progress.end()
        files = last_scan.file_digest(project.files)
        if before and (before.files, before.records) == (files, records):
            return _report(seen, before.counts, warnings, unread, changed=False)
        (project.state / last_scan.FILE).unlink(missing_ok=True)
        warnings_before = warnings.count
        counts = join.write(warnings)
        is_quiet = warnings.count == warnings_before
    changed = _put(join.catalogue, project.catalogue)
    if is_quiet and stamp == FileStamp.at(project.records):
        last_scan.write_last_scan(project.state, project.catalogue, files, records, counts)
    return _report(seen, counts, warnings, unread, changed=changed)


@dataclass
class _Join:
    """Joins the files table and the records file to a catalogue."""

    project: Project
    scratch: Path
    catalogue: Path
    records: Path | None = None  # the table of RECORDS, after read_records

    def read_records(self) -> None:
        """Read and check the records file, if there is one. Raises InputError."""
        if self.project.records is not None and self.records is None:
            self.records = self.scratch / "records.parquet"
            read_records(self.project.records, self.records)
            check_records(self.records, self.project.state, self._where)

    def _where(self, line: int) -> str:
        """Return the name of a line of the records file for messages."""
        return record_formats.row_location(self.project.records, line) if self.project.records else str(line)

    def write(self, warnings: WarningLog) -> CatalogueCounts:
        """Write the catalogue."""
        self.read_records()
        return write_catalogue(
            self.catalogue,
            self.project.files,
            self.records,
            state=self.project.state,
            where=self._where,
            warnings=warnings,
        )


def _readers(project: Project, workers: int) -> TagReaders:
    """Return the tag readers for the source."""
    if not isinstance(project.source_location, StoreUrl):
        return TagReaders(workers)
    from packager.catalogue.tags.stored_tags import read_stored  # optional dependency, slow to import

    return TagReaders(workers, partial(read_stored, project.source_location))


def _walked(project: Project, scratch: Path) -> tuple[bytes, Iterator[Walked]]:
    """Return the source's folder (empty for a store) and its walk."""
    if isinstance(project.source_location, StoreUrl):
        return b"", walk_store(open_store(project.source_location), scratch)
    source = os.path.realpath(os.fsencode(project.source_location))
    return source, walk_folder(source, _own(project, source))


def _own(project: Project, source: bytes) -> frozenset[bytes]:
    """Return packager's own files and folders in the source, as paths below it."""
    ours = (project.config, project.state, project.shards_location, project.site)
    real = (os.path.realpath(os.fsencode(path)) for path in ours if isinstance(path, Path))
    prefix = source.rstrip(b"/") + b"/"
    return frozenset(path[len(prefix) :] for path in real if path.startswith(prefix))


def _put(fresh: Path, catalogue: Path) -> bool:
    """Replace the catalogue if the new one differs. Return whether it did."""
    if catalogue.exists() and filecmp.cmp(fresh, catalogue, shallow=False):
        return False
    atomic_files.move_file(fresh, catalogue)
    return True


def _report(
    seen: ScanCounts, counts: CatalogueCounts, warnings: WarningLog, unread: UnreadLog, *, changed: bool
) -> ScanReport:
    """Return the report of a scan."""
    return ScanReport(
        files=seen.files,
        bytes=seen.bytes,
        records=counts.records,
        without_file_count=counts.without_file_count,
        tags_read=seen.tags_read,
        kinds=counts.kinds,
        warning_count=warnings.count,
        warning_kinds=warnings.kinds,
        warnings=tuple(warnings.first),
        unread_count=unread.count,
        unread=tuple(unread.first),
        changed=changed,
    )
