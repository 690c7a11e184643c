"""Build a release document from packed shards: states of phases, facts of shards, the link to the one before. Pure."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import msgspec

from packager.core.bittorrent.magnet import format_magnet
from packager.core.config.parse_config import phase_key
from packager.core.releases import documents
from packager.core.releases.kept_entries import ENDED, LINKS, broken_rules, kept_entries
from packager.core.releases.minisign_key import PublicKey
from packager.errors import InputError
from packager.model import (
    CollectionFacts,
    Container,
    Infohash,
    Manifest,
    PhaseState,
    Plan,
    PlannedPhase,
    PublishedFile,
    Release,
    ReleasePhase,
    ReleaseShard,
    ShardName,
    Superseded,
    Withdrawal,
)
from packager.options import Config


class PackedShard(msgspec.Struct, frozen=True, kw_only=True):
    """A packed shard's manifest and its published files."""

    manifest: Manifest
    torrent: PublishedFile
    document: PublishedFile  # NAME.manifest.json
    members_table: PublishedFile
    members_tsv: PublishedFile
    twin_torrent: PublishedFile | None = None


def next_release(
    plan: Plan,
    config: Config,
    shards: list[PackedShard],
    *,
    published: set[str],
    closed: Mapping[str, str],
    catalogue_records: int,
    last: tuple[Release, bytes] | None,
    date: str,
    withdrawals: tuple[Withdrawal, ...] = (),
    next_key: PublicKey | None = None,
    unread: int = 0,
) -> Release:
    """Return the release that lists `shards`, or the last one if only the date would change.

    shards: those of the open phases, and all that are obsolete, in any order. published: names of the phases
    that are open to readers. closed: the dates until which the other phases stay closed, by
    name. last: the release before, and its bytes. withdrawals: all of them, `all_withdrawals`. next_key: the
    key that signs the next releases, if it changes. unread: number of files and folders that
    could not be read. Raises InputError if a published shard would change or vanish, because torrents cannot
    change, and for a date before the last release's.
    """
    before = {shard.name: shard for shard in last[0].shards} if last else {}
    serial = last[0].serial + 1 if last else 1
    named = {shard.manifest.name for shard in shards}
    ended = {
        gone.name: msgspec.structs.replace(gone, by=tuple(name for name in gone.by if name in named))  # others wait
        for gone in plan.superseded
    }
    listing = _Listing(config, before, ended, date, serial)
    place = {phase.name: at for at, phase in enumerate(plan.phases)}
    listed = tuple(
        sorted(map(listing.shard, shards), key=lambda shard: (place.get(shard.phase, len(place)), shard.number)),
    )
    release = Release(
        format=documents.FORMAT,
        type="release",
        serial=serial,
        date=date,
        previous=documents.digest(last[1]) if last else None,
        collection=collection_facts(config),
        base_url=config.release.url,
        catalogue_records=catalogue_records,
        phases=_phases(plan, published, closed, opened=opened_phases(last[0] if last else None)),
        shards=listed,
        withdrawals=withdrawals,
        next_key=next_key.line if next_key else None,
        unread=unread,
    )
    if last and _content(release) == _content(last[0]):
        return last[0]
    if last and date < last[0].date:
        raise _date_goes_back(date, last[0])
    if last:
        _check_kept(last[0], release)
    return release


def collection_facts(config: Config) -> CollectionFacts:
    """Return the collection's facts for a release."""
    return CollectionFacts(**{name: getattr(config.collection, name) for name in CollectionFacts.__struct_fields__})


def check_date(config: Config, last: Release | None) -> None:
    """Raise InputError for a release date in the config that is before the last release's."""
    if last and config.release.date and config.release.date < last.date:
        raise _date_goes_back(config.release.date, last)


def _date_goes_back(date: str, last: Release) -> InputError:
    """Return the error for a release date that is before the last one's."""
    what = f'"{date}" is before the last release, of {last.date}'
    return InputError("packager.toml: release.date", what, "write a later date, or remove the line")


