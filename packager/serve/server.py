"""One process of the server: its connections, their limits, and a clean end."""

import asyncio
import logging
import os
import resource
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass

from aiohttp import http_exceptions, web

from packager.engine.project.project import Project
from packager.engine.published.release_reader import RELEASE
from packager.errors import InputError, PackagerError
from packager.paths import display_text
from packager.serve.access_log import AccessLog
from packager.serve.metrics import Metrics
from packager.serve.request_handler import RequestHandler, What
from packager.serve.shard_cache import ShardCache
from packager.serve.verified_body import VerifiedPieces
from packager.units import MIB

_THREADS = 32  # for site files, and as many for shards
_HEADERS = 64  # in one request
_LINE = 8190  # bytes in one header or the request line
_IDLE_SECONDS = 60.0  # for a connection to send the head of a request
_BODY_SECONDS = 1.0  # to wait for the body of a request, which is not used
_STALLED_SECONDS = 120.0  # until a client that receives nothing is cut off
_GRACE_SECONDS = 5.0  # to finish answers when the server ends
_TICK_SECONDS = 1.0  # between two checks of release.json
_VERIFIED_PIECES = 64 * MIB  # memory for verified pieces
_BACKLOG = 1024
_OPEN = "/proc/self/fd"
_FILES = 16384  # open files and connections
_SWITCH_SECONDS = 0.001  # after which a busy thread lets others run


@dataclass(frozen=True)
class ServeOptions:
    """How a process serves. cache_size: bytes for layouts of shards. check_pieces: verify each piece before sending."""

    project: Project
    cache_size: int
    check_pieces: bool


def open_shard_cache(serving: ServeOptions, counts: Metrics, warn: Callable[[str], None]) -> ShardCache:
    """Return the published shards. warn: called with warnings for the log.

    Raises InputError if nothing is published, IncompleteError for an error of the system.
    """
    cache = ShardCache(
        serving.project,
        counts,
        memory=serving.cache_size,
        pieces=VerifiedPieces(_VERIFIED_PIECES),
        check_pieces=serving.check_pieces,
        warn=warn,
    )
    try:
        cache.refresh()
    except FileNotFoundError:
        where = display_text(str(serving.project.site / RELEASE))
        raise InputError(where, "nothing is published yet", "run: packager release") from None
    return cache


class Server:
    """The server of one process."""

    def __init__(self, serving: ServeOptions, counts: Metrics, log: AccessLog) -> None:
        """counts, log: where to count and log. Raises the errors of `open_shard_cache`."""
        self._serving, self._counts, self._log = serving, counts, log
        self._cache = open_shard_cache(serving, counts, log.error)

    def run(self, listening: socket.socket, signals: Sequence[signal.Signals], ready: Callable[[], None]) -> None:
        """Serve on a bound socket until one of `signals`; a second one ends at once. ready: called when it listens."""
        _allow_files()
        sys.setswitchinterval(_SWITCH_SECONDS)
        asyncio.run(self._run(listening, signals, ready))

    async def _run(
        self, listening: socket.socket, signals: Sequence[signal.Signals], ready: Callable[[], None]
    ) -> None:
        """Serve until a signal."""
        stop = asyncio.Event()
        for number in signals:
            asyncio.get_running_loop().add_signal_handler(number, _asked_to_end, stop)
        if self._log.path is not None:
            asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self._log.reopen)
        with ThreadPoolExecutor(_THREADS, "site") as site, ThreadPoolExecutor(_THREADS, "shards") as shards:
            threads: dict[What, Executor] = {"site": site, "shard": shards}
            answers = RequestHandler(self._serving.project.site, self._cache, self._counts, self._log, threads)
            runner = web.ServerRunner(self._protocol(answers), shutdown_timeout=_GRACE_SECONDS)
            await runner.setup()
            await web.SockSite(runner, listening, backlog=_BACKLOG).start()
            ready()
            ticking = asyncio.create_task(self._tick(runner, answers))
            await stop.wait()
            ticking.cancel()
            await runner.cleanup()

    def _protocol(self, answers: RequestHandler) -> web.Server:
        """Return the protocol, with its limits."""
        logger = logging.Logger("packager.serve")
        logger.addHandler(_Protocol(self._counts, self._log))
        return web.Server(
            answers,
            handler_cancellation=True,
            keepalive_timeout=_IDLE_SECONDS,
            lingering_time=_BODY_SECONDS,
            max_line_size=_LINE,
            max_field_size=_LINE,
            max_headers=_HEADERS,
            access_log=None,
            logger=logger,
        )

    async def _tick(self, runner: web.ServerRunner, answers: RequestHandler) -> None:
        """Once a second, look for a new release, cut stalled clients and update the gauges."""
        last_error = ""
        while True:
            try:
                await asyncio.to_thread(self._cache.refresh)
                last_error = ""
            except (OSError, PackagerError) as error:
                if str(error) != last_error:
                    self._log.error(f"the release cannot be read, so the previous one is still served: {error}")
                last_error = str(error)
            answers.cut_stalled(_STALLED_SECONDS)
            self._counts.put("packager_connections", len(runner.server.connections) if runner.server else 0)
            self._counts.put("packager_open_files", len(os.listdir(_OPEN)) if os.path.isdir(_OPEN) else 0)
            await asyncio.sleep(_TICK_SECONDS)


def _allow_files() -> None:
    """Raise the limit of open files."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _FILES if hard == resource.RLIM_INFINITY else min(_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _asked_to_end(stop: asyncio.Event) -> None:
    """End cleanly; if called again, end at once."""
    if stop.is_set():
        os._exit(1)
    stop.set()


class _Protocol(logging.Handler):
    """Logs aiohttp's messages: one line for a malformed request, a traceback for an error in our code."""

    def __init__(self, counts: Metrics, log: AccessLog) -> None:
        """counts, log: where to count and log."""
        super().__init__(logging.WARNING)
        self._counts, self._log = counts, log

    def emit(self, record: logging.LogRecord) -> None:
        """Log one record."""
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, http_exceptions.HttpProcessingError):
            self._counts.add("packager_requests_total", "400")
            self._log.error(f"{record.getMessage()}: {display_text(error.message)}")
        else:
            self._log.error(self.format(record))
