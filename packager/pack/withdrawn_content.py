"""Files that have the content of a withdrawn record, whatever their names: nothing of them is planned or packed.

Their digests are not known before they are read, and few have the size of a withdrawn file, so those are read first.
"""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from packager.engine import sql, tables
from packager.engine.packed_members import CONTENT, create_contents
from packager.engine.workspace import Workspace
from packager.errors import IncompleteError
from packager.model import FileDigest, ShardName, WithdrawnFile
from packager.pack.source_hashes import SourceHashes
from packager.paths import shown

_NAMED = 20  # files that a plan names


def leave_out(hashes: SourceHashes, contents: Mapping[str, Sequence[FileDigest]]) -> tuple[int, list[WithdrawnFile]]:
    """Take the files with withdrawn content out of the views `files` and `catalogue`; return their number, and some.

    contents: what each withdrawn record held, by its id. Their sizes and digests are kept beside the plan for `pack`,
    which looks at all that it reads. Raises IncompleteError where a file that must be read cannot be.
    """
    database, workspace = hashes.database, hashes.workspace
    known = create_contents(database, contents)
    tables.write_table(workspace.withdrawn_content, CONTENT, known.to_batches(), quick=True)
    if not known.num_rows:
        return 0, []
    hashes.read("SELECT id, path, path_b64, size, mtime_ns FROM files SEMI JOIN withdrawn_content USING (size)")
    found = (
        "CREATE TEMP TABLE with_content AS SELECT f.id, f.path, min(w.record) AS record FROM files f"
        " JOIN hashed h USING (id) JOIN withdrawn_content w ON w.size = f.size AND w.sha256 = h.sha256 GROUP BY ALL"
    )
    sql.execute(database, found)
    sql.execute(database, "INSERT INTO barred SELECT id FROM with_content")
    count = sql.count_rows(database, "with_content")
    named = sql.execute(database, f"SELECT path, record FROM with_content ORDER BY id LIMIT {_NAMED}")  # noqa: S608
    return count, [WithdrawnFile(path=shown(str(path)), record=str(record)) for path, record in named]


def withdrawn_digests(workspace: Workspace, sizes: Iterable[int]) -> frozenset[bytes]:
    """Return the SHA-256 of withdrawn files that have one of these sizes, as the plan knew them."""
    path = workspace.withdrawn_content
    if not path.exists() or not tables.count_rows(path):
        return frozenset()
    known = tables.read_rows(path, 0, tables.count_rows(path), CONTENT)
    same = pc.is_in(known["size"], pa.array(np.unique(np.fromiter(sizes, np.int64))))
    return frozenset(known["sha256"].filter(same).to_pylist())


def check_withdrawn(name: ShardName, paths: Sequence[bytes], digests: bytes, withdrawn: frozenset[bytes]) -> None:
    """Raise IncompleteError for the first member that turned out to have withdrawn content.

    digests: the SHA-256 of each member as it was read, joined.
    """
    if not withdrawn:
        return
    for row, path in enumerate(paths):
        if digests[32 * row : 32 * row + 32] in withdrawn:
            what = f"has the content of a withdrawn record, so {name} is not packed"
            raise IncompleteError(
                shown(path), what, "touch the file, so that it is scanned again; then: packager release"
            )
