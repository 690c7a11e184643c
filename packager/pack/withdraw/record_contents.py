"""Finds the content of records' files: every published version, and the present file.

A withdrawal applies to content, so that no copy with another name is published or stays published.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import pyarrow as pa

from packager.core.reports.issues import Issue
from packager.core.reports.reports import FoundRecord
from packager.engine.project.project import Project
from packager.engine.published.listed_members import create_members, shards_of_files
from packager.engine.stores.open_members import is_changed
from packager.engine.tables import sql
from packager.errors import IncompleteError
from packager.model import FileDigest, Release, ReleaseShard
from packager.pack.content.source_hashes import ROWS, SourceHashes, SourceRow
from packager.pack.plan.published_shards import read_published_rows
from packager.pack.withdraw.find_records import FOUND, found_record
from packager.progress import Progress

_CONTENT = pa.schema([("id", pa.string()), ("size", pa.int64()), ("sha256", pa.string())])
_SAME = FOUND.append(pa.field("content", pa.list_(pa.struct([("size", pa.int64()), ("sha256", pa.string())]))))
_PUBLISHED_CONTENT = (
    "SELECT DISTINCT id, size, lower(hex(sha256)) AS sha256 FROM member SEMI JOIN found USING (id) WHERE size > 0"
    " ORDER BY id, size, sha256"
)
# Files of the catalogue. Files that were not published with their present size and time must be read.
_FILES = """
SELECT id, path, path_b64, size, mtime_ns FROM {catalogue} c SEMI JOIN found USING (id)
WHERE path IS NOT NULL {which} ORDER BY id
"""
_UNPUBLISHED = """
AND size > 0 AND NOT EXISTS (SELECT 1 FROM member m JOIN published p USING (no, row)
    WHERE m.id = c.id AND p.size = c.size AND p.mtime_ns = c.mtime_ns)
"""
_SAME_CONTENT = """
SELECT id, min(path) AS path, max(title) AS title, max(artist) AS artist, list_sort(list(DISTINCT no)) AS held,
    list(DISTINCT {'size': size, 'sha256': lower(hex(sha256))}) AS content
FROM member SEMI JOIN content USING (size, sha256) ANTI JOIN found USING (id) GROUP BY id ORDER BY id
"""


@dataclass(frozen=True)
class RecordContents:
    """The content of records' files, by id. Empty files do not count.

    copies: other published records with some of this content; `files` has the common content of each. unread: files
    with unknown content, because they cannot be read or have changed since the scan.
    """

    files: dict[str, tuple[FileDigest, ...]]
    copies: tuple[FoundRecord, ...]
    unread: tuple[Issue, ...]


def record_contents(
    project: Project, last: Release | None, records: Sequence[FoundRecord], progress: Progress
) -> RecordContents:
    """Return the content of records' files. Reads the files that were not published in their present state."""
    shards = shards_of_files(last)
    unread: dict[str, str] = {}
    with _opened(project, last, shards, [record.id for record in records]) as (database, has_live):
        files: dict[str, dict[FileDigest, None]] = {record.id: {} for record in records}
        for record, size, sha256 in sql.run_rows(database, _PUBLISHED_CONTENT, _CONTENT) if shards else ():
            files[record][FileDigest(size=size, sha256=sha256)] = None
        hashes = SourceHashes(database, project, progress)
        rows = _files(database, project, "")
        for error in is_changed(project.source_location, [row.member for row in rows]):
            unread[error.where] = error.what
        for row in _files(database, project, _UNPUBLISHED if has_live else "AND size > 0"):
            try:
                content = FileDigest(size=row.size, sha256=hashes.digest(row).hex())
            except IncompleteError as error:
                unread[error.where] = error.what
            else:
                files[row.id][content] = None
        copies = _copies(database, shards, {each for found in files.values() for each in found})
    known = {record: tuple(found) for record, found in files.items()}
    return RecordContents(
        known | {found.id: same for found, same in copies},
        tuple(found for found, _ in copies),
        tuple(Issue(where=where, what=what) for where, what in unread.items()),
    )


@contextmanager
def _opened(
    project: Project, last: Release | None, shards: Sequence[ReleaseShard], ids: Sequence[str]
) -> Iterator[tuple[sql.Database, bool]]:
    """Open the catalogue, the relation `found` (id), and the view `member` of published members.

    The second value: whether a published shard is live; then the view `published` has the rows of live shards.
    """
    live = read_published_rows(project, last) if last else []
    places = {shard.name: place for place, shard in enumerate(shards)}
    live = [each for each in live if each.shard.name in places]
    with sql.open_database(project.state) as database:
        database.register("found", pa.table({"id": pa.array(ids, pa.string())}))
        if shards:
            create_members(database, project, shards)
        if live:
            numbers = pa.array([places[each.shard.name] for each in live], pa.int64())
            database.register("live", pa.table({"place": pa.array(range(len(live)), pa.int64()), "no": numbers}))
            published = sql.parquet((each.rows for each in live), "file_row_number = true")
            columns = "no, file_row_number AS row, size, mtime_ns"
            rows = f"{published} p JOIN live ON live.place = p.file_index"
            sql.execute(database, f"CREATE TEMP VIEW published AS SELECT {columns} FROM {rows}")  # noqa: S608
        yield database, bool(live)


def _files(database: sql.Database, project: Project, which: str) -> list[SourceRow]:
    """Return the records' files in the catalogue. which: an additional SQL condition."""
    if not project.catalogue.exists():
        return []
    query = _FILES.format(catalogue=sql.parquet(project.catalogue), which=which)
    return [SourceRow(*row) for row in sql.run_rows(database, query, ROWS)]


def _copies(
    database: sql.Database, shards: Sequence[ReleaseShard], contents: set[FileDigest]
) -> list[tuple[FoundRecord, tuple[FileDigest, ...]]]:
    """Return the other published records with some of this content, and the common content of each."""
    if not shards or not contents:
        return []
    rows = [{"size": each.size, "sha256": bytes.fromhex(each.sha256)} for each in contents]
    schema = pa.schema([("size", pa.int64()), ("sha256", pa.binary(32))])
    database.register("content", pa.Table.from_pylist(rows, schema))
    return [
        (found_record(row, shards), tuple(FileDigest(**each) for each in content))
        for *row, content in sql.run_rows(database, _SAME_CONTENT, _SAME)
    ]
