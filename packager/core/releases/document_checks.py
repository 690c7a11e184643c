"""Check that a release document or a manifest is consistent: digests, names, sums, links. Pure.

Checks that need another file (a signature, the release before, a tar) are elsewhere.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import pairwise

from packager.core.bittorrent import bencode
from packager.core.bittorrent.magnet import parse_magnet
from packager.core.bittorrent.merkle import BLOCK
from packager.core.config.url_values import web_page, without_credentials
from packager.core.releases import documents
from packager.core.releases.minisign_key import PublicKey
from packager.core.reports.issues import IssueList
from packager.core.shards.cut_shards import shard_name
from packager.core.shards.folder_layout import file_of
from packager.core.shards.portable_paths import PathChecks
from packager.errors import InputError, TrustError
from packager.model import Manifest, Release, ReleasePhase, ReleaseShard, Withdrawal
from packager.paths import collision_key, display_text, is_safe_name, is_safe_path
from packager.slug import is_slug
from packager.units import GIB, count_of, parse_date

_DO_NOT = "do not use it; ask the publisher through another channel what is right"
TABLE_LIMIT = GIB  # maximum bytes of a members table that is fetched
_RESERVED = {  # other files of a release and a mirror, as `collision_key` returns them
    *("release.json", "release.json.minisig", "releases", "minisign.pub", "sha256sums", "sha256sums.minisig"),
    *("torrents.json", "index.html"),
}
_HEX = {digits: re.compile(rf"[0-9a-f]{{{digits}}}") for digits in (40, 64)}
_OXUM = re.compile(r"^Payload-Oxum: ([0-9]{1,19})\.([0-9]{1,19})$", re.M)


def check_manifest(manifest: Manifest, faults: IssueList) -> None:
    """Add the faults of a shard's manifest."""
    faults.add_all("", _shard_faults(manifest))
    oxum = _OXUM.findall(manifest.bag_info)
    if oxum != [(str(manifest.payload), str(manifest.members))]:
        faults.add(
            "bag_info", f"its Payload-Oxum is not {manifest.payload}.{manifest.members}, the payload and members it has"
        )


def _shard_faults(shard: Manifest | ReleaseShard) -> Iterator[str]:
    """Yield the faults of a shard's facts, in a manifest or a release."""
    if not is_safe_name(shard.name) or shard.file != file_of(shard.name, shard.container):
        yield f'"{display_text(shard.name)}" with the file "{display_text(shard.file)}" cannot be the name of a shard'
    if shard.number < 1:
        yield "its number is 0; shards count from 1"
    if shard.size <= shard.payload or (shard.container == "tar" and shard.size % 512):
        yield f"its size of {shard.size} bytes is not that of a {shard.container} of {shard.payload} bytes"
    length = shard.piece_length
    if length < BLOCK or length & (length - 1):
        yield f"its piece length of {length} bytes is not a power of two of at least {BLOCK}"
    if shard.infohash_v1 is None and shard.infohash_v2 is None:
        yield "it has no infohash"
    if shard.container == "folder":
        if shard.pieces_root is not None:
            yield "it is a folder and has a pieces root, which only a single file has"
    elif (shard.infohash_v2 is None) != (shard.pieces_root is None):
        yield "it has only one of a v2 infohash and a pieces root"
    for field, digits in (
        ("infohash_v1", 40),
        ("twin_infohash", 40),
        ("infohash_v2", 64),
        ("pieces_root", 64),
        ("sha256", 64),
    ):
        yield from _hex_fault(field, getattr(shard, field), digits)


def _hex_fault(field: str, value: str | None, digits: int) -> Iterator[str]:
    """Yield a fault if a value is not a hex digest."""
    if value is not None and not _HEX[digits].fullmatch(value):
        yield f'{field} "{display_text(value, 80)}" is not {digits} lower-case hex digits'


