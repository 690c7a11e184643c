"""A UDP tracker asked for seed counts (BEP 15): one packet, one answer, again where one is lost."""

import secrets
import socket
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from types import TracebackType

from packager.core.bittorrent.scrape import (
    UDP_BATCH,
    UDP_LIMIT,
    Swarm,
    SwarmCounts,
    udp_address,
    udp_answer,
    udp_connect,
    udp_connected,
    udp_request,
    udp_transaction,
)
from packager.core.http.allowed_hosts import NO_HOSTS, AllowedHosts
from packager.engine.network.resolver import permitted
from packager.errors import IncompleteError, InputError, from_os_error
from packager.paths import display_text

TRIES = 3  # of a packet
ADDRESSES = 4  # of a host that are tried
_CONNECTION_SECONDS = 50  # that a connection id is used; BEP 15 lets a client use it for a minute


class UdpTracker:
    """A tracker that answers; a context manager. seconds: that it may stay silent. allowed: as everywhere."""

    def __init__(self, announce: str, *, seconds: float, allowed: AllowedHosts = NO_HOSTS) -> None:
        """Name it. Raises InputError for what is no UDP tracker."""
        self._host, self._port = udp_address(announce)
        self._where, self._seconds, self._allowed = display_text(announce, 200), seconds, allowed
        self._connection, self._connected_at = 0, float("-inf")

    def __enter__(self) -> "UdpTracker":
        """Find an address of it that answers. Raises IncompleteError, InputError if it may not be contacted."""
        fault: InputError | IncompleteError | None = None
        for address in self._addresses():
            self._socket = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
            try:
                self._socket.connect((address, self._port))
                self._connect()
            except OSError as error:
                fault = from_os_error(error, self._where, "try again later")
            except (InputError, IncompleteError) as error:
                fault = error
            else:
                return self
            self._socket.close()
        raise fault or IncompleteError(self._where, "its host has no address", "try again later")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Forget it."""
        self._socket.close()

    def first(self, swarms: Sequence[Swarm]) -> dict[Swarm, SwarmCounts]:
        """Return the counts of the first of `swarms`: as many as it answers for at once, and one at least.

        Raises InputError if it refuses or answers nonsense, IncompleteError if it is silent.
        """
        asked = swarms[:UDP_BATCH]
        if time.monotonic() - self._connected_at > _CONNECTION_SECONDS:
            self._connect()
        packet = self._exchange(lambda transaction: udp_request(self._connection, transaction, asked))
        return udp_answer(packet, asked, self._where)

    def _addresses(self) -> list[str]:
        """Return the IP addresses of the host that may be contacted. Raises IncompleteError, InputError."""
        try:
            return permitted(self._host, self._port, self._allowed)[:ADDRESSES]
        except (OSError, UnicodeError) as error:
            what = f"its host is not found ({display_text(str(error), 100)})"
            raise IncompleteError(self._where, what, "try again later") from error

    def _connect(self) -> None:
        """Get a connection id."""
        self._connection = udp_connected(self._exchange(udp_connect), self._where)
        self._connected_at = time.monotonic()

    def _exchange(self, packet: Callable[[int], bytes]) -> bytes:
        """Return the answer to what `packet` makes of a transaction's number. Raises IncompleteError."""
        for _ in range(TRIES):
            transaction = secrets.randbits(32)
            with suppress(TimeoutError):
                self._send(packet(transaction))
                return self._receive(transaction, time.monotonic() + self._seconds / TRIES)
        raise IncompleteError(self._where, "did not answer in time", "try again later")

    def _send(self, packet: bytes) -> None:
        """Send a packet."""
        try:
            self._socket.send(packet)
        except OSError as error:
            raise from_os_error(error, self._where, "try again later") from error

    def _receive(self, transaction: int, end: float) -> bytes:
        """Return the next packet of a transaction; others are passed over. Raises TimeoutError."""
        while (left := end - time.monotonic()) > 0:
            self._socket.settimeout(left)
            try:
                packet = self._socket.recv(UDP_LIMIT)
            except TimeoutError:
                raise
            except OSError as error:
                raise from_os_error(error, self._where, "try again later") from error
            if udp_transaction(packet) == transaction:
                return packet
        raise TimeoutError
