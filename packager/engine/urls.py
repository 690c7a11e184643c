"""The door to httpx: bytes and ranges by http(s) address (RFC 9110), with a bound on everything a server decides.

A server is a stranger. It may send what was not asked for, too much, too slowly, packed, or a redirect to
somewhere else: each is refused with a sentence. What it sends is unchecked; whoever asks compares it with
published hashes. Proxies of the environment (HTTPS_PROXY, NO_PROXY) are used.
"""

import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import ExitStack, asynccontextmanager
from types import TracebackType
from typing import TypeAlias
from urllib.parse import urljoin, urlsplit

import anyio
import httpx
from anyio.from_thread import BlockingPortal, start_blocking_portal

from packager import __version__
from packager.addresses import WEB, url
from packager.errors import IncompleteError, InputError
from packager.paths import shown
from packager.units import KIB, MIB, show_size

REDIRECTS = 5  # followed for one request
TRIES = 4  # of a request that the server or the network fails
PREFIX = MIB  # bytes read from the start of a file whose server ignores Range
RATE = 16 * KIB  # bytes a second: a server slower than this over a whole range is given up
_AGAIN = frozenset((408, 425, 429, 500, 502, 503, 504))  # statuses that may pass
_CONTENT_RANGE = re.compile(r"bytes ([0-9]{1,19})-([0-9]{1,19})/([0-9]{1,19}|\*)")
_LATER = "try again later"

Take: TypeAlias = Callable[[httpx.Response], Awaitable[bytes]]


