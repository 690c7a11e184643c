"""The door to httpx: bytes and ranges by http(s) address (RFC 9110), with a bound on everything a server decides.

A server is a stranger. It may send what was not asked for, too much, too slowly, packed, or a redirect to
somewhere else: each is refused with a sentence. What it sends is unchecked; the caller compares it with
published hashes. Which hosts may be asked is decided by core/http/allowed_hosts.py, each time a connection is opened.
"""

import io
import random
import re
import ssl
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import ExitStack, aclosing, asynccontextmanager
from functools import partial
from types import TracebackType
from typing import BinaryIO, TypeAlias

import anyio
import httpx
from anyio.from_thread import BlockingPortal, start_blocking_portal

from packager import __version__
from packager.core.config.url_values import WEB, url, without_credentials
from packager.core.http.allowed_hosts import NO_HOSTS, AllowedHosts, redirected
from packager.engine.network.http_transport import CheckedTransport
from packager.engine.network.resolver import permitted
from packager.engine.network.retry_after import seconds_asked
from packager.errors import IncompleteError, InputError
from packager.paths import display_text
from packager.units import KIB, MIB, format_seconds, format_size

REDIRECTS = 5  # followed for one request
TRIES = 4  # of a request that the server or the network fails
PREFIX = MIB  # bytes read from the start of a file whose server ignores Range
RATE = 16 * KIB  # bytes a second: a server slower than this over a whole range is given up
SLOWEST = 4 * KIB  # bytes a second: a server slower than this over WINDOW is given up at once
WINDOW = 10.0  # seconds over which its rate is measured, or the time that it may stay silent if that is less
WAIT = 60.0  # seconds that a server may ask us to wait (Retry-After); one that asks for more is given up
PARTS = 256  # answers that one range may come in
_AGAIN = frozenset((408, 425, 429, 500, 502, 503, 504))  # statuses that may pass
_CONTENT_RANGE = re.compile(r"bytes ([0-9]{1,19})-([0-9]{1,19})/([0-9]{1,19}|\*)", re.I)
_SIZE = re.compile(r"bytes \*/([0-9]{1,19})", re.I)
# Of plain bytes: S3 stores repeat what an upload said, which is "aws-chunked" or what people took an encoding for.
_PLAIN = frozenset(("", "identity", "aws-chunked", "none", "null", "binary", "8bit", "utf-8", "utf8"))
_LATER = "try again later"
_CERTIFICATES = "if you trust its issuer, set SSL_CERT_FILE to a file with the issuer's certificate (PEM)"

Take: TypeAlias = Callable[[httpx.Response], Awaitable[bytes]]


class _BusyError(IncompleteError):
    """The server is busy. seconds: that it asked us to wait, 0 if it did not say."""

    seconds = 0.0


class _SlowError(IncompleteError):
    """The server sends too slowly to be asked again."""


