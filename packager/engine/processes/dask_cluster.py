"""The door to Dask distributed: a scheduler that runs, or workers that are started here, as a crew.

Dask keeps the workers, moves what travels and gives a dead worker's task to another. What is added (cluster_run.py):
a task is made when a worker is free for it; one that tells nothing for too long is given to another worker.
"""

import contextlib
import logging
import os
import tempfile
import warnings
from collections.abc import Generator, Iterable, Iterator
from typing import Any, TypeVar

import dask
import distributed

from packager.engine.processes import dask_task
from packager.engine.processes.child_processes import python_command
from packager.engine.processes.dask_run import ClusterRun
from packager.engine.processes.dask_workers import DaskWorkers
from packager.engine.processes.worker_pool import Job
from packager.errors import IncompleteError, InputError, PackagerError, first_line
from packager.progress import Advance, Progress

Task = TypeVar("Task")
Load = TypeVar("Load")
Made = TypeVar("Made")
Result = TypeVar("Result")
_client: Any = distributed.Client  # none of these has types
_local_cluster: Any = distributed.LocalCluster

_CONNECT_SECONDS = 15
_DASK = {
    "distributed.admin.large-graph-warning-threshold": "1GB",  # a shard of millions of members; told in the docs
    "distributed.worker.memory.target": False,
    "distributed.worker.memory.spill": False,
    "distributed.worker.memory.pause": False,
    "distributed.worker.memory.terminate": False,
    "distributed.worker.profile.enabled": False,  # it and the next: a third of what a busy worker computes
    "distributed.admin.tick.interval": "500ms",
    "distributed.diagnostics.nvml": False,
    "distributed.scheduler.http.routes": [],
    "distributed.worker.http.routes": [],
}


@contextlib.contextmanager
def open_cluster(address: str, *, worker_timeout: float, progress: Progress) -> Iterator["DaskCluster"]:
    """Connect to a scheduler, or start workers here, and yield them.

    address: "tcp://HOST:PORT", "tls://HOST:PORT", a scheduler's file (its --scheduler-file), or "local:N".
    worker_timeout: seconds without a sign after which a task is given to another worker, and without any worker after
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
                raise InputError("--cluster", f'"{address}" does not exist', "is the scheduler running?")
            where = None
        elif kind not in ("tcp", "tls"):
            raise InputError(
                "--cluster", f'"{address}" is not an address', "write tcp://HOST:PORT, a .json file, or local:N"
            )
        client = opened.enter_context(_connected(where, address))
        workers = DaskWorkers(client, address, worker_timeout, progress)
        workers.check_versions()
        yield DaskCluster(workers)


@contextlib.contextmanager
def _local(count: str) -> Iterator[Any]:
    """Start worker processes on this machine; only who started them can reach them. Yield them."""
    if not count.isascii() or not count.isdigit() or not 1 <= int(count[:6]) <= 4096:
        raise InputError("--cluster", f'"local:{count}" is not a number of workers', "write local:N, N from 1 to 4096")
    with (
        python_command(),  # as long as it runs: a worker that dies is started again
        tempfile.TemporaryDirectory(prefix="packager-cluster-") as scratch,
        _local_cluster(
            n_workers=int(count),
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            dashboard_address=None,
            scheduler_kwargs={"dashboard_address": "127.0.0.1:0"},  # it serves nothing by HTTP, see _DASK
            security=True,  # keys of its own: Dask runs what it is sent, and a port here is open to every user
            memory_limit=0,
            local_directory=scratch,
            preload=[dask_task.__name__],
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
        raise IncompleteError(address, f"no scheduler answers ({first_line(error)})", "is it running?") from error
    try:
        yield client
    finally:
        with contextlib.suppress(OSError, TimeoutError):
            client.close(timeout=5)


class DaskCluster:
    """The workers of one scheduler, as a crew. Use it from one thread."""

    def __init__(self, workers: DaskWorkers) -> None:
        """Take the workers."""
        self.retried_tasks = 0
        self._workers = workers

    @property
    def size(self) -> int:
        """How many workers can be given a task now."""
        return self._workers.count

    def run(
        self, job: Job[Task, Load, Made, Result], tasks: Iterable[Task], advance: Advance
    ) -> Generator[tuple[Task, Result | PackagerError], None, None]:
        """Yield (task, its result or the PackagerError it raised) as tasks end; as many are out as there are workers.

        Memory: what travels of those that are out, and of one more. Raises IncompleteError if the scheduler or
        every worker is gone, and what is no PackagerError as a worker raised it.
        """
        course = ClusterRun(self._workers, job, tasks, advance)
        try:
            yield from course.run()
        finally:
            course.stop()
            self.retried_tasks += course.retried_tasks
