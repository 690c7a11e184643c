"""The door to Dask distributed: tasks run on its workers, and are run again where a worker dies, hangs or cannot.

Dask keeps the workers, moves what travels and gives a dead worker's task to another. What is added here: a task is
made when a worker is free for it; one that tells nothing for too long is given to another worker.
"""

import contextlib
import itertools
import logging
import os
import queue
import secrets
import tempfile
import time
import warnings
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import dask
import distributed
from distributed.scheduler import KilledWorker

from packager import __version__
from packager.engine.cluster_worker import TOPIC, Ended, Work, work, wrong_version
from packager.engine.jobs import Job, Tell
from packager.engine.workers import Stopped
from packager.errors import IncompleteError, InputError, PackagerError, from_os_error
from packager.progress import Progress

Task = TypeVar("Task")
Load = TypeVar("Load")
Made = TypeVar("Made")
Result = TypeVar("Result")
_client: Any = distributed.Client  # none of these has types
_local_cluster: Any = distributed.LocalCluster

_TRIES = 4  # of a task; each may outlive as many deaths of workers as the scheduler allows
_POLL_SECONDS = 0.2
_WORKERS_SECONDS = 2.0  # between two looks at who is there
_STOP_SECONDS = 10.0  # that tasks have to stop in order
_CONNECT_SECONDS = 15
_FETCH_SECONDS = 60.0  # for what came back; where its worker died, Dask has it made again meanwhile
_DASK = {
    "distributed.admin.large-graph-warning-threshold": "1GB",  # a shard of millions of members; told in the docs
    "distributed.worker.memory.target": False,
    "distributed.worker.memory.spill": False,
    "distributed.worker.memory.pause": False,
    "distributed.worker.memory.terminate": False,
    "distributed.diagnostics.nvml": False,
    "distributed.scheduler.http.routes": [],
    "distributed.worker.http.routes": [],
}


@contextlib.contextmanager
def open_cluster(address: str, *, patience: float, progress: Progress) -> Iterator["Cluster"]:
    """Connect to a scheduler, or start workers here, and yield them.

    address: "tcp://HOST:PORT", "tls://HOST:PORT", a scheduler's file (its --scheduler-file), or "local:N".
    patience: seconds without a sign after which a task is given to another worker, and without any worker after
    which the run ends. Raises InputError and IncompleteError.
    """
    with contextlib.ExitStack() as opened:
        opened.enter_context(dask.config.set(_DASK))
        for name in ("distributed", "distributed.client"):  # what they would say is told in our own words
            logging.getLogger(name).setLevel(logging.CRITICAL)
        where: Any = address
        kind, _, rest = address.partition(":")
        if kind == "local":
            where = opened.enter_context(_local(rest))
        elif address.endswith(".json"):
            if not os.path.exists(address):
                raise InputError("--scheduler", f'"{address}" is not there', "is the scheduler running?")
            where = None
        elif kind not in ("tcp", "tls"):
            raise InputError("--scheduler", f'"{address}" is no address', "write tcp://HOST:PORT")
        client = opened.enter_context(_connected(where, address))
        cluster = Cluster(client, address, patience, progress)
        cluster.check_versions()
        yield cluster


@contextlib.contextmanager
def _local(count: str) -> Iterator[Any]:
    """Start worker processes on this machine; only who started them can reach them. Yield them."""
    if not count.isascii() or not count.isdigit() or not 1 <= int(count[:6]) <= 4096:
        raise InputError("--cluster", f'"local:{count}" is not known', "write local:N, N worker processes from 1 on")
    # Else a worker would begin with the current folder on its path, and run a stranger's modules there.
    os.environ["PYTHONSAFEPATH"] = "1"
    with (
        tempfile.TemporaryDirectory(prefix="packager-cluster-") as scratch,
        _local_cluster(
            n_workers=int(count),
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            dashboard_address=None,
            scheduler_kwargs={"dashboard_address": "127.0.0.1:0"},  # of what it serves by HTTP: nothing, see _DASK
            security=True,  # keys of its own: Dask runs what it is sent, and a port here is open to every user
            memory_limit=0,
            local_directory=scratch,
            silence_logs=logging.CRITICAL,
        ) as cluster,
    ):
        yield cluster


@contextlib.contextmanager
def _connected(where: Any, address: str) -> Iterator[Any]:
    """Connect to a scheduler. Raises IncompleteError."""
    scheduler_file = {"scheduler_file": address} if where is None else {}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # other versions of what is not used here
            client: Any = _client(
                where, timeout=_CONNECT_SECONDS, set_as_default=False, name="packager", **scheduler_file
            )
    except (OSError, TimeoutError, ValueError) as error:  # ValueError: no TLS keys are configured
        raise IncompleteError(address, f"no scheduler answers ({_first_line(error)})", "is it running?") from error
    try:
        yield client
    finally:
        with contextlib.suppress(OSError, TimeoutError):
            client.close(timeout=5)


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


@dataclass(eq=False)
class _Case(Generic[Task]):
    """A task and what became of it so far."""

    task: Task
    tries: int = 0  # that were handed out
    told: int = 0  # bytes that were told as done
    shunned: set[str] = field(default_factory=set)  # workers that could not do it


