"""One step of a mirror: check the newest release, choose shards, show the plan, then save documents and state.

The state changes only after everything was checked. fetch_shards.py fetches the shards.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import msgspec

from packager.core.releases import documents
from packager.core.releases.kept_entries import staleness_warning
from packager.core.releases.minisign_key import PublicKey
from packager.core.reports.mirror_reports import (
    ChangedSetting,
    MirrorPlan,
    PlannedDownload,
    Removable,
    SeedCountSource,
    WithdrawnLocally,
)
from packager.engine.files import atomic_files
from packager.engine.project.key_files import read_public
from packager.engine.published.accept_release import AcceptedRelease, accept_next, accept_release
from packager.engine.published.release_reader import RELEASE, ReleaseReader, open_release_reader
from packager.errors import InputError, TrustError
from packager.mirror import fetch_documents, local_shards
from packager.mirror.choose_for_disk import DiskChoice, choose_for_disk
from packager.mirror.context import OfferedKey, RunContext
from packager.mirror.find_seed_counts import find_seed_counts
from packager.mirror.local_shards import LocalShard
from packager.mirror.mirror_options import MirrorTask, reach_of
from packager.mirror.mirror_settings import Settings
from packager.mirror.mirror_toml import format_time
from packager.mirror.state import ChosenShard, MirrorFolder, MirrorState
from packager.model import Release, ReleaseShard, ShardName
from packager.paths import display_text
from packager.units import format_limit


@dataclass(frozen=True)
class StepResult:
    """A step that was applied, or only planned. mirror: the state after it, or None."""

    plan: MirrorPlan
    warnings: tuple[str, ...]
    mirror: MirrorState | None
    shards: tuple[ReleaseShard, ...]  # chosen
    release: Release


def follow_release(
    folder: MirrorFolder, keep: Settings, settings: Settings, task: MirrorTask, around: RunContext
) -> StepResult:
    """Accept the newest release and choose shards. The caller must have locked the state, unless it is a dry run.

    keep: the settings for mirror.toml. settings: those of this run. Raises TrustError for what is refused; then, as
    for a dry run, nothing was written.
    """
    held = folder.load()
    with open_release_reader(settings.source, seconds=settings.timeout, allowed=settings.allowed) as source:
        newest = _newest(source, held, settings, task, around)
        if newest.followed.keys and keep.key is None:
            keep = msgspec.structs.replace(keep, key=newest.followed.keys[0])
        seeds, counted_by = find_seed_counts(source, newest.release, settings, reach_of(settings), around)
        proofs = folder.proofs()
        read = partial(fetch_documents.read_torrent, folder, source)
        lying = local_shards.find_local_shards(folder, newest.release, proofs, read, may_write=True)
        room, now = around.free(folder.folder), around.clocks.now()
        selection = choose_for_disk(
            newest.release,
            settings,
            seeds,
            lying=lying,
            chosen_before=_stayed_with(held, settings),
            free=room,
            now=now,
            without_documents=_without_documents(settings.source, folder, newest.release),
        )
        fetched = local_shards.fetched_here(held, proofs)
        to_remove = local_shards.removable(
            newest.release, lying, (each.name for each in selection.chosen), fetched, now=now
        )
        plan = _plan(
            keep, newest, selection, lying, held, free=room, seeds=seeds, counted_by=counted_by, removable=to_remove
        )
        warnings = (*_warnings(newest, settings, now), *filter(None, [folder.proofs_fault()]))
        shards = _chosen_shards(newest.release, selection)
        if task.dry_run or not around.ask.plan(plan):
            return StepResult(plan, warnings, None, shards, newest.release)
        mirror = _mirror(keep, newest, selection, held, now)
        _fetch_documents(folder, source, shards, around)
    folder.save_settings(keep)
    if mirror != held or not folder.is_kept(mirror, newest.body, newest.minisig):
        folder.save(mirror, newest.body, newest.minisig)
    return StepResult(plan, warnings, mirror, shards, newest.release)


def _newest(
    source: ReleaseReader, held: MirrorState | None, settings: Settings, task: MirrorTask, around: RunContext
) -> AcceptedRelease:
    """Return the newest release, checked with the pinned key or with one that the user accepts now."""
    options = task.options
    named = "--key" if options.key is not None else "mirror.toml: follow[0].key"
    written = settings.key if options.key is None else options.key
    key = None if written is None else read_public(written)
    if held is None:
        if settings.allow_unsigned and key is not None:
            raise InputError("", "--allow-unsigned cannot be used with --key", "remove one of them")
        if settings.allow_unsigned:
            around.progress.note(
                "NOT SIGNED: nothing proves who made this release; only that later ones follow from it"
            )
        confirm = None if settings.allow_unsigned else partial(_confirm_key, source, around)
        if options.from_serial is None:
            return accept_release(source, key, confirm=confirm)
        first = accept_release(source, key, confirm=confirm, path=f"releases/{options.from_serial}.json")
        return accept_next(source, first.followed)
    pinned = held.followed.keys
    if key is not None and key.line not in pinned:
        name = PublicKey.parse(pinned[0]).name if pinned else "none"
        fix = "to follow the release by another key, use another folder"
        raise InputError(named, f"{key.name} is not the key pinned here ({name})", fix)
    if options.allow_unsigned and pinned:
        raise InputError("--allow-unsigned", "this mirror has a key already", "remove it")
    return accept_next(source, held.followed)


def _confirm_key(source: ReleaseReader, around: RunContext, key: PublicKey) -> bool:
    """Return whether the user trusts the key beside the release, after its facts were shown."""
    body = source.read(RELEASE, documents.LIMIT)
    try:
        release = documents.from_bytes(body, Release, RELEASE)
    except InputError as error:
        raise TrustError(RELEASE, f"malformed: {error.what}", "do not use it; ask the publisher") from error
    title = display_text(release.collection.title)
    return around.ask.key(OfferedKey(key, title, release.serial, display_text(release.date[:10])))


def _without_documents(source: str, folder: MirrorFolder, release: Release) -> list[ShardName]:
    """Return the shards of which both a source folder and this mirror lack a document; empty if the source is a URL.

    Another mirror as the source has only the documents of its own shards.
    """
    if "://" in source:
        return []
    places = (Path(source), folder.release)
    return [
        shard.name
        for shard in release.shards
        if not shard.obsolete
        and not all(any((place / file.path).is_file() for place in places) for file in shard.documents)
    ]


def _stayed_with(held: MirrorState | None, settings: Settings) -> tuple[ShardName, ...]:
    """Return the shards that were chosen before; empty if the settings changed."""
    if held is None:
        return ()
    for wish in ("strategy", "mirror_id", "phases", "where", "budget"):
        if getattr(held.settings, wish) != getattr(settings, wish):
            return ()
    return tuple(each.name for each in held.chosen)


def _warnings(newest: AcceptedRelease, settings: Settings, now: str) -> tuple[str, ...]:
    """Return warnings about the release."""
    warnings = [staleness_warning(newest.followed, now=now, max_age=settings.warn_age)]
    if not newest.followed.keys:
        warnings.append("not signed: nothing proves who made this release")
    return tuple(warning for warning in warnings if warning is not None)


def _plan(
    settings: Settings,
    newest: AcceptedRelease,
    selection: DiskChoice,
    lying: dict[ShardName, LocalShard],
    held: MirrorState | None,
    *,
    free: int,
    seeds: Mapping[ShardName, int | None],
    counted_by: SeedCountSource,
    removable: tuple[Removable, ...],
) -> MirrorPlan:
    """Return the plan to show."""
    phases = {shard.name: shard.phase for shard in newest.release.shards}
    chosen = tuple(
        PlannedDownload(
            name=each.name,
            phase=phases[each.name],
            size=each.size,
            seeders=seeds.get(each.name),
            on_disk=lying.get(each.name, local_shards.NOTHING).state,
            reason=each.why if each.name in lying or each.why != "held already" else "chosen before",
        )
        for each in selection.chosen
    )
    return MirrorPlan(
        collection=newest.followed.collection,
        serial=newest.followed.serial,
        previous=held.followed.serial if held else None,
        date=newest.followed.date,
        key=newest.followed.keys[0] if newest.followed.keys else None,
        evidence=newest.evidence(display_text(settings.source)),
        strategy=settings.strategy,
        budget=settings.budget,
        chosen=chosen,
        size=sum(each.size for each in chosen),
        documents=sum(each.documents for each in selection.chosen),
        download_size=sum(each.size for each in chosen if each.on_disk != "complete"),
        free_space=free,
        reserve=settings.reserve,
        left_out=selection.left_out,
        removable=removable,
        obsolete=_newly_obsolete(newest.release, held),
        withdrawn=_newly_withdrawn(newest.release, held, lying),
        counted_by=counted_by,
        changed=_changed(held, settings),
    )


def _changed(held: MirrorState | None, settings: Settings) -> tuple[ChangedSetting, ...]:
    """Return the settings that differ from the saved ones."""
    if held is None:
        return ()
    return tuple(
        ChangedSetting(name=name, before=_text(name, before), now=_text(name, now))
        for name in Settings.__struct_fields__
        if name != "key" and (before := getattr(held.settings, name)) != (now := getattr(settings, name))
    )


def _text(name: str, value: object) -> str:
    """Return a setting as text."""
    if value is None:
        return "all"
    if name in ("budget", "reserve") and isinstance(value, int):
        return format_limit(value)
    if name in ("upload_limit", "download_limit") and isinstance(value, int):
        return f"{format_limit(value)}/s" if value else "none"
    if name in ("warn_age", "check_every", "timeout") and isinstance(value, int | float):
        return format_time(value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return display_text((", ".join(map(str, value)) or "none") if isinstance(value, tuple) else str(value))


def _newly_obsolete(release: Release, held: MirrorState | None) -> tuple[str, ...]:
    """Return the shards that became obsolete since the last accepted release."""
    before = {shard.name for shard in held.followed.shards if not shard.obsolete} if held else set()
    return tuple(shard.name for shard in release.shards if shard.obsolete and shard.name in before)


def _newly_withdrawn(
    release: Release, held: MirrorState | None, lying: dict[ShardName, LocalShard]
) -> tuple[WithdrawnLocally, ...]:
    """Return the records withdrawn since the last accepted release, or all if there is none; lifted ones left out."""
    before = {each.id for each in held.followed.withdrawals if not each.lifted} if held else set()
    return tuple(
        WithdrawnLocally(
            id=display_text(each.id),
            reason=display_text(each.reason),
            date=each.date,
            local_tars=tuple(name for name in each.shards if name in lying),
        )
        for each in release.in_force
        if each.id not in before
    )


def _chosen_shards(release: Release, selection: DiskChoice) -> tuple[ReleaseShard, ...]:
    """Return the chosen shards as the release lists them, best first."""
    by_name = {shard.name: shard for shard in release.shards}
    return tuple(by_name[each.name] for each in selection.chosen)


def _mirror(
    settings: Settings, newest: AcceptedRelease, selection: DiskChoice, held: MirrorState | None, now: str
) -> MirrorState:
    """Return the state after this step."""
    taken = {each.name: ChosenShard(name=each.name, why=display_text(each.why), since=now) for each in selection.chosen}
    stayed = [each for each in (held.chosen if held else ()) if taken.pop(each.name, None)]
    chosen = (*stayed, *taken.values())
    names = {each.name for each in chosen}
    before = {*held.dropped, *(each.name for each in held.chosen)} if held else set()
    return MirrorState(
        format=documents.FORMAT,
        type="mirror",
        settings=settings,
        followed=newest.followed,
        chosen=chosen,
        dropped=tuple(sorted(before - names)),
    )


def _fetch_documents(
    folder: MirrorFolder, source: ReleaseReader, shards: tuple[ReleaseShard, ...], around: RunContext
) -> None:
    """Fetch and check the shards' documents, and move them into place when all of them are right."""
    try:
        atomic_files.remove_tree(folder.incoming)  # left by a killed run
        fetch_documents.place(folder, fetch_documents.fetch_documents(folder, source, shards, around))
    finally:
        atomic_files.remove_tree(folder.incoming)
