"""A real HTTP server on loopback that answers ranges, counts the bytes it sends, and can misbehave."""

import re
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal, cast
from urllib.parse import unquote

from packager.core.http.allowed_hosts import allowed_hosts

LOOPBACK = allowed_hosts(["127.0.0.0/8"])  # what a user says who wants addresses of documents to be asked there

Fault = Literal[
    "",
    "ignores range",
    "wrong range",
    "no content-range",
    "another size",
    "gzip",
    "too much",
    "short",
    "endless",
    "silent",
    "drips headers",
    "drips body",
    "503",
    "503 once",
    "404",
    "redirect",
    "redirect loop",
    "wrong bytes",
    "stalls",
]
Answer = Callable[[BaseHTTPRequestHandler], None]
_RANGE = re.compile(r"bytes=(?:([0-9]+)-([0-9]+)|-([0-9]+))")


@dataclass
class Site:
    """What is served, how, and what was sent: files by path, the fault, where a redirect leads."""

    files: dict[str, bytes]
    fault: Fault = ""
    target: str = ""
    only: str = ""  # the path that the fault is of, "" for every one
    sent: int = 0  # bytes of bodies
    ranges: list[tuple[str, int, int]] = field(default_factory=list)  # path, start, stop
    requests: int = 0
    stopped: threading.Event = field(default_factory=threading.Event)
    address: str = ""


@contextmanager
def serving(files: dict[str, bytes], fault: Fault = "", target: str = "") -> Iterator[Site]:
    """Serve files on 127.0.0.1 while the block runs; `address` ends in "/"."""
    site = Site(files, fault, target)
    server = _Server(("127.0.0.1", 0), _Handler)
    server.site = site
    site.address = f"http://127.0.0.1:{server.server_address[1]}/"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield site
    finally:
        site.stopped.set()
        server.shutdown()
        thread.join()
        server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    site: Site

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: clients of these tests hang up on purpose."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments: object) -> None:
        """Log nothing."""

    @property
    def site(self) -> Site:
        return cast(_Server, self.server).site

    def do_GET(self) -> None:
        site = self.site
        site.requests += 1
        path = unquote(self.path)
        data = site.files.get(path.lstrip("/"))
        fault = site.fault if site.only in ("", path.lstrip("/")) else ""
        if fault == "silent":
            site.stopped.wait(30)
        elif fault == "drips headers":
            self._drip()
        elif fault == "503" or (fault == "503 once" and site.requests == 1):
            self._plain(503, b"down")
        elif data is None or fault == "404":
            self._plain(404, b"nothing here")
        elif (fault == "redirect" and self.path != site.target) or fault == "redirect loop":
            self._head(302, 0, {"Location": site.target or self.path})
        else:
            self._file(path, data, fault)

    def _drip(self) -> None:
        self.wfile.write(b"HTTP/1.1 200 OK\r\n")
        while not self.site.stopped.wait(0.05):
            self.wfile.write(b"X-A: b\r\n")
            self.wfile.flush()

    def _plain(self, status: int, body: bytes) -> None:
        self._head(status, len(body), {})
        self._send(body)

    def _head(self, status: int, length: int | None, headers: dict[str, str]) -> None:
        self.send_response(status)
        if length is None:
            self.send_header("Connection", "close")
        else:
            self.send_header("Content-Length", str(length))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def _send(self, body: bytes) -> None:
        for at in range(0, len(body), 65536):
            part = body[at : at + 65536]
            self.wfile.write(part)
            self.site.sent += len(part)

    def _file(self, path: str, data: bytes, fault: Fault) -> None:
        asked = _RANGE.fullmatch(self.headers.get("Range", ""))
        if fault == "wrong bytes":
            data = bytes(len(data))
        if asked is None or fault == "ignores range":
            self._whole(data, fault)
            return
        if asked[3]:
            start, stop = max(0, len(data) - int(asked[3])), len(data)
        else:
            start, stop = int(asked[1]), min(int(asked[2]) + 1, len(data))
        if start >= len(data):
            self._head(416, 0, {"Content-Range": f"bytes */{len(data)}"})
            return
        self.site.ranges.append((path, start, stop))
        shift, size = (fault == "wrong range"), len(data) + 7 * (fault == "another size")
        headers = {"Content-Range": f"bytes {start + shift}-{stop - 1 + shift}/{size}"}
        body = data[start:stop]
        if fault == "no content-range":
            headers = {}
        elif fault == "gzip":
            headers["Content-Encoding"] = "gzip"
        elif fault == "too much":
            body += b"!"
        if fault == "short":
            self._head(206, len(body), headers)
            self._send(body[: len(body) // 2])
            self.close_connection = True
        elif fault == "endless":
            self._head(206, None, headers)
            while not self.site.stopped.is_set():
                self._send(bytes(1 << 16))
        else:
            self._head(206, len(body), headers)
            self._send_stalling(body, max(0, len(data) // 2 - start))

    def _send_stalling(self, body: bytes, early: int) -> None:
        """Send a body; while the fault is that the server stalls, only its first bytes."""
        self._send(body[:early])
        while self.site.fault == "stalls" and early < len(body) and not self.site.stopped.wait(0.01):
            pass
        self._send(body[early:])

    def _whole(self, data: bytes, fault: Fault) -> None:
        if fault == "gzip":
            self._head(200, len(data), {"Content-Encoding": "gzip"})
        elif fault == "drips body":
            self._head(200, len(data), {})
            for at in range(len(data)):
                if self.site.stopped.wait(0.01):
                    return
                self._send(data[at : at + 1])
            return
        elif fault == "endless":
            self._head(200, None, {})
            while not self.site.stopped.is_set():
                self._send(bytes(1 << 16))
            return
        else:
            self._head(200, len(data), {})
        self._send(data)


@contextmanager
def answering(answer: Answer, *, tls: ssl.SSLContext | None = None) -> Iterator[tuple[int, list[str]]]:
    """Answer requests on 127.0.0.1; yield the port, and the addresses that were asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version, disable_nagle_algorithm = "HTTP/1.1", True

        def log_message(self, *arguments: object) -> None:
            """Log nothing."""

        def do_GET(self) -> None:
            asked.append(f"{self.headers['Host']} {self.path}")
            answer(self)

    class Server(ThreadingHTTPServer):
        daemon_threads, block_on_close = True, False

        def handle_error(self, request: object, client_address: object) -> None:
            """Say nothing: clients of these tests hang up on purpose."""

    server = Server(("127.0.0.1", 0), Handler)
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server.server_address[1], asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def send(handler: BaseHTTPRequestHandler, status: int, body: bytes = b"", **headers: str) -> None:
    handler.send_response(status)
    for name, value in {"Content_Length": str(len(body)), **headers}.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.write(body)
