"""Processes that hash pieces and files, kept while many tasks stream through them.

A process is a fresh interpreter that imports only what it hashes with: it is ready at once, needs no
guard in the caller's script, and ends when its pipe does, however this process ends.
"""

import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from types import TracebackType
from typing import Any, TypeAlias, TypeVar

from packager.engine.files.joined_files import Tell
from packager.engine.hashing.check_tasks import Runnable
from packager.engine.processes.child_processes import child_environment
from packager.errors import IncompleteError, PackagerError
from packager.native.hashes import lanes

Key = TypeVar("Key")
Found = TypeVar("Found")
Done: TypeAlias = tuple[Key, Runnable[Found], Found]

SPAN = 32 << 20  # bytes that a task should have
MOST = 1024  # pieces of a task: what is found of _AHEAD tasks and one more fits a pipe that nobody reads
_AHEAD = 2  # tasks that a process holds, so that it never waits for the next
_TELL = 16 << 20  # bytes read before a process says so
_ONE_IS_ENOUGH = 500 << 20  # bytes a second: one core hashes more
_WIDE = 256 << 20  # bytes that a task may have so that its pieces are enough to be hashed side by side
_PROGRAM = (
    "import sys; from packager.engine.hashing.hash_pool import serve; serve(int(sys.argv[1]), float(sys.argv[2]))"
)


def pieces_of_task(piece_length: int, *, v1: bool) -> int:
    """Return how many pieces a task should have, of which SHA-1 is taken with v1."""
    return min(MOST, max(1, SPAN // piece_length, min(lanes(), _WIDE // piece_length) if v1 else 1))


class HashPool:
    """Runs tasks on `count` processes, or in this one where that is 1; a context manager.

    rate: bytes a second that all of them may read together, 0 for no limit. A rate that one process can
    keep up with is left to one.
    """

    def __init__(self, count: int, rate: int = 0) -> None:
        """Say how many; nothing is started yet."""
        self._count = 1 if 0 < rate <= _ONE_IS_ENOUGH else count
        self._rate = rate / self._count
        self._processes: list[subprocess.Popen[bytes]] = []
        self._pipes: list[Connection] = []

    def __enter__(self) -> "HashPool":
        """Start the processes."""
        if self._count > 1:
            for _ in range(self._count):
                self._start()
        return self

    def _start(self) -> None:
        """Start a process."""
        ours, theirs = Pipe()
        command = [sys.executable, "-c", _PROGRAM, str(theirs.fileno()), str(self._rate)]
        self._processes.append(
            subprocess.Popen(command, pass_fds=[theirs.fileno()], env=child_environment(), stdin=subprocess.DEVNULL)
        )
        self._pipes.append(ours)
        theirs.close()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the processes; what they have not told is lost."""
        for pipe in self._pipes:
            pipe.close()
        for process in self._processes:
            process.kill()  # they write nothing, so nothing is left half done
            process.wait()

    def run(self, tasks: Iterable[tuple[Key, Runnable[Found]]], tell: Tell) -> Iterator[Done[Key, Found]]:
        """Yield (key, task, what it found) as tasks end, in any order.

        tasks: drawn when a process is free for one. tell: called with bytes as they are read; what it raises
        ends the run. Raises IncompleteError where a process dies, and what a task raised.
        """
        if self._count == 1:
            paced = _paced(tell, self._rate)
            for key, task in tasks:
                yield key, task, task.run(paced)
            return
        source = iter(tasks)
        held: dict[Connection, deque[tuple[Key, Runnable[Found]]]] = {pipe: deque() for pipe in self._pipes}
        for _ in range(_AHEAD):
            for pipe in self._pipes:
                _hand_over(pipe, held[pipe], source)
        while busy := [pipe for pipe in self._pipes if held[pipe]]:
            ready = wait(busy)
            for pipe in (pipe for pipe in busy if pipe in ready):
                message = _receive(pipe)
                if isinstance(message, PackagerError):
                    raise message
                if isinstance(message, int):
                    tell(message)
                else:
                    key, task = held[pipe].popleft()
                    _hand_over(pipe, held[pipe], source)
                    found: Found = message
                    yield key, task, found


def _hand_over(
    pipe: Connection, held: "deque[tuple[Key, Runnable[Found]]]", source: Iterator[tuple[Key, Runnable[Found]]]
) -> None:
    """Give a process its next task, if there is one."""
    following = next(source, None)
    if following is None:
        return
    held.append(following)
    try:
        pipe.send(following[1])
    except OSError as error:
        raise _killed() from error


def _receive(pipe: Connection) -> Any:
    """Return what a process says: bytes read, or what a task found, which is no int; or the error that it raised."""
    try:
        return pipe.recv()
    except (EOFError, OSError) as error:
        raise _killed() from error


def _killed() -> IncompleteError:
    return IncompleteError("hashing process", "it was killed", "run the command again")


def _paced(tell: Tell, rate: float, clock: Callable[[], float] = time.monotonic) -> Tell:
    """Return a `tell` that sleeps where bytes come faster than `rate` a second; 0: as it is."""
    if not rate:
        return tell
    free = clock()  # when the bytes so far are paid for

    def paced(size: int) -> None:
        nonlocal free
        tell(size)
        now = clock()
        free = max(free, now - 1) + size / rate  # a pause of the disk is made up for one second at most
        if free > now:
            time.sleep(free - now)

    return paced


def serve(descriptor: int, rate: float) -> None:
    """Run the tasks that come through a pipe until it closes: a process's whole life."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    pipe = Connection(descriptor)
    held = 0

    def tell(size: int) -> None:
        nonlocal held
        held += size
        if held >= _TELL:
            pipe.send(held)
            held = 0

    paced = _paced(tell, rate)
    try:
        while True:
            task: Runnable[object] = pipe.recv()
            try:
                found = task.run(paced)
            except PackagerError as error:
                found = error
            pipe.send(held)
            held = 0
            pipe.send(found)
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return
