"""The entries that a release must keep from the release before it (FORMAT.md 12). Pure.

Every reader that follows a collection checks them, and the publisher checks them before signing.
"""

from collections.abc import Iterator
from typing import Literal, NamedTuple

import msgspec

from packager import units
from packager.core.releases import documents
from packager.model import (
    Container,
    FileDigest,
    FrozenStruct,
    Infohash,
    Release,
    ReleaseShard,
    ShardName,
    Uint63,
    Withdrawal,
)
from packager.paths import display_text

_DAY = 86_400  # seconds

# Fields that never change, for every published shard.
SAME = (
    *("infohash_v1", "infohash_v2", "size", "phase", "number", "file", "container", "payload", "members", "added"),
    *("since", "piece_length", "pieces_root", "sha256"),
)
# Fields of an obsolete shard that keep their values from the last release in which it was live.
LINKS = ("magnet", "torrent", "twin_infohash", "twin_magnet", "twin_torrent")
# Fields of an obsolete shard that keep their values from the release that made it obsolete.
ENDED = ("obsolete", "obsolete_since", "superseded_by", "reason")


class KeptShard(FrozenStruct, frozen=True, kw_only=True, omit_defaults=True):
    """The fields of a published shard that must not change. links: SHA-256 of LINKS, hex, as last listed."""

    name: ShardName
    phase: str
    number: Uint63
    file: str
    container: Container = "tar"
    size: Uint63
    payload: Uint63
    members: Uint63
    added: str
    since: Uint63 = 1
    piece_length: Uint63
    pieces_root: str | None
    infohash_v1: Infohash | None
    infohash_v2: Infohash | None
    twin_infohash: Infohash | None = None  # also one that was left out since
    sha256: str | None = None
    obsolete: bool = False
    obsolete_since: Uint63 = 0
    superseded_by: tuple[ShardName, ...] = ()
    reason: str = ""
    links: str


class KeptWithdrawal(FrozenStruct, frozen=True, kw_only=True, omit_defaults=True):
    """The fields of a withdrawal that must not change. Title, artist and files may be removed, shards may be added.

    reason: None in the state of an old mirror.
    """

    id: str
    date: str
    reason: str | None = None
    since: Uint63 = 1
    lifted: Uint63 = 0
    title: str = ""
    artist: str = ""
    files: tuple[FileDigest, ...] = ()
    shards: tuple[ShardName, ...] = ()


class KeptEntries(FrozenStruct, frozen=True, kw_only=True):
    """The entries that the next release must keep: about 600 bytes of JSON per shard. phases: the published ones."""

    collection: str
    serial: Uint63
    date: str
    shards: tuple[KeptShard, ...]
    withdrawals: tuple[KeptWithdrawal, ...]
    phases: tuple[str, ...]


class BrokenRule(NamedTuple):
    """A rule that a release breaks. kind: its name; shard: the published shard that it is about, if any."""

    kind: str
    what: str
    shard: ShardName | None = None

    def __str__(self) -> str:
        """Return it as text for a message."""
        return f"{self.kind}: {self.what}"


def kept_entries(release: Release, before: KeptEntries | None = None) -> KeptEntries:
    """Return the entries that the next release must keep. before: those that this one had to keep."""
    known = {shard.name: shard for shard in before.shards} if before else {}
    return KeptEntries(
        collection=release.collection.name,
        serial=release.serial,
        date=release.date,
        shards=tuple(_kept_shard(shard, known.get(shard.name)) for shard in release.shards),
        withdrawals=tuple(_kept_withdrawal(each) for each in release.withdrawals),
        phases=tuple(phase.name for phase in release.phases if phase.state == "published"),
    )


def _kept_shard(shard: ReleaseShard, known: KeptShard | None) -> KeptShard:
    """Return the fields of a shard that must not change from now on, also those of a removed twin."""
    facts = {name: getattr(shard, name) for name in ("name", *SAME, *ENDED)}
    twin = shard.twin_infohash or (known.twin_infohash if known else None)
    return KeptShard(**facts, twin_infohash=twin, links=_links(shard))


def _links(shard: ReleaseShard) -> str:
    """Return the digest of a shard's links."""
    return documents.digest(msgspec.json.encode([getattr(shard, name) for name in LINKS]))


def _kept_withdrawal(each: Withdrawal) -> KeptWithdrawal:
    """Return the fields of a withdrawal that must not change."""
    return KeptWithdrawal(**{name: getattr(each, name) for name in KeptWithdrawal.__struct_fields__})


