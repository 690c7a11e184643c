"""Clients that take nothing of what is sent to them are cut off; those that take some are not."""

import asyncio
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from packager.serve import server
from packager.serve.access_log import AccessLog
from packager.serve.metrics import Metrics, shared_numbers
from packager.serve.request_handler import RequestHandler, _Answer
from packager.serve.server import Server


class Request:
    """What an answer asks of a request: its socket, and what ends the connection."""

    def __init__(self, ours: socket.socket) -> None:
        self.socket, self.transport, self.aborted = ours, self, False

    def get_extra_info(self, name: str) -> socket.socket | None:
        return self.socket if name == "socket" else None

    def abort(self) -> None:
        self.aborted = True


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        theirs = socket.create_connection(server.getsockname())
        ours, _ = server.accept()
        with ours, theirs:
            yield ours, theirs


def test_a_client_that_takes_nothing_is_cut_and_one_that_takes_some_is_not(
    pair: tuple[socket.socket, socket.socket], tmp_path: Path
) -> None:
    ours, theirs = pair
    ours.setblocking(False)
    answers = RequestHandler(
        tmp_path, cast("Any", None), Metrics(shared_numbers(1), 0, 1), AccessLog(os.open(os.devnull, 1)), {}
    )
    request = Request(ours)
    answer = _Answer(cast("Any", request))
    answers._under_way.add(answer)
    now = 0.0

    async def cut() -> bool:
        asyncio.get_running_loop().time = lambda: now  # type: ignore[method-assign]
        answers.cut_stalled(100)
        return request.aborted

    assert not asyncio.run(cut())  # nothing waits for it
    for _ in range(3):
        try:
            while True:
                answer.sent += ours.send(bytes(1 << 16))
        except BlockingIOError:
            pass
        now += 99
        assert not asyncio.run(cut())
        theirs.recv(1 << 22)  # it is slow, but it takes some
    now += 99
    assert not asyncio.run(cut())
    now += 101
    assert asyncio.run(cut())


def test_the_server_looks_for_clients_that_take_nothing_again_and_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[None] = []
    asked: list[float] = []
    serving = Server.__new__(Server)
    serving._cache = cast("Any", SimpleNamespace(refresh=lambda: looks.append(None)))
    serving._counts = Metrics(shared_numbers(1), 0, 1)
    serving._log = AccessLog(os.open(os.devnull, 1))
    monkeypatch.setattr(server, "_TICK_SECONDS", 0)

    async def tick() -> None:
        runner = SimpleNamespace(server=None)
        ticking = asyncio.create_task(
            serving._tick(cast("Any", runner), cast("Any", SimpleNamespace(cut_stalled=asked.append)))
        )
        while len(looks) < 4 and not ticking.done():
            await asyncio.sleep(0)
        ticking.cancel()

    asyncio.run(tick())
    assert asked[:3] == [server._STALLED_SECONDS] * 3
