"""Inspect a .torrent or magnet links: contents, faults, and clients that cannot use them."""

import datetime as dt
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from urllib.parse import urlsplit

from packager.core.bittorrent import bencode, parse_torrent
from packager.core.bittorrent.client_support import TorrentShape, client_troubles
from packager.core.bittorrent.magnet import Magnet, parse_magnet
from packager.core.bittorrent.parse_file_list import ListedFile
from packager.core.bittorrent.parse_torrent import Metainfo
from packager.core.config.url_values import without_credentials
from packager.core.reports.inspection import ClientTrouble, MagnetFacts, MagnetsFacts, NamedFile, TorrentFacts
from packager.core.reports.issues import LISTED, IssueList
from packager.core.shards.portable_paths import PathChecks
from packager.engine.files.limited_read import read_limited
from packager.engine.network import libtorrent_session
from packager.engine.network.libtorrent_door import MissingLibtorrentError
from packager.errors import InputError
from packager.model import Infohash, TorrentVersion
from packager.paths import display_text, encode_path, is_safe_name
from packager.units import MIB, parse_date

TRACKERS = ("udp", "http", "https", "ws", "wss")  # BEP 15, BEP 3, WebTorrent
WEB_SEEDS = ("http", "https", "ftp")  # BEP 19
_NOT_ASKED = "libtorrent is not installed, so it is unknown whether libtorrent accepts it"
_LIST_MOST = 64 * MIB  # bytes of a list of links that is read
_YEARS = 253370764800  # Unix seconds of the year 9999, where dates end


def inspect_torrent(path: Path, faults: IssueList) -> TorrentFacts:
    """Return the contents of a .torrent. Raises InputError as parse_torrent does."""
    data = read_limited(path, bencode.LIMIT)
    refused = _refused(lambda: _refused_torrent(data), faults)
    try:
        found = parse_torrent.parse_torrent(data, display_text(str(path)))
    except InputError:
        if refused is not None:
            loads = "libtorrent loads it, but packager does not"
            faults.remark("", f"libtorrent refuses it, too: {refused}" if refused else loads)
        raise
    if refused:
        faults.add("", f"libtorrent refuses it: {refused}")
    for remark in found.remarks:
        faults.remark("", remark)
    _check_paths(found.files, faults)
    _check_urls([url for tier in found.trackers for url in tier], "tracker", TRACKERS, faults)
    _check_urls(found.web_seeds, "web seed", WEB_SEEDS, faults)
    real = [file for file in found.files if not file.pad]
    return TorrentFacts(
        name=_text(found.name),
        version=found.version,
        infohash_v1=_hex(found.infohash_v1),
        infohash_v2=_hex(found.infohash_v2),
        size=sum(file.length for file in real),
        padding=sum(file.length for file in found.files if file.pad),
        piece_length=found.piece_length,
        pieces=_pieces(found),
        file_count=len(real),
        files=tuple(_named(file) for file in real[:LISTED]),
        trackers=tuple(_listed(tier) for tier in found.trackers),
        web_seeds=_listed(found.web_seeds),
        private=found.private,
        created=_date(found.creation_date, faults),
        comment=found.comment,
        clients=_clients(TorrentShape(found.version, found.piece_length, len(data))),
    )


def _refused(ask: Callable[[], str | None], faults: IssueList) -> str | None:
    """Return why libtorrent, which many clients use, refuses something; "": it does not; None: it is not installed."""
    try:
        return ask() or ""
    except MissingLibtorrentError:
        if all(remark.what != _NOT_ASKED for remark in faults.remarks):
            faults.remark("", _NOT_ASKED)
        return None


def _refused_torrent(data: bytes) -> str | None:
    """Return why libtorrent refuses a .torrent, None if it loads it."""
    try:
        libtorrent_session.read_with_libtorrent(data, "")
    except MissingLibtorrentError:
        raise
    except InputError as error:
        return error.what.removeprefix(libtorrent_session.REFUSES)
    return None


