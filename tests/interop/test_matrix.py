"""docs/reference/clients.md says what real clients do, and `packager inspect` says the same."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from packager.core.bittorrent.client_support import TorrentShape, client_troubles
from tests.helpers.client_programs import CLIENTS
from tests.interop.matrix import KINDS, PAGE, cells_of, page, tried

NAMES = {
    "aria2c": "aria2",
    "transmission-cli": "Transmission",
    "qbittorrent-nox": "qBittorrent",
    "deluged": "Deluge",
    "rtorrent": "rtorrent",
}
VERSIONS = {"v1 twin": "v1", "folder": "hybrid", "folder's v1 twin": "v1"}


@pytest.mark.parametrize("client", NAMES)
def test_inspect_says_of_each_client_what_the_page_says(client: str) -> None:
    cells = cells_of(PAGE.read_text(encoding="utf-8"))
    for kind in KINDS:
        for way, size in ((".torrent", 1000), ("magnet", None)):
            shape = TorrentShape(VERSIONS.get(kind, kind), 16384, size)
            named = any(fact.client == NAMES[client] for fact in client_troubles(shape))
            assert named is not cells[client, kind, way], (kind, way)


@pytest.mark.soak
@pytest.mark.interop
@pytest.mark.timeout(1800)
def test_real_clients_do_what_the_page_says(tmp_path: Path, program: Callable[[str], str]) -> None:
    for client in (*CLIENTS, "deluge-console", "nginx"):
        program(client)
    found = page(tried(tmp_path))
    if os.environ.get("WRITE_CLIENTS"):  # make clients
        PAGE.write_text(found, encoding="utf-8")
    assert found == PAGE.read_text(encoding="utf-8")