class Web:
    """Requests over connections that are kept while it is open; used as a context manager, by one thread.

    seconds: that a server may stay silent. pause: seconds before a request is tried again, doubled each
    time; tries: in all. other_hosts: follow redirects to another host, too. `received` counts the bytes of bodies,
    `requests` what was asked, each try of it.
    """

    def __init__(
        self, *, seconds: float = 30, pause: float = 0.5, tries: int = TRIES, other_hosts: bool = False
    ) -> None:
        """Say how patient to be, and whether redirects may leave the host that was asked."""
        self._seconds, self._pause, self._tries, self._other_hosts = seconds, pause, tries, other_hosts
        self._open = ExitStack()
        self.received = self.requests = 0

    def __enter__(self) -> "Web":
        """Start the thread that the requests run in; a deadline there holds for name look-ups, too."""
        self._portal: BlockingPortal = self._open.enter_context(start_blocking_portal())
        self._client = httpx.AsyncClient(
            timeout=self._seconds,
            headers={"User-Agent": f"archive-packager/{__version__}", "Accept-Encoding": "identity"},
        )
        self._open.callback(self._portal.call, self._client.aclose)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connections and end the thread; what is under way is broken off."""
        self._open.__exit__(kind, error, trace)

    def fetch(self, address: str, *, limit: int, seconds: float = 600) -> bytes:
        """Return a whole file of at most `limit` bytes, within `seconds` a try.

        Raises InputError where the server refuses or sends more; IncompleteError where it fails for now.
        """

        async def take(response: httpx.Response) -> bytes:
            if response.status_code != httpx.codes.OK:
                raise _refused(address, response)
            return await self._body(response, address, limit)

        return self._persist(address, {}, take, seconds)

    def read_range(self, address: str, start: int, stop: int, *, size: int | None = None) -> bytes:
        """Return bytes [start, stop) of a file, which must have `size` bytes where that is given.

        A server that ignores Range is read from the file's start, if `stop` is at most PREFIX.
        Raises InputError where its answer is not that range; IncompleteError where it fails for now.
        """

        async def take(response: httpx.Response) -> bytes:
            if response.status_code == httpx.codes.OK and stop <= PREFIX:
                return await self._prefix(response, address, start, stop, size)
            _check_partial(response, address, start, stop, size)
            data = await self._body(response, address, stop - start)
            if len(data) < stop - start:
                raise IncompleteError(shown(address), f"sent {len(data)} of {stop - start} bytes", _LATER)
            return data

        seconds = self._seconds + (stop - start) / RATE
        return self._persist(address, {"Range": f"bytes={start}-{stop - 1}"}, take, seconds)

    def read_tail(self, address: str, length: int) -> tuple[int, bytes]:
        """Return a file's size, and its last `length` bytes, or all of a shorter one (RFC 9110, 14.1.2).

        A server that ignores Range is read in full, up to PREFIX. Raises as read_range.
        """
        size = 0

        async def take(response: httpx.Response) -> bytes:
            nonlocal size
            if response.status_code == httpx.codes.OK:
                data = await self._body(response, address, PREFIX)
                size = len(data)
                return data[-length:]
            size = _tail_size(response, address, length)
            data = await self._body(response, address, length)
            if len(data) < min(length, size):
                raise IncompleteError(shown(address), f"sent {len(data)} of {min(length, size)} bytes", _LATER)
            return data

        seconds = self._seconds + length / RATE
        data = self._persist(address, {"Range": f"bytes=-{length}"}, take, seconds)
        return size, data

    def _persist(self, address: str, headers: dict[str, str], take: Take, seconds: float) -> bytes:
        """Ask up to `tries` times, waiting longer each time."""
        url(address, "web address", WEB)
        for attempt in range(1, self._tries + 1):
            try:
                return self._portal.call(self._ask, address, headers, take, seconds)
            except IncompleteError:
                if attempt == self._tries:
                    raise
            time.sleep(self._pause * 2 ** (attempt - 1))
        raise AssertionError("unreachable: the last try returns or raises")

    async def _ask(self, address: str, headers: dict[str, str], take: Take, seconds: float) -> bytes:
        """Return what `take` makes of the answer. Raises InputError or IncompleteError, nothing of httpx's."""
        where = shown(address)
        self.requests += 1
        try:
            with anyio.fail_after(seconds):
                async with self._answer(address, headers) as response:
                    if response.status_code in _AGAIN:
                        what = f"answers {response.status_code} {shown(response.reason_phrase, 80)}"
                        raise IncompleteError(where, what, _LATER)
                    return await take(response)
        except (TimeoutError, httpx.TimeoutException) as error:
            raise IncompleteError(where, "did not answer in time", _LATER) from error
        except (httpx.InvalidURL, UnicodeError) as error:
            raise InputError(where, f"is not a web address ({shown(str(error), 200)})") from error
        except httpx.HTTPError as error:
            what = shown(str(error), 200) or type(error).__name__
            raise IncompleteError(where, f"could not be read ({what})", _LATER) from error

    @asynccontextmanager
    async def _answer(self, address: str, headers: dict[str, str]) -> AsyncIterator[httpx.Response]:
        """Yield the answer, its body not read, after the redirects that are allowed."""
        asked = address
        for _ in range(REDIRECTS + 1):
            async with self._client.stream("GET", asked, headers=headers) as response:
                if not response.has_redirect_location:
                    yield response
                    return
                asked = _redirected(asked, response.headers["location"], other_hosts=self._other_hosts)
        raise InputError(shown(address), f"redirects more than {REDIRECTS} times")

    async def _body(self, response: httpx.Response, address: str, most: int) -> bytes:
        """Return a body of at most `most` bytes. Raises InputError where more comes or it is packed."""
        _check_plain(response, address)
        data = bytearray()
        async for read in response.aiter_raw():
            data += read
            self.received += len(read)
            if len(data) > most:
                raise InputError(shown(address), f"sends more than {show_size(most)}, all that it may")
        return bytes(data)

    async def _prefix(self, response: httpx.Response, address: str, start: int, stop: int, size: int | None) -> bytes:
        """Return bytes [start, stop) from the start of a whole file, and leave the rest of it."""
        _check_plain(response, address)
        length = response.headers.get("content-length", "")
        if size is not None and length.isdecimal() and int(length[:19]) != size:
            raise InputError(shown(address), f"is a file of {length[:19]} bytes, not {size}")
        data = bytearray()
        async for read in response.aiter_raw():
            data += read
            self.received += len(read)
            if len(data) >= stop:
                return bytes(data[start:stop])
        raise InputError(shown(address), f"ends after {len(data)} bytes")


