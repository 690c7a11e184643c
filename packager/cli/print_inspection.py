"""Print an inspection: facts as lines and tables, then faults."""

from collections.abc import Callable, Iterable, Sequence

from packager.cli import output
from packager.core.reports.inspection import (
    CatalogueFacts,
    ClientTrouble,
    Inspection,
    KeyFacts,
    MagnetFacts,
    MagnetsFacts,
    ManifestFacts,
    MembersFacts,
    ReleaseFacts,
    SignatureFacts,
    TarFacts,
    TorrentFacts,
)
from packager.model import Manifest
from packager.paths import display_text
from packager.units import count_of, format_size

ROWS = 20  # rows of a table that are printed; --json has more
_WIDTH = 300  # characters of a value


def print_inspection(report: Inspection) -> None:
    """Print an inspection."""
    output.print_message(f"{report.file}: {report.kind}, {_bytes(report.size)}")
    if report.facts is not None:
        _SHOW[type(report.facts)](report.facts)
    for remark in report.remarks[:ROWS]:
        output.print_message(f"  note: {remark.where}: {remark.what}" if remark.where else f"  note: {remark.what}")
    _more(len(report.remarks), "note")
    if report.ok:
        output.print_message("No faults found.")
        return
    for fault in report.faults[:ROWS]:
        output.print_message(f"  {fault.where}: {fault.what}" if fault.where else f"  {fault.what}")
    _more(report.fault_count, "fault")
    output.print_message(f"{count_of(report.fault_count, 'fault')} found.")


def _bytes(size: int) -> str:
    """Return a number of bytes, and from 1 KiB on also with a unit."""
    return count_of(size, "byte") + (f" ({format_size(size)})" if size >= 1024 else "")


def _lines(pairs: Iterable[tuple[str, object]]) -> None:
    """Print lines of name and value, without those that have no value."""
    for name, value in pairs:
        if value is not None and value != "":
            output.print_message(f"  {name:<14} {display_text(str(value), _WIDTH)}")


def _table(
    title: Sequence[str], rows: Sequence[Sequence[str]], count: int, noun: str, right: Sequence[int] = ()
) -> None:
    """Print the first rows of a table, and how many more there are."""
    if rows:
        output.print_table(title, rows[:ROWS], right=right)
    _more(count, noun)


def _more(count: int, noun: str) -> None:
    """Print how many items were not printed."""
    if count > ROWS:
        output.print_message(f"  and {count_of(count - ROWS, f'more {noun}')}; --json has up to 1,000")


def _clients(clients: tuple[ClientTrouble, ...]) -> None:
    """Print which clients have problems, and why."""
    for client in clients:
        verb = "refuses it" if client.refuses else "reads it wrong"
        tried = "" if client.tried else " (not tried by us)"
        output.print_message(f"  {' '.join((client.client, client.version)).strip()} {verb}: {client.reason}{tried}")


def _torrent(facts: TorrentFacts) -> None:
    tiers = [f"tracker {tier}" for tier in range(1, len(facts.trackers) + 1)]
    _lines(
        [
            ("name", facts.name),
            ("version", facts.version),
            ("infohash v1", facts.infohash_v1),
            ("infohash v2", facts.infohash_v2),
            ("size", _bytes(facts.size)),
            ("padding", _bytes(facts.padding) if facts.padding else None),
            ("pieces", f"{facts.pieces:,} of {format_size(facts.piece_length)}"),
            ("files", f"{facts.file_count:,}"),
            *[(name, ", ".join(tier[:ROWS])) for name, tier in zip(tiers[:ROWS], facts.trackers, strict=False)],
            *[("web seed", url) for url in facts.web_seeds[:ROWS]],
            ("private", "yes" if facts.private else None),
            ("created", facts.created),
            ("comment", facts.comment),
        ]
    )
    rows = [(f"{file.size:,}", file.path) for file in facts.files]
    _table(("bytes", "file"), rows, facts.file_count, "file", right=(0,))
    _clients(facts.clients)


def _magnets(facts: MagnetsFacts) -> None:
    for link in facts.magnets[:ROWS]:
        _magnet(link)
    _more(facts.count, "link")


def _magnet(link: MagnetFacts) -> None:
    _lines(
        [
            ("name", link.name if link.name is not None else "(none)"),
            ("version", link.version),
            ("infohash v1", link.infohash_v1),
            ("infohash v2", link.infohash_v2),
            ("size", _bytes(link.size) if link.size is not None else None),
            *[("tracker", url) for url in link.trackers[:ROWS]],
            *[("web seed", url) for url in link.web_seeds[:ROWS]],
            *[("peer", peer) for peer in link.peers[:ROWS]],
            ("files chosen", ", ".join(link.selected[:ROWS])),
        ]
    )
    _clients(link.clients)


