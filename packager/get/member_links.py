"""Magnet links that name members (x.pk), both ways: made of what was found, or taken for it. Nothing is looked up."""

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


def links_of(meant: SelectedMembers) -> list[str]:
    """Return a magnet link for each member: of its shard, naming its range; in a folder also its file (BEP 53).

    The torrent of a folder is read for that.
    """
    shared = meant.shared
    columns = (meant.members[name].to_pylist() for name in ("path", "offset", "size", "sha256"))
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
    """Return the members that magnet links name. Raises InputError where one names none, or is no link.

    remote: whose web seeds come before the link's own; a web seed that is a folder's address has the tar
    under the name that the link gives it. A link knows no tags, so `naming` may ask for none.
    """
    if naming.layout or naming.original or naming.number:
        raise InputError("--rename", "a magnet link has a member's path and no tags", "leave the names as they are")
    meant = [_meant(parse_magnet(link), remote) for link in links]
    return MemberSelection(meant, "", Evidence(kind="magnet", name="magnet link"), TransferCost())


def _meant(link: Magnet, remote: NetworkOptions) -> SelectedMembers:
    """Return the members that one link names."""
    if not link.members:
        fix = "any torrent client fetches the whole; links to members are made by: packager get ID --magnet"
        raise InputError("magnet link", "names a whole torrent and no member of it", fix)
    if link.size is None or link.name is None or not is_safe_name(link.name):
        raise InputError("magnet link", f'"{display_text(link.name or "")}" is not the name of a shard\'s tar')
    own = [web_seed_address(asked_seed(seed), link.name) for seed in remote.web_seeds]
    seeds = [seed for seed in link.web_seeds if is_asked(seed)] if not remote.no_web_seeds else []
    theirs = [web_seed_address(seed, link.name) for seed in seeds]  # that of a folder ends in "/"
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
    """Return the trackers of a link that clients can ask; the others are ignored.

    One with a password is among them: it is refused with a sentence when it would be asked.
    """
    found = [each for each in trackers if without_credentials(each) != each]
    for each in trackers:
        with suppress(InputError):
            found.append(url(each, "magnet link", TRACKERS))
    return found
