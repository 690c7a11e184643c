"""What a running BitTorrent client gets, and the state of its torrents.

Nothing is ever taken out of a client, and nothing is handed over twice. What must not be shared any more is stopped.
"""

import time
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from packager.core.bittorrent import parse_torrent
from packager.errors import InputError
from packager.model import TorrentVersion
from packager.paths import display_text, is_safe_name

LISTING_SECONDS = 3.0  # that a program may take to list what it was given
_POLL_SECONDS = 0.1
FIX = "its publisher makes one with torrents.also_v1 = true; a newer client needs none"


@dataclass(frozen=True)
class TorrentToAdd:
    """One shard for a client.

    name: the shard's. torrent: the .torrent's bytes. twin_torrent: those of its v1-only twin, where there is one.
    save_path: the folder for the tar, absolute, as the client sees it. label: a category or label, "" for none.
    verified: the tar is there, and all of it was read and found right: the client need not read it again.
    """

    name: str
    torrent: bytes
    twin_torrent: bytes | None
    save_path: Path
    label: str
    paused: bool
    verified: bool = False


@dataclass(frozen=True)
class ClientTorrent:
    """One torrent as its client tells of it.

    progress: the share of its bytes that the client found right, 0 to 1. ratio: bytes uploaded for each byte of
    the torrent. peers: connected now. path: where its data is. None: the client cannot be asked.
    """

    name: str
    progress: float | None
    seeding: bool
    ratio: float
    peers: int
    path: Path | None


class Program(Protocol):
    """One program's way of telling and of taking.

    Every call raises IncompleteError if it does not answer, InputError if it refuses.
    """

    name: str
    takes: tuple[TorrentVersion, ...]  # the versions of torrents that it uses rightly
    trusts: bool  # it shares what is proved without reading it

    def held(self) -> dict[str, ClientTorrent]:
        """Return all torrents that it has, by infohash in hex."""

    def take(self, torrent: bytes, handover: TorrentToAdd) -> None:
        """Give it a torrent that it does not have."""

    def stop(self, infohashes: Collection[str]) -> set[str]:
        """Stop torrents that it has; return those that it was able to stop."""


class Client:
    """A client that torrents are handed to: a program, given nothing that it has already. Raises as `Program`.

    It is asked once what it has, and again by `held`.
    """

    def __init__(self, program: Program) -> None:
        """Give to this program."""
        self._program = program
        self._known: set[str] | None = None

    @property
    def name(self) -> str:
        """The program and its version, or the folder."""
        return self._program.name

    @property
    def trusts(self) -> bool:
        """Whether it shares a proved tar without reading it."""
        return self._program.trusts

    def held(self) -> dict[str, ClientTorrent]:
        """Return all torrents that it has, by infohash in hex: 40 digits (v1) or 64 (v2), a hybrid by both."""
        held = self._program.held()
        self._known = set(held)
        return held

    def stop(self, infohashes: Collection[str]) -> set[str]:
        """Stop torrents that it has, by infohashes as `held` has them; return those that it was able to stop."""
        return self._program.stop(infohashes)

    def add(self, handover: TorrentToAdd) -> bool:
        """Hand a shard over, unless the client has it in any of its versions; say whether it was."""
        _check(handover)
        ours = infohashes(handover)
        known = self._known if self._known is not None else set(self.held())
        if not known.isdisjoint(ours):
            return False
        torrent = torrent_for_client(handover, self._program.takes, self.name)
        try:
            self._program.take(torrent, handover)
        except InputError:
            if not self._lists(ours):
                raise
            return False  # another run was quicker
        self._known = known | ours
        return True

    def _lists(self, infohashes: Collection[str]) -> bool:
        """Return whether it lists one of these torrents, soon: it may be about to, and refuses it a second time."""
        end = time.monotonic() + LISTING_SECONDS
        while set(infohashes).isdisjoint(self.held()):
            if time.monotonic() >= end:
                return False
            time.sleep(_POLL_SECONDS)
        return True


def infohashes(handover: TorrentToAdd) -> set[str]:
    """Return every infohash that a client may know the shard by, in hex: v1, v2 and the twin's."""
    found = [parse_torrent.parse_torrent(torrent, handover.name) for torrent in _torrents(handover)]
    return {digest.hex() for each in found for digest in (each.infohash_v1, each.infohash_v2) if digest is not None}


def torrent_for_client(handover: TorrentToAdd, takes: Collection[TorrentVersion], client: str) -> bytes:
    """Return the torrent that a client can use: the release's own where it can, else its v1-only twin.

    Raises InputError, with what the publisher would have to do, where it can use neither.
    """
    versions = [parse_torrent.parse_torrent(torrent, handover.name).version for torrent in _torrents(handover)]
    for version, torrent in zip(versions, _torrents(handover), strict=True):
        if version in takes:
            return torrent
    what = f"{client} cannot use a {versions[0]} torrent, and the release has no v1 torrent beside it"
    raise InputError(display_text(handover.name), what, FIX)


def _torrents(handover: TorrentToAdd) -> list[bytes]:
    return [each for each in (handover.torrent, handover.twin_torrent) if each is not None]


def _check(handover: TorrentToAdd) -> None:
    """Raise InputError for a name or folder that a client would misread."""
    where = display_text(handover.name)
    if not is_safe_name(handover.name):
        raise InputError(where, "is not a name that every client can use for a file")
    path = str(handover.save_path)
    if not handover.save_path.is_absolute():
        raise InputError(where, f'the folder "{display_text(path)}" is not absolute, and a client runs in another one')
    try:
        path.encode()
    except UnicodeEncodeError:
        raise InputError(
            where, f'no client can be told of the folder "{display_text(path)}": it is not UTF-8'
        ) from None
