"""Torrents given to aria2 by its JSON-RPC, asked by httpx.

aria2p, the library for it, fixes the RPC's path, and follows redirects and the environment's proxies with the
token in hand.
"""

import re
from base64 import b64encode
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import httpx

from packager.engine.clients import client_errors
from packager.engine.clients.client import ClientTorrent, TorrentToAdd
from packager.engine.clients.client_url import ClientUrl
from packager.model import TorrentVersion
from packager.paths import display_text

_KEYS = ("status", "infoHash", "totalLength", "completedLength", "uploadLength", "connections", "seeder")
_WHERE = ("dir", "bittorrent")
_MOST = 100_000  # downloads told of at once
_GONE = frozenset(("error", "removed"))  # it does not hold these any more, and takes them again


class Aria2:
    """A running aria2."""

    trusts = True

    def __init__(self, address: ClientUrl) -> None:
        """Reach it and try the token."""
        self._address = address
        found = self._ask("getVersion", what="the question for its version")
        version = found.get("version") if isinstance(found, dict) else None
        if not isinstance(version, str):
            raise client_errors.another_program(address)
        self.name = f"aria2 {display_text(version, 40)}"
        self.takes = supported_versions(version)

    def held(self) -> dict[str, ClientTorrent]:
        """Return all torrents that it has, by v1 infohash in hex; those that ended well since it was started, too."""
        keys = [*_KEYS, *_WHERE]
        questions: tuple[tuple[str, Sequence[object]], ...] = (
            ("tellStopped", (0, _MOST, keys)),
            ("tellWaiting", (0, _MOST, keys)),
            ("tellActive", (keys,)),  # last: it says more than that the same torrent ended once
        )
        listed = [
            each
            for method, parameters in questions
            for each in self._ask(method, *parameters, what="the question for its torrents")
        ]
        return {each["infoHash"]: _held(each) for each in listed if "infoHash" in each and each["status"] not in _GONE}

    def take(self, torrent: bytes, handover: TorrentToAdd) -> None:
        """Give it a torrent; it has no labels. What is in the folder already is checked, unless it is proved."""
        options = {
            "dir": str(handover.save_path),
            "pause": "true" if handover.paused else "false",
            "check-integrity": "false" if handover.verified else "true",
            "bt-seed-unverified": "true" if handover.verified else "false",
        }
        self._ask("addTorrent", b64encode(torrent).decode("ascii"), [], options, what=handover.name)

    def stop(self, infohashes: Collection[str]) -> set[str]:
        """Pause downloads, also those that it seeds; it knows them by numbers of its own."""
        what = "the wish to pause downloads"
        active = self._ask("tellActive", ["gid", "infoHash"], what=what)
        waiting = self._ask("tellWaiting", 0, _MOST, ["gid", "infoHash", "status"], what=what)
        for each in (*active, *waiting):
            if each.get("infoHash") in infohashes and each.get("status") != "paused":
                self._ask("forcePause", each["gid"], what=what)
        return set(infohashes)

    def _ask(self, method: str, *parameters: object, what: str) -> Any:
        """Return aria2's answer to one call (JSON-RPC 2.0). No proxy is used, no redirect followed."""
        token = [f"token:{self._address.password}"] if self._address.password is not None else []
        question = {"jsonrpc": "2.0", "id": "", "method": f"aria2.{method}", "params": [*token, *parameters]}
        try:
            reply = httpx.post(
                self._address.target, json=question, timeout=client_errors.SECONDS, trust_env=False
            ).json()
        except httpx.HTTPError as error:
            raise client_errors.no_answer(self._address, error) from error
        except (httpx.InvalidURL, ValueError) as error:
            raise client_errors.another_program(self._address) from error
        if not isinstance(reply, dict) or not {"result", "error"} & reply.keys():
            raise client_errors.another_program(self._address)
        if "error" not in reply:
            return reply["result"]
        words = reply["error"].get("message", "") if isinstance(reply["error"], dict) else ""
        if words == "Unauthorized":
            raise client_errors.wrong_password(self._address)
        raise client_errors.refusal(self._address, what, words)


def _held(told: dict[str, Any]) -> ClientTorrent:
    """Return one download as `tell...` gives it: numbers are strings there."""
    size = int(told["totalLength"])
    info = told.get("bittorrent", {}).get("info", {})
    name = str(info.get("name", told["infoHash"]))
    return ClientTorrent(
        name=display_text(name),
        progress=int(told["completedLength"]) / size if size else 0.0,
        seeding=told["status"] == "active" and told.get("seeder") == "true",
        ratio=int(told["uploadLength"]) / max(1, size),
        peers=int(told["connections"]),
        path=Path(told["dir"], name),
    )


def supported_versions(version: str) -> tuple[TorrentVersion, ...]:
    """Return the versions of torrents that an aria2 uses rightly.

    Before 1.37 it drops the empty key of BEP 52's file tree, and so takes a wrong v1 infohash from a hybrid.
    """
    numbers = re.match(r"([0-9]+)\.([0-9]+)", version)
    return ("hybrid", "v1") if numbers is not None and (int(numbers[1]), int(numbers[2])) >= (1, 37) else ("v1",)