def broken_rules(kept: KeptEntries, release: Release) -> Iterator[BrokenRule]:
    """Yield the rules that a release breaks. It must be consistent in itself.

    The caller checks `previous` and the keys, because it has the bytes and the signature.
    """
    if release.collection.name != kept.collection:
        name = display_text(release.collection.name, 80)
        yield BrokenRule("another collection", f'it is of "{name}", not of "{kept.collection}"')
    if release.serial != kept.serial + 1:
        yield BrokenRule("gap", f"serial {release.serial} does not follow {kept.serial}")
    if release.date < kept.date:
        yield BrokenRule(
            "earlier date", f"it is of {display_text(release.date, 40)}, and serial {kept.serial} of {kept.date}"
        )
    listed = {shard.name: shard for shard in release.shards}
    for known in kept.shards:
        found = listed.pop(known.name, None)
        if found is None:
            yield BrokenRule("vanished shard", f"{known.name} was published and is not listed any more", known.name)
        else:
            yield from _shard_changes(known, found, release.serial)
    for shard in listed.values():
        for field, value, right in (("since", shard.since, release.serial), ("added", shard.added, release.date)):
            if value != right:
                yield BrokenRule("backdated shard", f"{field} of the new shard {shard.name} is {value}, not {right}")
    yield from _withdrawal_changes(kept, release)
    published = {phase.name for phase in release.phases if phase.state == "published"}
    for phase in kept.phases:
        if phase not in published:
            yield BrokenRule("closed phase", f'"{phase}" was published and is not any more')


def _shard_changes(known: KeptShard, found: ReleaseShard, serial: int) -> Iterator[BrokenRule]:
    """Yield the changes of a published shard."""
    for field in SAME:
        old, new = getattr(known, field), getattr(found, field)
        if old != new:
            yield _changed(known, field, old, new)
    if None not in (known.twin_infohash, found.twin_infohash) and known.twin_infohash != found.twin_infohash:
        yield _changed(known, "twin_infohash", known.twin_infohash, found.twin_infohash)
    if known.obsolete and not found.obsolete:
        yield BrokenRule("withdrawn shard offered again", f"{known.name} was obsolete", known.name)
    elif known.obsolete:
        for field in ENDED:
            old, new = getattr(known, field), getattr(found, field)
            if old != new:
                yield _changed(known, field, old, new)
    elif found.obsolete and found.obsolete_since != serial:
        yield _changed(known, "obsolete_since", f"not set before serial {serial}", found.obsolete_since)
    if found.obsolete and known.links != _links(found):
        what = f"the links of {known.name}, which is obsolete, are not those of the last release in which it was live"
        yield BrokenRule("changed shard", what, known.name)


def _changed(shard: KeptShard, field: str, old: object, new: object) -> BrokenRule:
    """Return the broken rule for a changed field of a published shard."""
    what = f"{field} of {shard.name} was {display_text(str(old), 80)} and is {display_text(str(new), 80)}"
    return BrokenRule("changed shard", f"{what}; what is published cannot change", shard.name)


def _withdrawal_changes(kept: KeptEntries, release: Release) -> Iterator[BrokenRule]:
    """Yield changed withdrawals, and new ones with a wrong serial."""
    listed = {(each.id, each.since): each for each in release.withdrawals}
    for known in kept.withdrawals:
        name = display_text(known.id, 80)
        found = listed.pop((known.id, known.since), None)
        if found is None:
            what = f'"{name}", withdrawn since serial {known.since}, is not in the withdrawals any more'
            yield BrokenRule("withdrawn record offered again", what)
            continue
        for field in ("date", "reason"):
            old, new = getattr(known, field), getattr(found, field)
            if old not in (None, new):
                yield BrokenRule(
                    "changed withdrawal",
                    f'the {field} of "{name}" was {display_text(old, 80)} and is {display_text(new, 80)}',
                )
        for shard in known.shards:
            if shard not in found.shards:
                yield BrokenRule("changed withdrawal", f'"{name}" does not name {shard} any more, which contains it')
        if found.lifted != known.lifted and (known.lifted or found.lifted != release.serial):
            what = f'"{name}" is lifted in serial {found.lifted or "none"}, which is not this release'
            yield BrokenRule("changed withdrawal", what)
        for field in ("title", "artist", "files"):
            if getattr(found, field) and getattr(found, field) != getattr(known, field):
                yield BrokenRule("changed withdrawal", f'{field} of "{name}" changed; it may only be left out')
    for each in listed.values():
        if each.since != release.serial:
            what = f'"{display_text(each.id, 80)}" is new and says that it is withdrawn since serial {each.since}'
            yield BrokenRule("backdated withdrawal", what)


class FollowedState(KeptEntries, frozen=True, kw_only=True):
    """The state that a mirror keeps of the last accepted release.

    digest: SHA-256 of that release.json's bytes, hex. keys: public key lines, the pinned one first, then each
    that a release named as next; the last one signs the next release.
    """

    format: int
    type: Literal["followed"]
    digest: str
    keys: tuple[str, ...]


def staleness_warning(followed: FollowedState, *, now: str, max_age: int) -> str | None:
    """Return a warning if the last accepted release is older than max_age seconds, or has a date after now.

    now: RFC 3339. This is never an error, because an archive may be finished. But it is the only sign that a server
    withholds newer releases.
    """
    age = units.timestamp(now) - units.timestamp(followed.date)
    name = f"serial {followed.serial} of {followed.collection}"
    if age > max_age:
        age_text = f"{units.format_seconds(age)} old, more than {units.format_seconds(max_age)}"
        return f"{name} is {age_text}: there may be a newer one that this mirror cannot see"
    if age < -_DAY:
        return f"{name} is dated {followed.date}, which is in the future: a clock is wrong, here or at the publisher"
    return None
