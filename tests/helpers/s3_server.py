"""A real S3 server (moto's, a process on loopback), and a proxy before it that misbehaves by a seeded plan."""

import http.client
import random
import socket
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast

import botocore.session
import pytest
from botocore.loaders import create_loader

_loader = create_loader()
# Every session reads the descriptions of S3 again, for a tenth of a second; here all share what one has read.
botocore.session.create_loader = lambda _path=None: _loader

FAULTS = ("500", "503", "lost", "cut", "slow")
_SERVER = """
import sys
from moto.server import ThreadedMotoServer
server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
server.start()
print(server.get_host_and_port()[1], flush=True)
sys.stdin.read()
server.stop()
"""
_SLOW_DOWN = b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"
_INTERNAL = b"<Error><Code>InternalError</Code><Message>We encountered an internal error.</Message></Error>"


@contextmanager
def s3_server() -> Iterator[int]:
    """Run an S3 server while the block runs, and yield its port."""
    server = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", _SERVER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert server.stdin is not None
    assert server.stdout is not None
    try:
        yield int(server.stdout.readline())
    finally:
        server.stdin.close()
        server.wait()
        server.stdout.close()


@dataclass
class Storm:
    """A proxy's plan: which part of the requests fails, by which faults; what was done so far."""

    port: int = 0
    share: float = 0.0
    faults: tuple[str, ...] = FAULTS
    seed: int = 1
    done: Counter[str] = field(default_factory=Counter)
    requests: list[tuple[str, str]] = field(default_factory=list)  # method, path with its query
    before: Any = None  # called with (method, path) before a request is handed on

    def __post_init__(self) -> None:
        self._chance, self._lock = random.Random(self.seed), threading.Lock()

    def fault(self) -> str:
        """Return what the next request suffers, "" for nothing."""
        with self._lock:
            return self._chance.choice(self.faults) if self._chance.random() < self.share else ""

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def proxy(server: int, **plan: Any) -> Iterator[Storm]:
    """Run the proxy before the server at a port while the block runs."""
    storm = Storm(**plan)
    listening = _Proxy(("127.0.0.1", 0), _Handler)
    listening.storm, listening.server = storm, server
    storm.port = listening.server_address[1]
    thread = threading.Thread(target=listening.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield storm
    finally:
        listening.shutdown()
        thread.join()
        listening.server_close()


class _Proxy(ThreadingHTTPServer):
    daemon_threads = True
    storm: Storm
    server: int

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: cut connections are the point."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args: object) -> None:
        """Say nothing."""

    def _any(self) -> None:
        proxy = cast(_Proxy, self.server)
        storm = proxy.storm
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        storm.requests.append((self.command, self.path))
        if storm.before:
            storm.before(self.command, self.path)
        fault = storm.fault()
        storm.done[fault] += 1
        if fault in ("500", "503"):
            self._answer(int(fault), [], _INTERNAL if fault == "500" else _SLOW_DOWN)
            return
        if fault == "slow":
            threading.Event().wait(0.3)
        status, headers, data = self._ask(proxy.server, body)
        if fault == "lost":
            self._cut()
        elif fault == "cut" and len(data) > 1:
            self._answer(status, headers, data[: len(data) // 2], length=len(data))
            self._cut()
        else:
            self._answer(status, headers, data)

    def _ask(self, port: int, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        """Hand the request on and return the answer."""
        upstream = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        try:
            headers = {k: v for k, v in self.headers.items() if k.lower() not in ("expect", "connection")}
            upstream.request(self.command, self.path, body or None, headers)
            answer = upstream.getresponse()
            return answer.status, answer.getheaders(), answer.read()
        finally:
            upstream.close()

    def _answer(self, status: int, headers: list[tuple[str, str]], data: bytes, length: int | None = None) -> None:
        self.send_response_only(status)
        for key, value in headers:
            if key.lower() not in ("content-length", "connection", "transfer-encoding"):
                self.send_header(key, value)
        given = {key.lower(): value for key, value in headers}.get("content-length")
        told = given if self.command == "HEAD" and given else str(len(data) if length is None else length)
        self.send_header("Content-Length", told)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def _cut(self) -> None:
        """Break the connection off."""
        self.wfile.flush()
        self.connection.shutdown(socket.SHUT_RDWR)
        self.close_connection = True

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _any  # noqa: N815


def use(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    """Have this process and those it starts meet S3 at an address, with keys in the environment, and no other."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", address)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing-key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing-secret")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")


def tells_a_key(*said: str | bytes) -> bool:
    """Say whether a text or a file's bytes hold one of the keys of `use`."""
    told = (each.encode() if isinstance(each, str) else each for each in said)
    return any(key in each for each in told for key in (b"testing-key", b"testing-secret"))


class Bucket:
    """A bucket met directly, by botocore and not by the code under test."""

    def __init__(self, port: int, name: str) -> None:
        self.name, self.port = name, port
        self.client = botocore.session.get_session().create_client(
            "s3",
            endpoint_url=f"http://127.0.0.1:{port}",
            region_name="us-east-1",
            aws_access_key_id="testing",
            aws_secret_access_key="testing-secret",
        )
        self.client.create_bucket(Bucket=name)

    def put(self, key: str, data: bytes) -> None:
        self.client.put_object(Bucket=self.name, Key=key, Body=data)

    def listed(self) -> list[str]:
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.name)
        return [found["Key"] for page in pages for found in page.get("Contents", ())]

    def get(self, key: str) -> bytes:
        data: bytes = self.client.get_object(Bucket=self.name, Key=key)["Body"].read()
        return data

    def everything(self, prefix: str = "") -> dict[str, bytes]:
        """Return the objects with a prefix, but the mark that says which project they are of."""
        found = (key for key in self.listed() if key.startswith(prefix) and not key.endswith("/.packager-owner"))
        return {key[len(prefix) :]: self.get(key) for key in found}

    def uploads(self) -> list[str]:
        return [each["Key"] for each in self.client.list_multipart_uploads(Bucket=self.name).get("Uploads", ())]

    def close(self) -> None:
        self.client.close()
