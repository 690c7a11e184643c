"""Find the members of a release that have an id, a path or an ISRC: by its lookup index, then by their rows."""

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from packager.core.releases import lookup_index
from packager.core.releases.lookup_index import LOOKUP, Lookup, LookupHit
from packager.core.releases.members_table import with_current_ids
from packager.engine.files.limited_read import CHECK
from packager.engine.published.release_reader import ReleaseReader
from packager.errors import InputError
from packager.get.shard_tables import ShardTables
from packager.model import Manifest, ShardName
from packager.paths import display_text, is_safe_path

KEYS_MOST = 1000  # ids, paths and ISRCs of one command


@dataclass(frozen=True)
class FoundMembers:
    """Selected members of one shard: their rows of its table, with mtime_ns."""

    manifest: Manifest
    members: pa.Table


def read_lookup(files: ReleaseReader) -> Lookup:
    """Return the lookup.json of a release. Raises InputError if it has none."""
    try:
        return lookup_index.parse_lookup(files.read(LOOKUP, lookup_index.LIMIT), LOOKUP)
    except InputError as error:
        fix = "select members with --where, or extract them shard by shard: packager extract"
        raise InputError(error.where, error.what, fix if error.fix in ("", CHECK) else error.fix) from error


def find_by_keys(keys: Sequence[str], files: ReleaseReader, index: Lookup, shelf: ShardTables) -> list[FoundMembers]:
    """Return the members that have one of these ids, paths or ISRCs, each once.

    If several shards contain an id, the member of the newest shard is returned. Memory: a bucket, and a row group per
    shard. Raises InputError for a key that no member has.
    """
    if len(keys) > KEYS_MOST:
        raise InputError("KEY", f"{len(keys)} keys are more than the {KEYS_MOST} of one run", "run it several times")
    hits = {key: _hits(key, files, index) for key in dict.fromkeys(keys)}
    wanted: dict[ShardName, list[int]] = {}
    for hit in dict.fromkeys(hit for named in hits.values() for hit in named):
        wanted.setdefault(hit.shard, []).append(hit.row)
    read = {shard: with_current_ids(shelf.rows(shard, rows)) for shard, rows in wanted.items()}
    meant: dict[LookupHit, None] = {}
    for key, named in hits.items():
        newest: dict[str, LookupHit] = {}
        for hit in named:
            row = read[hit.shard].slice(wanted[hit.shard].index(hit.row), 1)
            if _has(row, key) and row["id"][0].as_py() not in shelf.withdrawn:
                newest.setdefault(row["id"][0].as_py(), hit)
        if not newest:
            fix = "write the id, path or ISRC in full, or search with --where"
            raise InputError(
                display_text(key), f"no member of the release at {files.name} has this id, path or ISRC", fix
            )
        meant |= dict.fromkeys(newest.values())
    found = []
    for (shard, table), rows in zip(read.items(), wanted.values(), strict=True):
        numbers = [at for at, row in enumerate(rows) if LookupHit(shard, row) in meant]
        if numbers:
            found.append(FoundMembers(shelf.manifest(shard), checked_members(table.take(numbers))))
    return found


def _hits(key: str, files: ReleaseReader, index: Lookup) -> list[LookupHit]:
    """Return the members that may have a key, newest first."""
    place = lookup_index.bucket_range(index, key)
    try:
        bucket = files.read_range(place.part.path, place.start, place.stop)
    except InputError as error:
        fix = "the release may have changed meanwhile: run the command again"
        raise InputError(error.where, error.what, fix) from error
    return lookup_index.parse_bucket(index, bucket, place.mark, place.part.path)


def _has(row: pa.Table, key: str) -> bool:
    """Return whether a row's id, path, ISRC, or path at the source (then or now) is this key."""
    isrc, *names = (row[name][0].as_py() for name in ("isrc", "id", "path", "source_path", "current_path"))
    as_isrc = lookup_index.isrc(key)
    return key in names or (as_isrc is not None and as_isrc == lookup_index.isrc(isrc or ""))


def checked_members(members: pa.Table) -> pa.Table:
    """Return the rows if they can be members of a shard. Raises InputError for an unsafe path or wrong size."""
    for path, size, offset in zip(*(members[name].to_pylist() for name in ("path", "size", "offset")), strict=True):
        if not is_safe_path(path) or not 0 <= size < 1 << 60 or not 0 <= offset < 1 << 62:
            raise InputError("members table", f'"{display_text(path)}" of {size} bytes at {offset} cannot be a member')
    return members
