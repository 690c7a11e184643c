"""Add chosen shards to a running torrent client, and stop withheld ones there."""

from collections.abc import Sequence

from packager.core.bittorrent import bencode
from packager.core.releases.withheld_shards import SharingRule
from packager.core.reports.issues import Issue
from packager.engine.clients import Client, TorrentToAdd
from packager.engine.files.limited_read import read_limited
from packager.errors import InputError
from packager.mirror.state import MirrorFolder
from packager.model import PublishedFile, Release, ReleaseShard


def add_to_client(
    client: Client, folder: MirrorFolder, shards: Sequence[ReleaseShard], *, label: str
) -> tuple[tuple[str, ...], tuple[Issue, ...]]:
    """Add the shards that the client does not have. Return the added ones, and an issue for each refused one.

    Raises IncompleteError if the client does not answer; the next run continues.
    """
    handed, refused = [], []
    for shard in shards:
        try:
            if client.add(_handover(folder, shard, label)):
                handed.append(shard.name)
        except InputError as error:
            refused.append(Issue(where=shard.name, what=error.advice))
    return tuple(handed), tuple(refused)


def stop_withheld(client: Client, release: Release, now: str) -> tuple[str, ...]:
    """Stop the withheld shards in the client; return those that it was sharing or fetching.

    now: RFC 3339. Raises IncompleteError if the client does not answer.
    """
    withheld = {each.name for each in SharingRule(release, now=now).all_withheld()}
    keys = {str(key): shard.name for shard in release.shards if shard.name in withheld for key in shard.infohashes}
    held = {key: each for key, each in client.held().items() if key in keys} if keys else {}
    stopped = client.stop(held) if held else set()
    running = (key for key, each in held.items() if each.seeding or (each.progress or 0) < 1)
    return tuple(dict.fromkeys(keys[key] for key in running if key in stopped))


def _handover(folder: MirrorFolder, shard: ReleaseShard, label: str) -> TorrentToAdd:
    """Return what the client needs to add a shard. Its tar goes into the mirror's folder."""
    return TorrentToAdd(
        name=shard.name,
        torrent=_torrent(folder, shard.torrent),
        twin_torrent=_torrent(folder, shard.twin_torrent) if shard.twin_torrent else None,
        save_path=folder.folder,
        label=label,
        paused=False,
    )


def _torrent(folder: MirrorFolder, file: PublishedFile) -> bytes:
    """Return the bytes of a checked .torrent."""
    return read_limited(folder.document(file), bencode.LIMIT)
