"""Every member that a release has listed, of obsolete shards too, under the id and path that its record has now.

The rows are those of packing, so members that were withdrawn since are among them. Out of core.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa

from packager.engine.project.project import Project
from packager.engine.tables import sql
from packager.model import MEMBERS, FileDigest, Release, ReleaseShard, ShardName


def shards_of_files(release: Release | None) -> list[ReleaseShard]:
    """Return the shards whose members are files of the collection, obsolete ones too."""
    own = release.catalogue_phases if release else frozenset()
    return [shard for shard in release.shards if shard.phase not in own] if release else []


def _table(project: Project, name: ShardName) -> Path:
    """Return the members table that packing made."""
    return project.packed(name) / f"{name}.members.parquet"


def create_moved(database: sql.Database, files: Sequence[tuple[Path, int]]) -> None:
    """Make the table `moved` (no, row, id, path, path_b64) of files of `moved_files`, each with its shard's number."""
    there = [(path, number) for path, number in files if path.exists()]
    sql.execute(
        database, "CREATE TEMP TABLE moved (no INTEGER, row BIGINT, id VARCHAR, path VARCHAR, path_b64 VARCHAR)"
    )
    if there:
        numbers = pa.array([number for _, number in there], pa.int32())
        database.register("moved_files", pa.table({"place": pa.array(range(len(there))), "no": numbers}))
        rows = sql.parquet(path for path, _ in there)
        sql.execute(
            database,
            f"INSERT INTO moved SELECT f.no, m.row, m.id, m.path, m.path_b64 FROM {rows} m"  # noqa: S608
            " JOIN moved_files f ON f.place = m.file_index",
        )


def create_members(database: sql.Database, project: Project, shards: Sequence[ReleaseShard]) -> None:
    """Make the view `member` of the rows of some shards.

    Columns: those of MEMBERS that tell what a member is, with `id` and `path` (and `path_b64`) as the record and its
    file have them now; `member`, the path in the bag; `no`, the shard's place in `shards`; `row`, from 0.
    """
    create_moved(database, [(project.moved(shard.name), number) for number, shard in enumerate(shards)])
    tables = (_table(project, shard.name) for shard in shards)
    rows = sql.parquet(tables, "union_by_name = true, file_row_number = true")
    known = {"id", "path", "source_path", "source_path_b64", "offset", "current_id", "current_path", "superseded"}
    same = ", ".join(f"t.{name}" for name in MEMBERS.names if name not in known)
    sql.execute(
        database,
        "CREATE TEMP VIEW member AS SELECT coalesce(m.id, t.id) AS id,"  # noqa: S608 (paths of ours, quoted)
        " coalesce(m.path, t.source_path, t.path) AS path,"
        " CASE WHEN m.path IS NULL THEN t.source_path_b64 ELSE m.path_b64 END AS path_b64,"
        f" t.path AS member, {same}, t.file_index::BIGINT AS no, t.file_row_number AS row"
        f" FROM {rows} t"
        " LEFT JOIN moved m ON m.no = t.file_index AND m.row = t.file_row_number",
    )


@contextmanager
def opened_members(project: Project, shards: Sequence[ReleaseShard]) -> Iterator[sql.Database]:
    """Open a database with the view `member` of some shards."""
    with sql.open_database(project.state) as database:
        create_members(database, project, shards)
        yield database


def withdrawn_members(
    database: sql.Database, withdrawn: Mapping[str, Sequence[FileDigest]], shards: Sequence[ReleaseShard]
) -> dict[str, list[ShardName]]:
    """Return the shards, in their order, that hold a file of each withdrawn record: by its id, or by its content.

    withdrawn: what is known of the content of each record's files, by its id; of records with the same content the
    first has what no id tells. After `create_members`.
    """
    database.register("wanted", pa.table({"id": pa.array(list(withdrawn), pa.string())}))
    create_contents(database, withdrawn)
    rows = sql.execute(
        database,
        "SELECT DISTINCT coalesce(w.id, c.record) AS record, no FROM member m LEFT JOIN wanted w USING (id)"
        " LEFT JOIN (SELECT size, sha256, first(record ORDER BY place) AS record FROM withdrawn_content GROUP BY ALL) c"
        " USING (size, sha256) WHERE w.id IS NOT NULL OR c.record IS NOT NULL ORDER BY no",
    )
    found: dict[str, list[ShardName]] = {record: [] for record in withdrawn}
    for record, number in rows:
        found[str(record)].append(shards[int(number)].name)
    return found


CONTENT = pa.schema([("size", pa.int64()), ("sha256", pa.binary(32)), ("record", pa.string()), ("place", pa.int64())])


def create_contents(database: sql.Database, withdrawn: Mapping[str, Sequence[FileDigest]]) -> pa.Table:
    """Make the relation `withdrawn_content` (size, sha256, record, place: of the record in `withdrawn`)."""
    rows = [
        {"size": each.size, "sha256": bytes.fromhex(each.sha256), "record": record, "place": place}
        for place, (record, files) in enumerate(withdrawn.items())
        for each in files
    ]
    known = pa.Table.from_pylist(rows, CONTENT)
    database.register("withdrawn_content", known)
    return known
