"""Clients that take nothing of what is sent to them are cut off; those that take some are not."""

import asyncio
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from packager.serve.answers import Answers, _Answer
from packager.serve.counts import Counts, shared_numbers
from packager.serve.log import Log


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
    answers = Answers(tmp_path, cast("Any", None), Counts(shared_numbers(1), 0, 1), Log(os.open(os.devnull, 1)), {})
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
