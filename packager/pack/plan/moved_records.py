"""Finds moved files, so that a published record stays in its shard when its file gets another path.

A record without its own id is named by its path (`record_ids`), so a moved file looks like a missing file and a new
one. If their sizes are equal, the new file is read. If the SHA-256 is equal too, the record keeps its place under its
new id. An id from a records file is never given to a record with another such id. DuckDB does the work on disk.
"""

from collections.abc import Iterator, Mapping
from itertools import groupby
from operator import itemgetter

import pyarrow as pa

from packager.engine.project.project import Project
from packager.engine.published import moved_files
from packager.engine.published.moved_files import MovedFile
from packager.engine.tables import sql
from packager.engine.tables.record_ids import is_path_id
from packager.model import ShardName
from packager.pack.content.source_hashes import SourceHashes
from packager.pack.plan.published_shards import PublishedShardRows, update_times

_CHANGES = pa.schema(
    [
        ("no", pa.int32()),
        ("row", pa.int64()),
        ("id", pa.string()),
        ("path", pa.string()),
        ("path_b64", pa.string()),
        ("is_back", pa.bool_()),
        ("mtime_ns", pa.int64()),
    ]
)
# Published records with a missing or changed file. A record with its own id keeps the id while it has a file.
_ORPHANS = """
CREATE TEMP TABLE orphan AS
SELECT l.id, l.no, l.row, l.size, l.sha256, {by_path} AS by_path
FROM latest l JOIN published p ON p.shard = l.no AND p.file_row_number = l.row
LEFT JOIN moved m ON m.no = l.no AND m.row = l.row
LEFT JOIN (SELECT id, size FROM catalogue WHERE path IS NOT NULL) c ON c.id = l.id
WHERE c.id IS NULL OR (by_path AND (c.size <> l.size OR l.id IN (SELECT id FROM rewritten)))
"""
# Files without a published record: new or changed.
_FRESH = """
CREATE TEMP TABLE fresh AS
SELECT c.id, c.path, c.path_b64, c.size, c.mtime_ns, {by_path} AS by_path
FROM catalogue c ANTI JOIN (SELECT id FROM latest ANTI JOIN orphan USING (id)) USING (id)
WHERE NOT c.unread AND c.size IN (SELECT size FROM orphan) AND c.id NOT IN (SELECT id FROM embargoed)
"""
# The n-th orphan with some content becomes the n-th new file with this content. Ids from records files do not change.
_MOVING = """
CREATE TEMP TABLE moving AS
SELECT o.id AS was, o.no, o.row, f.id FROM
    (SELECT orphan.*, row_number() OVER (PARTITION BY size, sha256 ORDER BY by_path DESC, no, row) AS n FROM orphan) o
JOIN (SELECT fresh.*, hashed.sha256, row_number() OVER (PARTITION BY size, sha256 ORDER BY by_path, id) AS n
    FROM fresh JOIN hashed USING (id)) f
USING (size, sha256, n)
WHERE o.by_path OR f.by_path
"""
# A record does not move to the path of a published record that stays: this is a new version of that record.
_BLOCKED = """
DELETE FROM moving WHERE was IN (
    WITH RECURSIVE blocked AS (
        SELECT was FROM moving WHERE id IN (SELECT id FROM orphan) AND id NOT IN (SELECT was FROM moving)
        UNION SELECT moving.was FROM moving JOIN blocked ON moving.id = blocked.was
    ) SELECT was FROM blocked)
"""
_UPDATES = (
    "UPDATE latest SET id = moving.id FROM moving WHERE latest.no = moving.no AND latest.row = moving.row",
    "DELETE FROM rewritten WHERE id IN (SELECT id FROM moving)",
)
# Records that stay in their shards and have new paths, and older versions of these records.
_ELSEWHERE = """
SELECT * FROM (
SELECT l.no, l.row, CASE WHEN c.id <> p.id THEN c.id END AS id, c.path, c.path_b64,
    c.id = p.id AND c.path = p.path AND c.path_b64 IS NOT DISTINCT FROM p.path_b64 AS is_back,
    CASE WHEN c.mtime_ns IS DISTINCT FROM l.mtime_ns THEN c.mtime_ns END AS mtime_ns
FROM latest l JOIN catalogue c USING (id) JOIN listed USING (no) LEFT JOIN moving v USING (no, row)
JOIN published p ON p.shard = l.no AND p.file_row_number = l.row
WHERE c.path IS NOT NULL AND NOT listed.replaced AND c.size = l.size AND c.id NOT IN (SELECT id FROM rewritten)
    AND (v.was IS NOT NULL OR hash(c.path, c.path_b64) <> l.place)
UNION ALL
SELECT k.no, k.row, CASE WHEN v.id <> p.id THEN v.id END, NULL, NULL, v.id = p.id, NULL
FROM known k JOIN moving v ON k.id = v.was JOIN published p ON p.shard = k.no AND p.file_row_number = k.row
WHERE k.no <> v.no OR k.row <> v.row
) ORDER BY no, row
"""


def find_moves(database: sql.Database, hashes: SourceHashes) -> None:
    """Set the new ids of moved records in `latest`. Needs the tables `rewritten` and `embargoed`.

    A published record never gets the id of a record under embargo.
    """
    path_b64 = "CASE WHEN m.path IS NULL THEN p.path_b64 ELSE m.path_b64 END"
    sql.execute(database, _ORPHANS.format(by_path=is_path_id("l.id", "coalesce(m.path, p.path)", path_b64)))
    sql.execute(database, _FRESH.format(by_path=is_path_id("c.id", "c.path", "c.path_b64")))
    hashes.read("SELECT id, path, path_b64, size, mtime_ns FROM fresh")
    for statement in (_MOVING, _BLOCKED, *_UPDATES):
        sql.execute(database, statement)


def keep_moves(database: sql.Database, project: Project, live: Mapping[int, PublishedShardRows]) -> int:
    """Save the new paths of published records durably. Return how many files moved since the last time."""
    moved_files.write_moved(project, _moved_by_shard(database, project, live))
    [(count,)] = sql.execute(database, f"SELECT count(path) FROM ({_ELSEWHERE})")  # noqa: S608 (ours)
    return int(count)


def _moved_by_shard(
    database: sql.Database, project: Project, live: Mapping[int, PublishedShardRows]
) -> Iterator[tuple[ShardName, dict[int, MovedFile]]]:
    """Yield the moved files of each shard, and save their times."""
    for number, changes in groupby(sql.run_rows(database, _ELSEWHERE, _CHANGES), key=itemgetter(0)):
        shard = live[number]
        moved, times = moved_files.read_moved(project, shard.shard.name), {}
        for _, row, record, path, path_b64, is_back, mtime_ns in changes:
            moved.pop(row, None)
            if not is_back:
                moved[row] = MovedFile(record, path, path_b64)
            if mtime_ns is not None:
                times[row] = mtime_ns
        if times:
            update_times(project, shard, times)
        yield shard.shard.name, moved