@dataclass(eq=False)
class _Try(Generic[Task]):
    """One try of a task, with a key of its own, so that a late one is known as such."""

    key: str
    case: _Case[Task]
    future: Any
    heard: float  # when
    worker: str = ""  # that has begun it
    begun: int = 0  # how often
    stopped: bool = False  # the worker has let go of it


class Cluster:
    """The workers of one scheduler. Use it from one thread."""

    def __init__(self, client: Any, address: str, patience: float, progress: Progress) -> None:
        """Take a connected client."""
        self.redone = 0
        self._client, self._address, self._patience, self._progress = client, address, patience, progress
        self._workers: frozenset[str] = frozenset()
        self._shunned: set[str] = set()  # they hang
        self._looked = -_WORKERS_SECONDS
        self._seen = time.monotonic()  # when a worker was there

    @property
    def size(self) -> int:
        """How many workers can be given a task now."""
        now = time.monotonic()
        if now - self._looked >= _WORKERS_SECONDS:
            self._looked = now
            try:
                self._workers = frozenset(map(str, self._client.nthreads()))
            except (OSError, TimeoutError) as error:
                raise self._gone() from error
            self._shunned &= self._workers
        count = len(self._workers - self._shunned)
        if count:
            self._seen = now
        elif now - self._seen > self._patience:
            raise IncompleteError(self._address, "has no worker that answers", "start some, and run the command again")
        return count

    def check_versions(self) -> None:
        """Raise IncompleteError where a worker has another packager than this one, or none."""
        try:
            found = self._client.get_versions(packages=["archive-packager"])["workers"]
        except (OSError, TimeoutError) as error:
            raise self._gone() from error
        for worker, told in sorted(found.items()):
            version = told["packages"].get("archive-packager")
            if version != __version__:
                raise wrong_version(worker, version, __version__)

    def run(
        self, job: Job[Task, Load, Made, Result], tasks: Iterable[Task], tell: Tell
    ) -> Generator[tuple[Task, Result | PackagerError], None, None]:
        """Yield (task, its result or the PackagerError it raised) as tasks end; as many are out as there are workers.

        Memory: what travels of those that are out. Raises IncompleteError where the scheduler or every worker is
        gone, and what is no PackagerError as a worker raised it.
        """
        course = _Course(self, self._client, job, tell)
        try:
            yield from course.run(iter(tasks))
        finally:
            course.stop()

    def submit(self, task: Work[Load, Made], key: str, shunned: set[str]) -> Any:
        """Hand a task to Dask, which chooses the worker; those that are shunned only where there is no other."""
        avoided = shunned | self._shunned
        others = sorted(self._workers - avoided) if avoided & self._workers else []
        return self._client.submit(
            work, task, key=key, pure=False, workers=others or None, allow_other_workers=bool(others)
        )

    def hung(self, overdue: list[_Try[Any]]) -> None:
        """Shun the workers of tries that told nothing for too long."""
        try:
            held = self._client.processing()
        except (OSError, TimeoutError) as error:
            raise self._gone() from error
        for each in overdue:
            worker = each.worker or next((worker for worker, keys in held.items() if each.key in keys), "")
            if worker:
                self._shunned.add(worker)
                self._progress.note(f"worker {worker}: no sign for {self._patience:.0f} s; its work is given to others")

    def hear(self, worker: str) -> None:
        """Take note that a worker lives."""
        self._shunned.discard(worker)

    def is_overdue(self, each: _Try[Any]) -> bool:
        """Say whether a try told nothing for too long."""
        return time.monotonic() - each.heard > self._patience

    def has_scheduler(self) -> bool:
        """Say whether the scheduler is there, or may come back."""
        return self._client.status in ("running", "connecting")

    def _gone(self) -> IncompleteError:
        return IncompleteError(self._address, "the scheduler is gone", "start it, and run the command again")

    def gone(self) -> IncompleteError:
        """Return the error that ends a run whose scheduler is gone."""
        return self._gone()


