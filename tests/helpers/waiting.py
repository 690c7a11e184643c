"""What tests of other processes share: patience that no slow machine wears out, and ports that nobody else takes."""

import itertools
import socket
import time
from collections.abc import Callable, Iterator
from functools import cache

PATIENCE = 240.0  # seconds until what is waited for must be so; a test is given up after 300
_FIRST, _LAST, _BLOCK = 20_000, 32_000, 100  # below the ports that Linux gives to outgoing connections


def until(done: Callable[[], bool], what: Callable[[], object] = str) -> None:
    """Ask until it is done; fail with what is the case after PATIENCE."""
    end = time.monotonic() + PATIENCE
    while not done():
        assert time.monotonic() < end, what()
        time.sleep(0.01)


def free_port() -> int:
    """Return a port of loopback that no other process of tests is given, and that nothing uses."""
    for port in _ports():
        if _is_free(port):
            return port
    raise AssertionError("no port is free")


@cache
def _ports() -> Iterator[int]:
    """Yield this process's own ports, again and again: those after one that it listens at until it ends."""
    for first in range(_FIRST, _LAST, _BLOCK):
        guard = socket.socket()
        try:
            guard.bind(("127.0.0.1", first))
            guard.listen()
        except OSError:
            guard.close()
            continue
        _guards.append(guard)
        return itertools.cycle(range(first + 1, first + _BLOCK))
    raise AssertionError("no block of ports is free")


_guards: list[socket.socket] = []


def _is_free(port: int) -> bool:
    """Say whether both kinds of socket can be bound there, as a server would."""
    with socket.socket() as stream, socket.socket(type=socket.SOCK_DGRAM) as datagrams:
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            stream.bind(("0.0.0.0", port))
            datagrams.bind(("0.0.0.0", port))
        except OSError:
            return False
    return True
