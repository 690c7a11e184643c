"""Bodies on their way into a connection: files are read by threads, and sent by the system where that can be."""

import asyncio
from asyncio.exceptions import SendfileNotAvailableError
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Executor

from aiohttp import web

from packager.engine.ranges import Unreadable
from packager.engine.sliced import WAITING, Slice, Step
from packager.paths import shown
from packager.units import KIB, MIB

_STALLED_SECONDS = 120.0  # that a client may take for the bytes of one step
_SENT_AT_ONCE = MIB  # bytes of a file in one step
_WRITTEN_AT_ONCE = 256 * KIB  # bytes from memory in one step


async def send_range(
    response: web.StreamResponse,
    transport: asyncio.Transport | None,
    steps: Iterator[Step],
    threads: Executor,
    sent: Callable[[int], None],
) -> None:
    """Send a body's parts. sent: called with the bytes of each step.

    Raises Unreadable where a file is not what it should be, TimeoutError where the client takes nothing,
    ConnectionError where it is gone.
    """
    making: asyncio.Future[Step | None] | None = None
    try:
        step = next(steps, None)
        while step is not None:
            if step == WAITING:
                making = asyncio.get_running_loop().run_in_executor(threads, next, steps, None)
                step = await asyncio.shield(making)
                continue
            if isinstance(step, Slice):
                await _send_slice(response, transport, step, threads, sent)
            else:
                await _write(response, step, sent)
            step = next(steps, None)
    finally:
        if making is None or making.done():
            _close(steps)
        else:  # cancelled while a thread was at work
            making.add_done_callback(lambda done: _close_after(done, steps))


def _close_after(done: "asyncio.Future[Step | None]", steps: Iterator[Step]) -> None:
    """Close a generator that a thread has left."""
    if not done.cancelled():
        done.exception()
    _close(steps)


def _close(steps: Iterator[Step]) -> None:
    """Close a generator and give back the file that it holds."""
    if isinstance(steps, Generator):
        steps.close()


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
