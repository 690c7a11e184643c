"""What is answered to a request: the site's files, shards' ranges, the counts; and what is refused.

/                     the site: site.folder
/shards/NAME.tar      a shard (BEP 19), whether its tar is there or not
/shards/NAME/PATH     a file of a shard that is kept as files
/shards/NAME/.pad/N   N zeros: a pad file of its torrent (BEP 47)
/metrics              the counts, as Prometheus reads them
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
_BYTES = "application/octet-stream"  # whatever a member is, no browser runs it
_METRICS = "text/plain; version=0.0.4; charset=utf-8"
_WORDS = {
    400: "not a request that can be understood",
    404: "nothing has this name",
    405: "only GET and HEAD are answered",
    412: "it is another file by now",
    301: "a folder, whose name ends in a slash",
    416: "no such range of this file",
    451: "these bytes were withdrawn by their publisher",
    500: "this cannot be read; the log says why",
    503: "these bytes are not available now; the log says why",
    505: "only HTTP/1.0 and HTTP/1.1 are answered",
}
_LATER = "60"  # seconds
_CORK = getattr(socket, "TCP_CORK", None)
What: TypeAlias = Literal["site", "shard"]
Opened = TypeVar("Opened", bound=Body)


@dataclass(frozen=True)
class Resource:
    """What a request's path names, by what is known before a byte of it is opened."""

    size: int
    tag: str
    content_type: str
    what: What  # the counts' word for it


class RequestHandler:
    """Answers requests of one process."""

    def __init__(
        self, site: Path, shelf: ShardCache, counts: Metrics, log: AccessLog, threads: Mapping[What, Executor]
    ) -> None:
        """Answer from these; the site's files and the shards are read by threads of their own: a shard may be slow."""
        self._site, self._shelf, self._counts, self._log, self._threads = site, shelf, counts, log, threads
        self._under_way: set[_Answer] = set()

    def cut_stalled(self, seconds: float) -> None:
        """Cut the answers of whose bytes their clients took none for so long. Called again and again to see that."""
        now = asyncio.get_running_loop().time()
        for answer in self._under_way:
            if answer.stalled(now) > seconds:
                self._counts.add("packager_errors_total", "stalled")
                answer.cut()

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request, write its line, and return what was sent."""
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
        """Count and write what was answered."""
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
        """Find what is asked for and send it."""
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
            listed = self._shelf.listing.shards.get(names[1].decode("utf-8", "replace"))
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
            start, size = await run(self._threads["shard"], self._shelf.place, listed, path)
            await self._send_shard(answer, listed, Resource(size, listed.tag, _BYTES, "shard"), start)
        elif listed is not None and len(names) == 2:
            await self._send_shard(answer, listed, Resource(listed.size, listed.tag, _TAR, "shard"))
        else:
            await self._send_site_file(answer, names)

    async def _send_shard(self, answer: "_Answer", listed: ListedShard, file: Resource, start: int = 0) -> None:
        """Send a shard, or ranges of it; or its one file that begins at `start` of its stream.

        The head of an answer is sent only if the first bytes of the body are available, for HEAD as for GET.
        """
        wish = evaluate_request(answer.request.method, answer.request.headers, file.size, file.tag)
        if wish.status not in (200, 206) and listed.withheld is None:
            await self._send_head(answer, wish, file)
            return
        ranges = tuple((start + first, start + stop) for first, stop in wish.ranges or ((0, file.size),))
        body = self._shelf.body_at_hand(listed, ranges)
        if body is None:
            body = await self._opened("shard", lambda: self._shelf.body(listed, ranges))
        await self._send_opened(answer, wish, file, body, start)

    async def _send_opened(
        self, answer: "_Answer", wish: ResponsePlan, file: Resource, body: Body, start: int = 0
    ) -> None:
        """Send what is asked for of an open file, and close it."""
        try:
            if answer.request.method == "HEAD" or wish.status not in (200, 206):
                await self._send_head(answer, wish, file)
            else:
                await self._send(answer, wish, file, body, start)
        finally:
            body.close()

    async def _send_pad(self, answer: "_Answer", listed: ListedShard, size: int) -> None:
        """Send a pad file of a shard that is kept as files: zeros, which no file has. Raises FileNotFoundError."""
        if size > listed.piece_length:
            raise FileNotFoundError
        file = Resource(size, f'"pad-{size}"', _BYTES, "shard")
        wish = evaluate_request(answer.request.method, answer.request.headers, file.size, file.tag)
        await self._send_opened(answer, wish, file, ZeroBody(size))

    async def _send_site_file(self, answer: "_Answer", names: list[bytes]) -> None:
        """Send a file of the site, or ranges of it."""
        try:
            body = await self._opened("site", lambda: site_files.open_site_file(self._site, names))
        except FolderError:
            name = answer.request.raw_path.partition("?")[0].rpartition("/")[2]
            await self._say(answer, 301, {"Location": f"./{name}/"})
            return
        file = Resource(body.size, site_files.entity_tag(body), site_files.content_type(names[-1]), "site")
        wish = evaluate_request(answer.request.method, answer.request.headers, file.size, file.tag)
        await self._send_opened(answer, wish, file, body)

    async def _send_head(self, answer: "_Answer", wish: ResponsePlan, file: Resource) -> None:
        """Send an answer that has none of the file's bytes."""
        headers = {"ETag": file.tag, "Accept-Ranges": "bytes"}
        if wish.status == 200:
            headers |= {"Content-Length": str(file.size), "Content-Type": file.content_type}
            await answer.begin(200, headers)
        elif wish.status == 304:
            await answer.begin(304, headers)
        elif wish.status == 416:
            await self._say(answer, 416, headers | {"Content-Range": f"bytes */{file.size}"})
        else:
            await self._say(answer, wish.status, headers)

    async def _send(self, answer: "_Answer", wish: ResponsePlan, file: Resource, body: Body, at: int = 0) -> None:
        """Send a file, a range of it, or several. at: where it begins in the body."""
        headers = {"ETag": file.tag, "Accept-Ranges": "bytes", "Content-Type": file.content_type}
        ranges: Sequence[Range] = wish.ranges or ((0, file.size),)
        heads = [b""] * (len(ranges) + 1)
        if len(wish.ranges) == 1:
            headers["Content-Range"] = range_header.content_range(ranges[0], file.size)
        elif wish.ranges:
            boundary = secrets.token_hex(16)
            heads = range_header.part_heads(ranges, file.size, file.content_type, boundary)
            headers["Content-Type"] = f"multipart/byteranges; boundary={boundary}"
        length = sum(map(len, heads)) + sum(stop - start for start, stop in ranges)
        answer.hold_back(wanted=True)
        await answer.begin(wish.status, headers | {"Content-Length": str(length)})

        def sent(size: int) -> None:
            answer.sent += size
            self._counts.add("packager_sent_bytes_total", file.what, size)

        connection = SendingConnection(answer.request, self._threads[file.what], sent)
        for head, (start, stop) in zip(heads, ranges, strict=False):
            if head:
                await answer.response.write(head)
            await connection.send(answer.response, body.parts(at + start, at + stop))
            self._counts.add("packager_ranges_total", amount=wish.status == 206)
        if heads[-1]:
            await answer.response.write(heads[-1])

    async def _fail(self, answer: "_Answer", status: int) -> None:
        """Say that bytes cannot be given, or cut the connection where others of them are on their way."""
        if answer.response.prepared:
            answer.cut()
        else:
            await self._say(answer, status, {"Retry-After": _LATER} if status == 503 else {})

    async def _say(self, answer: "_Answer", status: int, headers: dict[str, str] | None = None) -> None:
        """Send a status and what it means."""
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
        """Return what a thread opens; where the client leaves meanwhile it is closed."""
        future = asyncio.get_running_loop().run_in_executor(self._threads[what], opening)
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            future.add_done_callback(lambda done: None if done.exception() else done.result().close())
            raise


