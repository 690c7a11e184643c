"""A client that requests ranges on many connections at once and discards the bytes, to measure the server.

The kernel discards received bytes (MSG_TRUNC), so nothing is copied to this process.
`python -m bench.ranges_client HOST PORT PATH SIZE RANGE BYTES CONNECTIONS` prints bytes received and seconds.
"""

import random
import selectors
import socket
import sys
import time

_BUFFER = bytearray(1 << 20)


class Connection:
    """One connection that requests random ranges, one after another."""

    def __init__(self, address: tuple[str, int], path: str, size: int, length: int, chance: random.Random) -> None:
        self.socket = socket.create_connection(address)
        self.socket.setblocking(False)
        self._path, self._size, self._length, self._chance = path, size, length, chance
        self._head, self._left = b"", 0

    def ask(self) -> None:
        """Ask for the next range."""
        start = self._chance.randrange(self._size - self._length + 1)
        span = f"{start}-{start + self._length - 1}"
        self.socket.sendall(f"GET {self._path} HTTP/1.1\r\nHost: bench\r\nRange: bytes={span}\r\n\r\n".encode())
        self._head, self._left = b"", -1

    def receive(self) -> int:
        """Receive bytes of the answer and return how many of them are of its body."""
        if self._left < 0:
            self._head += self.socket.recv(4096)
            head, end, body = self._head.partition(b"\r\n\r\n")
            if not end:
                return 0
            assert b" 206 " in head.splitlines()[0], head
            self._left = self._length - len(body)
            return len(body)
        got = self.socket.recv_into(_BUFFER, min(self._left, len(_BUFFER)), socket.MSG_TRUNC)
        assert got, "the answer was cut"
        self._left -= got
        return got

    @property
    def done(self) -> bool:
        """Whether the answer is complete."""
        return self._left == 0


def main(arguments: list[str]) -> None:
    """Run until this many bytes were received."""
    host, port, path, *numbers = arguments
    size, length, total, count = map(int, numbers)
    chance = random.Random(1)
    selector = selectors.DefaultSelector()
    asked = received = 0
    began = time.monotonic()
    for _ in range(count):
        connection = Connection((host, int(port)), path, size, length, chance)
        selector.register(connection.socket, selectors.EVENT_READ, connection)
        connection.ask()
        asked += length
    while selector.get_map():
        for key, _ in selector.select():
            connection = key.data
            received += connection.receive()
            if connection.done and asked < total:
                connection.ask()
                asked += length
            elif connection.done:
                selector.unregister(connection.socket)
                connection.socket.close()
    print(received, time.monotonic() - began)


if __name__ == "__main__":
    main(sys.argv[1:])
