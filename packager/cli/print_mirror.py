"""A mirror's plan, what was done, and what it holds, as text."""

from collections.abc import Sequence

from packager.cli import output
from packager.core.releases.minisign_key import PublicKey
from packager.core.reports.mirror_reports import (
    MirrorPlan,
    MirrorReport,
    MirrorShard,
    MirrorStatus,
    Removable,
    SeedCountSource,
)
from packager.units import count_of, format_limit, format_seconds, format_size

WITHDRAWN = 20  # records that are printed


def print_plan(made: MirrorPlan) -> None:
    """Print which shards are to be held, and why."""
    signed = f"signed, key {PublicKey.parse(made.key).name} pinned" if made.key else "NOT SIGNED"
    output.print_message(f"{made.collection}, release {made.serial} of {made.date[:10]}, {signed}")
    rows = [(each.name, each.phase, format_size(each.size), each.on_disk, each.reason) for each in made.chosen]
    output.print_table(("shard", "phase", "size", "here", "why"), rows, right=(2,))
    output.print_message(
        f"{count_of(len(made.chosen), 'shard')}, {format_size(made.size)}"
        f" and {format_size(made.documents)} of documents, of a budget of {format_limit(made.budget)}; "
        f"{format_size(made.download_size)} to fetch; "
        f"{format_size(made.free_space)} free, {format_limit(made.reserve)} of it kept free"
    )
    output.print_message(_counted_by(made.counted_by))
    for each in made.counted_by.trackers:
        if each.error:
            output.print_message(f"  {each.tracker}: {each.error}")
    for change in made.changed:
        before, now = (_setting(change.name, value) for value in (change.before, change.now))
        output.print_message(f"changed: {change.name.replace('_', '-')}: {before} -> {now}")
    for name in made.obsolete:
        output.print_message(f"obsolete now: {name}")
    for record in made.withdrawn[:WITHDRAWN]:
        held = f"; it is in {', '.join(record.local_tars)}" if record.local_tars else ""
        output.print_message(f"withdrawn: {record.id}: {record.reason}{held}")
    if len(made.withdrawn) > WITHDRAWN:
        output.print_message(
            f"and {count_of(len(made.withdrawn) - WITHDRAWN, 'more record')} withdrawn; --json has all"
        )
    for odd in made.left_out:
        output.print_message(f"left out: {odd.where}: {odd.what}")
    _removable(made.removable)


def _setting(name: str, value: str) -> str:
    """Return a setting's value for people."""
    if name in ("budget", "reserve"):
        return format_size(int(value))
    return format_seconds(int(value)) if name == "max_age" else value


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
    if counted.source == "nobody":
        return "seed counts: none, so all shards count alike"
    sources = {"list": "the release's list", "trackers": "its trackers", "dht": "the DHT (peers, seeds or not)"}
    when = f", of {counted.counted_at[:16].replace('T', ' ')}" if counted.counted_at else ""
    return f"seed counts: from {sources[counted.source]}{when}; {counted.known:,} of {count_of(counted.total, 'shard')}"


def print_report(done: MirrorReport, *, dry_run: bool) -> None:
    """Print what was done."""
    if not done.applied:
        output.print_message("mirror: nothing was written" + (" (--dry-run)" if dry_run else ""))
        return
    for name in done.stopped:
        output.print_message(f"stopped in {done.client}: {name}: it must not be handed out any more")
    for odd in done.refused:
        output.print_message(f"refused by {done.client}: {odd.where}: {odd.what}")
    if done.fetched is not None:
        fetched = done.fetched
        for shard in fetched.shards:
            if shard.state != "seeding":
                output.print_message(
                    f"{shard.name}: {shard.state}, {shard.progress:.0%} is here"
                    + (f": {shard.error}" * bool(shard.error))
                )
        output.print_message(
            f"mirror: {fetched.complete} of {count_of(len(fetched.shards), 'shard')} whole and checked; "
            f"{format_size(fetched.downloaded)} received, {format_size(fetched.uploaded)} sent "
            f"in {format_seconds(fetched.seconds)}; go on with: packager mirror sync"
        )
    elif done.client == "none":
        output.print_message("mirror: nothing fetched (--client none); links: packager mirror magnets")
    else:
        output.print_message(
            f"mirror: {count_of(len(done.added), 'shard')} handed to {done.client}; see: packager mirror status"
        )


def print_status(found: MirrorStatus) -> None:
    """Print what a mirror holds."""
    signed = f"key {PublicKey.parse(found.key).name}" if found.key else "NOT SIGNED"
    output.print_message(
        f"{found.collection}, release {found.serial} of {found.date[:10]}, {signed}, from {found.release}"
    )
    titles = ("shard", "size", "here", "verified", "seeding", "ratio", "peers", "note")
    output.print_table(titles, [_row(each) for each in found.shards], right=(1, 5, 6))
    output.print_message(
        f"{format_size(found.complete_size)} held of a budget of {format_limit(found.budget)}; client {found.client}"
    )
    _removable(found.removable)
    for warning in found.warnings:
        output.print_message(f"warning: {warning}")
    chosen = [each for each in found.shards if each.chosen]
    whole = sum(each.on_disk == "complete" and not each.bad_pieces for each in chosen)
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
        f"{count_of(shard.bad_pieces, 'bad piece')}" if shard.bad_pieces else "",
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
