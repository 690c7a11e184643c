"""Magnet links that name members (x.pk): make them for members, or read members from them. No release is read."""

from collections.abc import Sequence
from contextlib import suppress
from urllib.parse import quote

import pyarrow as pa

from packager.core.bittorrent.magnet import Magnet, MagnetMember, format_magnet, parse_magnet
from packager.core.bittorrent.parse_torrent import file_numbers
from packager.core.config.url_values import TRACKERS, url, without_credentials
from packager.core.reports.evidence import Evidence
from packager.core.shards.extract_paths import NamingOptions
from packager.core.shards.layout import PAYLOAD
from packager.engine.network.connection_options import NetworkOptions
from packager.engine.network.remote_readers import asked_seed, is_asked, is_web, web_seed_address
from packager.engine.published.release_reader import TransferCost
from packager.errors import InputError
from packager.get.member_readers import MemberSelection, SelectedMembers
from packager.get.shard_swarm import ShardDownload
from packager.model import MEMBERS
from packager.paths import display_text, is_safe_name

_ROWS = pa.schema([field.with_nullable(True) for field in MEMBERS])


def links_of(selected: SelectedMembers) -> list[str]:
    """Return a magnet link for each member: the link of its shard with the member's range.

    For a shard that is a folder, the link also selects the member's file (BEP 53), for which the torrent is read.
    """
    shared = selected.shared
    columns = (selected.members[name].to_pylist() for name in ("path", "offset", "size", "sha256"))
    members = [
        MagnetMember(path, offset, size, sha256.hex()) for path, offset, size, sha256 in zip(*columns, strict=True)
    ]
    numbers: list[int | None] = [None] * len(members)
    seeds: Sequence[str] = [each for each in shared.addresses if is_web(each) and without_credentials(each) == each]
    if shared.container == "folder":
        seeds = [seed.removesuffix(quote(shared.name)) for seed in seeds]  # BEP 19: clients add the folder's name
        if shared.torrent is not None:
            torrent = shared.torrent().metainfo
            known = file_numbers(torrent)
            numbers = [known.get((torrent.name, *f"{PAYLOAD}{member.path}".split("/"))) for member in members]
    return [
        format_magnet(
            infohash_v1=shared.infohash_v1,
            infohash_v2=shared.infohash_v2,
            name=shared.name,
            size=shared.size,
            trackers=[each for each in shared.trackers if without_credentials(each) == each],
            web_seeds=seeds,
            chosen=() if number is None else (number,),
            members=[member],
        )
        for member, number in zip(members, numbers, strict=True)
    ]


def find_by_links(links: Sequence[str], naming: NamingOptions, remote: NetworkOptions) -> MemberSelection:
    """Return the members that magnet links name. Raises InputError if a link is wrong or names no member.

    remote: its web seeds are tried before the link's own; in a web seed that is a folder, the tar has the name that is
    in the link. A link contains no tags, so `naming` must not need any.
    """
    if naming.layout or naming.original or naming.number:
        raise InputError("--rename", "a magnet link has a member's path and no tags", "leave the names as they are")
    selected = [_selected(parse_magnet(link), remote) for link in links]
    return MemberSelection(selected, "", Evidence(kind="magnet", name="magnet link"), TransferCost())


def _selected(link: Magnet, remote: NetworkOptions) -> SelectedMembers:
    """Return the members that one link names."""
    if not link.members:
        fix = "any torrent client fetches the complete torrent; packager get RECORD --magnet prints links to files"
        raise InputError("magnet link", "names a torrent but no file in it", fix)
    if link.size is None or link.name is None or not is_safe_name(link.name):
        raise InputError("magnet link", f'"{display_text(link.name or "")}" is not the name of a shard\'s tar')
    own = [web_seed_address(asked_seed(seed), link.name) for seed in remote.web_seeds]
    seeds = [seed for seed in link.web_seeds if is_asked(seed)] if not remote.no_web_seeds else []
    theirs = [web_seed_address(seed, link.name) for seed in seeds]  # the address of a folder ends in "/"
    shared = ShardDownload(
        name=link.name,
        container="folder" if link.chosen else "tar",
        size=link.size,
        infohash_v1=link.infohash_v1,
        infohash_v2=link.infohash_v2,
        trackers=_usable(link.trackers),
        addresses=[*own, *theirs],
        torrent=None,
    )
    rows = [
        {
            "id": each.path,
            "path": each.path,
            "offset": each.offset,
            "size": each.size,
            "sha256": bytes.fromhex(each.sha256),
            "kind": "other",
        }
        for each in dict.fromkeys(link.members)
    ]
    return SelectedMembers(shared, pa.Table.from_pylist(rows, _ROWS))


def _usable(trackers: Sequence[str]) -> list[str]:
    """Return the trackers of a link that clients can ask, and those with a password; the others are ignored.

    A tracker with a password is refused with an error when it would be asked.
    """
    found = [each for each in trackers if without_credentials(each) != each]
    for each in trackers:
        with suppress(InputError):
            found.append(url(each, "magnet link", TRACKERS))
    return found
