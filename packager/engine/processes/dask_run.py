"""One run of tasks on a cluster's workers: handed out as workers are free, and again where one dies, hangs or cannot.

Each try of a task has a key of its own, so that what a worker says late is known as such.
"""

import contextlib
import itertools
import queue
import secrets
import time
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import distributed
from distributed.scheduler import KilledWorker

from packager.engine.files.write_errors import system_error
from packager.engine.processes.dask_task import TOPIC, RemoteResult, RemoteTask
from packager.engine.processes.dask_workers import DaskWorkers
from packager.engine.processes.worker_pool import Job, TaskStopped
from packager.errors import IncompleteError, PackagerError
from packager.progress import Advance

Task = TypeVar("Task")
Load = TypeVar("Load")
Made = TypeVar("Made")
Result = TypeVar("Result")

_TRIES = 4  # of a task; each may outlive as many deaths of workers as the scheduler allows
_POLL_SECONDS = 0.2
_STOP_SECONDS = 10.0  # that tasks have to stop in order
_FETCH_SECONDS = 60.0  # for what came back; where its worker died, Dask has it made again meanwhile


@dataclass(eq=False)
class _TaskState(Generic[Task]):
    """A task and what became of it so far."""

    task: Task
    tries: int = 0  # that were handed out
    told: int = 0  # bytes that were told as done
    shunned: set[str] = field(default_factory=set)  # workers that could not do it


@dataclass(eq=False)
class _Attempt(Generic[Task]):
    """One try of a task, with a key of its own, so that a late one is known as such."""

    key: str
    case: _TaskState[Task]
    future: Any
    heard: float  # when
    worker: str = ""  # that has begun it
    begun: int = 0  # how often
    stopped: bool = False  # the worker has let go of it


