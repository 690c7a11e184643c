"""Tasks on a real Dask cluster: done again elsewhere where a worker cannot, told as they were where nobody can."""

import sys
from collections.abc import Iterator
from pathlib import Path

import dask
import pytest

from packager.api.workers import WorkerOptions, open_worker_pool
from packager.engine.processes.dask_cluster import open_cluster
from packager.errors import IncompleteError, InputError
from packager.progress import SILENT
from tests.helpers import cluster_jobs, dask_clusters
from tests.helpers.dask_clusters import Cluster


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with dask_clusters.cluster(tmp_path_factory.mktemp("cluster"), workers=3) as made:
        yield made


def run(cluster: Cluster, there, tasks: int = 6):
    told: list[int] = []
    with open_cluster(cluster.address, worker_timeout=60, progress=SILENT) as opened:
        found = dict(opened.run(cluster_jobs.job(there), range(tasks), told.append))
        return found, sum(told), opened.retried_tasks


def test_each_task_comes_back_once_and_all_its_bytes_are_told(three: Cluster) -> None:
    found, told, redone = run(three, cluster_jobs.double, tasks=50)
    assert found == {number: 3 * number for number in range(50)}
    assert told == sum(range(50))
    assert redone == 0


def test_what_one_worker_cannot_do_another_one_does(three: Cluster) -> None:
    found, _, redone = run(three, cluster_jobs.double_but_not_on_the_first_worker)
    assert found == {number: 3 * number for number in range(6)}
    assert redone >= 1


def test_what_no_worker_can_do_is_tried_a_few_times_and_told_in_the_systems_words(three: Cluster) -> None:
    found, _, redone = run(three, cluster_jobs.fail_with_the_disk, tasks=1)
    assert isinstance(found[0], IncompleteError)
    assert "Read-only file system" in str(found[0])
    assert redone == 3


def test_what_the_user_must_mend_is_tried_once(three: Cluster) -> None:
    found, _, redone = run(three, cluster_jobs.refuse, tasks=1)
    assert isinstance(found[0], InputError)
    assert str(found[0]) == "0: is refused"
    assert redone == 0


def test_a_bug_on_a_worker_keeps_its_traceback(three: Cluster) -> None:
    with pytest.raises(ZeroDivisionError):
        run(three, cluster_jobs.stumble, tasks=1)


def test_a_scheduler_that_is_not_there_is_told_by_its_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("packager.engine.processes.dask_cluster._CONNECT_SECONDS", 1)
    with (
        pytest.raises(IncompleteError, match=r"tcp://127\.0\.0\.1:9: no scheduler answers"),
        open_cluster("tcp://127.0.0.1:9", worker_timeout=60, progress=SILENT),
    ):
        pass


@pytest.mark.parametrize("address", ["127.0.0.1:8786", "http://127.0.0.1:8786", "local:0", "local:two", "no.json"])
def test_what_is_no_cluster_is_refused(address: str) -> None:
    with pytest.raises(InputError), open_cluster(address, worker_timeout=60, progress=SILENT):
        pass


def test_a_worker_of_another_version_is_named(three: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("packager.engine.processes.dask_workers.__version__", "99.0")
    with (
        pytest.raises(IncompleteError, match=r"has archive-packager .*, and this machine 99\.0"),
        open_cluster(three.address, worker_timeout=60, progress=SILENT),
    ):
        pass


def test_a_cluster_without_workers_ends_the_run(tmp_path: Path) -> None:
    with (
        dask_clusters.cluster(tmp_path, workers=0) as empty,
        open_cluster(empty.address, worker_timeout=1, progress=SILENT) as opened,
        pytest.raises(IncompleteError, match="no worker that answers"),
    ):
        list(opened.run(cluster_jobs.job(cluster_jobs.double), [1], lambda _: None))


@pytest.mark.soak
def test_a_scheduler_that_is_lost_ends_the_run(tmp_path: Path) -> None:
    with (
        dask_clusters.cluster(tmp_path, workers=1) as made,
        open_cluster(made.address, worker_timeout=60, progress=SILENT) as opened,
    ):

        def tasks() -> Iterator[int]:
            yield from range(5)
            made.scheduler.kill()
            yield from range(5, 1000)

        with pytest.raises(IncompleteError, match="the scheduler is gone; start it, and run the command again"):
            list(opened.run(cluster_jobs.job(cluster_jobs.double), tasks(), lambda _: None))


def test_a_task_that_ends_its_workers_is_given_up() -> None:
    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 0}),
        open_cluster("local:2", worker_timeout=60, progress=SILENT) as opened,
    ):
        found = dict(opened.run(cluster_jobs.job(cluster_jobs.end_the_worker), [7], lambda _: None))
        assert isinstance(found[7], IncompleteError)
        assert str(found[7]).startswith("cluster: 7: its workers died, one after the other")
        assert dict(opened.run(cluster_jobs.job(cluster_jobs.double), [8], lambda _: None)) == {8: 24}


def test_where_dask_is_not_installed_a_sentence_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "packager.engine.processes.dask_cluster")
    monkeypatch.setitem(sys.modules, "dask", None)
    with (
        pytest.raises(InputError, match=r"needs Dask, and dask is not installed; run: pip install dask distributed$"),
        open_worker_pool(WorkerOptions(cluster="local:1"), SILENT),
    ):
        pass
