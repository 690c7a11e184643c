"""The cores and the clock of this machine, and the workers of other machines."""

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

from packager import units
from packager.engine.processes import worker_pool
from packager.engine.processes.worker_pool import WorkerPool
from packager.errors import InputError
from packager.option_fields import WORKERS, option
from packager.progress import Progress
from packager.units import parse_seconds


@dataclass(frozen=True)
class WorkerOptions:
    """Where tasks run: in processes of this machine, or on a Dask cluster that sees all files under the same paths.

    workers: number of processes; None: one per core. worker_timeout: seconds.
    """

    workers: int | None = option(WORKERS)
    cluster: str | None = option(
        "Use the workers of a Dask cluster: its scheduler's address, the .json file that the scheduler wrote, or"
        " local:N to start N workers on this machine.",
        metavar="tcp://HOST:PORT|FILE|local:N",
    )
    worker_timeout: float = option(
        "Give a worker's task to another worker if there is no answer for this long.",
        "10 min",
        metavar="TIME",
        parse=partial(parse_seconds, least=1),
    )


def as_workers(workers: int | WorkerOptions | None) -> WorkerOptions:
    """Return options for a number of processes of this machine; None: one per core."""
    return workers if isinstance(workers, WorkerOptions) else WorkerOptions(workers)


def worker_count(asked: int | None) -> int:
    """Return how many processes to use. Raises InputError for 0 and less."""
    if asked is not None and asked < 1:
        raise InputError("--workers", f"{asked} is less than 1", 'write a number from 1 on, or "auto"')
    return asked or worker_pool.available_cores()


def now() -> str:
    """Return the current time, RFC 3339 in UTC."""
    return units.parse_date(dt.datetime.now(dt.UTC).isoformat())


@contextmanager
def open_worker_pool(workers: WorkerOptions, progress: Progress) -> Iterator[WorkerPool | None]:
    """Connect to a cluster and yield its workers; yield None if processes of this machine do the work.

    Raises InputError if Dask is not installed, the address is not valid, or the options exclude each other.
    """
    if workers.cluster is None:
        yield None
        return
    if workers.workers is not None:
        raise InputError("", "--workers cannot be used with --cluster", "remove one of them")
    try:
        from packager.engine.processes.dask_cluster import open_cluster  # Dask takes more than half a second to load
    except ModuleNotFoundError as error:
        fix = "run: pip install dask distributed"
        raise InputError("--cluster", f"needs Dask, and {error.name} is not installed", fix) from error
    with open_cluster(workers.cluster, worker_timeout=workers.worker_timeout, progress=progress) as pool:
        yield pool
