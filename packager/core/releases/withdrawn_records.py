"""What is withdrawn: what the last release says, and what the archivist noted since. Pure.

A withdrawal is of a record and of the content of its files. It is in force until it is lifted; both are recorded in a
release, and stay recorded in every release after it.
"""

from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

from packager.model import FileDigest, FrozenStruct, Release, ShardName, Uint63, Withdrawal


class WithdrawnRecord(FrozenStruct, frozen=True, kw_only=True, omit_defaults=True):
    """A record that the archivist withdraws.

    supersede: its shards are replaced. redact: none of its tags and digests is published. files: the contents of its
    published files, kept here also when redacted. shards: published ones that hold it. lifted: serial of the release
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
    """A shard whose content was wrong: its members go into new shards, as the catalogue knows them now."""

    name: ShardName
    reason: str
    date: str


class Withdrawals(FrozenStruct, frozen=True, kw_only=True):
    """withdrawals.json beside packager.toml: what the archivist took back, for the next release and all after it."""

    format: Uint63
    type: Literal["withdrawals"]
    records: tuple[WithdrawnRecord, ...] = ()
    shards: tuple[SupersededShard, ...] = ()


def in_force(last: Release | None, noted: Withdrawals) -> dict[str, tuple[FileDigest, ...]]:
    """Return the records that the next release withdraws, by id, with the content of their files as far as it is known.

    last: the newest release. A withdrawal that it records is in force also if the note of it is lost.
    """
    lifted = {each.id for each in to_lift(last, noted)}
    published = {each.id: each.files for each in _published(last) if each.id not in lifted}
    return published | {record.id: record.files for record in noted.records if not record.lifted}


def to_lift(last: Release | None, noted: Withdrawals) -> tuple[Withdrawal, ...]:
    """Return the withdrawals of a release that the next one lifts. An older note does not lift a newer one."""
    lifted = {record.id: record.lifted for record in noted.records}
    return tuple(each for each in _published(last) if lifted.get(each.id, 0) > each.since)


def all_withdrawals(
    last: Release | None, noted: Withdrawals, holding: Mapping[str, Sequence[ShardName]]
) -> tuple[Withdrawal, ...]:
    """Return what the next release says of withdrawals: what the last one said, what is lifted, and what is new.

    holding: the shards that hold a file of each withdrawn record, by id.
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
    """Return the shards that the next release withdraws records from, or replaces since they name such records."""
    known = {each.id for each in last.in_force}
    records = [record for record in noted.records if record.id not in known and not record.lifted]
    catalogue = last.catalogue_phases
    naming = [shard.name for shard in last.shards if shard.phase in catalogue] if any(r.shards for r in records) else ()
    return frozenset([*naming, *(name for record in records for name in record.shards)])


def _published(last: Release | None) -> tuple[Withdrawal, ...]:
    """Return the withdrawals in force that the newest release records."""
    return last.in_force if last else ()
