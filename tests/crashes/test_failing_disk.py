"""A disk that is full, or fails to read, flush or open: one sentence, nothing half done, and the next run goes on."""

import errno
import json
import os
import re
import shutil
import signal
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.helpers.error_lines import as_sentence
from tests.helpers.failing_disk import FOR_EVER, FailingDisk, Fault
from tests.helpers.projects import Project, make_project

# calls, error, and the exit codes that are right: a config that cannot be read is bad input, all else incomplete;
# where a worker is killed the command ends by itself
FAULTS = {
    "full": ("write", errno.ENOSPC, {3}),
    "over quota": ("write", errno.EDQUOT, {3}),
    "unwritable": ("write", errno.EIO, {3}),
    "unreadable": ("read", errno.EIO, {2, 3}),
    "unflushable": ("sync", errno.EIO, {3}),
    "forbidden": ("open", errno.EACCES, {2, 3}),
    "killed": ("sync", -signal.SIGKILL, {3, -signal.SIGKILL}),
}
ROOM = re.compile(
    r"at least [0-9.]+ [KM]?i?B \((\d+) bytes\) are needed here \(free: [^)]+\); make room and run the command"
)


def release(project: Project, workers: int) -> tuple[object, ...]:
    return ("release", "--workers", workers, "--config", project.root / "packager.toml")


@dataclass(frozen=True)
class Case:
    """A project before its first release, and what that publishes."""

    calm: Project
    expected: dict[str, bytes]
    disk: FailingDisk

    def anew(self, root: Path) -> Project:
        """Return a copy of the project, times included."""
        shutil.copytree(self.calm.source, root / "source")
        shutil.copy(self.calm.root / "packager.toml", root)
        return Project(root)

    def check(self, root: Path, name: str, first: int, last: int, *, workers: int) -> bool:
        """Run a release with failing calls, then without; return whether the fault stopped the first."""
        calls, error, codes = FAULTS[name]
        project = self.anew(root)
        ended = self.disk.run(Fault(project.root, calls, error, first, last), *release(project, workers))
        assert "Traceback" not in ended.err or ended.code < 0, ended.err
        if ended.code:
            assert ended.code in codes, ended
        if ended.code > 0:
            assert as_sentence(ended.err).splitlines()[-1].startswith("error: "), ended.err
        if ended.code and calls == "write":
            assert not (project.root / "site").exists()
            assert error == errno.EIO or ROOM.search(as_sentence(ended.err).splitlines()[-1]), ended.err
        after = self.disk.run(Fault(project.root, calls, error, FOR_EVER), *release(project, workers))
        assert after.code == 0, after
        assert project.published() == self.expected
        shutil.rmtree(project.root)
        return ended.code != 0


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory, disk: FailingDisk) -> Case:
    calm = make_project(tmp_path_factory.mktemp("calm"))
    case = Case(calm, {}, disk)
    project = case.anew(tmp_path_factory.mktemp("healthy") / "project")
    assert disk.run(Fault(project.root, "write", 0, FOR_EVER), *release(project, 1)).code == 0
    case.expected.update(project.published())
    return case


@pytest.mark.parametrize(
    ("name", "first"),
    [("full", 30), ("full", 60), ("full", 90), ("unreadable", 60), ("unflushable", 60), ("forbidden", 60)],
)
def test_a_fault_now_and_then_stops_a_release_with_a_sentence_and_the_next_run_mends_it(
    case: Case, tmp_path: Path, name: str, first: int
) -> None:
    assert case.check(tmp_path / "project", name, first, FOR_EVER, workers=1)


def test_reads_of_one_byte_change_nothing(case: Case, tmp_path: Path) -> None:
    project = case.anew(tmp_path / "project")
    ended = case.disk.run(Fault(project.source, "read", 0), *release(project, 1))
    assert ended.code == 0, ended
    assert ended.calls > sum(path.stat().st_size for path in project.source.rglob("*.wav"))
    assert project.published() == case.expected


@pytest.mark.parametrize(
    ("calls", "error"), [("read", errno.EIO), ("open", errno.ESTALE)], ids=["broken sectors", "a lost mount"]
)
def test_a_file_whose_tags_cannot_be_read_is_not_published_without_them(
    case: Case, tmp_path: Path, calls: str, error: int
) -> None:
    project = case.anew(tmp_path / "project")
    fault = Fault(project.source / "album 1", calls, error)
    ended = case.disk.run(fault, *release(project, 1))
    assert ended.code == 3
    assert not (project.root / "site").exists()
    ended = case.disk.run(fault, *release(project, 1), "--allow-unread")
    assert ended.code == 3
    named = [path.relative_to(project.source) for path in (project.source / "album 1").iterdir()]
    assert all(f"error: {name}: cannot be read ({os.strerror(error)})" in ended.err for name in named)
    published = (project.root / "site" / "release.json").read_bytes()
    assert json.loads(published)["unread"] == len(named)
    assert case.disk.run(Fault(project.root, calls, error, FOR_EVER), *release(project, 1)).code == 0
    assert "unread" not in json.loads((project.root / "site" / "release.json").read_bytes())


def test_a_full_disk_names_the_bytes_that_a_tar_needs(case: Case, tmp_path: Path) -> None:
    project = case.anew(tmp_path / "project")
    (project.root / "shards").mkdir()
    ended = case.disk.run(Fault(project.root / "shards", "write", errno.ENOSPC), *release(project, 1))
    assert ended.code == 3
    assert "No space left on device" in ended.err
    found = ROOM.search(ended.err)
    assert found
    assert int(found[1]) in {len(data) for path, data in case.expected.items() if path.endswith(".tar")}


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", FAULTS)
@pytest.mark.parametrize("length", [1, FOR_EVER], ids=["once", "for-ever"])
def test_every_seventh_call_may_fail(case: Case, tmp_path: Path, name: str, length: int) -> None:
    calls, error, _ = FAULTS[name]
    project = case.anew(tmp_path / "whole")
    whole = case.disk.run(Fault(project.root, calls, error, FOR_EVER), *release(project, 2))
    assert whole.calls > 50
    for first in range(1, whole.calls, 7):
        case.check(tmp_path / str(first), name, first, first + length - 1, workers=2)
