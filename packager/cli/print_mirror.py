"""A mirror's plan, what was done, and what it holds, as text."""

import shlex
from collections.abc import Sequence
from pathlib import Path

from packager.cli import output
from packager.core.releases.minisign_key import PublicKey
from packager.core.reports.mirror_reports import (
    FetchReport,
    MirrorPlan,
    MirrorReport,
    MirrorShard,
    MirrorStatus,
    Removable,
    SeedCountSource,
)
from packager.paths import display_text
from packager.units import count_of, format_limit, format_seconds, format_size

WITHDRAWN = 20  # records that are printed


_STATES = {"complete": "complete", "unchecked": "check", "partial": "resume", "missing": "fetch", "blocked": "blocked"}


def is_new(made: MirrorPlan) -> bool:
    """Say whether a plan fetches or changes anything."""
    return bool(made.download_size or made.changed or made.previous is None or made.withdrawn or made.obsolete)


def disk_line(made: MirrorPlan) -> str:
    """Return what is free on the disk, and what of it stays free."""
    return f"Disk: {format_size(made.free_space)} free; {format_limit(made.reserve)} of that stays free."


def print_plan(made: MirrorPlan) -> None:
    """Print which shards are chosen, what they take, and what changes."""
    signed = f"signed by key {PublicKey.parse(made.key).name}" if made.key else "NOT SIGNED"
    output.print_message(f"{made.collection}, release {made.serial} of {made.date[:10]}, {signed}")
    rows = [
        (
            each.name,
            each.phase,
            format_size(each.size),
            "unknown" if each.seeders is None else f"{each.seeders:,}",
            _STATES[each.on_disk],
        )
        for each in made.chosen
    ]
    output.print_table(("SHARD", "PHASE", "SIZE", "SEEDERS", "STATE"), rows, right=(2, 3))
    for change in made.changed:
        output.print_message(f"changed: {change.name.replace('_', '-')}: {change.before} -> {change.now}")
    for name in made.obsolete:
        output.print_message(f"obsolete now: {name}")
    for record in made.withdrawn[:WITHDRAWN]:
        held = f"; it is in {', '.join(record.local_tars)}" if record.local_tars else ""
        output.print_message(f"withdrawn: {record.id}: {record.reason}{held}")
    if len(made.withdrawn) > WITHDRAWN:
        output.print_message(
            f"and {count_of(len(made.withdrawn) - WITHDRAWN, 'more record')} withdrawn; --json has all"
        )
    for issue in made.left_out:
        output.print_message(f"left out: {issue.where}: {issue.what}")
    _removable(made.removable)
    if made.counted_by.source != "nobody":
        output.print_message(_counted_by(made.counted_by))
    for each in made.counted_by.trackers:
        if each.error:
            output.print_message(f"  {each.tracker}: {each.error}")
    shards, total = count_of(len(made.chosen), "shard"), format_size(made.size + made.documents)
    output.print_message(
        f"{shards}, {format_size(made.size)}, and the documents, {format_size(made.documents)}: {total} of "
        f"{format_limit(made.budget)}."
    )


def _removable(tars: Sequence[Removable]) -> None:
    """Print the tars that should be deleted, with the command, and those that may be."""
    ended = [each for each in tars if each.ended]
    for each in tars:
        if not each.ended:
            output.print_message(f"may be removed: {each.name}.tar, {format_size(each.size)}: {each.reason}")
    for each in ended:
        ours = "" if each.prune else "; this mirror did not fetch it, so delete it yourself"
        output.print_message(f"should be deleted: {each.name}.tar, {format_size(each.size)}: {each.reason}{ours}")
    ours_too = [each.size for each in ended if each.prune]
    if ours_too:
        what = f"{count_of(len(ours_too), 'tar')} should be deleted ({format_size(sum(ours_too))})"
        output.print_message(f"{what}. Run: packager mirror prune")


def _counted_by(counted: SeedCountSource) -> str:
    """Return where the seed counts come from."""
    sources = {"list": "the release's list", "trackers": "its trackers", "dht": "the DHT (peers, seeds or not)"}
    when = f", of {counted.counted_at[:16].replace('T', ' ')}" if counted.counted_at else ""
    known = f"{counted.known:,} of {count_of(counted.total, 'shard')}"
    return f"Seeders: from {sources[counted.source]}{when}; known for {known}."


def _command(name: str, folder: Path | None) -> str:
    """Return a command of the same mirror."""
    return f"packager mirror {name}" + (f" {shlex.quote(display_text(str(folder)))}" if folder is not None else "")


