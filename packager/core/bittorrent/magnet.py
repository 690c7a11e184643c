"""Magnet links, both ways: BEP 9, BEP 52 (v2 infohashes), BEP 53 (chosen files). Nothing is fetched.

Links are untrusted: the name in one may be shown, but is never used as a path.
"""

import base64
import binascii
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import parse_qsl, quote

from packager.core.config.url_values import without_credentials
from packager.errors import InputError
from packager.model import Infohash
from packager.paths import display_text, is_safe_path

Read = TypeVar("Read")

LIMIT = 64 * 1024  # characters of a link that is read
FIELDS = 4096  # of a link that is read, and ranges of its `so`
SCHEME = "magnet:?"
_V1, _V2 = "urn:btih:", "urn:btmh:"
_SHA2_256 = "1220"  # multihash: SHA-256, 32 bytes
_LINK = re.compile(r"magnet:/*\?", re.I)
_AROUND = ('""', "''", "<>")  # where a link was copied from
_IGNORED = ", and is ignored"
_NUMBERED = re.compile(r"\.[0-9]+$")  # several of a key may be written xt.1, xt.2
_RANGE = re.compile(r"([0-9]{1,9})(?:-([0-9]{1,9}))?")
_MEMBER = re.compile(r"([0-9]{1,18}):([0-9]{1,18}):([0-9a-f]{64}):(.{1,4096})", re.S)
_PEER = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+):([0-9]{1,5})")


@dataclass(frozen=True)
class MagnetMember:
    """A member of a shard that a link names (x.pk): its bytes [offset, offset + size) of the torrent's stream."""

    path: str  # in the shard; safe by paths.is_safe_path
    offset: int
    size: int
    sha256: str  # hex


@dataclass(frozen=True)
class Magnet:
    """What a magnet link says. Infohashes are hex; size is bytes.

    peers: "host:port" (BEP 9, x.pe). chosen: file numbers as half-open (start, stop), empty for all (BEP 53).
    members: those that it is meant for (x.pk, which is ours; other clients fetch the whole torrent). remarks: fields
    that are wrong and were ignored.
    """

    infohash_v1: Infohash | None
    infohash_v2: Infohash | None
    name: str | None = None
    size: int | None = None
    trackers: tuple[str, ...] = ()
    web_seeds: tuple[str, ...] = ()
    peers: tuple[str, ...] = ()
    chosen: tuple[tuple[int, int], ...] = ()
    members: tuple[MagnetMember, ...] = ()
    remarks: tuple[str, ...] = ()


def format_magnet(
    *,
    infohash_v1: Infohash | None,
    infohash_v2: Infohash | None,
    name: str,
    size: int,
    trackers: Iterable[str],
    web_seeds: Iterable[str],
    chosen: Iterable[int] = (),
    members: Iterable[MagnetMember] = (),
) -> str:
    """Return a magnet link: xt (v1, v2), dn, xl in bytes, tr, ws, so, x.pk, in this order, all percent-encoded."""
    fields = []
    if infohash_v1 is not None:
        fields.append(f"xt={_V1}{infohash_v1}")
    if infohash_v2 is not None:
        fields.append(f"xt={_V2}{_SHA2_256}{infohash_v2}")
    fields += [f"dn={quote(name, safe='')}", f"xl={size}"]
    fields += [f"tr={quote(url, safe='')}" for url in trackers]
    fields += [f"ws={quote(url, safe='')}" for url in web_seeds]
    fields += [f"so={number}" for number in chosen]
    fields += [member_field(each) for each in members]
    return SCHEME + "&".join(fields)


def member_field(member: MagnetMember) -> str:
    """Return what names a member in a magnet link: x.pk, which only our tool reads."""
    return f"x.pk={member.offset}:{member.size}:{member.sha256}:{quote(member.path)}"


def bare_link(text: str) -> str:
    """Return a link without white space, a byte order mark, quotes or angle brackets around it."""
    text = text.strip("\ufeff \t\r\n")
    return text[1:-1] if text[:1] + text[-1:] in _AROUND else text


def is_link(text: str) -> bool:
    """Return whether a text is meant as a magnet link."""
    return _LINK.match(bare_link(text)) is not None


def parse_magnet(text: str, where: object = "magnet link") -> Magnet:
    """Return what a magnet link says.

    Keys count in any case; those that are not known are passed over. A field that is wrong is ignored, with a remark;
    but the infohashes and members, which say what is meant, are refused if none is left or they differ. Raises
    InputError: not a magnet link, over LIMIT characters or FIELDS fields, no BitTorrent infohash, two that differ, a
    member that is none.
    """
    text = bare_link(text)
    if not text.lower().startswith(SCHEME):
        raise InputError(where, f'"{display_text(text, 60)}" is not a magnet link', f'it begins with "{SCHEME}"')
    if len(text) > LIMIT:
        raise InputError(where, f"{len(text)} characters are more than the {LIMIT} a magnet link may have")
    remarks: list[str] = []
    if "&amp;" in text:
        remarks.append('"&amp;" is HTML for "&", and read as that')
        text = text.replace("&amp;", "&")
    fields = _fields(text[len(SCHEME) :], where, remarks)

    def read(key: str, reader: Callable[[str, object], Read]) -> list[Read]:
        found = []
        for value in fields.get(key, []):
            try:
                found.append(reader(value, where))
            except InputError as error:
                remarks.append(f"{error.what}{_IGNORED}")
        return found

    topics = fields.get("xt", [])
    fields |= {_V1: _starting(topics, _V1), _V2: _starting(topics, _V2)}
    v1, v2 = set(read(_V1, _btih)), set(read(_V2, _btmh))
    if not v1 and not v2:
        wrong = next((remark.removesuffix(_IGNORED) for remark in remarks if "infohash" in remark), None)
        raise InputError(where, wrong or "names no torrent: no xt=urn:btih: or xt=urn:btmh:")
    if len(v1) > 1 or len(v2) > 1:
        raise InputError(where, "names several torrents: two infohashes of one version differ")
    size = next(iter(read("xl", _size)), None)
    chosen = tuple(each for ranges in read("so", _chosen) for each in ranges)
    return Magnet(
        infohash_v1=min(v1, default=None),
        infohash_v2=min(v2, default=None),
        name=next(iter(fields.get("dn", [])), None),
        size=size,
        trackers=tuple(dict.fromkeys(read("tr", lambda value, at: _url(value, "tr", at)))),
        web_seeds=tuple(dict.fromkeys(read("ws", lambda value, at: _url(value, "ws", at)))),
        peers=tuple(read("x.pe", _peer)),
        chosen=chosen,
        members=tuple(_member(value, None if chosen else size, where) for value in fields.get("x.pk", [])),
        remarks=tuple(dict.fromkeys(remarks)),
    )