class ClusterRun(Generic[Task, Load, Made, Result]):
    """One run of tasks: as many are out as there are workers, and what the next one takes is at hand."""

    def __init__(
        self, workers: DaskWorkers, job: Job[Task, Load, Made, Result], tasks: Iterable[Task], advance: Advance
    ) -> None:
        """Begin to listen; `run` hands out the first task."""
        self.retried_tasks = 0  # tries beyond the first of each task
        self._workers, self._job, self._source, self._advance = workers, job, iter(tasks), advance
        self._token, self._numbers = secrets.token_hex(8), itertools.count(1)
        self._news: queue.SimpleQueue[tuple[str, str, str, int]] = queue.SimpleQueue()
        self._out: dict[str, _Attempt[Task]] = {}
        self._left: dict[str, _Attempt[Task]] = {}  # given up; their workers may not know yet
        self._again: deque[_TaskState[Task]] = deque()
        self._ready: tuple[_TaskState[Task], Load | PackagerError] | None = None
        workers.client.subscribe_topic(TOPIC, self._hear)

    def _hear(self, event: tuple[float, list[Any]]) -> None:
        """Take what a worker says; called in Dask's own thread."""
        key, what, worker, done = event[1]
        self._news.put((str(key), str(what), str(worker), int(done)))

    def run(self) -> Iterator[tuple[Task, Result | PackagerError]]:
        """Yield what comes back, or why it does not."""
        while True:
            yield from self._hand_out()
            self._ready = self._ready or self._next()
            if not self._out and not self._ready:
                return
            for each in self._ended():
                del self._out[each.key]
                yield from self._hand_out()  # no worker waits until what came is here, and on this machine's disk
                if ended := self._fetched(each):
                    yield from self._take(each.case, ended)
                else:
                    yield from self._retry(each.case, "died")
            yield from self._look_for_hung()

    def _next(self) -> tuple[_TaskState[Task], Load | PackagerError] | None:
        """Return the next task, with what travels or why it cannot; None: there is none."""
        if self._again:
            case = self._again.popleft()
        elif (task := next(self._source, None)) is not None:
            case = _TaskState(task)
        else:
            return None
        try:
            return case, self._job.prepare(case.task)
        except PackagerError as error:
            return case, error

    def _hand_out(self) -> Iterator[tuple[Task, PackagerError]]:
        """Send tasks on their way, one for each worker; yield those that cannot go."""
        while len(self._out) < self._workers.count:
            following, self._ready = self._ready or self._next(), None
            if following is None:
                return
            case, load = following
            if isinstance(load, PackagerError):
                yield case.task, load
            else:
                self._submit(case, load)

    def _submit(self, case: _TaskState[Task], load: Load) -> None:
        """Send a task on its way."""
        case.tries += 1
        self.retried_tasks += case.tries > 1
        key = f"packager-{self._token}-{next(self._numbers)}"
        future = self._workers.submit(RemoteTask(self._job.run, load), key, case.shunned)
        self._out[key] = _Attempt(key, case, future, time.monotonic())
        future.add_done_callback(lambda _: self._news.put((key, "ended", "", 0)))

    def _ended(self) -> list[_Attempt[Task]]:
        """Wait a moment for news; return the tries that ended."""
        ended = []
        with contextlib.suppress(queue.Empty):
            news = self._news.get(timeout=_POLL_SECONDS)
            while True:
                if each := self._told(*news):
                    ended.append(each)
                news = self._news.get_nowait()
        if not self._workers.has_scheduler():
            raise self._workers.gone()
        return ended

    def _told(self, key: str, what: str, worker: str, done: int) -> _Attempt[Task] | None:
        """Take note of what a worker, or Dask, said of a try; return it where it ended."""
        if worker:
            self._workers.hear(worker)
        if key in self._left:
            self._left[key].heard = time.monotonic()
            self._left[key].stopped |= what == "left"
        each = self._out.get(key)
        if each is None:
            return None
        if what == "ended":
            return each
        each.heard, each.worker, each.stopped = time.monotonic(), worker, what == "left"
        if what == "begun":
            each.begun += 1
            self.retried_tasks += each.begun > 1  # Dask gave it to another
        self._count(each.case, done)
        return None

    def _count(self, case: _TaskState[Task], done: int) -> None:
        """Report bytes that are done; those of an earlier attempt are not reported twice."""
        if done > case.told:
            told, case.told = case.told, done
            self._advance(done - told)

    def _fetched(self, each: _Attempt[Task]) -> RemoteResult[Made] | None:
        """Return what a try came to; None: its workers died with it. A bug is raised with its traceback."""
        try:
            ended: RemoteResult[Made] = each.future.result(timeout=_FETCH_SECONDS)
        except (KilledWorker, TaskStopped, distributed.CancelledError, OSError, TimeoutError):
            return None
        each.future.release()
        return ended

    def _take(self, case: _TaskState[Task], ended: RemoteResult[Made]) -> Iterator[tuple[Task, Result | PackagerError]]:
        """Yield the result of what came back, or have it done again where another worker may do better."""
        made = ended.made
        self._count(case, ended.done)
        result: Result | PackagerError
        doubtful = ended.here if isinstance(made, PackagerError) else self._job.doubtful(made)
        if doubtful and case.tries < _TRIES:
            case.shunned.add(ended.worker)
            self._again.append(case)
            return
        if isinstance(made, PackagerError):
            result = made
        else:
            try:
                result = self._job.finish(case.task, made)
            except PackagerError as error:
                result = error
            except OSError as error:
                result = system_error(error)
        yield case.task, result

    def _retry(self, case: _TaskState[Task], what: str) -> Iterator[tuple[Task, PackagerError]]:
        """Have a task done again, or, after too many tries, yield what became of its workers."""
        if case.tries < _TRIES:
            self._again.append(case)
        else:
            told = f"{self._job.name(case.task)}: its workers {what}, one after the other"
            yield case.task, IncompleteError("cluster", told, "look into the workers' logs")

    def _look_for_hung(self) -> Iterator[tuple[Task, PackagerError]]:
        """Take the tasks of workers that tell nothing away from them."""
        overdue = [each for each in self._out.values() if self._workers.is_overdue(each.heard)]
        if not overdue or not self._workers.count:
            return
        self._workers.are_hung((each.key, each.worker) for each in overdue)
        for each in overdue:
            del self._out[each.key]
            self._left[each.key] = each
            each.case.shunned.add(each.worker)
            yield from self._retry(each.case, "hung")
        self._cancel(overdue)

    def _cancel(self, tries: list[_Attempt[Task]]) -> None:
        with contextlib.suppress(OSError, TimeoutError, distributed.CancelledError):
            self._workers.client.cancel([each.future for each in tries], force=True)

    def _may_write(self, each: _Attempt[Task]) -> bool:
        """Return whether a worker has not let go of a try, and was heard since, or lately."""
        return bool(each.worker) and not each.stopped and not self._workers.is_overdue(each.heard)

    def stop(self) -> None:
        """Have what is still out stopped, and wait a moment for it: nothing may be written after this."""
        out = list(self._out.values())
        self._left |= self._out
        self._out.clear()
        if self._workers.has_scheduler():
            if out:
                self._cancel(out)
            ends = time.monotonic() + _STOP_SECONDS
            while any(self._may_write(each) for each in self._left.values()) and time.monotonic() < ends:
                with contextlib.suppress(queue.Empty):
                    self._told(*self._news.get(timeout=_POLL_SECONDS))
        with contextlib.suppress(OSError, ValueError):
            self._workers.client.unsubscribe_topic(TOPIC)