def check_release(release: Release, faults: IssueList) -> None:
    """Add the faults of a release document. Memory: its shards' names."""
    _check_head(release, faults)
    phases = {phase.name: phase for phase in release.phases}
    if len(phases) != len(release.phases):
        faults.add("phases", f"{_doubled(phase.name for phase in release.phases)} is listed twice")
    for at, shard in enumerate(release.shards):
        where = f"shards[{at}] {display_text(shard.name, 80)}"
        faults.add_all(where, _shard_faults(shard))
        faults.add_all(where, _listing_faults(shard, phases))
    for what, values in (
        ("shard", [shard.name for shard in release.shards]),
        ("v1 infohash", [v1 for s in release.shards for v1 in (s.infohash_v1, s.twin_infohash) if v1]),
        ("v2 infohash", [shard.infohash_v2 for shard in release.shards if shard.infohash_v2]),
        ("file", [file.path for shard in release.shards for file in shard.documents]),
    ):
        if len(set(values)) != len(values):
            faults.add("shards", f"the {what} {_doubled(values)} is listed twice")
    sums = _sums(release.shards)
    for phase in release.phases:
        faults.add_all(
            f"phases {display_text(phase.name, 80)}", _phase_faults(phase, sums.get(phase.name, (0, 0, 0, 0)))
        )
    _check_order(release, faults)
    _check_ends(release, faults)
    _check_withdrawals(release, faults)


def _check_order(release: Release, faults: IssueList) -> None:
    """Add the first shard that is not in the order of the phases, then of the numbers."""
    place = {phase.name: at for at, phase in enumerate(release.phases)}
    order = [(place[shard.phase], shard.number) for shard in release.shards if shard.phase in place]
    for at, (one, other) in enumerate(pairwise(order)):
        if one >= other:
            where = f"shards {display_text(release.shards[at + 1].name, 80)}"
            faults.add(where, "is out of order: shards are listed phase after phase, by their numbers")
            return


def _check_ends(release: Release, faults: IssueList) -> None:
    """Add the faults of obsolete shards and withdrawn records."""
    names = {shard.name for shard in release.shards}
    for shard in release.shards:
        where = f"shards {display_text(shard.name, 80)}"
        if not 1 <= shard.since <= release.serial:
            faults.add(where, f"is listed since serial {shard.since}, in serial {release.serial}")
        if shard.added > release.date or (shard.since == release.serial and shard.added != release.date):
            faults.add(where, f"is listed since serial {shard.since}, and was added {display_text(shard.added, 40)}")
        if not shard.obsolete and (shard.obsolete_since or shard.reason):
            faults.add(where, "is not obsolete, but has obsolete_since, superseded_by or reason")
        elif shard.obsolete and not shard.since <= shard.obsolete_since <= release.serial:
            faults.add(where, f"is obsolete since serial {shard.obsolete_since}, which is not possible")
        for name in shard.superseded_by:
            if name not in names or name == shard.name or not shard.obsolete:
                faults.add(where, f'"{display_text(name, 80)}" cannot replace it')
        if len(set(shard.superseded_by)) != len(shard.superseded_by):
            faults.add(where, f"lists its replacement {_doubled(shard.superseded_by)} twice")
        if shard.withdrawn > shard.members:
            faults.add(where, f"{shard.withdrawn} of its {shard.members} members are withdrawn")


