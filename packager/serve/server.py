"""One process of the server: the connections, their limits, and an end in order."""

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

_THREADS = 32  # that open and read files of the site, and as many for shards
_HEADERS = 64  # of one request
_LINE = 8190  # bytes of one header, and of the request line
_IDLE_SECONDS = 60.0  # that a connection may take for a request's head
_BODY_SECONDS = 1.0  # that the body of a request, which nobody wants, is waited for
_STALLED_SECONDS = 120.0  # that a client may take none of the bytes that wait for it
_GRACE_SECONDS = 5.0  # that answers get to be finished when the server ends
_TICK_SECONDS = 1.0  # between two looks at release.json
_PROVED = 64 * MIB  # bytes of pieces kept that were found right
_BACKLOG = 1024
_OPEN = "/proc/self/fd"
_FILES = 16384  # open files and connections
_SWITCH_SECONDS = 0.001  # after which a thread that computes lets the others send


@dataclass(frozen=True)
class ServeOptions:
    """How a process serves. cache_size: bytes for layouts of shards. check_pieces: hash each first."""

    project: Project
    cache_size: int
    check_pieces: bool


def open_shard_cache(serving: ServeOptions, counts: Metrics, warn: Callable[[str], None]) -> ShardCache:
    """Return the published shards. warn: takes what the log should say of them.

    Raises InputError where there are none, IncompleteError where the system refuses.
    """
    shelf = ShardCache(
        serving.project,
        counts,
        memory=serving.cache_size,
        pieces=VerifiedPieces(_PROVED),
        check_pieces=serving.check_pieces,
        warn=warn,
    )
    try:
        shelf.refresh()
    except FileNotFoundError:
        where = display_text(str(serving.project.site / RELEASE))
        raise InputError(where, "nothing is published yet", "run: packager release") from None
    return shelf


class Server:
    """One process's server."""

    def __init__(self, serving: ServeOptions, counts: Metrics, log: AccessLog) -> None:
        """Count and write there. Raises as `open_shelf`."""
        self._serving, self._counts, self._log = serving, counts, log
        self._shelf = open_shard_cache(serving, counts, log.error)

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
            answers = RequestHandler(self._serving.project.site, self._shelf, self._counts, self._log, threads)
            runner = web.ServerRunner(self._protocol(answers), shutdown_timeout=_GRACE_SECONDS)
            await runner.setup()
            await web.SockSite(runner, listening, backlog=_BACKLOG).start()
            ready()
            ticking = asyncio.create_task(self._tick(runner, answers))
            await stop.wait()
            ticking.cancel()
            await runner.cleanup()

    def _protocol(self, answers: RequestHandler) -> web.Server:
        """Return the protocol with its limits."""
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
        """Look for a new release, for clients that take nothing, and at what is open, once a second."""
        said = ""
        while True:
            try:
                await asyncio.to_thread(self._shelf.refresh)
                said = ""
            except (OSError, PackagerError) as error:
                if str(error) != said:
                    self._log.error(f"the release cannot be read, the last one is served on: {error}")
                said = str(error)
            answers.cut_stalled(_STALLED_SECONDS)
            self._counts.put("packager_connections", len(runner.server.connections) if runner.server else 0)
            self._counts.put("packager_open_files", len(os.listdir(_OPEN)) if os.path.isdir(_OPEN) else 0)
            await asyncio.sleep(_TICK_SECONDS)


def _allow_files() -> None:
    """Raise the bound on open files that the system sets for programs that need few."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _FILES if hard == resource.RLIM_INFINITY else min(_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _asked_to_end(stop: asyncio.Event) -> None:
    """End in order; asked again, end at once."""
    if stop.is_set():
        os._exit(1)
    stop.set()


class _Protocol(logging.Handler):
    """What aiohttp says: a line for a request that is none, a traceback for a fault of ours."""

    def __init__(self, counts: Metrics, log: AccessLog) -> None:
        """Count and write there."""
        super().__init__(logging.WARNING)
        self._counts, self._log = counts, log

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record."""
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, http_exceptions.HttpProcessingError):
            self._counts.add("packager_requests_total", "400")
            self._log.error(f"{record.getMessage()}: {display_text(error.message)}")
        else:
            self._log.error(self.format(record))