def not_before(last: Release | None, now: str) -> str:
    """Return `now`, or the date of the last release if that is later, because dates of releases never go back."""
    return max(now, last.date) if last else now


def embargoes(config: Config, *, published: Collection[str], now: str) -> dict[str, str]:
    """Return when each phase under embargo opens, by name.

    now: RFC 3339. published: names of published phases, which stay open.
    """
    return {
        phase.name: phase.embargo
        for phase in config.phases
        if phase.embargo and phase.embargo > now and phase.name not in published
    }


def closed_phases(
    config: Config, *, published: Collection[str], asked: Collection[str], now: str, latest: str
) -> dict[str, str]:
    """Return the phases under embargo, and when they open.

    now: RFC 3339. latest: now, or the last release's date if that is later; phases opened by then stay open, even if
    the clock went back. Raises InputError for a closed phase that is published already or selected by the user.
    """
    closed = {
        phase.name: phase.embargo
        for phase in config.phases
        if phase.embargo and phase.embargo > (latest if phase.name in published else now)
    }
    for index, phase in enumerate(config.phases):
        if phase.name in closed and phase.name in published:
            what = f"{closed[phase.name][:10]} is in the future, but the phase is published"
            raise InputError(phase_key("packager.toml", index, "embargo"), what, "remove the line")
    for name in asked:
        if name in closed:
            what = f'"{name}" is under embargo until {closed[name][:10]}'
            raise InputError("--phase", what, "wait, or change its embargo in packager.toml")
    return closed


def check_signer(last: Release, key: PublicKey) -> None:
    """Refuse to sign the next release with a key other than the one named in `last`.

    Raises InputError: every mirror would refuse such a release.
    """
    if last.next_key is not None and key.line != last.next_key:
        named = PublicKey.parse(last.next_key)
        raise InputError(
            "release.secret_key",
            f"is the key {key.name}, but serial {last.serial} names {named.name} for the next releases",
            f"name the secret key of {named.name}; mirrors accept no other",
        )


def _content(release: Release) -> Release:
    """Return a release without the fields that differ between releases of the same content."""
    return msgspec.structs.replace(release, serial=0, date="", previous=None)


def _check_kept(last: Release, release: Release) -> None:
    """Raise InputError for a release that breaks a rule against the last one: every reader would refuse it."""
    for broken in broken_rules(kept_entries(last), release):
        if broken.shard is not None:
            raise published_shard_error(broken.shard)
        raise InputError(f"release {release.serial}", str(broken), "every reader would refuse it: report this as a bug")


def published_shard_error(name: ShardName) -> InputError:
    """Return the error for a published shard that the plan would change or drop."""
    return InputError(
        name,
        "published already, but this plan would change or drop it; a torrent cannot change",
        "restore the collection and the config it was cut from, or cut a new collection under another name",
    )


def opened_phases(last: Release | None) -> set[str]:
    """Return the names of the phases that the last release has published; they always stay published."""
    return {phase.name for phase in last.phases if phase.state == "published"} if last else set()


def check_publishable(
    plan: Plan,
    *,
    published: Collection[str],
    asked: Collection[str],
    closed: Mapping[str, str],
    last: Release | None,
) -> None:
    """Raise InputError if a release would list no shard, or if a selected phase has none.

    published: names of the phases that are open to readers. closed: when the others open.
    """
    filled = {phase.name for phase in plan.phases if phase.shards}
    empty = {phase.name for phase in plan.phases} - filled - opened_phases(last)
    for name in asked:
        if name in empty:
            what = f'"{name}" selects no record, so there is nothing to publish'
            raise InputError("--phase", what, "change its where in packager.toml, then run: packager release")
    if filled.intersection(published) or (last and last.shards):
        return
    what = "nothing would be published: no phase that is open selects a record"
    if dates := [date for name, date in closed.items() if name in filled]:
        what = f"nothing would be published: all phases with files are under embargo until {min(dates)}"
    raise InputError("packager.toml: phases", what, "change an embargo or a where")


