"""What commands take from the machine that they run on: its cores and clock; or the workers of other machines."""

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from packager import units
from packager.engine.processes import worker_pool
from packager.engine.processes.worker_pool import WorkerPool
from packager.errors import InputError
from packager.option_fields import WORKERS, option
from packager.progress import Progress
from packager.units import parse_seconds


def _patience(text: str, where: str) -> float:
    """Return seconds, 1 or more."""
    return parse_seconds(text, where, least=1)


@dataclass(frozen=True)
class WorkerOptions:
    """What does the work: processes of this machine, or a Dask cluster, whose workers see all files by the same paths.

    workers: processes, None for one a core. worker_timeout: seconds.
    """

    workers: int | None = option(WORKERS)
    scheduler: str | None = option(
        "Have the workers of a running Dask cluster do the work: its scheduler's address, or the file that it wrote"
        " (.json).",
        metavar="tcp://HOST:PORT",
    )
    cluster: str | None = option("Start a Dask cluster of N processes on this machine.", metavar="local:N")
    worker_timeout: float = option(
        "On a cluster: give a worker's task to another after so long without a sign.",
        "10m",
        "--patience",
        parse=_patience,
    )


def as_workers(workers: int | WorkerOptions | None) -> WorkerOptions:
    """Return a number of processes of this machine, None for one a core, as options."""
    return workers if isinstance(workers, WorkerOptions) else WorkerOptions(workers)


def worker_count(asked: int | None) -> int:
    """Return how many processes to use. Raises InputError for none or fewer."""
    if asked is not None and asked < 1:
        raise InputError("--workers", f"{asked} is less than 1", 'write a number from 1 on, or "auto"')
    return asked or worker_pool.available_cores()


def now() -> str:
    """Return this moment, RFC 3339 in UTC."""
    return units.parse_date(dt.datetime.now(dt.UTC).isoformat())


def _check(workers: WorkerOptions) -> None:
    """Raise InputError where options of workers do not go together."""
    scheduler, cluster = workers.scheduler, workers.cluster
    if scheduler is not None and cluster is not None:
        raise InputError("--cluster", "does not go with --scheduler", "leave one of them out")
    asked = "--scheduler" if scheduler is not None else "--cluster" if cluster is not None else ""
    if asked and workers.workers is not None:
        raise InputError("--workers", f"does not go with {asked}", "a cluster has as many workers as were started")
    if cluster is not None and not cluster.startswith("local:"):
        raise InputError("--cluster", f'"{cluster}" is not known', "write local:N, N worker processes from 1 on")


@contextmanager
def open_worker_pool(workers: WorkerOptions, progress: Progress) -> Iterator[WorkerPool | None]:
    """Connect to a cluster's workers and yield them; None: this machine's processes do the work.

    Raises InputError where Dask is not installed, the address is none, or options do not go together.
    """
    _check(workers)
    address = workers.scheduler or workers.cluster
    if address is None:
        yield None
        return
    try:
        from packager.engine.processes.dask_cluster import open_cluster  # Dask takes more than half a second to load
    except ModuleNotFoundError as error:
        fix = 'install it: pip install "archive-packager[cluster]"'
        raise InputError("--scheduler", f"needs Dask, and {error.name} is not installed", fix) from error
    with open_cluster(address, worker_timeout=workers.worker_timeout, progress=progress) as pool:
        yield pool
