"""Answers to requests: files of the site, ranges of shards, metrics, and errors.

/                     the site (site.folder)
/shards/NAME.tar      a shard (BEP 19), whether or not it has a tar
/shards/NAME/PATH     a file of a shard that is kept as files
/shards/NAME/.pad/N   a pad file of a torrent: N zeros (BEP 47)
/metrics              metrics for Prometheus
"""

import asyncio
import contextlib
import fcntl
import secrets
import socket
import struct
import termios
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias, TypeVar

from aiohttp import web

from packager.core.http import range_header
from packager.core.http.conditional_request import ResponsePlan, evaluate_request
from packager.core.http.range_header import Range
from packager.engine.files.file_body import Body, ZeroBody
from packager.engine.files.range_readers import UnreadableError
from packager.errors import PackagerError
from packager.paths import display_text
from packager.serve import site_files
from packager.serve.access_log import AccessLog
from packager.serve.metrics import Metrics
from packager.serve.send_body import SendingConnection
from packager.serve.shard_cache import ListedShard, ShardCache, WithheldError
from packager.serve.site_files import SHARDS, BadPathError, FolderError

_TAR = "application/x-tar"
_BYTES = "application/octet-stream"  # a browser must not run a member
_METRICS = "text/plain; version=0.0.4; charset=utf-8"
_WORDS = {
    400: "the request cannot be understood",
    404: "not found",
    405: "only GET and HEAD are allowed",
    412: "the file has changed",
    301: "this is a folder; add a slash to its name",
    416: "the file has no such range",
    451: "the publisher has withdrawn these bytes",
    500: "this cannot be read; the server's log says why",
    503: "these bytes are not available now; the server's log says why",
    505: "only HTTP/1.0 and HTTP/1.1 are supported",
}
_RETRY_AFTER = "60"  # seconds
_CORK = getattr(socket, "TCP_CORK", None)
What: TypeAlias = Literal["site", "shard"]
Opened = TypeVar("Opened", bound=Body)


@dataclass(frozen=True)
class Resource:
    """The file that a request asks for, as far as it is known before it is opened."""

    size: int
    tag: str
    content_type: str
    what: What  # the label in the metrics


