"""Bodies on their way into a connection: files are read by threads, and sent by the system where that can be."""

import asyncio
import os
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Executor

from aiohttp import web

from packager.engine.files.file_body import WAITING, FileChunk, Step
from packager.engine.files.range_readers import UnreadableError
from packager.paths import display_text
from packager.units import KIB

_WRITTEN_AT_ONCE = 256 * KIB  # bytes from memory in one step


class SendingConnection:
    """Where one answer's body goes. sent: called with the bytes of each step."""

    def __init__(self, request: web.BaseRequest, threads: Executor, sent: Callable[[int], None]) -> None:
        """Send to whom a request came from; `threads` do what takes long."""
        self._request, self._threads, self._sent = request, threads, sent

    async def send(self, response: web.StreamResponse, steps: Iterator[Step]) -> None:
        """Send a body's parts.

        Raises Unreadable where a file is not what it should be, ConnectionError where the client is gone.
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
            else:  # cancelled while a thread was at work
                making.add_done_callback(lambda done: _close_after(done, steps))

    async def _write(self, response: web.StreamResponse, data: bytes) -> None:
        """Send bytes from memory."""
        view = memoryview(data)
        for at in range(0, len(view), _WRITTEN_AT_ONCE):
            step = view[at : at + _WRITTEN_AT_ONCE]
            await response.write(step)
            self._sent(len(step))

    async def _send_slice(self, response: web.StreamResponse, part: FileChunk) -> None:
        """Send bytes of an open file without reading them, where the system can."""
        outgoing = await self._flushed()
        try:
            left = await self._send_file(outgoing, part)
        finally:
            os.close(outgoing)
        if left is not None:
            loop = asyncio.get_running_loop()
            await self._write(response, await loop.run_in_executor(self._threads, left.read))

    async def _flushed(self) -> int:
        """Wait until the system has all that was written, and return a descriptor of the connection, to be closed.

        It is ours alone: asyncio's own sendfile leaves a connection that is cut meanwhile in a broken state.
        """
        transport = self._request.transport
        if transport is not None and transport.get_write_buffer_size():
            transport.set_write_buffer_limits(high=0)  # so that the writer waits until nothing is left
            await self._request.writer.drain()
        if transport is None or transport.is_closing():
            raise ConnectionResetError("the client is gone")
        return os.dup(transport.get_extra_info("socket").fileno())

    async def _send_file(self, outgoing: int, part: FileChunk) -> FileChunk | None:
        """Send a slice; return what is left of it where the file's system cannot send it."""
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
    """Wait until a connection takes bytes."""
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()
    loop.add_writer(outgoing, lambda: None if ready.done() else ready.set_result(None))
    try:
        await ready
    finally:
        loop.remove_writer(outgoing)


def _close_after(done: "asyncio.Future[Step | None]", steps: Iterator[Step]) -> None:
    """Close a generator that a thread has left."""
    if not done.cancelled():
        done.exception()
    _close(steps)


def _close(steps: Iterator[Step]) -> None:
    """Close a generator and give back the file that it holds."""
    if isinstance(steps, Generator):
        steps.close()
