"""Run tasks on processes, gather results as they come, and stop in order.

A worker process dies with its parent, however the parent ends, so that no orphan writes on.
"""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import wait as wait_for
from multiprocessing.sharedctypes import Synchronized
from typing import TypeAlias, TypeVar

from packager.engine.files.write_errors import system_error
from packager.engine.processes.child_processes import spawn_context
from packager.errors import IncompleteError, PackagerError
from packager.progress import Progress

Task = TypeVar("Task")
Result = TypeVar("Result")
Tell: TypeAlias = Callable[[int], None]  # a task calls it with the bytes done since the last call
Run: TypeAlias = Callable[[Task, Tell], Result]

_POLL_SECONDS = 0.2


class TaskStopped(Exception):  # noqa: N818 (not an error: the run was asked to stop)
    """Raised inside a task when the run stops; never reaches a user."""


def available_cores() -> int:
    """Return the cores that this process may run on: what `--workers auto` means."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run_tasks(
    run: Run[Task, Result], tasks: Sequence[Task], *, workers: int, progress: Progress
) -> Iterator[tuple[Task, Result | PackagerError]]:
    """Yield (task, its result or the PackagerError it raised) as tasks end, in any order.

    `run` must be a module's function, tasks and results picklable. One worker runs them in this
    process, in order. Raises IncompleteError where a worker process dies.
    """
    if workers == 1 or len(tasks) < 2:
        yield from _run_here(run, tasks, progress)
        return
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")  # Arrow's own keeps some 40 MB that are not in use
    context = spawn_context()
    done, stop = context.Value("q", 0), context.Value("b", 0)
    pool = ProcessPoolExecutor(min(workers, len(tasks)), context, _begin, (done, stop))
    told = 0
    try:
        waiting: dict[Future[Result | PackagerError], Task] = {pool.submit(_guarded, run, task): task for task in tasks}
        while waiting:
            ended, _ = wait(waiting, _POLL_SECONDS, FIRST_COMPLETED)
            told = _tell(progress, done.value, told)
            for future in ended:
                yield waiting.pop(future), future.result()
    except BrokenProcessPool as error:
        raise IncompleteError("worker", "a worker process was killed", "run the command again") from error
    finally:
        stop.value = 1
        pool.shutdown(cancel_futures=True)
        _tell(progress, done.value, told)


def _run_here(
    run: Run[Task, Result], tasks: Sequence[Task], progress: Progress
) -> Iterator[tuple[Task, Result | PackagerError]]:
    """Run tasks one after the other in this process."""
    for task in tasks:
        result: Result | PackagerError
        try:
            result = run(task, progress.advance)
        except PackagerError as error:
            result = error
        except OSError as error:
            result = _refused(error)
        yield task, result


def _tell(progress: Progress, done: int, told: int) -> int:
    """Pass on what the workers did since the last time."""
    if done > told:
        progress.advance(done - told)
    return done


_done: "Synchronized[int]"
_stop: "Synchronized[int]"


def _begin(done: "Synchronized[int]", stop: "Synchronized[int]") -> None:
    """Set a worker up: Ctrl-C is the parent's to handle, and its death is ours."""
    global _done, _stop
    _done, _stop = done, stop
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=die_with_parent, daemon=True).start()


def die_with_parent() -> None:
    """End this process when its parent is gone."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait_for([parent.sentinel])
        os._exit(1)


def _guarded(run: Run[Task, Result], task: Task) -> Result | PackagerError:
    """Run a task in a worker; a user's error is a result, as is what the system refused; a bug keeps its traceback."""
    try:
        return run(task, _advance)
    except PackagerError as error:
        return error
    except OSError as error:
        return _refused(error)


def _refused(error: OSError) -> IncompleteError:
    """Return what the system refused as a user's error; another library's own OSError is a bug, and raised."""
    if error.errno is None:
        raise error
    return system_error(error)


def _advance(amount: int) -> None:
    """Add to what is done; raise Stopped where the run was asked to stop."""
    if _stop.value:
        raise TaskStopped
    with _done.get_lock():
        _done.value += amount