def print_report(done: MirrorReport, folder: Path | None, *, fetch: bool) -> None:
    """Print what `follow` or `sync` did, and what to do next. folder: as the user named it."""
    plan, size = done.plan, format_size(done.plan.size)
    _print_client(done)
    shards = count_of(len(plan.chosen), "shard")
    if done.client not in ("builtin", "none") and fetch:
        added = count_of(len(done.added), "shard")
        output.print_message(f"{added} added to {done.client}; {shards} chosen, {size}.")
        output.next_step(_command("status", folder))
    elif done.fetched is not None:
        _print_unfinished(done.fetched)
        complete = done.fetched.complete
        if done.complete and not is_new(plan) and plan.previous == plan.serial:
            all_are = "its shard is" if len(plan.chosen) == 1 else f"all {shards} are"
            output.print_message(f"Release {plan.serial} is still the newest; {all_are} complete.")
        else:
            have = sum(each.size for each in plan.chosen) if done.complete else None
            amount = f", {format_size(have)}" if have is not None else ""
            are = "is" if len(plan.chosen) == 1 else "are"
            output.print_message(f"{complete:,} of {shards} {are} complete and checked{amount}.")
        output.next_step(_command("run" if done.complete else "sync", folder))
    elif not plan.chosen:
        output.print_message("No shard is chosen.")
    else:
        output.print_message(f"{shards} chosen, {size}; nothing was fetched.")
        output.next_step(_command("sync" if done.client != "none" else "magnets", folder))


def print_run(done: MirrorReport) -> None:
    """Print what `run` did until it was stopped."""
    _print_client(done)
    if done.fetched is None:
        output.print_message("Stopped.")
        return
    _print_unfinished(done.fetched)
    sent, received = format_size(done.fetched.uploaded), format_size(done.fetched.downloaded)
    output.print_message(f"Stopped. Sent {sent}, received {received} in {format_seconds(done.fetched.seconds)}.")


def _print_client(done: MirrorReport) -> None:
    """Print what a client stopped and refused."""
    for name in done.stopped:
        output.print_message(f"stopped in {done.client}: {name}: it must not be shared any more")
    for issue in done.refused:
        output.print_message(f"refused by {done.client}: {issue.where}: {issue.what}")


def _print_unfinished(fetched: FetchReport) -> None:
    """Print the shards that are not complete."""
    for shard in fetched.shards:
        if shard.state != "seeding":
            why = f": {shard.error}" if shard.error else ""
            output.print_message(f"{shard.name}: {shard.state}, {shard.progress:.0%} is here{why}")


def print_status(found: MirrorStatus) -> None:
    """Print what a mirror holds."""
    signed = f"signed by key {PublicKey.parse(found.key).name}" if found.key else "NOT SIGNED"
    output.print_message(
        f"{found.collection}, release {found.serial} of {found.date[:10]}, {signed}, from {found.release}"
    )
    titles = ("SHARD", "SIZE", "STATE", "CHECKED", "SHARED", "RATIO", "PEERS", "NOTE")
    output.print_table(titles, [_row(each) for each in found.shards], right=(1, 5, 6))
    output.print_message(
        f"{format_size(found.complete_size)} of {format_limit(found.budget)} are complete; client: {found.client}"
    )
    _removable(found.removable)
    for warning in found.warnings:
        output.print_message(f"warning: {warning}")
    chosen = [each for each in found.shards if each.chosen]
    whole = sum(each.on_disk == "complete" and not each.bad for each in chosen)
    checked = min((each.verified or "" for each in chosen), default="")[:10]
    words = {"healthy": "Healthy", "damaged": "Damaged", "incomplete": "Incomplete", "old": "Old release"}
    when = f", checked {checked}" if checked else ""
    output.print_message(
        f"{words[found.health]}: {whole} of {count_of(len(chosen), 'shard')}, release {found.serial}{when}."
    )


def _row(shard: MirrorShard) -> tuple[str, ...]:
    """Return a shard's line; what is not known is a dash."""
    here: str = shard.on_disk
    if shard.progress is not None and shard.progress < 1:
        here += f" {shard.progress:.0%}"
    notes = [
        "obsolete" if shard.obsolete else "",
        "withheld" if shard.withheld else "",
        "" if shard.chosen else "not chosen",
        count_of(shard.bad, "fault") if shard.bad else "",
    ]
    return (
        shard.name,
        format_size(shard.size),
        here,
        shard.verified[:16].replace("T", " ") if shard.verified else "-",
        "-" if shard.seeding is None else "yes" if shard.seeding else "no",
        "-" if shard.ratio is None else f"{shard.ratio:.2f}",
        "-" if shard.peers is None else str(shard.peers),
        ", ".join(note for note in notes if note),
    )