class RequestHandler:
    """The request handler of one process."""

    def __init__(
        self, site: Path, cache: ShardCache, counts: Metrics, log: AccessLog, threads: Mapping[What, Executor]
    ) -> None:
        """Site files and shards are read by separate threads, because a shard may be slow."""
        self._site, self._cache, self._counts, self._log, self._threads = site, cache, counts, log, threads
        self._under_way: set[_Answer] = set()

    def cut_stalled(self, seconds: float) -> None:
        """Cut answers whose client has received nothing for `seconds`. Call this regularly."""
        now = asyncio.get_running_loop().time()
        for answer in self._under_way:
            if answer.stalled(now) > seconds:
                self._counts.add("packager_errors_total", "stalled")
                answer.cut()

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request, log it, and return the response."""
        answer = _Answer(request)
        self._counts.add("packager_answers")
        self._under_way.add(answer)
        try:
            await self._answer(answer)
        except (FileNotFoundError, WithheldError, BadPathError) as refusal:
            status = {FileNotFoundError: 404, WithheldError: 451}.get(type(refusal), 400)
            await self._say(answer, status)
        except (UnreadableError, PackagerError) as error:
            self._counts.add("packager_errors_total", "source")
            self._log.error(f"{request.method} {display_text(request.raw_path)}: {error}")
            await self._fail(answer, 503 if isinstance(error, UnreadableError) else 500)
        except ConnectionError:
            self._counts.add("packager_errors_total", "left")
            answer.cut()
        except asyncio.CancelledError:
            self._counts.add("packager_errors_total", "left")
            raise
        finally:
            self._counts.add("packager_answers", amount=-1)
            self._under_way.discard(answer)
            answer.hold_back(wanted=False)
            self._finish(answer)
        return answer.response

    def _finish(self, answer: "_Answer") -> None:
        """Count and log an answer."""
        status = answer.response.status
        self._counts.add("packager_requests_total", str(status))
        request = answer.request
        self._log.request(
            client=request.remote or "-",
            line=f"{request.method} {request.raw_path} HTTP/{request.version.major}.{request.version.minor}",
            status=status,
            sent=answer.sent,
            referrer=request.headers.get("Referer", ""),
            agent=request.headers.get("User-Agent", ""),
        )

    async def _answer(self, answer: "_Answer") -> None:
        """Find the requested resource and send it."""
        request = answer.request
        if request.version.major != 1:  # RFC 9110 15.6.6
            await self._say(answer, 505)
            return
        if request.method not in ("GET", "HEAD"):
            await self._say(answer, 405, {"Allow": "GET, HEAD"})
            return
        names = site_files.names_of(request.raw_path)
        if names == [b"metrics"]:
            await self._send_text(answer, 200, self._counts.text(), _METRICS)
            return
        listed = None
        if len(names) > 1 and names[0] == SHARDS:
            listed = self._cache.listing.shards.get(names[1].decode("utf-8", "replace"))
        if listed is not None and listed.withheld is not None and not listed.withheld.partly:
            raise WithheldError
        pad = site_files.pad_size(names)
        if pad is not None:
            if listed is None or listed.container != "folder":
                raise FileNotFoundError
            await self._send_pad(answer, listed, pad)
        elif listed is not None and listed.container == "folder":
            path = b"/".join(names[2:]).decode("utf-8", "replace")
            run = asyncio.get_running_loop().run_in_executor
            start, size = await run(self._threads["shard"], self._cache.file_range, listed, path)
            await self._send_shard(answer, listed, Resource(size, listed.tag, _BYTES, "shard"), start)
        elif listed is not None and len(names) == 2:
            await self._send_shard(answer, listed, Resource(listed.size, listed.tag, _TAR, "shard"))
        else:
            await self._send_site_file(answer, names)

    async def _send_shard(self, answer: "_Answer", listed: ListedShard, file: Resource, start: int = 0) -> None:
        """Send a shard, ranges of it, or its file that begins at `start` of the stream.

        The response headers are sent only if the first bytes of the body are available, for HEAD as for GET.
        """
        plan = evaluate_request(answer.request.method, answer.request.headers, file.size, file.tag)
        if plan.status not in (200, 206) and listed.withheld is None:
            await self._send_head(answer, plan, file)
            return
        ranges = tuple((start + first, start + stop) for first, stop in plan.ranges or ((0, file.size),))
        body = self._cache.ready_body(listed, ranges)
        if body is None:
            body = await self._opened("shard", lambda: self._cache.body(listed, ranges))
        await self._send_opened(answer, plan, file, body, start)

    async def _send_opened(
        self, answer: "_Answer", plan: ResponsePlan, file: Resource, body: Body, start: int = 0
    ) -> None:
        """Send the requested bytes of an open file, and close it."""
        try:
            if answer.request.method == "HEAD" or plan.status not in (200, 206):
                await self._send_head(answer, plan, file)
            else:
                await self._send(answer, plan, file, body, start)
        finally:
            body.close()

    async def _send_pad(self, answer: "_Answer", listed: ListedShard, size: int) -> None:
        """Send a pad file (zeros) of a shard that is kept as files. Raises FileNotFoundError if it is too large."""
        if size > listed.piece_length:
            raise FileNotFoundError
        file = Resource(size, f'"pad-{size}"', _BYTES, "shard")
        plan = evaluate_request(answer.request.method, answer.request.headers, file.size, file.tag)
        await self._send_opened(answer, plan, file, ZeroBody(size))

    async def _send_site_file(self, answer: "_Answer", names: list[bytes]) -> None:
        """Send a site file, or ranges of it."""
        try:
            body = await self._opened("site", lambda: site_files.open_site_file(self._site, names))
        except FolderError:
            name = answer.request.raw_path.partition("?")[0].rpartition("/")[2]
            await self._say(answer, 301, {"Location": f"./{name}/"})
            return
        file = Resource(body.size, site_files.entity_tag(body), site_files.content_type(names[-1]), "site")
        plan = evaluate_request(answer.request.method, answer.request.headers, file.size, file.tag)
        await self._send_opened(answer, plan, file, body)

    async def _send_head(self, answer: "_Answer", plan: ResponsePlan, file: Resource) -> None:
        """Send an answer without a body from the file."""
        headers = {"ETag": file.tag, "Accept-Ranges": "bytes"}
        if plan.status == 200:
            headers |= {"Content-Length": str(file.size), "Content-Type": file.content_type}
            await answer.begin(200, headers)
        elif plan.status == 304:
            await answer.begin(304, headers)
        elif plan.status == 416:
            await self._say(answer, 416, headers | {"Content-Range": f"bytes */{file.size}"})
        else:
            await self._say(answer, plan.status, headers)

    async def _send(self, answer: "_Answer", plan: ResponsePlan, file: Resource, body: Body, at: int = 0) -> None:
        """Send a file, or one or several ranges of it. at: where the file begins in the body."""
        headers = {"ETag": file.tag, "Accept-Ranges": "bytes", "Content-Type": file.content_type}
        ranges: Sequence[Range] = plan.ranges or ((0, file.size),)
        heads = [b""] * (len(ranges) + 1)
        if len(plan.ranges) == 1:
            headers["Content-Range"] = range_header.content_range(ranges[0], file.size)
        elif plan.ranges:
            boundary = secrets.token_hex(16)
            heads = range_header.part_heads(ranges, file.size, file.content_type, boundary)
            headers["Content-Type"] = f"multipart/byteranges; boundary={boundary}"
        length = sum(map(len, heads)) + sum(stop - start for start, stop in ranges)
        answer.hold_back(wanted=True)
        await answer.begin(plan.status, headers | {"Content-Length": str(length)})

        def sent(size: int) -> None:
            answer.sent += size
            self._counts.add("packager_sent_bytes_total", file.what, size)

        connection = SendingConnection(answer.request, self._threads[file.what], sent)
        for head, (start, stop) in zip(heads, ranges, strict=False):
            if head:
                await answer.response.write(head)
            await connection.send(answer.response, body.parts(at + start, at + stop))
            self._counts.add("packager_ranges_total", amount=plan.status == 206)
        if heads[-1]:
            await answer.response.write(heads[-1])

    async def _fail(self, answer: "_Answer", status: int) -> None:
        """Answer with an error; if the headers were sent already, cut the connection."""
        if answer.response.prepared:
            answer.cut()
        else:
            await self._say(answer, status, {"Retry-After": _RETRY_AFTER} if status == 503 else {})

    async def _say(self, answer: "_Answer", status: int, headers: dict[str, str] | None = None) -> None:
        """Send a status and its explanation."""
        await self._send_text(answer, status, _WORDS.get(status, "") + "\n", "text/plain; charset=utf-8", headers)

    async def _send_text(
        self, answer: "_Answer", status: int, text: str, content_type: str, headers: dict[str, str] | None = None
    ) -> None:
        """Send a short text."""
        data = text.encode()
        named = {"Content-Type": content_type, "Content-Length": str(len(data))}
        await answer.begin(status, named | (headers or {}))
        if answer.request.method != "HEAD":
            await answer.response.write(data)

    async def _opened(self, what: What, opening: Callable[[], Opened]) -> Opened:
        """Open a body in a thread, and return it. If the client leaves meanwhile, the body is closed."""
        future = asyncio.get_running_loop().run_in_executor(self._threads[what], opening)
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            future.add_done_callback(lambda done: None if done.exception() else done.result().close())
            raise


class _Answer:
    """One answer while it is sent. sent: bytes of the body so far."""

    def __init__(self, request: web.BaseRequest) -> None:
        self.request = request
        self.response = web.StreamResponse()
        self.sent = 0
        self._socket: socket.socket | None = request.get_extra_info("socket")
        self._seen: tuple[int, int] | None = None  # bytes sent, and of these, not yet received
        self._seen_at = 0.0

    def stalled(self, now: float) -> float:
        """Return for how many seconds the client has received nothing; 0 if nothing is waiting to be sent."""
        left = 0
        if self._socket is not None:
            with contextlib.suppress(OSError):
                left = struct.unpack("i", fcntl.ioctl(self._socket.fileno(), termios.TIOCOUTQ, bytes(4)))[0]
        if (self.sent, left) != self._seen or not left:
            self._seen, self._seen_at = (self.sent, left), now
        return now - self._seen_at

    def hold_back(self, *, wanted: bool) -> None:
        """Let the system collect headers and body into full packets, or send what it has now (Linux)."""
        if _CORK is not None and self._socket is not None:
            with contextlib.suppress(OSError):  # the connection is closed
                self._socket.setsockopt(socket.IPPROTO_TCP, _CORK, int(wanted))

    async def begin(self, status: int, headers: dict[str, str]) -> None:
        """Send the status and the headers."""
        self.response = web.StreamResponse(status=status, headers=headers)
        self.response.headers["Server"] = "archive-packager"
        self.response.headers["X-Content-Type-Options"] = "nosniff"
        await self.response.prepare(self.request)

    def cut(self) -> None:
        """Abort the connection, so that the client does not take a partial body for a complete one."""
        self.response.force_close()
        if self.request.transport is not None:
            self.request.transport.abort()