class HttpClient:
    """Requests over connections that are kept while it is open; used as a context manager, by one thread.

    seconds: that a server may stay silent. pause: seconds before a request is tried again, doubled each
    time; tries: in all. allowed: hosts that may be contacted although they are not on the public Internet.
    `received` counts the bytes of bodies, `requests` what was asked, each try of it.
    """

    def __init__(
        self, *, seconds: float = 30, pause: float = 0.5, tries: int = TRIES, allowed: AllowedHosts = NO_HOSTS
    ) -> None:
        """Say how patient to be, and which hosts may be contacted."""
        self._seconds, self._pause, self._tries, self._allowed = seconds, pause, tries, allowed
        self._open = ExitStack()
        self.received = self.requests = 0

    def __enter__(self) -> "HttpClient":
        """Start the thread that the requests run in; a deadline there holds for name look-ups, too."""
        transport = CheckedTransport(partial(permitted, allowed=self._allowed))
        self._portal: BlockingPortal = self._open.enter_context(start_blocking_portal())
        self._client = httpx.AsyncClient(
            transport=transport,
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

        Raises InputError if the server refuses or sends more; IncompleteError where it fails for now.
        """
        file = io.BytesIO()
        self.save(address, file, limit=limit, seconds=seconds)
        return file.getvalue()

    def save(self, address: str, file: BinaryIO, *, limit: int, seconds: float = 600) -> None:
        """Write a whole file of at most `limit` bytes to an open one, as it comes; raises as `fetch`.

        A try that failed is written over by the next.
        """

        async def take(response: httpx.Response) -> bytes:
            if response.status_code != httpx.codes.OK:
                raise _refused(address, response)
            file.seek(0)
            file.truncate()
            async for read in self._reads(response, address):
                if file.tell() + len(read) > limit:
                    raise InputError(display_text(address), f"sends more than {format_size(limit)}, all that it may")
                file.write(read)
            return b""

        self._persist(address, {}, take, seconds)

    def read_range(self, address: str, start: int, stop: int, *, size: int | None = None) -> bytes:
        """Return bytes [start, stop) of a file, which must have `size` bytes where that is given.

        A server that ignores Range is read from the file's start, if `stop` is at most PREFIX. One that sends less
        than it was asked for is asked for the rest. Raises InputError if its answer is not that range;
        IncompleteError where it fails for now.
        """
        data, end = b"", time.monotonic() + self._seconds + (stop - start) / RATE
        for _ in range(PARTS):
            data += self._read_part(address, start + len(data), stop, size, end - time.monotonic())
            if len(data) == stop - start:
                return data
        raise InputError(display_text(address), f"sends a range of {stop - start} bytes in more than {PARTS} parts")

    def _read_part(self, address: str, start: int, stop: int, size: int | None, seconds: float) -> bytes:
        """Return the first bytes of a range, at least one, within `seconds` a try."""

        async def take(response: httpx.Response) -> bytes:
            if response.status_code == httpx.codes.OK and stop <= PREFIX:
                return await self._prefix(response, address, start, stop, size)
            data = await self._body(response, address, _part_length(response, address, start, stop, size))
            if not data:
                raise IncompleteError(display_text(address), f"sent 0 of {stop - start} bytes", _LATER)
            return data

        return self._persist(address, {"Range": f"bytes={start}-{stop - 1}"}, take, seconds)

    def read_tail(self, address: str, length: int) -> tuple[int, bytes]:
        """Return a file's size, and its last `length` bytes, or all of a shorter one (RFC 9110, 14.1.2).

        A server that ignores Range is read in full, up to PREFIX; what it leaves out is asked for once more. Raises as
        read_range.
        """
        size = 0

        async def take(response: httpx.Response) -> bytes:
            nonlocal size
            if response.status_code == httpx.codes.OK:
                data = await self._body(response, address, PREFIX)
                size = len(data)
                return data[-length:]
            size, begins = _tail(response, address, length)
            return await self._body(response, address, length) if begins else b""

        seconds = self._seconds + length / RATE
        data = self._persist(address, {"Range": f"bytes=-{length}"}, take, seconds)
        if (missing := min(length, size) - len(data)) > 0:
            data += self.read_range(address, size - missing, size, size=size)
        return size, data

    def _persist(self, address: str, headers: dict[str, str], take: Take, seconds: float) -> bytes:
        """Ask up to `tries` times, waiting longer each time, or as long as a busy server says."""
        url(address, display_text(without_credentials(address)), WEB)
        for attempt in range(1, self._tries + 1):
            asked = 0.0
            try:
                return self._portal.call(self._ask, address, headers, take, seconds)
            except _SlowError:
                raise
            except IncompleteError as error:
                asked = error.seconds if isinstance(error, _BusyError) else 0.0
                if attempt == self._tries or asked > WAIT:
                    raise
            pause = self._pause * 2 ** (attempt - 1)
            jitter = random.uniform(pause / 2, pause)  # noqa: S311 (many mirrors wait for one server: not all at once)
            time.sleep(asked + jitter)
        raise AssertionError("unreachable: the last try returns or raises")

    async def _ask(self, address: str, headers: dict[str, str], take: Take, seconds: float) -> bytes:
        """Return what `take` makes of the answer. Raises InputError or IncompleteError, nothing of httpx's."""
        where = display_text(address)
        self.requests += 1
        answered = False
        try:
            with anyio.fail_after(seconds):
                async with self._answer(address, headers) as response:
                    answered = True
                    if response.status_code in _AGAIN:
                        raise _busy(where, response)
                    return await take(response)
        except (TimeoutError, httpx.TimeoutException) as error:
            if answered and isinstance(error, TimeoutError):
                raise _SlowError(where, f"did not send all of it in {format_seconds(seconds)}", _LATER) from error
            raise IncompleteError(where, f"no answer in {self._seconds:g} s", _LATER) from error
        except (httpx.InvalidURL, UnicodeError) as error:
            raise InputError(where, f"is not a web address ({display_text(str(error), 200)})") from error
        except httpx.HTTPError as error:
            _check_certificate(error, where)
            what = display_text(str(error), 200) or type(error).__name__
            raise IncompleteError(where, f"could not be read ({what})", _LATER) from error

    @asynccontextmanager
    async def _answer(self, address: str, headers: dict[str, str]) -> AsyncIterator[httpx.Response]:
        """Yield the answer, its body not read, after the redirects that are allowed."""
        asked = address
        for _ in range(REDIRECTS + 1):
            request = self._client.build_request("GET", asked, headers=headers)
            with anyio.fail_after(self._seconds):  # headers that drip are no sign of life
                response = await self._client.send(request, stream=True)
            try:
                if not response.has_redirect_location:
                    yield response
                    return
                asked = redirected(asked, response.headers["location"], self._allowed)
            finally:
                await response.aclose()
        raise InputError(display_text(address), f"redirects more than {REDIRECTS} times")

    async def _body(self, response: httpx.Response, address: str, most: int) -> bytes:
        """Return a body of at most `most` bytes. Raises InputError if more comes or it is packed."""
        data = bytearray()
        async for read in self._reads(response, address):
            data += read
            if len(data) > most:
                raise InputError(display_text(address), f"sends more than {format_size(most)}, all that it may")
        return bytes(data)

    async def _reads(self, response: httpx.Response, address: str) -> AsyncGenerator[bytes, None]:
        """Yield a body as it comes. Raises InputError if it is packed, _SlowError if it comes too slowly."""
        _check_plain(response, address)
        window = min(WINDOW, self._seconds)
        began, received = 0.0, 0
        async for read in response.aiter_raw():
            self.received += len(read)
            now = time.monotonic()
            if not received:
                began = now  # until the first byte, and after each, it may be silent for self._seconds
            elif now - began >= window:
                if received < SLOWEST * (now - began):
                    what = f"sent {received} bytes in {format_seconds(now - began)}, which is too slow"
                    raise _SlowError(display_text(address), what, "use another address, or try again later")
                began, received = now, 0
            received += len(read)
            yield read

    async def _prefix(self, response: httpx.Response, address: str, start: int, stop: int, size: int | None) -> bytes:
        """Return bytes [start, stop) from the start of a whole file, and leave the rest of it."""
        length = response.headers.get("content-length", "")
        if size is not None and length.isdecimal() and int(length[:19]) != size:
            raise InputError(display_text(address), f"is a file of {length[:19]} bytes, not {size}")
        data = bytearray()
        async with aclosing(self._reads(response, address)) as reads:
            async for read in reads:
                data += read
                if len(data) >= stop:
                    return bytes(data[start:stop])
        raise InputError(display_text(address), f"ends after {len(data)} bytes")


def _busy(where: str, response: httpx.Response) -> _BusyError:
    """Return the error for a status that may pass, with the time that the server asks us to wait."""
    what = f"answers {response.status_code} {display_text(response.reason_phrase, 80)}"
    seconds = seconds_asked(response.headers.get("retry-after", ""), time.time())
    if seconds > WAIT:
        what += f", and asks to wait {format_seconds(seconds)}"
    error = _BusyError(where, what, _LATER)
    error.seconds = seconds
    return error


def _check_certificate(error: BaseException | None, where: str) -> None:
    """Raise InputError if a connection failed because the server's certificate is not trusted."""
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            what = f"its certificate is not trusted ({display_text(error.verify_message, 120)})"
            raise InputError(where, what, _CERTIFICATES) from error
        error = error.__cause__ or error.__context__


def _check_plain(response: httpx.Response, address: str) -> None:
    """Raise InputError for a packed body: what comes must be the file's own bytes, and as many as were asked."""
    encoding = response.headers.get("content-encoding", "")
    if not {each.strip().lower() for each in encoding.split(",")} <= _PLAIN:
        raise InputError(
            display_text(address), f"sends its bytes packed ({display_text(encoding, 40)}), though asked not to"
        )


def _part_length(response: httpx.Response, address: str, start: int, stop: int, size: int | None) -> int:
    """Return how many bytes of the range [start, stop) an answer has (RFC 9110, 14.4), which may be fewer than asked.

    Raises InputError if it is not the range's beginning, or not of a file of `size` bytes.
    """
    if response.status_code == httpx.codes.OK:
        raise InputError(display_text(address), "ignores Range and sends the whole file", "use another web seed")
    if response.status_code != httpx.codes.PARTIAL_CONTENT:
        raise _refused(address, response)
    given = response.headers.get("content-range", "")
    match = _CONTENT_RANGE.fullmatch(given.strip())
    if match is None or int(match[1]) != start or not start <= int(match[2]) < stop:
        raise InputError(
            display_text(address), f'sends the range "{display_text(given, 60)}", not bytes {start}-{stop - 1}'
        )
    if size is not None and match[3] not in ("*", str(size)):
        raise InputError(display_text(address), f"is a file of {match[3]} bytes, not {size}")
    return int(match[2]) + 1 - start


def _tail(response: httpx.Response, address: str, length: int) -> tuple[int, bool]:
    """Return a file's size, and whether an answer begins where its last `length` bytes do. Raises InputError."""
    given = response.headers.get("content-range", "")
    none = response.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE
    if none and (match := _SIZE.fullmatch(given.strip())):
        return int(match[1]), False  # there are fewer, as some servers say of a short file
    if response.status_code != httpx.codes.PARTIAL_CONTENT:
        raise _refused(address, response)
    match = _CONTENT_RANGE.fullmatch(given.strip())
    if match is None or match[3] == "*" or not int(match[1]) <= int(match[2]) < int(match[3]):
        raise InputError(
            display_text(address), f'sends the range "{display_text(given, 60)}", not the last {length} bytes'
        )
    return int(match[3]), int(match[1]) == max(0, int(match[3]) - length)


def _refused(address: str, response: httpx.Response) -> InputError:
    """Return the error for a status that will not pass."""
    return InputError(
        display_text(address), f"answers {response.status_code} {display_text(response.reason_phrase, 80)}"
    )
