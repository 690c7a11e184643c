"""Sends bodies: threads read the files, and the system's sendfile sends them if possible."""

import asyncio
import os
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Executor

from aiohttp import web

from packager.engine.files.file_body import WAITING, FileChunk, Step
from packager.engine.files.range_readers import UnreadableError
from packager.paths import display_text
from packager.units import KIB

_WRITTEN_AT_ONCE = 256 * KIB


class SendingConnection:
    """The connection of one answer."""

    def __init__(self, request: web.BaseRequest, threads: Executor, sent: Callable[[int], None]) -> None:
        """Send to the client of a request. threads: for slow work; sent: called with the size of each step."""
        self._request, self._threads, self._sent = request, threads, sent

    async def send(self, response: web.StreamResponse, steps: Iterator[Step]) -> None:
        """Send a body's parts.

        Raises UnreadableError if a file cannot be read or has changed, ConnectionError if the client has left.
        """
        making: asyncio.Future[Step | None] | None = None
        try:
            step = next(steps, None)
            while step is not None:
                if step == WAITING:
                    making = asyncio.get_running_loop().run_in_executor(self._threads, next, steps, None)
                    step = await asyncio.shield(making)
                    continue
                if isinstance(step, FileChunk):
                    await self._send_slice(response, step)
                else:
                    await self._write(response, step)
                step = next(steps, None)
        finally:
            if making is None or making.done():
                _close(steps)
            else:  # cancelled while a thread was working
                making.add_done_callback(lambda done: _close_after(done, steps))

    async def _write(self, response: web.StreamResponse, data: bytes) -> None:
        """Send bytes from memory."""
        view = memoryview(data)
        for at in range(0, len(view), _WRITTEN_AT_ONCE):
            step = view[at : at + _WRITTEN_AT_ONCE]
            await response.write(step)
            self._sent(len(step))

    async def _send_slice(self, response: web.StreamResponse, part: FileChunk) -> None:
        """Send bytes of an open file, with sendfile if possible."""
        outgoing = await self._flushed()
        try:
            left = await self._send_file(outgoing, part)
        finally:
            os.close(outgoing)
        if left is not None:
            loop = asyncio.get_running_loop()
            await self._write(response, await loop.run_in_executor(self._threads, left.read))

    async def _flushed(self) -> int:
        """Wait until the write buffer is empty, and return a copy of the connection's descriptor; the caller closes it.

        asyncio's own sendfile is not used, because it breaks the state of a connection that is cut meanwhile.
        """
        transport = self._request.transport
        if transport is not None and transport.get_write_buffer_size():
            transport.set_write_buffer_limits(high=0)  # so that drain() waits for an empty buffer
            await self._request.writer.drain()
        if transport is None or transport.is_closing():
            raise ConnectionResetError("the client has left")
        return os.dup(transport.get_extra_info("socket").fileno())

    async def _send_file(self, outgoing: int, part: FileChunk) -> FileChunk | None:
        """Send a chunk; return the rest of it if the file system does not support sendfile."""
        at = part.start
        while at < part.stop:
            try:
                step = os.sendfile(outgoing, part.file.descriptor, at, part.stop - at)
            except BlockingIOError:
                await _writable(outgoing)
                continue
            except ConnectionError:
                raise
            except OSError:
                return FileChunk(part.file, at, part.stop)
            if not step:
                raise UnreadableError(display_text(part.file.path), f"ends at byte {at}")
            at += step
            self._sent(step)
        return None


async def _writable(outgoing: int) -> None:
    """Wait until a connection can be written to."""
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()
    loop.add_writer(outgoing, lambda: None if ready.done() else ready.set_result(None))
    try:
        await ready
    finally:
        loop.remove_writer(outgoing)


def _close_after(done: "asyncio.Future[Step | None]", steps: Iterator[Step]) -> None:
    """Close a generator after a thread has finished with it."""
    if not done.cancelled():
        done.exception()
    _close(steps)


def _close(steps: Iterator[Step]) -> None:
    """Close a generator, and with it the file that it has open."""
    if isinstance(steps, Generator):
        steps.close()
