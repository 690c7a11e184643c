"""Torrents laid into a folder that a client watches; any client will do, and none can be asked.

Most clients take a .torrent out of the folder once they have read it, so what was laid there is kept in RECORD.
"""

from collections.abc import Collection
from pathlib import Path

import msgspec

from packager.engine.clients.client import ClientTorrent, TorrentToAdd, infohashes
from packager.engine.clients.client_url import ClientUrl
from packager.engine.files import atomic_files
from packager.errors import InputError, from_os_error
from packager.model import FrozenStruct, TorrentVersion
from packager.paths import display_text

RECORD = ".packager-handed-over.jsonl"
LIMIT = 64 << 20  # bytes of RECORD, or of a torrent, that are read
_FIX = "fix or remove it; without it every torrent is laid there again"


class WatchRecord(FrozenStruct, frozen=True, kw_only=True):
    """A line of RECORD: a torrent that was laid into the folder, by all infohashes of its shard."""

    name: str
    infohashes: tuple[str, ...]


class WatchFolder:
    """A folder that some client watches."""

    trusts = False

    def __init__(self, address: ClientUrl) -> None:
        """Check that it is there: one made here would be watched by no one."""
        self._folder = Path(address.target)
        self.name = f"watch folder {display_text(address.target)}"
        self.takes: tuple[TorrentVersion, ...] = ("v1",) if address.kind == "watch-v1" else ("hybrid", "v2", "v1")
        if not self._folder.is_dir():
            raise InputError(address.spec, "there is no such folder", "make it, or name the one your client watches")

    def held(self) -> dict[str, ClientTorrent]:
        """Return what was laid here before; what became of it only the client knows."""
        return {
            infohash: ClientTorrent(
                name=display_text(laid.name), progress=None, seeding=False, ratio=0.0, peers=0, path=None
            )
            for laid in self._read()
            for infohash in laid.infohashes
        }

    def take(self, torrent: bytes, handover: TorrentToAdd) -> None:
        """Lay a torrent here, whole at once, then note it. Where its data goes, and the label, the client decides.

        Killed in between, the torrent is laid again; a client that has it does nothing.
        """
        path = self._folder / f"{handover.name}.torrent"
        if _read_all(path) not in (b"", torrent):
            raise InputError(path, "another torrent lies here under this name", "move it away")
        atomic_files.write_bytes(path, torrent)
        new = WatchRecord(name=handover.name, infohashes=tuple(sorted(infohashes(handover))))
        lines = b"".join(msgspec.json.encode(each) + b"\n" for each in (*self._read(), new))
        atomic_files.write_bytes(self._folder / RECORD, lines)

    def stop(self, infohashes: Collection[str]) -> set[str]:
        """Remove .torrent files that no client has read yet; a client itself cannot be told to stop."""
        for laid in self._read():
            if not set(laid.infohashes).isdisjoint(infohashes):
                atomic_files.remove_file(self._folder / f"{laid.name}.torrent")
        return set()

    def _read(self) -> list[WatchRecord]:
        """Return the lines of RECORD. Raises InputError if it is not what was written."""
        path = self._folder / RECORD
        try:
            return [msgspec.json.decode(line, type=WatchRecord) for line in _read_all(path).splitlines()]
        except msgspec.MsgspecError as error:
            raise InputError(path, f"is not the record of what was laid here ({error})", _FIX) from error


def _read_all(path: Path) -> bytes:
    """Return the first LIMIT bytes of a file, none where it is not there. Raises IncompleteError."""
    try:
        with path.open("rb") as file:
            return file.read(LIMIT)
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise from_os_error(error, path, "fix the permissions, then run the command again") from error
