"""The processes of the server: this one, or several that share a port with SO_REUSEPORT and end together."""

import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from multiprocessing import parent_process
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path

from packager.core.reports.reports import ServeReport
from packager.engine.processes.child_processes import spawn_context
from packager.errors import IncompleteError, InputError, PackagerError, from_os_error
from packager.paths import display_text
from packager.serve.access_log import AccessLog
from packager.serve.metrics import Metrics, SharedNumbers, shared_numbers
from packager.serve.server import ServeOptions, Server, open_shard_cache
from packager.serve.shard_cache import ReleaseListing

_STDERR = 2
_POLL_SECONDS = 0.2
_END_SECONDS = 15.0  # for processes to finish their answers


@dataclass(frozen=True)
class ListenAddress:
    """Where the server listens and writes its log. address: one of this machine; port: 0 for any free port."""

    address: str
    port: int
    log: Path | None = None  # None: stderr


def serve(
    serving: ServeOptions, place: ListenAddress, *, processes: int, ready: Callable[[str, ReleaseListing], None]
) -> ServeReport:
    """Serve until SIGTERM or SIGINT, and return the report.

    ready: called with the URL and the published shards when the server answers requests. Raises InputError
    if nothing is published or the address cannot be used, IncompleteError if a process dies.
    """
    numbers = shared_numbers(processes)
    counts = Metrics(numbers, 0, processes)
    started = time.monotonic()
    listing = open_shard_cache(serving, counts, lambda _: None).listing
    with _bound(place, shared=processes > 1) as listening:
        url = _url(listening)
        if processes == 1:
            both = (signal.SIGINT, signal.SIGTERM)
            Server(serving, counts, _log(place)).run(listening, both, lambda: ready(url, listing))
        else:
            at = replace(place, address=listening.getsockname()[0], port=listening.getsockname()[1])
            _run_several(serving, at, numbers, processes, lambda: ready(url, listing))
    return ServeReport(
        url=url,
        seconds=round(time.monotonic() - started, 3),
        requests=counts.sum("packager_requests_total"),
        ranges=counts.sum("packager_ranges_total"),
        sent_bytes=counts.sum("packager_sent_bytes_total"),
        errors=counts.sum("packager_errors_total"),
    )


def _bound(place: ListenAddress, *, shared: bool) -> socket.socket:
    """Return a bound socket. shared: our other processes can bind to the same port. Raises InputError."""
    try:
        found = socket.getaddrinfo(place.address or None, place.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[
            0
        ]
        bound = socket.socket(*found[:3])
        try:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if shared:
                bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            bound.bind(found[4])
        except OSError:
            bound.close()
            raise
    except (OSError, UnicodeError) as error:
        where = f"{display_text(place.address)}:{place.port}"
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(
            where, f"cannot listen here ({reason})", "use an address of this machine and a free port"
        ) from error
    return bound


def _url(listening: socket.socket) -> str:
    """Return the URL of a bound socket."""
    host, port = listening.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}/"


def _log(place: ListenAddress) -> AccessLog:
    """Open the log. Raises IncompleteError."""
    if place.log is None:
        return AccessLog(_STDERR)
    try:
        return AccessLog.open(place.log)
    except OSError as error:
        raise from_os_error(
            error, display_text(str(place.log)), "fix the permissions, then run the command again"
        ) from error


def _run_several(
    serving: ServeOptions, place: ListenAddress, numbers: SharedNumbers, processes: int, ready: Callable[[], None]
) -> None:
    """Serve with several processes until a signal. If one dies, all end. Raises IncompleteError then."""
    asked: list[int] = []
    pipes: list[Connection] = []
    running: list[SpawnProcess] = []
    old = {
        number: signal.signal(number, lambda got, _: asked.append(got)) for number in (signal.SIGINT, signal.SIGTERM)
    }
    if place.log is not None:
        old[signal.SIGHUP] = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # inherited by new processes
    context = spawn_context()
    try:
        for number in range(processes):
            ours, theirs = context.Pipe(duplex=False)
            work = (serving, place, Metrics(numbers, number, processes), theirs)
            running.append(context.Process(target=_work, args=work, name=f"serve-{number}"))
            running[-1].start()
            theirs.close()
            pipes.append(ours)
        for pipe in pipes:
            _wait_for(pipe, asked)
        if place.log is not None:
            signal.signal(signal.SIGHUP, lambda got, _: _send(running, got))
        if not asked:
            ready()
        while not asked and not wait([each.sentinel for each in running], _POLL_SECONDS):
            pass
        if not asked:
            raise IncompleteError("serve", "a server process died", "run the command again")
    finally:
        _end(running)
        for number, handler in old.items():
            signal.signal(number, handler)


def _send(running: list[SpawnProcess], number: int) -> None:
    """Send a signal to all running processes."""
    for each in running:
        if each.pid is not None and each.is_alive():
            os.kill(each.pid, number)


def _wait_for(pipe: Connection, asked: list[int]) -> None:
    """Wait until a process listens. Raises the error that the process reports, IncompleteError if it died."""
    while not asked:
        if pipe.poll(_POLL_SECONDS):
            try:
                message = pipe.recv()
            except EOFError:
                raise IncompleteError("serve", "a server process died", "run the command again") from None
            if isinstance(message, PackagerError):
                raise message
            return


def _end(running: list[SpawnProcess]) -> None:
    """Terminate the processes, and kill those that do not end in time."""
    for each in running:
        each.terminate()
    until = time.monotonic() + _END_SECONDS
    for each in running:
        each.join(max(0.0, until - time.monotonic()))
        if each.is_alive():
            each.kill()
            each.join()


def _work(serving: ServeOptions, place: ListenAddress, counts: Metrics, pipe: Connection) -> None:
    """Serve in a child process. The parent handles Ctrl-C. If the parent dies, this process ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_die_with_parent, daemon=True).start()
    try:
        with _bound(place, shared=True) as listening:
            Server(serving, counts, _log(place)).run(listening, (signal.SIGTERM,), lambda: pipe.send(True))
    except PackagerError as error:
        pipe.send(error)


def _die_with_parent() -> None:
    """End this process when its parent has ended."""
    parent = parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
