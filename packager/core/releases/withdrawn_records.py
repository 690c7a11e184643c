"""Withdrawals of the last release, and those that the archivist saved since. Pure.

A withdrawal covers a record and the content of its files. It is in force until it is lifted. Both are published in a
release, and stay in all later releases.
"""

from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

from packager.model import FileDigest, FrozenStruct, Release, ShardName, Uint63, Withdrawal


class WithdrawnRecord(FrozenStruct, frozen=True, kw_only=True, omit_defaults=True):
    """A record that the archivist withdraws.

    supersede: its shards are replaced. redact: its tags and digests are not published. files: the contents of its
    published files, kept here even if redacted. shards: published ones that contain it. lifted: serial of the release
    that lifts it; 0 while in force.
    """

    id: str
    reason: str
    date: str
    supersede: bool = False
    redact: bool = False
    title: str = ""
    artist: str = ""
    files: tuple[FileDigest, ...] = ()
    shards: tuple[ShardName, ...] = ()
    lifted: Uint63 = 0


class SupersededShard(FrozenStruct, frozen=True, kw_only=True):
    """A shard with wrong content. Its members go into new shards, as they are in the catalogue now."""

    name: ShardName
    reason: str
    date: str


class Withdrawals(FrozenStruct, frozen=True, kw_only=True):
    """withdrawals.json beside packager.toml: the withdrawals for the next release and all after it."""

    format: Uint63
    type: Literal["withdrawals"]
    records: tuple[WithdrawnRecord, ...] = ()
    shards: tuple[SupersededShard, ...] = ()


def in_force(last: Release | None, noted: Withdrawals) -> dict[str, tuple[FileDigest, ...]]:
    """Return the records that the next release withdraws, by id, with the known content of their files.

    last: the newest release. A withdrawal in it is in force even if it is not in `noted`.
    """
    lifted = {each.id for each in to_lift(last, noted)}
    published = {each.id: each.files for each in _published(last) if each.id not in lifted}
    return published | {record.id: record.files for record in noted.records if not record.lifted}


def to_lift(last: Release | None, noted: Withdrawals) -> tuple[Withdrawal, ...]:
    """Return the withdrawals of a release that the next one lifts. An older entry does not lift a newer withdrawal."""
    lifted = {record.id: record.lifted for record in noted.records}
    return tuple(each for each in _published(last) if lifted.get(each.id, 0) > each.since)


def all_withdrawals(
    last: Release | None, noted: Withdrawals, holding: Mapping[str, Sequence[ShardName]]
) -> tuple[Withdrawal, ...]:
    """Return the withdrawals of the next release: those of the last one, with lifted ones marked, and new ones.

    holding: the shards that contain a file of each withdrawn record, by id.
    """
    serial = last.serial + 1 if last else 1
    lifted = {each.id for each in to_lift(last, noted)}
    known = {each.id for each in _published(last)}
    records = {record.id: record for record in noted.records}
    kept = []
    for each in last.withdrawals if last else ():
        record = records.get(each.id)
        if record is not None and record.redact:
            each = msgspec.structs.replace(each, title="", artist="", files=())  # noqa: PLW2901
        if not each.lifted:
            shards = tuple(dict.fromkeys([*each.shards, *holding.get(each.id, ())]))
            each = msgspec.structs.replace(each, shards=shards, lifted=serial if each.id in lifted else 0)  # noqa: PLW2901
        kept.append(each)
    return *kept, *(
        Withdrawal(
            id=record.id,
            reason=record.reason,
            date=record.date,
            since=serial,
            shards=tuple(holding.get(record.id, ())),
            title=record.title,
            artist=record.artist,
            files=() if record.redact else record.files,
        )
        for record in noted.records
        if record.id not in known and not record.lifted
    )


def waiting_shards(last: Release, noted: Withdrawals) -> frozenset[ShardName]:
    """Return the shards that contain or name records that the next release withdraws."""
    known = {each.id for each in last.in_force}
    records = [record for record in noted.records if record.id not in known and not record.lifted]
    catalogue = last.catalogue_phases
    naming = [shard.name for shard in last.shards if shard.phase in catalogue] if any(r.shards for r in records) else ()
    return frozenset([*naming, *(name for record in records for name in record.shards)])


def _published(last: Release | None) -> tuple[Withdrawal, ...]:
    """Return the withdrawals in force in the newest release."""
    return last.in_force if last else ()
