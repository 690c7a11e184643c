"""Tasks on processes of this machine, run as a cluster's workers run them (worker_pool.py).

A process is a fresh interpreter that imports only what its tasks need: it is ready at once, and needs no guard in the
caller's script. It ends with this process, however that ends, so that no orphan writes on.
"""

import os
import pickle
import select
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import suppress
from itertools import chain, islice
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from types import TracebackType
from typing import Any, Self, TypeVar

from packager.engine.processes.child_processes import child_environment
from packager.engine.processes.worker_pool import Job, TaskStopped, direct_job
from packager.errors import IncompleteError, PackagerError
from packager.progress import Advance

Task = TypeVar("Task")
Load = TypeVar("Load")
Made = TypeVar("Made")
Result = TypeVar("Result")

_TELL_BYTES, _TELL_SECONDS = 16 << 20, 0.2  # done before a process reports it
_PROGRAM = "import sys; from packager.engine.processes.local_workers import serve; serve(int(sys.argv[1]))"


class LocalWorkers:
    """At most so many processes, started as tasks come; a context manager that ends them. Use it from one thread."""

    retried_tasks = 0  # a process that dies ends the run

    def __init__(self, count: int, *, prefetch: bool = False) -> None:
        """Allow `count` processes; 1: tasks run in this one.

        prefetch: a process has its next task before it needs it, and is killed rather than stopped. For many short
        tasks that write nothing: two of them and what three return must fit a pipe that no one reads.
        """
        self.size = count
        self._prefetch = prefetch
        self._processes: dict[Connection, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Self:
        """Start the processes if they will have many tasks, while the first of those is made."""
        for number in range(self.size if self._prefetch and self.size > 1 else 0):
            self._pipe(number)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the processes."""
        self.close()

    def close(self) -> None:
        """End the processes: a task ends at its next sign of progress, and what it has not returned is lost."""
        for pipe in self._processes:
            pipe.close()
        for process in self._processes.values():
            if self._prefetch:
                process.kill()
            process.wait()
            assert process.stdin
            process.stdin.close()
        self._processes = {}

    def run(
        self, job: Job[Task, Load, Made, Result], tasks: Iterable[Task], advance: Advance
    ) -> Generator[tuple[Task, Result | PackagerError], None, None]:
        """Yield (task, its result or the PackagerError it raised) as tasks end, in any order; a single one here.

        tasks: drawn as processes are free. What `advance` raises ends the run. Raises IncompleteError if a process
        dies, and what is no PackagerError as the task raised it.
        """
        source = iter(tasks)
        first = list(islice(source, 2))
        source = chain(first, source)
        if self.size == 1 or len(first) < 2:
            for task in source:
                here = _run(job.run, job.prepare(task), advance)
                yield task, here if isinstance(here, PackagerError) else job.finish(task, here)
            return
        held: dict[Connection, deque[Task]] = {}
        try:
            for number in range(self.size * (1 + self._prefetch)):
                for task in islice(source, 1):
                    pipe = self._pipe(number % self.size)
                    _hand_over(job, task, pipe, held.setdefault(pipe, deque()))
            while busy := [pipe for pipe, waiting in held.items() if waiting]:
                ready = wait(busy)
                for pipe in (pipe for pipe in busy if pipe in ready):
                    message = _receive(pipe)
                    if isinstance(message, int):
                        advance(message)
                        continue
                    task = held[pipe].popleft()
                    for following in islice(source, 1):
                        _hand_over(job, following, pipe, held[pipe])
                    (made,) = message
                    yield task, made if isinstance(made, PackagerError) else job.finish(task, made)
        finally:
            if any(held.values()):
                self.close()

    def _pipe(self, number: int) -> Connection:
        """Return the pipe of a process, started if need be."""
        if number == len(self._processes):
            ours, theirs = Pipe()
            command = [sys.executable, "-c", _PROGRAM, str(theirs.fileno())]
            environment, pipes = child_environment(), [theirs.fileno()]
            # Ctrl-C is ours to handle: it is blocked there from the first moment, not only once Python has begun
            blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
            try:
                process = subprocess.Popen(command, stdin=subprocess.PIPE, env=environment, pass_fds=pipes)
            finally:
                signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
                theirs.close()
            self._processes[ours] = process
        return list(self._processes)[number]


def run_tasks(
    run: Callable[[Task, Advance], Result], tasks: Iterable[Task], *, workers: int, advance: Advance
) -> Iterator[tuple[Task, Result | PackagerError]]:
    """Run tasks on `workers` processes and yield as LocalWorkers.run; `run` is a module's function."""
    with LocalWorkers(workers) as pool:
        yield from pool.run(direct_job(run), tasks, advance)


def _hand_over(job: Job[Task, Load, Made, Result], task: Task, pipe: Connection, held: deque[Task]) -> None:
    """Give a process a task."""
    held.append(task)
    try:
        pipe.send((job.run, job.prepare(task)))
    except OSError as error:
        raise _killed() from error


def _receive(pipe: Connection) -> Any:
    """Return what a process says: how many bytes are done, or (what a task made,). Raises what is no user's error."""
    try:
        message = pipe.recv()
    except (EOFError, OSError) as error:
        raise _killed() from error
    if isinstance(message, Exception):
        raise message
    return message


def _killed() -> IncompleteError:
    return IncompleteError("worker", "a worker process was killed", "run the command again")


def _run(run: Callable[[Load, Advance], Made], load: Load, advance: Advance) -> Made | PackagerError:
    """Run a task; a user's error is a result, as is what the system refused; another exception is a bug."""
    try:
        return run(load, advance)
    except PackagerError as error:
        return error
    except OSError as error:
        if error.errno is None:  # another library's own
            raise
        from packager.engine.files.write_errors import system_error  # seldom needed

        return system_error(error)


def serve(descriptor: int) -> None:
    """Run the tasks that come through a pipe until it closes: a process's whole life."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    pipe = Connection(descriptor)
    room = select.poll()  # what is done waits while the parent does not read: it may be handing over the next task
    room.register(pipe, select.POLLOUT)
    done, told = 0, time.monotonic()

    def report() -> None:
        nonlocal done, told
        try:
            pipe.send(done)
        except OSError:
            raise TaskStopped from None
        done, told = 0, time.monotonic()

    def advance(amount: int) -> None:
        nonlocal done
        done += amount
        if (done >= _TELL_BYTES or time.monotonic() - told >= _TELL_SECONDS) and room.poll(0):
            report()

    with suppress(TaskStopped, EOFError, BrokenPipeError, ConnectionResetError):
        while True:
            data = pipe.recv_bytes()
            try:
                run, load = pickle.loads(data)  # noqa: S301 (of our parent)
                message: object = (_run(run, load, advance),)
            except Exception as error:
                if isinstance(error, TaskStopped):
                    raise
                error.add_note(f"in a worker process:\n{traceback.format_exc()}")
                message = error
            report()
            pipe.send(message)


def _end_with_parent() -> None:
    """End this process when its parent is gone, who alone can close the pipe that is read here."""
    os.read(0, 1)
    os._exit(1)