def fetch(address: str, *, limit: int, seconds: float = 600) -> bytes:
    """Return one file of at most `limit` bytes by its http(s) address; see Web.fetch."""
    with Web() as web:
        return web.fetch(address, limit=limit, seconds=seconds)


def _redirected(asked: str, location: str, *, other_hosts: bool) -> str:
    """Return where a redirect leads.

    Raises InputError for one away from http(s), from https to http, or to another host unless allowed. The
    port belongs to the host, so that no server sends us to another service of the same machine; from http
    to https the standard ports change as they should.
    """
    where = shown(asked)
    try:
        target = url(urljoin(asked, location), "redirect", WEB)
    except (InputError, ValueError):
        raise InputError(where, f'redirects to "{shown(location, 120)}", which is no web address') from None
    old, new = urlsplit(asked), urlsplit(target)
    if (old.scheme.lower(), new.scheme.lower()) == ("https", "http"):
        raise InputError(where, f'redirects from https to "{shown(target, 120)}", where anybody can listen')
    if other_hosts or (old.hostname, _port(asked)) == (new.hostname, _port(target)):
        return target
    if old.hostname == new.hostname and (_port(asked), _port(target)) == (80, 443):
        return target
    what = f"redirects to another host, {shown(target, 120)}"
    raise InputError(where, what, "allow it with --other-hosts, or name that address with --web-seed")


def _port(address: str) -> int:
    """Return the port of a checked address."""
    parts = urlsplit(address)
    return parts.port or (443 if parts.scheme.lower() == "https" else 80)


def _check_plain(response: httpx.Response, address: str) -> None:
    """Raise InputError for a packed body: what comes must be the file's own bytes, and as many as were asked."""
    encoding = response.headers.get("content-encoding", "identity")
    if encoding.strip().lower() not in ("identity", ""):
        raise InputError(shown(address), f"sends its bytes packed ({shown(encoding, 40)}), though asked not to")


def _check_partial(response: httpx.Response, address: str, start: int, stop: int, size: int | None) -> None:
    """Raise InputError where an answer is not bytes [start, stop) of a file of `size` bytes (RFC 9110, 14.4)."""
    if response.status_code == httpx.codes.OK:
        raise InputError(shown(address), "ignores Range and sends the whole file", "use another web seed")
    if response.status_code != httpx.codes.PARTIAL_CONTENT:
        raise _refused(address, response)
    given = response.headers.get("content-range", "")
    match = _CONTENT_RANGE.fullmatch(given.strip())
    if match is None or (int(match[1]), int(match[2])) != (start, stop - 1):
        raise InputError(shown(address), f'sends the range "{shown(given, 60)}", not bytes {start}-{stop - 1}')
    if size is not None and match[3] not in ("*", str(size)):
        raise InputError(shown(address), f"is a file of {match[3]} bytes, not {size}")


def _tail_size(response: httpx.Response, address: str, length: int) -> int:
    """Return the size of a file of which an answer is the last `length` bytes, or all. Raises InputError."""
    if response.status_code != httpx.codes.PARTIAL_CONTENT:
        raise _refused(address, response)
    given = response.headers.get("content-range", "")
    match = _CONTENT_RANGE.fullmatch(given.strip())
    size = int(match[3]) if match and match[3] != "*" else 0
    if match is None or (int(match[1]), int(match[2])) != (max(0, size - length), size - 1):
        raise InputError(shown(address), f'sends the range "{shown(given, 60)}", not the last {length} bytes')
    return size


def _refused(address: str, response: httpx.Response) -> InputError:
    """Return the error for a status that will not pass."""
    return InputError(shown(address), f"answers {response.status_code} {shown(response.reason_phrase, 80)}")
