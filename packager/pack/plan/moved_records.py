"""Files that only moved: a published record whose file has another path now stays in its shard.

A record without an id of its own is named by its path (`record_ids`), so a file that moved looks like one that is gone
and a new one. Where sizes are equal the new file is read; where the SHA-256 is equal too, the record goes on under its
new id. An id from a records file is never taken from another record that has one. Out of core.
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
# Published records without their file: gone, or other bytes now. A record that has an id keeps it while it has a file.
_ORPHANS = """
CREATE TEMP TABLE orphan AS
SELECT l.id, l.no, l.row, l.size, l.sha256, {by_path} AS by_path
FROM latest l JOIN published p ON p.shard = l.no AND p.file_row_number = l.row
LEFT JOIN moved m ON m.no = l.no AND m.row = l.row
LEFT JOIN (SELECT id, size FROM catalogue WHERE path IS NOT NULL) c ON c.id = l.id
WHERE c.id IS NULL OR (by_path AND (c.size <> l.size OR l.id IN (SELECT id FROM rewritten)))
"""
# Files without their published record: new, or other bytes now.
_FRESH = """
CREATE TEMP TABLE fresh AS
SELECT c.id, c.path, c.path_b64, c.size, c.mtime_ns, {by_path} AS by_path
FROM catalogue c ANTI JOIN (SELECT id FROM latest ANTI JOIN orphan USING (id)) USING (id)
WHERE NOT c.unread AND c.size IN (SELECT size FROM orphan) AND c.id NOT IN (SELECT id FROM embargoed)
"""
# The n-th orphan of some content goes on as the n-th new file of it; ids of records files stay with their own.
_MOVING = """
CREATE TEMP TABLE moving AS
SELECT o.id AS was, o.no, o.row, f.id FROM
    (SELECT orphan.*, row_number() OVER (PARTITION BY size, sha256 ORDER BY by_path DESC, no, row) AS n FROM orphan) o
JOIN (SELECT fresh.*, hashed.sha256, row_number() OVER (PARTITION BY size, sha256 ORDER BY by_path, id) AS n
    FROM fresh JOIN hashed USING (id)) f
USING (size, sha256, n)
WHERE o.by_path OR f.by_path
"""
# A record does not move to the path of a published one that itself stays: that is a new version of the other.
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
# Records that stay where they are published, and whose file is elsewhere than was known; and their older versions.
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
    """Give the records of `latest` whose files moved their new ids. After the tables `rewritten` and `embargoed`.

    A published record never gets the name of one that is under embargo.
    """
    path_b64 = "CASE WHEN m.path IS NULL THEN p.path_b64 ELSE m.path_b64 END"
    sql.execute(database, _ORPHANS.format(by_path=is_path_id("l.id", "coalesce(m.path, p.path)", path_b64)))
    sql.execute(database, _FRESH.format(by_path=is_path_id("c.id", "c.path", "c.path_b64")))
    hashes.read("SELECT id, path, path_b64, size, mtime_ns FROM fresh")
    for statement in (_MOVING, _BLOCKED, *_UPDATES):
        sql.execute(database, statement)


def keep_moves(database: sql.Database, project: Project, frozen: Mapping[int, PublishedShardRows]) -> int:
    """Keep, durably, where the files of published records are now; return how many moved just now."""
    moved_files.write_moved(project, _moved_by_shard(database, project, frozen))
    [(count,)] = sql.execute(database, f"SELECT count(path) FROM ({_ELSEWHERE})")  # noqa: S608 (ours)
    return int(count)


def _moved_by_shard(
    database: sql.Database, project: Project, frozen: Mapping[int, PublishedShardRows]
) -> Iterator[tuple[ShardName, dict[int, MovedFile]]]:
    """Yield what moved of each shard; keep the times of those files."""
    for number, changes in groupby(sql.run_rows(database, _ELSEWHERE, _CHANGES), key=itemgetter(0)):
        shard = frozen[number]
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
