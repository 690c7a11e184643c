"""Trackers on loopback: peers announced to a real one, and small ones that answer whatever a test says."""

import socket
import struct
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import quote_from_bytes, unquote_to_bytes

from packager.core.bittorrent import bencode
from packager.engine.network.http_client import HttpClient
from tests.helpers.http_server import LOOPBACK

Parts = Iterator[bytes] | bytes


def announce(tracker: str, infohash: bytes, *, port: int, left: int = 0, event: str = "started") -> None:
    """Announce a peer of 127.0.0.1 to a tracker by HTTP (BEP 3). left: bytes; 0 for a seed."""
    peer = f"-AP0001-{port:012d}"
    query = f"info_hash={quote_from_bytes(infohash, safe='')}&peer_id={peer}&port={port}&uploaded=0&downloaded=0"
    with HttpClient(seconds=5, allowed=LOOPBACK) as web:
        answer = web.fetch(f"{tracker}announce?{query}&left={left}&event={event}&compact=1", limit=10_000)
    assert b"failure reason" not in answer, answer


@contextmanager
def http_tracker(answer: Callable[[list[bytes]], Parts], *, status: int = 200) -> Iterator[str]:
    """Serve a tracker that answers a scrape of infohashes with what `answer` makes of them; yield its announce URL."""

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *arguments: object) -> None:
            """Log nothing."""

        def do_GET(self) -> None:
            path, _, query = self.path.partition("?")
            fields = [field.partition("=") for field in query.split("&")]
            asked = [unquote_to_bytes(value) for key, _, value in fields if key == "info_hash"]
            self.send_response(status if path == "/scrape" else 404)
            self.end_headers()
            parts = answer(asked)
            try:
                for part in [parts] if isinstance(parts, bytes) else parts:
                    self.wfile.write(part)
            except OSError:
                return  # the client had enough

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads, server.block_on_close = True, False
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/announce"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def udp_tracker(answer: Callable[[bytes], Sequence[bytes]]) -> Iterator[str]:
    """Serve a tracker that sends what `answer` makes of each packet; yield its announce URL."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.bind(("127.0.0.1", 0))
        over = threading.Event()

        def run() -> None:
            while not over.is_set():
                packet, peer = listener.recvfrom(4096)
                for each in answer(packet) if packet else ():
                    listener.sendto(each, peer)

        thread = threading.Thread(target=run)
        thread.start()
        port = listener.getsockname()[1]
        try:
            yield f"udp://127.0.0.1:{port}/announce"
        finally:
            over.set()
            listener.sendto(b"", ("127.0.0.1", port))
            thread.join()


def bep48(counts: dict[bytes, tuple[int, int, int]]) -> bytes:
    """Return the answer of a tracker by HTTP: infohash -> seeders, completed, leechers."""
    files: bencode.Dictionary = {
        infohash: {b"complete": seeders, b"downloaded": completed, b"incomplete": leechers}
        for infohash, (seeders, completed, leechers) in counts.items()
    }
    return bencode.encode({b"files": files})


def bep15(counts: Callable[[bytes], tuple[int, int, int]]) -> Callable[[bytes], list[bytes]]:
    """Return a right UDP tracker. counts: of an infohash: seeders, completed, leechers."""

    def answer(packet: bytes) -> list[bytes]:
        action, transaction = struct.unpack_from(">II", packet, 8)
        if action == 0:
            return [struct.pack(">IIQ", 0, transaction, 0x1122334455667788)]
        assert packet[:8] == bytes.fromhex("1122334455667788")
        swarms = [packet[at : at + 20] for at in range(16, len(packet), 20)]
        return [struct.pack(">II", 2, transaction) + b"".join(struct.pack(">iii", *counts(each)) for each in swarms)]

    return answer