def _fields(query: str, where: object, remarks: list[str]) -> dict[str, list[str]]:
    """Return the values of each key in lower case, percent-decoded; empty ones and what is not UTF-8 are left out."""
    if query.count("&") >= FIELDS:
        raise InputError(where, f"more than the {FIELDS} fields a magnet link may have")
    fields: dict[str, list[str]] = {}
    for written, value in parse_qsl(query, errors="surrogateescape"):
        key = _NUMBERED.sub("", written).lower()
        if not (key + value).isascii() and any("\ud800" <= each <= "\udfff" for each in key + value):
            remarks.append(f"{display_text(key, 40)} holds percent-encoded bytes that are not UTF-8, and is ignored")
            continue
        if key != _NUMBERED.sub("", written):
            remarks.append(
                f'"{display_text(written, 40)}" is written in upper case, and read as "{display_text(key, 40)}"'
            )
        fields.setdefault(key, []).append(value)
    return fields


def _starting(values: list[str], scheme: str) -> list[str]:
    """Return what follows `scheme` in those values that begin with it, in any case."""
    return [value[len(scheme) :] for value in values if value[: len(scheme)].lower() == scheme]


def _btih(text: str, where: object) -> Infohash:
    """Return a v1 infohash written as 40 hex digits or 32 base32 ones (BEP 9)."""
    try:
        raw = base64.b32decode(text, casefold=True) if len(text) == 32 else bytes.fromhex(text)
    except (ValueError, binascii.Error):
        raw = b""
    if len(raw) != 20 or len(text) not in (32, 40):
        raise InputError(where, f'"{display_text(text, 80)}" is not a v1 infohash of 40 hex or 32 base32 digits')
    return Infohash(raw.hex())


def _btmh(text: str, where: object) -> Infohash:
    """Return a v2 infohash written as a SHA-256 multihash in hex (BEP 52)."""
    try:
        raw = bytes.fromhex(text)
    except ValueError:
        raw = b""
    if len(raw) != 34 or len(text) != 68 or not text.startswith(_SHA2_256):
        raise InputError(where, f'"{display_text(text, 80)}" is not a v2 infohash: 1220 and 64 hex digits')
    return Infohash(raw[2:].hex())


def _size(text: str, where: object) -> int:
    """Return the bytes that `xl` says."""
    if not re.fullmatch(r"[0-9]{1,18}", text):
        raise InputError(where, f'xl "{display_text(text, 40)}" is not a number of bytes')
    return int(text)


def _url(text: str, key: str, where: object) -> str:
    """Return the URL of a tracker (tr) or web seed (ws)."""
    if not text.isprintable():
        raise InputError(where, f'{key} "{display_text(without_credentials(text), 80)}" is not a URL')
    return text


def _peer(text: str, where: object) -> str:
    """Return a peer's address as written, checked."""
    match = _PEER.fullmatch(text)
    if match is None or not 1 <= int(match[1]) <= 65535:
        raise InputError(where, f'x.pe "{display_text(text, 80)}" is not a host and port')
    return text


def _member(text: str, size: int | None, where: object) -> MagnetMember:
    """Return a member that a link names. size: of the torrent's one file, which it must lie in; None: of several."""
    match = _MEMBER.fullmatch(text)
    if match is None:
        raise InputError(where, f'x.pk "{display_text(text, 80)}" is not OFFSET:SIZE:SHA-256:PATH of a member')
    if not is_safe_path(match[4]):
        raise InputError(where, f'x.pk names "{display_text(match[4], 80)}", which cannot be the path of a member')
    member = MagnetMember(match[4], int(match[1]), int(match[2]), match[3])
    if size is not None and member.offset + member.size > size:
        raise InputError(where, f"x.pk names bytes {member.offset} to {member.offset + member.size} of {size}")
    return member


def _chosen(text: str, where: object) -> list[tuple[int, int]]:
    """Return the half-open file ranges of `so`: "0,2,4-6" (BEP 53)."""
    ranges = []
    for part in text.split(",", FIELDS):
        match = _RANGE.fullmatch(part)
        start = int(match[1]) if match else 0
        stop = int(match[2] or start) + 1 if match else 0
        if stop <= start:
            raise InputError(where, f'so "{display_text(text, 40)}" is not a list of file numbers such as "0,2,4-6"')
        ranges.append((start, stop))
    return ranges