def _tar(facts: TarFacts) -> None:
    bag = facts.bag
    _lines(
        [
            ("entries", f"{facts.entry_count:,}"),
            ("data", _bytes(facts.payload)),
            ("bag", bag.name if bag else "none"),
            ("payload", f"{count_of(bag.payload_files, 'file')}, {_bytes(bag.payload)}" if bag else None),
            ("tag files", ", ".join(bag.tag_files[:ROWS]) if bag else None),
            ("deterministic", "yes, as a shard's" if facts.deterministic else "no"),
            *[("", departure) for departure in facts.departures],
        ]
    )
    rows = [
        (
            f"{entry.size:,}",
            f"{entry.offset:,}",
            entry.bag or entry.type,
            entry.path + (f" -> {entry.link}" if entry.link else ""),
        )
        for entry in facts.entries
    ]
    _table(("bytes", "offset", "what", "path"), rows, facts.entry_count, "entry", right=(0, 1))


def _manifest(facts: ManifestFacts) -> None:
    found: Manifest = facts.manifest
    _lines(
        [
            ("shard", found.name),
            ("collection", found.collection),
            ("phase", f"{found.phase}, number {found.number:,}"),
            ("tar", f"{found.file}, {_bytes(found.size)}"),
            ("payload", f"{count_of(found.members, 'member')}, {_bytes(found.payload)}"),
            ("piece length", format_size(found.piece_length)),
            ("pieces root", found.pieces_root),
            ("infohash v1", found.infohash_v1),
            ("infohash v2", found.infohash_v2),
            ("v1-only twin", found.twin_infohash),
            ("sha256", found.sha256),
            ("oversize", "yes" if found.oversize else None),
            ("made by", found.tool),
        ]
    )


def _chain(facts: ReleaseFacts) -> str | None:
    """Return how far back the chain of releases was checked."""
    if facts.serial == 1:
        return None
    if not facts.chain:
        return "not checked: releases/ is not beside it"
    first = facts.serial - facts.chain
    return f"serials {first} to {facts.serial} follow from one another" + (
        "" if first == 1 else f"; {first - 1} is missing, or is another release"
    )


def _release(facts: ReleaseFacts) -> None:
    _lines(
        [
            ("collection", f"{facts.collection.name}: {facts.collection.title}"),
            ("serial", facts.serial),
            ("date", facts.date),
            ("sha256", facts.sha256),
            ("follows", facts.previous or "nothing: it is the first"),
            ("chain", _chain(facts)),
            ("base URL", facts.base_url),
            ("records", f"{facts.catalogue_records:,}"),
            ("shards", f"{facts.shards:,}, {_bytes(facts.size)}"),
            ("members", f"{facts.members:,}, {_bytes(facts.payload)}"),
            ("obsolete", count_of(facts.obsolete_count, "shard") if facts.obsolete_count else None),
            ("withdrawn", count_of(facts.withdrawal_count, "record")),
        ]
    )
    rows = [
        (phase.name, phase.state, f"{phase.shards:,}", f"{phase.files:,}", format_size(phase.size))
        for phase in facts.phases
    ]
    _table(("phase", "state", "shards", "files", "bytes"), rows, len(facts.phases), "phase", right=(2, 3, 4))
    _table(
        ("obsolete", "since", "now", "why"),
        [(each.name, str(each.since), ", ".join(each.by[:3]) or "-", each.reason) for each in facts.obsolete],
        facts.obsolete_count,
        "obsolete shard",
    )
    _table(
        ("withdrawn", "since", "why"),
        [(each.id, each.date, each.reason) for each in facts.withdrawals],
        facts.withdrawal_count,
        "record",
    )
    _table(
        ("withheld", "why"),
        [(each.name, each.reason) for each in facts.withheld],
        facts.withheld_count,
        "withheld shard",
    )


def _members(facts: MembersFacts) -> None:
    _lines(
        [
            ("members", f"{facts.rows:,}, {_bytes(facts.payload)}"),
            *([("row groups", f"{facts.row_groups:,}")] if facts.row_groups else []),
            *[(kind, f"{count:,}") for kind, count in sorted(facts.kinds.items())[:ROWS]],
            ("columns", ", ".join(facts.columns[:100])),
        ]
    )


def _catalogue(facts: CatalogueFacts) -> None:
    lines = [("records", f"{facts.records:,}")]
    if facts.frames is not None and facts.unpacked is not None:
        lines += [("frames", f"{facts.frames:,}"), ("unpacked", _bytes(facts.unpacked))]
    if facts.row_groups is not None:
        lines.append(("row groups", f"{facts.row_groups:,}"))
    _lines(lines)


def _signature(facts: SignatureFacts) -> None:
    _lines(
        [
            ("key", facts.key),
            ("signs", "the BLAKE2b-512 of the file" if facts.prehashed else "the file (legacy)"),
            ("trusted", facts.trusted_comment),
        ]
    )


def _key(facts: KeyFacts) -> None:
    _lines([("key", facts.key), ("line", facts.line)])


_SHOW: dict[type, Callable[..., None]] = {
    TorrentFacts: _torrent,
    MagnetsFacts: _magnets,
    TarFacts: _tar,
    ManifestFacts: _manifest,
    ReleaseFacts: _release,
    MembersFacts: _members,
    CatalogueFacts: _catalogue,
    SignatureFacts: _signature,
    KeyFacts: _key,
}