def _pieces(found: Metainfo) -> int:
    """Return how many pieces a torrent has; in v2 each file starts a new piece."""
    if found.version != "v2":
        return len(found.pieces) // 20
    return sum(-(-file.length // found.piece_length) for file in found.files)


def _check_paths(files: Iterable[ListedFile], faults: IssueList) -> None:
    """Add the faults of the files' paths."""
    checks = PathChecks()
    for at, file in enumerate(files):
        if not file.pad:
            faults.add_all(f"file {at + 1}", checks.faults("/".join(file.path)))


def _check_urls(urls: Iterable[str], what: str, schemes: tuple[str, ...], faults: IssueList) -> None:
    """Add URLs that no client uses, such as relative ones and local files, and URLs with a password."""
    for url in urls:
        if without_credentials(url) != url:
            faults.add(
                "", f'the {what} "{display_text(without_credentials(url), 200)}" contains a user name or a password'
            )
            continue
        try:
            parts = urlsplit(url)
            good = parts.scheme.lower() in schemes and bool(parts.hostname) and url.isprintable() and parts.port != 0
        except ValueError:
            good = False
        if not good:
            what_is_wrong = (
                f'the {what} "{display_text(url, 200)}" is not a URL with {", ".join(schemes)}, and is ignored'
            )
            faults.remark("", what_is_wrong)


def _listed(urls: Iterable[str]) -> tuple[str, ...]:
    """Return URLs as the report lists them, without passwords."""
    return tuple(without_credentials(url) for url in urls)


def _named(file: ListedFile) -> NamedFile:
    """Return a file as the report lists it."""
    path, exact = encode_path(os.fsencode("/".join(file.path)))
    return NamedFile(path=path, size=file.length, path_b64=exact)


def _text(name: str) -> str:
    """Return a name as JSON can store it."""
    return encode_path(os.fsencode(name))[0]


def _hex(digest: bytes | None) -> Infohash | None:
    return Infohash(digest.hex()) if digest is not None else None


def _date(seconds: int | None, faults: IssueList) -> str | None:
    """Return a creation date, None if there is none or it is not a date."""
    if seconds is None:
        return None
    if seconds < _YEARS:
        return parse_date(dt.datetime.fromtimestamp(seconds, dt.UTC).isoformat())
    faults.remark("creation date", f"{seconds} seconds are beyond the year 9999, and are ignored")
    return None


def _clients(shape: TorrentShape) -> tuple[ClientTrouble, ...]:
    """Return the clients that have trouble with a torrent of this shape."""
    return tuple(
        ClientTrouble(client=fact.client, version=fact.version, refuses=fact.refuses, reason=fact.why, tried=fact.tried)
        for fact in client_troubles(shape)
    )


def inspect_magnets(path: Path, faults: IssueList) -> MagnetsFacts:
    """Return the contents of a list of magnet links, one per line; empty lines and "#" lines are skipped."""
    found: list[MagnetFacts] = []
    seen: dict[tuple[str | None, str | None], int] = {}
    count = 0
    text = read_limited(path, _LIST_MOST).removeprefix(b"\xef\xbb\xbf").decode("utf-8", "surrogateescape")
    for number, line in enumerate(text.split("\n"), 1):
        link = line.strip()
        if not link or link.startswith("#"):
            continue
        count += 1
        facts = _one(link, f"line {number}", faults)
        if facts is None:
            continue
        key = facts.infohash_v1, facts.infohash_v2
        if seen.setdefault(key, number) != number:
            faults.add(f"line {number}", f"names the same torrent as line {seen[key]}")
        if len(found) < LISTED:
            found.append(facts)
    return MagnetsFacts(count=count, magnets=tuple(found))


def inspect_magnet(text: str, faults: IssueList) -> MagnetsFacts:
    """Return the contents of the magnet link `text`."""
    facts = _one(text, "", faults)
    return MagnetsFacts(count=1, magnets=(facts,) if facts else ())


def _one(text: str, where: str, faults: IssueList) -> MagnetFacts | None:
    """Return the contents of one link; None, and a fault, if it is not a magnet link."""
    refused = _refused(lambda: libtorrent_session.refused_link(text), faults)
    try:
        found = parse_magnet(text)
    except InputError as error:
        faults.add(where, error.what)
        if refused == "":
            faults.remark(where, "libtorrent accepts the link, but packager does not")
        return None
    if refused:
        faults.remark(where, f"libtorrent refuses the link as it is written: {refused}")
    for remark in found.remarks:
        faults.remark(where, remark)
    if found.name is not None and not is_safe_name(found.name.replace("%", "_")):
        faults.add(where, f'its name "{display_text(found.name, 200)}" cannot be the name of a file on every system')
    _check_urls(found.trackers, "tracker", TRACKERS, faults)
    _check_urls(found.web_seeds, "web seed", WEB_SEEDS, faults)
    return _magnet_facts(found)


def _magnet_facts(found: Magnet) -> MagnetFacts:
    """Return a link as the report has it."""
    version: TorrentVersion = "hybrid"
    if found.infohash_v1 is None or found.infohash_v2 is None:
        version = "v1" if found.infohash_v1 else "v2"
    return MagnetFacts(
        version=version,
        infohash_v1=found.infohash_v1,
        infohash_v2=found.infohash_v2,
        name=None if found.name is None else _text(found.name),
        size=found.size,
        trackers=_listed(found.trackers),
        web_seeds=_listed(found.web_seeds),
        peers=found.peers,
        selected=tuple(f"{start}-{stop - 1}" for start, stop in found.chosen),
        clients=_clients(TorrentShape(version, None, None)),
    )
