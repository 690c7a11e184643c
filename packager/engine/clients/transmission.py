"""The door to transmission-rpc: torrents given to Transmission by its RPC (version 14: Transmission 2.40 and later)."""

import logging
import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import transmission_rpc

from packager.engine.clients import client_errors
from packager.engine.clients.client import ClientTorrent, TorrentToAdd
from packager.engine.clients.client_url import ClientUrl
from packager.errors import InputError
from packager.model import TorrentVersion
from packager.paths import display_text

_OLDEST, _LABELS, _LABELS_AT_ONCE = 14, 16, 17  # RPC versions: minimum; labels; labels in torrent-add
_SEEDING = 6  # torrent-get's `status`
_FIELDS = ("name", "percentDone", "status", "uploadedEver", "sizeWhenDone", "peersConnected", "downloadDir")
# The library logs passwords, torrents and what a stranger answers.
_SILENT = logging.Logger("transmission-rpc, silenced", logging.CRITICAL + 1)


class Transmission:
    """A running Transmission."""

    trusts = False

    def __init__(self, address: ClientUrl) -> None:
        """Reach it and log in; the library uses no proxy."""
        self._address = address
        parts = urlsplit(address.target)
        with self._sentences("the question for its version"):
            self._client = transmission_rpc.Client(
                protocol="https" if parts.scheme == "https" else "http",
                username=address.user,
                password=address.password,
                host=f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname or "",
                port=parts.port or (443 if parts.scheme == "https" else 80),
                path=parts.path,
                timeout=client_errors.SECONDS,
                logger=_SILENT,
            )
            session = self._client.get_session()
            version, self._rpc = str(session.version), int(session.rpc_version)
        self.name = f"Transmission {display_text(version.partition(' ')[0], 40)}"
        self.takes = supported_versions(version)
        if self._rpc < _OLDEST:
            raise InputError(address.spec, f"{self.name} is too old to be told what to do", "2.40 or later will do")

    def held(self) -> dict[str, ClientTorrent]:
        """Return all torrents that it has, by infohash in hex: it tells the v1 infohash alone."""
        with self._sentences("the question for its torrents"):
            listed = [each.fields for each in self._client.get_torrents(arguments=_FIELDS)]
        return {
            str(each["hashString"]): ClientTorrent(
                name=display_text(str(each["name"])),
                progress=float(each["percentDone"]),
                seeding=each["status"] == _SEEDING,
                ratio=each["uploadedEver"] / max(1, each["sizeWhenDone"]),
                peers=int(each["peersConnected"]),
                path=Path(each["downloadDir"], each["name"]),
            )
            for each in listed
        }

    def take(self, torrent: bytes, handover: TorrentToAdd) -> None:
        """Give it a torrent."""
        labels = [handover.label] if handover.label else None
        with self._sentences(handover.name):
            added = self._client.add_torrent(
                torrent,
                download_dir=str(handover.save_path),
                paused=handover.paused,
                labels=labels if self._rpc >= _LABELS_AT_ONCE else None,
            )
            if labels and _LABELS <= self._rpc < _LABELS_AT_ONCE:
                self._client.change_torrent(added.id, labels=labels)

    def stop(self, infohashes: Collection[str]) -> set[str]:
        """Stop torrents."""
        with self._sentences("the wish to stop torrents"):
            self._client.stop_torrent(sorted(infohashes))
        return set(infohashes)

    @contextmanager
    def _sentences(self, what: str) -> Iterator[None]:
        """Raise our errors for the library's, which lets some of requests' (an OSError) and of Python's through."""
        try:
            yield
        except transmission_rpc.TransmissionAuthError as error:
            raise client_errors.wrong_password(self._address) from error
        except (transmission_rpc.TransmissionConnectError, OSError) as error:
            raise client_errors.no_answer(self._address, error) from error
        except transmission_rpc.TransmissionError as error:
            words = error.response.get("result") if isinstance(error.response, dict) else None
            if not isinstance(words, str):
                raise client_errors.another_program(self._address) from error
            raise client_errors.refusal(self._address, what, words) from error
        except (KeyError, TypeError, ValueError) as error:
            raise client_errors.another_program(self._address) from error


def supported_versions(version: str) -> tuple[TorrentVersion, ...]:
    """Return the versions of torrents that a Transmission uses.

    Before 4 it refuses every .torrent with BEP 52's file tree, whose empty key its parser cannot read; since
    then it reads a hybrid's v1 half.
    """
    major = re.match(r"[0-9]+", version)
    return ("hybrid", "v1") if major is not None and int(major[0]) >= 4 else ("v1",)
