"""A track of 4 MB out of a shard of 4 GiB: what it costs, counted at the server and at the peer."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http.server import ThreadingHTTPServer
from io import BytesIO
from pathlib import Path

import pytest

from bench.lookup import RangeHandler
from packager.cli.app import main
from packager.engine.published.published_shard import open_published_shard, shard_files
from tests.helpers.projects import Project
from tests.helpers.tagged_archive import PHASES, Capture, counting_peer, get

NAME = "tones-all-00001"
TRACK = 4_000_000
TRACKS = 1075  # 4 GiB and a little more
MB = 1_000_000


@dataclass
class Sent:
    """Bytes of bodies that a server sent, and how many requests it answered."""

    size: int = 0
    requests: int = 0


class _Counting(RangeHandler):
    sent: Sent

    def send_head(self) -> BytesIO | None:  # type: ignore[override]
        body = super().send_head()
        assert body is not None
        self.sent.requests += 1
        self.sent.size += len(body.getvalue())
        return body


@contextmanager
def serving_folder(folder: Path) -> Iterator[tuple[str, Sent]]:
    sent = Sent()
    handler = type("Counting", (_Counting,), {"sent": sent})
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(handler, directory=folder))
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/", sent
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.soak
@pytest.mark.timeout(1200)
def test_a_track_of_a_4_gib_shard_costs_its_pieces_and_a_megabyte(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    project = Project(tmp_path)
    project.source.mkdir(parents=True)
    for number in range(TRACKS):
        with open(project.source / f"{number:04d} track.flac", "wb") as file:
            file.write(number.to_bytes(8, "big"))
            file.truncate(TRACK)  # sparse: only the shard takes 4 GiB
    project.write_config(size="8 GiB", phases=PHASES)
    assert main(["release", "--json", "--config", str(tmp_path / "packager.toml")]) == 0
    published = open_published_shard(shard_files(tmp_path / "site/manifests" / f"{NAME}.manifest.json"))
    assert published.manifest.size > 4 << 30
    piece, key = published.manifest.piece_length, "0700 track.flac"
    start = int(published.layout.offsets[700])
    covering = (-(-(start + TRACK) // piece) - start // piece) * piece
    with serving_folder(tmp_path) as (address, sent):
        arguments = [key, "--release", f"{address}site/"]
        code, report = get(
            capsys, *arguments, "--from", f"{address}shards/", "--to", tmp_path / "by web seed", "--json"
        )
        assert (code, report["written"]) == (0, 1)
        assert sent.size == report["transferred_bytes"] + report["lookup_bytes"] <= covering + MB
        assert sent.requests <= 7
        sent.size = 0
        with counting_peer(tmp_path / "site/torrents" / f"{NAME}.torrent", tmp_path / "shards") as peer:
            swarm = ["--peer", peer.address, "--listen", "127.0.0.1:0", "--to", tmp_path / "by swarm"]
            code, report = get(capsys, *arguments, *swarm)
            assert (code, report["written"], report["transferred_bytes"]) == (0, 1, covering)
            assert 0 < peer.uploaded <= covering  # the last write is not counted where we hang up first
        assert sent.size <= MB  # the .torrent is most of it
    print(f"lookup {report['lookup_bytes']} bytes, pieces {covering}, shard {published.manifest.size}")
