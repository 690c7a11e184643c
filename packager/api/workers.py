"""What commands take from the machine that they run on: its cores and clock; or the workers of other machines."""

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager

from packager import units
from packager.engine.processes import process_pool
from packager.engine.processes.worker_pool import WorkerPool
from packager.errors import InputError
from packager.progress import Progress

PATIENCE = 600.0  # seconds that a cluster's worker may tell nothing while it has a task


def worker_count(asked: int | None) -> int:
    """Return how many processes to use. Raises InputError for none or fewer."""
    if asked is not None and asked < 1:
        raise InputError("--workers", f"{asked} is less than 1", 'write a number from 1 on, or "auto"')
    return asked or process_pool.available_cores()


def now() -> str:
    """Return this moment, RFC 3339 in UTC."""
    return units.parse_date(dt.datetime.now(dt.UTC).isoformat())


@contextmanager
def open_worker_pool(cluster: str | None, patience: float, progress: Progress) -> Iterator[WorkerPool | None]:
    """Connect to a cluster's workers and yield them; None: this machine's processes do the work.

    Raises InputError where Dask is not installed, or the address is none.
    """
    if cluster is None:
        yield None
        return
    try:
        from packager.engine.processes.dask_cluster import open_cluster  # Dask takes more than half a second to load
    except ModuleNotFoundError as error:
        mend = 'install it: pip install "archive-packager[cluster]"'
        raise InputError("--scheduler", f"needs Dask, and {error.name} is not installed", mend) from error
    with open_cluster(cluster, patience=patience, progress=progress) as crew:
        yield crew