class _Answer:
    """One answer while it is sent. sent: bytes of its body."""

    def __init__(self, request: web.BaseRequest) -> None:
        self.request = request
        self.response = web.StreamResponse()
        self.sent = 0
        self._socket: socket.socket | None = request.get_extra_info("socket")
        self._seen: tuple[int, int] | None = None  # bytes sent, and of these, bytes that the client has not taken
        self._seen_at = 0.0

    def stalled(self, now: float) -> float:
        """Return for how many seconds the client took nothing, as far as was seen; 0 where nothing waits for it."""
        left = 0
        if self._socket is not None:
            with contextlib.suppress(OSError):
                left = struct.unpack("i", fcntl.ioctl(self._socket.fileno(), termios.TIOCOUTQ, bytes(4)))[0]
        if (self.sent, left) != self._seen or not left:
            self._seen, self._seen_at = (self.sent, left), now
        return now - self._seen_at

    def hold_back(self, *, wanted: bool) -> None:
        """Have the system gather the head and the body's parts into full packets, or send what it has now (Linux)."""
        if _CORK is not None and self._socket is not None:
            with contextlib.suppress(OSError):  # closed
                self._socket.setsockopt(socket.IPPROTO_TCP, _CORK, int(wanted))

    async def begin(self, status: int, headers: dict[str, str]) -> None:
        """Send the head."""
        self.response = web.StreamResponse(status=status, headers=headers)
        self.response.headers["Server"] = "archive-packager"
        self.response.headers["X-Content-Type-Options"] = "nosniff"
        await self.response.prepare(self.request)

    def cut(self) -> None:
        """End the connection before the body is whole, so that no client takes it for whole."""
        self.response.force_close()
        if self.request.transport is not None:
            self.request.transport.abort()
