"""Bodies on their way into a connection: files are read by threads, and sent by the system where that can be."""

import asyncio
from asyncio.exceptions import SendfileNotAvailableError
from collections.abc import AsyncGenerator, Callable, Iterator
from concurrent.futures import Executor
from contextlib import aclosing

from aiohttp import web

from packager.engine.ranges import Unreadable
from packager.engine.sliced import Part, Slice
from packager.paths import shown
from packager.units import KIB, MIB

_STALLED_SECONDS = 120.0  # that a client may take for the bytes of one step
_SENT_AT_ONCE = MIB  # bytes of a file in one step
_WRITTEN_AT_ONCE = 256 * KIB  # bytes from memory in one step


async def send_range(
    response: web.StreamResponse,
    transport: asyncio.Transport | None,
    parts: Iterator[Part],
    threads: Executor,
    sent: Callable[[int], None],
) -> None:
    """Send a body's parts. sent: called with the bytes of each step.

    Raises Unreadable where a file is not what it should be, TimeoutError where the client takes nothing,
    ConnectionError where it is gone.
    """
    async with aclosing(_in_threads(parts, threads)) as made:
        async for part in made:
            if isinstance(part, Slice):
                await _send_slice(response, transport, part, threads, sent)
            else:
                await _write(response, part, sent)


async def _in_threads(parts: Iterator[Part], threads: Executor) -> AsyncGenerator[Part, None]:
    """Yield parts that threads make, one at a time; the making is closed at the end, however that comes."""
    loop = asyncio.get_running_loop()
    making: asyncio.Future[Part | None] | None = None
    try:
        while True:
            making = loop.run_in_executor(threads, next, parts, None)
            part = await asyncio.shield(making)
            if part is None:
                return
            yield part
    finally:
        if making is None or making.done():
            _close(parts)
        else:  # cancelled while a thread was at work

            def close(done: "asyncio.Future[Part | None]") -> None:
                if not done.cancelled():
                    done.exception()
                _close(parts)

            making.add_done_callback(close)


def _close(parts: Iterator[Part]) -> None:
    """Close a generator and the file that it holds open."""
    if hasattr(parts, "close"):
        parts.close()


async def _write(response: web.StreamResponse, data: bytes, sent: Callable[[int], None]) -> None:
    """Send bytes from memory."""
    view = memoryview(data)
    for at in range(0, len(view), _WRITTEN_AT_ONCE):
        step = view[at : at + _WRITTEN_AT_ONCE]
        async with asyncio.timeout(_STALLED_SECONDS):
            await response.write(step)
        sent(len(step))


async def _send_slice(
    response: web.StreamResponse,
    transport: asyncio.Transport | None,
    part: Slice,
    threads: Executor,
    sent: Callable[[int], None],
) -> None:
    """Send bytes of an open file without reading them, where the system can."""
    loop = asyncio.get_running_loop()
    at = part.start
    while at < part.stop:
        if transport is None or transport.is_closing():
            raise ConnectionResetError("the client is gone")
        try:
            async with asyncio.timeout(_STALLED_SECONDS):
                step = await loop.sendfile(transport, part, at, min(_SENT_AT_ONCE, part.stop - at), fallback=False)  # type: ignore[arg-type] # a descriptor is all it takes of a file
        except SendfileNotAvailableError:  # a file system that cannot, or a client that left
            rest = Slice(part.descriptor, part.path, at, part.stop)
            await _write(response, await loop.run_in_executor(threads, rest.read), sent)
            return
        if not step:
            raise Unreadable(shown(part.path), f"ends at byte {at}")
        at += step
        sent(step)