def _check_withdrawals(release: Release, faults: IssueList) -> None:
    """Add the faults of the withdrawals, and shards whose count of them is wrong."""
    names = {shard.name for shard in release.shards}
    last: dict[str, Withdrawal] = {}
    for each in release.withdrawals:
        where = f"withdrawals {display_text(each.id, 80)}"
        if not 1 <= each.since <= release.serial or not names.issuperset(each.shards):
            faults.add(where, "names a serial or a shard that does not exist")
        if len(set(each.shards)) != len(each.shards):
            faults.add(where, f"names the shard {_doubled(each.shards)} twice")
        if each.lifted and not each.since < each.lifted <= release.serial:
            faults.add(where, f"is withdrawn since serial {each.since} and lifted in serial {each.lifted}")
        before = last.get(each.id)
        if before is not None and not before.lifted:
            faults.add("withdrawals", f'the record "{display_text(each.id, 80)}" is withdrawn twice')
        elif before is not None and each.since < before.lifted:
            faults.add(where, f"is withdrawn in serial {each.since}, before it was lifted in serial {before.lifted}")
        last[each.id] = each
        for file in each.files:
            faults.add_all(where, _hex_fault("sha256", file.sha256, 64))
            if not file.size:
                faults.add(where, "lists an empty file, which has no content")
    counts = Counter(name for each in release.in_force for name in set(each.shards))
    ever = Counter(name for each in release.withdrawals for name in set(each.shards))
    for shard in release.shards:
        if not counts[shard.name] <= shard.withdrawn <= ever[shard.name]:
            what = f"has {shard.withdrawn} withdrawn members, and {counts[shard.name]} withdrawals in force list it"
            faults.add(f"shards {display_text(shard.name, 80)}", what)


def _check_head(release: Release, faults: IssueList) -> None:
    """Add the faults of the serial, the link to the release before, dates and the collection's name."""
    if release.serial < 1:
        faults.add("serial", "is 0; releases count from 1")
    if (release.previous is None) != (release.serial == 1):
        faults.add(
            "previous", f"serial {release.serial} {'has no' if release.serial > 1 else 'has a'} release before it"
        )
    faults.add_all("", _hex_fault("previous", release.previous, 64))
    if release.next_key is not None and not _is_key(release.next_key):
        faults.add("next_key", f'"{display_text(release.next_key, 80)}" is no public key')
    for key, written in (("base_url", release.base_url), ("homepage", release.collection.homepage)):
        try:
            web_page(written, key)  # "javascript:..." must not become a link
        except InputError as error:
            faults.add(key, error.what)
    if not is_slug(release.collection.name):
        faults.add("collection", f'"{display_text(release.collection.name, 80)}" is not the name of a collection')
    dates = [release.date, *(s.added for s in release.shards), *(w.date for w in release.withdrawals)]
    for date in dict.fromkeys(dates):
        if not _is_date(date):
            faults.add("date", f'"{display_text(date, 80)}" is not a date like "2026-11-21T00:00:00Z"')


def _is_key(line: str) -> bool:
    """Return whether text is the line of a public key."""
    try:
        return PublicKey.parse(line).line == line
    except InputError:
        return False


def _is_date(text: str) -> bool:
    """Return whether a date has the form of `units.parse_date`."""
    try:
        return parse_date(text) == text
    except InputError:
        return False


def _listing_faults(shard: ReleaseShard, phases: dict[str, ReleasePhase]) -> Iterator[str]:
    """Yield the faults of a shard in a release."""
    phase = phases.get(shard.phase)
    if phase is None:
        yield f'is in the phase "{display_text(shard.phase, 80)}", which the release does not have'
    elif phase.state != "published":
        yield f'is in the phase "{display_text(shard.phase, 80)}", which is not published'
    for file in shard.documents:
        if not is_safe_path(file.path):
            yield f'"{display_text(file.path)}" is outside the release, or is not a file name'
        yield from _hex_fault("sha256", file.sha256, 64)
    yield from _magnet_faults(shard.magnet, shard, shard.infohash_v1, shard.infohash_v2)
    twin = shard.twin_infohash
    if len({twin is None, shard.twin_magnet is None, shard.twin_torrent is None}) > 1:
        yield "it has only some of twin_infohash, twin_magnet and twin_torrent"
    elif shard.twin_magnet is not None:
        yield from _magnet_faults(shard.twin_magnet, shard, twin, None)


