"""Torrents handed to clients that run already: qBittorrent, Transmission, aria2, or whatever watches a folder."""

import os
from collections.abc import Mapping

from packager.engine.clients.client import Client, ClientTorrent, Program, TorrentToAdd
from packager.engine.clients.client_url import ClientUrl, parse_client_url, with_password
from packager.errors import InputError

__all__ = ["Client", "ClientTorrent", "TorrentToAdd", "open_client"]

_PACKAGES = {"qbittorrentapi": "qbittorrent-api", "transmission_rpc": "transmission-rpc"}  # by module


def open_client(spec: str, environ: Mapping[str, str] = os.environ) -> Client:
    """Return the client that `spec` names, which was reached and let us in.

    spec: "qbittorrent:URL", "transmission:URL", "aria2:URL" (a user may stand in the URL, a password not),
    "watch:FOLDER", or "watch-v1:FOLDER" for a client that reads v1 torrents alone. environ: where the password
    or token is, see `client_url.with_password`. Raises InputError for a wrong spec, password or version or a
    library that is not installed; IncompleteError where the client does not answer.
    """
    address = with_password(parse_client_url(spec), environ)
    try:
        return Client(_open(address))
    except ModuleNotFoundError as error:
        package = _PACKAGES.get(error.name or "")
        if package is None:
            raise
        what = f"the library {error.name} is not installed"
        raise InputError(address.spec, what, f"run: pip install {package}") from error


def _open(address: ClientUrl) -> Program:
    """Return the program at an address. Imports what that needs, and no other program's library."""
    if address.kind == "qbittorrent":
        from packager.engine.clients.qbittorrent import QBittorrent

        return QBittorrent(address)
    if address.kind == "transmission":
        from packager.engine.clients.transmission import Transmission

        return Transmission(address)
    if address.kind == "aria2":
        from packager.engine.clients.aria2 import Aria2

        return Aria2(address)
    from packager.engine.clients.watch_folder import WatchFolder

    return WatchFolder(address)
