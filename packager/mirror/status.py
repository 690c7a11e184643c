"""What a mirror holds and what its client says of it; the chosen magnet links. Nothing is written."""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial

from packager.core.releases.kept_entries import staleness_warning
from packager.core.releases.withheld_shards import SharingRule
from packager.core.reports.mirror_reports import Health, MirrorShard, MirrorStatus
from packager.core.reports.withheld import Withheld
from packager.engine.clients import ClientTorrent, open_client
from packager.errors import PackagerError
from packager.mirror import local_shards
from packager.mirror.context import Clocks
from packager.mirror.fetch_documents import read_torrent
from packager.mirror.local_shards import LocalShard, fetched_here, is_proved, is_unchanged, removable
from packager.mirror.mirror import BUILTIN, NONE
from packager.mirror.state import MirrorFolder, VerifiedTar
from packager.model import ReleaseShard, ShardName


def mirror_status(folder: MirrorFolder, clocks: Clocks, *, ask_client: bool) -> MirrorStatus:
    """Return the status of each shard that is chosen or here.

    ask_client: whether the client is asked for seeding, ratio and peers. Raises InputError if this is not a mirror.
    """
    mirror = folder.required()
    settings = folder.settings() or mirror.settings
    trusted = folder.trusted_release(mirror)
    release = trusted.release
    read = partial(read_torrent, folder, None)
    lying = local_shards.find_local_shards(folder, release, folder.proofs(), read, may_write=False)
    chosen = {each.name for each in mirror.chosen}
    shards = [shard for shard in release.shards if shard.name in chosen or shard.name in lying]
    proofs = folder.proofs()
    now = clocks.now()
    stale = staleness_warning(mirror.followed, now=now, max_age=settings.warn_age)
    warnings = [stale, folder.proofs_fault()]
    hand_out = SharingRule(release, now=now)
    told, trouble = _ask(folder, settings.client, shards, clocks, proofs) if ask_client else (None, None)
    held = [
        _held(
            shard,
            _state(lying, shard),
            chosen=shard.name in chosen,
            withheld=hand_out.withheld(shard.name),
            proof=proofs.get(shard.name),
            said=(told or {}).get(shard.name),
        )
        for shard in shards
    ]
    return MirrorStatus(
        release=settings.source,
        collection=mirror.followed.collection,
        serial=mirror.followed.serial,
        date=mirror.followed.date,
        key=mirror.followed.keys[0] if mirror.followed.keys else None,
        evidence=trusted.evidence,
        budget=settings.budget,
        client=settings.client,
        reachable=told is not None,
        shards=tuple(held),
        complete_size=sum(each.size for each in held if each.on_disk == "complete"),
        removable=removable(release, lying, chosen, fetched_here(mirror, proofs), now=now),
        warnings=tuple(each for each in (*warnings, trouble) if each is not None),
        health=_health(held, settings.client, stale=stale is not None),
    )


def _health(held: Sequence[MirrorShard], client: str, *, stale: bool) -> Health:
    """Return the health of a mirror, for monitoring programs."""
    chosen = [each for each in held if each.chosen]
    if any(each.bad for each in chosen):
        return "damaged"
    unchecked = client == BUILTIN and any(each.verified is None for each in chosen)
    coming = any(each.on_disk != "complete" or (1.0 if each.progress is None else each.progress) < 1 for each in chosen)
    if coming or unchecked or not chosen:
        return "incomplete"
    return "old" if stale else "healthy"


def mirror_magnets(folder: MirrorFolder, now: str) -> tuple[str, ...]:
    """Return the magnet links of the chosen shards, best first, without those that are obsolete or withheld.

    now: RFC 3339. Raises InputError if no release is followed here.
    """
    mirror = folder.required()
    links = {shard.name: shard.magnet for shard in SharingRule(folder.load_release(mirror), now=now).offered()}
    return tuple(links[each.name] for each in mirror.chosen if each.name in links)


def _state(lying: Mapping[ShardName, LocalShard], shard: ReleaseShard) -> LocalShard:
    """Return the state of a shard's tar."""
    return lying.get(shard.name, local_shards.NOTHING)


def _held(
    shard: ReleaseShard,
    lying: LocalShard,
    *,
    chosen: bool,
    withheld: Withheld | None,
    proof: VerifiedTar | None,
    said: ClientTorrent | None,
) -> MirrorShard:
    """Return the status of one shard."""
    return MirrorShard(
        name=shard.name,
        size=shard.size,
        chosen=chosen,
        on_disk="partial" if lying.state == "complete" and said and said.progress not in (None, 1) else lying.state,
        obsolete=shard.obsolete,
        withheld=withheld.reason if withheld else None,
        verified=proof.verified if proof is not None and is_proved(proof, lying) else None,
        progress=said.progress if said else None,
        seeding=said.seeding if said else None,
        ratio=said.ratio if said else None,
        peers=said.peers if said else None,
        bad=proof.bad if proof is not None and is_unchanged(proof, lying) else 0,
    )


def _ask(
    folder: MirrorFolder,
    spec: str,
    shards: Iterable[ReleaseShard],
    clocks: Clocks,
    proofs: Mapping[ShardName, VerifiedTar],
) -> tuple[dict[ShardName, ClientTorrent] | None, str | None]:
    """Return the shards' state in the client; or None, and why the client did not answer."""
    if spec == NONE:
        return None, None
    if spec == BUILTIN:
        live = folder.live(clocks.unix())
        if live is None:
            return None, "the built-in client does not run; start it with: packager mirror run"
        ratios = {shard.name: proofs.get(shard.name, VerifiedTar()).uploaded / max(1, shard.size) for shard in shards}
        return {
            name: ClientTorrent(
                name=name, progress=share, seeding=seeding, ratio=ratios.get(name, 0.0), peers=peers, path=None
            )
            for name, (share, seeding, peers) in live.shards.items()
        }, None
    try:
        held = open_client(spec).held()
    except PackagerError as error:
        return None, str(error)
    known = {shard.name: next((held[key] for key in shard.infohashes if key in held), None) for shard in shards}
    return {name: one for name, one in known.items() if one is not None}, None