def _magnet_faults(link: str, shard: ReleaseShard, v1: str | None, v2: str | None) -> Iterator[str]:
    """Yield the faults of a shard's magnet link."""
    try:
        magnet = parse_magnet(link)
    except InputError as error:
        yield f"magnet: {error.what}"
        return
    yield from (f"magnet: {remark}" for remark in magnet.remarks)
    if any(without_credentials(each) != each for each in (*magnet.trackers, *magnet.web_seeds)):
        yield "its magnet link contains a user name or a password"
    if (magnet.infohash_v1, magnet.infohash_v2) != (v1, v2):
        yield "its magnet link is of another torrent"
    if (magnet.name, magnet.size) != (shard.file, shard.size):
        yield "its magnet link has another name or size"


def _sums(shards: Iterable[ReleaseShard]) -> dict[str, tuple[int, int, int, int]]:
    """Return for each phase the number of live shards and the sums of their members, payload and size."""
    sums: dict[str, tuple[int, int, int, int]] = {}
    for shard in (shard for shard in shards if not shard.obsolete):
        count, members, payload, size = sums.get(shard.phase, (0, 0, 0, 0))
        sums[shard.phase] = (count + 1, members + shard.members, payload + shard.payload, size + shard.size)
    return sums


def _phase_faults(phase: ReleasePhase, found: tuple[int, int, int, int]) -> Iterator[str]:
    """Yield how a published phase's totals differ from those of its shards, `found`."""
    if phase.state != "published":
        return
    said = (phase.shards, phase.files, phase.payload, phase.size)
    for what, theirs, ours in zip(("shards", "files", "bytes of payload", "bytes"), said, found, strict=True):
        if theirs != ours:
            yield f"has {theirs} {what}, but its shards have {ours}"


def _doubled(values: Iterable[str]) -> str:
    """Return the first repeated value, in quotes."""
    return next((f'"{display_text(value, 100)}"' for value, count in Counter(values).items() if count > 1), '""')


def check_document(release: Release, where: str) -> None:
    """Raise TrustError unless a release is consistent, and all its files can be fetched and stored."""
    faults = IssueList()
    check_release(release, faults)
    _check_names(release, faults)
    _check_sizes(release.shards, faults)
    if faults.count:
        first = faults.kept[0]
        more = f" (and {count_of(faults.count - 1, 'fault')} more)" if faults.count > 1 else ""
        raise TrustError(where, f"contradicts itself: {first.where}: {first.what}{more}", _DO_NOT)


def _check_names(release: Release, faults: IssueList) -> None:
    """Add invalid names, and paths that are the same on some file systems."""
    for phase in release.phases:
        if not is_slug(phase.name):
            faults.add("phases", f'"{display_text(phase.name, 80)}" is not the name of a phase')
    paths = PathChecks()
    for shard in release.shards:
        name = display_text(shard.name, 80)
        if shard.name != shard_name(release.collection.name, shard.phase, shard.number):
            faults.add("shards", f'"{name}" is not named by its collection, phase and number')
        for file in shard.documents:
            if _is_reserved(file.path):
                faults.add(
                    f"shards {name}", f'"{display_text(file.path, 120)}" is a reserved name: the release itself has it'
                )
            faults.add_all(f"shards {name}", paths.clashes(file.path))


def _is_reserved(path: str) -> bool:
    """Return whether a path belongs to the release itself, or to a file that is being written."""
    names = [collision_key(name) for name in path.split("/")]
    return names[0] in _RESERVED or any(name.startswith(".") for name in names)


def _check_sizes(shards: tuple[ReleaseShard, ...], faults: IssueList) -> None:
    """Add files that are larger than readers accept."""
    for shard in shards:
        for file, limit in (
            (shard.torrent, bencode.LIMIT),
            (shard.twin_torrent, bencode.LIMIT),
            (shard.manifest, documents.LIMIT),
            (shard.members_table, TABLE_LIMIT),
            (shard.members_tsv, TABLE_LIMIT),
        ):
            if file is not None and file.size > limit:
                where = f"shards {display_text(shard.name, 80)}"
                faults.add(
                    where, f'"{display_text(file.path, 120)}" is oversized: {file.size} bytes, at most {limit} are read'
                )