def _phases(
    plan: Plan, published: set[str], closed: Mapping[str, str], *, opened: Collection[str]
) -> tuple[ReleasePhase, ...]:
    """Return the phases: the published ones, the first of the others as next, and the rest as planned.

    A phase without shards is planned, unless it was published before (`opened`).
    """
    phases = []
    waiting: PhaseState = "next"
    for phase in plan.phases:
        state: PhaseState = "published"
        if not phase.shards and phase.name not in opened:
            state = "planned"
        elif phase.name not in published:
            state, waiting = waiting, "planned"
        phases.append(_phase(phase, state, closed.get(phase.name)))
    return tuple(phases)


def _phase(phase: PlannedPhase, state: PhaseState, embargo: str | None) -> ReleasePhase:
    """Return a phase's entry."""
    return ReleasePhase(
        name=phase.name,
        title=phase.title,
        state=state,
        content=phase.content,
        records=phase.records,
        files=phase.files,
        payload=phase.payload,
        size=sum(shard.size for shard in phase.shards),
        shards=len(phase.shards),
        embargo=embargo,
    )


@dataclass(frozen=True)
class _Listing:
    """Facts for listing shards that are not in their manifests. before: the shards of the last release."""

    config: Config
    before: Mapping[ShardName, ReleaseShard]
    superseded: Mapping[ShardName, Superseded]
    date: str
    serial: int

    def shard(self, shard: PackedShard) -> ReleaseShard:
        """Return a shard's entry."""
        facts = shard.manifest
        twin = facts.twin_infohash
        known = self.before.get(facts.name)
        listed = ReleaseShard(
            name=facts.name,
            phase=facts.phase,
            number=facts.number,
            container=facts.container,
            file=facts.file,
            size=facts.size,
            payload=facts.payload,
            members=facts.members,
            added=known.added if known else self.date,
            piece_length=facts.piece_length,
            pieces_root=facts.pieces_root,
            infohash_v1=facts.infohash_v1,
            infohash_v2=facts.infohash_v2,
            magnet=_magnet(facts, self.config, facts.infohash_v1, facts.infohash_v2),
            torrent=shard.torrent,
            manifest=shard.document,
            members_table=shard.members_table,
            members_tsv=shard.members_tsv,
            twin_infohash=twin,
            twin_magnet=_magnet(facts, self.config, twin, None) if twin else None,
            twin_torrent=shard.twin_torrent,
            sha256=facts.sha256,
            since=known.since if known else self.serial,
            withdrawn=facts.withdrawn,
        )
        return self._ended(listed, known)

    def _ended(self, listed: ReleaseShard, known: ReleaseShard | None) -> ReleaseShard:
        """Return the shard; if it is obsolete, with the reason, and with its links as they were listed."""
        end = self.superseded.get(listed.name)
        if known is None or not (known.obsolete or end):
            return listed
        kept = {name: getattr(known, name) for name in (*LINKS, *ENDED)}
        if end and not known.obsolete:
            new = (True, self.serial, end.by, end.reason)
            kept |= dict(zip(ENDED, new, strict=True))
        return msgspec.structs.replace(listed, **kept)


def _magnet(facts: Manifest, config: Config, v1: Infohash | None, v2: Infohash | None) -> str:
    """Return the magnet link of a packed shard with these infohashes."""
    return shard_magnet(config, facts.file, facts.container, facts.size, v1=v1, v2=v2)


def shard_magnet(
    config: Config, file: str, container: Container, size: int, *, v1: Infohash | None, v2: Infohash | None
) -> str:
    """Return the magnet link of a shard's file; a web seed of a folder is the folder above it (BEP 19)."""
    options = config.torrents
    seeds = options.web_seeds
    if container == "tar":
        seeds = tuple(url + file if url.endswith("/") else url for url in seeds)
    return format_magnet(
        infohash_v1=v1,
        infohash_v2=v2,
        name=file,
        size=size,
        trackers=[url for tier in options.trackers for url in tier],
        web_seeds=seeds,
    )