class _Course(Generic[Task, Load, Made, Result]):
    """One run of tasks."""

    def __init__(self, cluster: Cluster, client: Any, job: Job[Task, Load, Made, Result], tell: Tell) -> None:
        self._cluster, self._client, self._job, self._tell = cluster, client, job, tell
        self._token, self._numbers = secrets.token_hex(8), itertools.count(1)
        self._news: queue.SimpleQueue[tuple[str, str, str, int]] = queue.SimpleQueue()
        self._out: dict[str, _Try[Task]] = {}
        self._left: dict[str, _Try[Task]] = {}  # given up; their workers may not know yet
        self._again: deque[_Case[Task]] = deque()
        client.subscribe_topic(TOPIC, self._hear)

    def _hear(self, event: tuple[float, list[Any]]) -> None:
        """Take what a worker says; called in Dask's own thread."""
        key, what, worker, done = event[1]
        self._news.put((str(key), str(what), str(worker), int(done)))

    def run(self, source: Iterator[Task]) -> Iterator[tuple[Task, Result | PackagerError]]:
        """Yield what comes back."""
        more = True
        while True:
            while more or self._again:
                if len(self._out) >= self._cluster.size:
                    break
                case = self._again.popleft() if self._again else self._drawn(source)
                if case is None:
                    more = False
                elif error := self._hand_out(case):
                    yield case.task, error
            if not self._out and not self._again and not more:
                return
            for each in self._ended():
                yield from self._take(each)
            self._look_for_hung()

    def _drawn(self, source: Iterator[Task]) -> _Case[Task] | None:
        task = next(source, None)
        return None if task is None else _Case(task)

    def _hand_out(self, case: _Case[Task]) -> PackagerError | None:
        """Send a task on its way, or return why it cannot go."""
        try:
            load = self._job.send(case.task)
        except PackagerError as error:
            return error
        case.tries += 1
        self._cluster.redone += case.tries > 1
        key = f"packager-{self._token}-{next(self._numbers)}"
        future = self._cluster.submit(Work(self._job.there, load), key, case.shunned)
        self._out[key] = _Try(key, case, future, time.monotonic())
        future.add_done_callback(lambda _: self._news.put((key, "ended", "", 0)))
        return None

    def _ended(self) -> list[_Try[Task]]:
        """Wait a moment for news; return the tries that ended."""
        ended = []
        with contextlib.suppress(queue.Empty):
            news = self._news.get(timeout=_POLL_SECONDS)
            while True:
                if each := self._told(*news):
                    ended.append(each)
                news = self._news.get_nowait()
        if not self._cluster.has_scheduler():
            raise self._cluster.gone()
        return ended

    def _told(self, key: str, what: str, worker: str, done: int) -> _Try[Task] | None:
        """Take note of what a worker, or Dask, said of a try; return it where it ended."""
        if worker:
            self._cluster.hear(worker)
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
            self._cluster.redone += each.begun > 1  # Dask gave it to another
        self._advance(each.case, done)
        return None

    def _advance(self, case: _Case[Task], done: int) -> None:
        """Tell of bytes that are done; those of a try before are not told twice."""
        if done > case.told:
            told, case.told = case.told, done
            self._tell(done - told)

    def _take(self, each: _Try[Task]) -> Iterator[tuple[Task, Result | PackagerError]]:
        """Yield what a try came to, or have it done again."""
        del self._out[each.key]
        try:  # a bug is raised with the worker's traceback
            ended: Ended[Made] = each.future.result(timeout=_FETCH_SECONDS)
        except (KilledWorker, Stopped):
            what = f"{self._job.name(each.case.task)}: its workers died, one after the other"
            yield from self._retry(each, IncompleteError("cluster", what, "look into the workers' logs"))
            return
        except (OSError, TimeoutError, distributed.CancelledError):  # lost, and not made again meanwhile
            yield from self._retry(each, self._cluster.gone())
            return
        each.future.release()
        yield from self._receive(each, ended)

    def _receive(self, each: _Try[Task], ended: Ended[Made]) -> Iterator[tuple[Task, Result | PackagerError]]:
        """Yield the result of what came back, or have it done again where another worker may do better."""
        case, made = each.case, ended.made
        self._advance(case, ended.done)
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
                result = self._job.receive(case.task, made)
            except PackagerError as error:
                result = error
            except OSError as error:
                result = from_os_error(error, error.filename or "system")
        yield case.task, result

    def _retry(self, each: _Try[Task], error: PackagerError) -> Iterator[tuple[Task, PackagerError]]:
        """Have a task done again, or, after too many tries, yield why not."""
        if each.case.tries < _TRIES:
            self._again.append(each.case)
        else:
            yield each.case.task, error

    def _look_for_hung(self) -> None:
        """Take the tasks of workers that tell nothing away from them."""
        overdue = [each for each in self._out.values() if self._cluster.is_overdue(each)]
        if not overdue or not self._cluster.size:
            return
        self._cluster.hung(overdue)
        for each in overdue:
            del self._out[each.key]
            self._left[each.key] = each
            each.case.shunned.add(each.worker)
            self._again.append(each.case)
        self._cancel(overdue)

    def _cancel(self, tries: list[_Try[Task]]) -> None:
        with contextlib.suppress(OSError, TimeoutError, distributed.CancelledError):
            self._client.cancel([each.future for each in tries], force=True)

    def _may_write(self, each: _Try[Task]) -> bool:
        """Say whether a worker has not let go of a try, and was heard since, or lately."""
        return bool(each.worker) and not each.stopped and not self._cluster.is_overdue(each)

    def stop(self) -> None:
        """Have what is still out stopped, and wait a moment for it: nothing may be written after this."""
        out = list(self._out.values())
        self._left |= self._out
        self._out.clear()
        if self._cluster.has_scheduler():
            if out:
                self._cancel(out)
            ends = time.monotonic() + _STOP_SECONDS
            while any(self._may_write(each) for each in self._left.values()) and time.monotonic() < ends:
                with contextlib.suppress(queue.Empty):
                    self._told(*self._news.get(timeout=_POLL_SECONDS))
        with contextlib.suppress(OSError, ValueError):
            self._client.unsubscribe_topic(TOPIC)
