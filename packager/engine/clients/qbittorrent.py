"""The door to qbittorrent-api: torrents given to qBittorrent by its Web API (version 2: qBittorrent 4.1 and later)."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

import qbittorrentapi

from packager.engine.clients import client_errors
from packager.engine.clients.client import ClientTorrent, TorrentToAdd
from packager.engine.clients.client_url import ClientUrl
from packager.model import TorrentVersion
from packager.paths import display_text

_SEEDING = frozenset(("uploading", "stalledUP", "forcedUP"))
_USER = "admin"  # qBittorrent's own default


class QBittorrent:
    """A running qBittorrent."""

    trusts = True

    def __init__(self, address: ClientUrl) -> None:
        """Reach it and log in. No proxy is used and no redirect followed: the password is for this host."""
        self._address = address
        self._client = qbittorrentapi.Client(
            host=address.target,
            username=address.user or (_USER if address.password is not None else None),
            password=address.password,
            REQUESTS_ARGS={"timeout": client_errors.SECONDS, "allow_redirects": False, "proxies": {"no_proxy": "*"}},
            HTTPADAPTER_ARGS={"max_retries": 0},  # urllib3 would tell the terminal of each
            FORCE_SCHEME_FROM_HOST=True,
            DISABLE_LOGGING_DEBUG_OUTPUT=True,
        )
        with self._sentences("the question for its version"):
            self.name = f"qBittorrent {display_text(self._client.app_version().removeprefix('v'), 40)}"
            build = self._client.app_build_info()  # None before 4.2
        self.takes = supported_versions(str(build["libtorrent"]) if build else "1.")

    def held(self) -> dict[str, ClientTorrent]:
        """Return all torrents that it has, by infohash in hex."""
        with self._sentences("the question for its torrents"):
            listed = self._client.torrents_info()
        held: dict[str, ClientTorrent] = {}
        for each in listed:
            one = ClientTorrent(
                name=display_text(str(each.name)),
                progress=float(str(each.progress)),
                seeding=each.state in _SEEDING,
                ratio=float(str(each.uploaded)) / max(1.0, float(str(each.size))),
                peers=int(str(each.num_seeds)) + int(str(each.num_leechs)),
                path=Path(str(each.get("content_path") or each.save_path)),
            )
            # Before 4.4 there is `hash` alone; since then it may be a v2 infohash cut to 40 digits.
            keys = (each.get("infohash_v1"), each.get("infohash_v2"))
            held |= {str(key): one for key in keys if key} or {str(each.hash): one}
        return held

    def take(self, torrent: bytes, handover: TorrentToAdd) -> None:
        """Give it a torrent; the label becomes its category, which qBittorrent makes where it is new."""
        with self._sentences(handover.name):
            answer = self._client.torrents_add(
                torrent_files={f"{handover.name}.torrent": torrent},
                save_path=str(handover.save_path),
                category=handover.label or None,
                is_stopped=handover.paused,
                content_layout="Original",
                use_auto_torrent_management=False,  # else the category decides the folder
                use_download_path=False,
                is_skip_checking=handover.verified,
            )
        if answer == "Fails.":
            raise client_errors.refusal(self._address, handover.name, "")

    def stop(self, infohashes: Collection[str]) -> set[str]:
        """Stop torrents; it knows each by 40 digits, those of v1 or the first of v2."""
        with self._sentences("the wish to stop torrents"):
            self._client.torrents_stop(sorted({infohash[:40] for infohash in infohashes}))
        return set(infohashes)

    @contextmanager
    def _sentences(self, what: str) -> Iterator[None]:
        """Raise our errors for the library's."""
        try:
            yield
        except qbittorrentapi.Forbidden403Error as error:
            raise client_errors.refusal(self._address, "us", error, "wait an hour, or restart it") from error
        except (qbittorrentapi.LoginFailed, qbittorrentapi.Unauthorized401Error) as error:
            raise client_errors.wrong_password(self._address) from error
        except (qbittorrentapi.NotFound404Error, ValueError) as error:
            raise client_errors.another_program(self._address) from error
        except qbittorrentapi.HTTPError as error:
            raise client_errors.refusal(self._address, what, error) from error
        except qbittorrentapi.APIConnectionError as error:
            raise client_errors.no_answer(self._address, error) from error


def supported_versions(libtorrent: str) -> tuple[TorrentVersion, ...]:
    """Return the versions of torrents that a qBittorrent uses, by its libtorrent; v2 came with libtorrent 2."""
    return ("hybrid", "v1") if libtorrent.startswith("1.") else ("hybrid", "v2", "v1")
