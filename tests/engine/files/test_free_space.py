"""A disk with less free than the plan takes stops the run before anything is packed."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.helpers.projects import Project, make_project

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def large(tmp_path: Path) -> Project:
    """A project of 3 MiB."""
    project = make_project(tmp_path / "project", files=1)
    for number in range(3):
        (project.source / f"{number}.bin").write_bytes(bytes([number]) * (1 << 20))
    return project


def use(project: Project, shards: Path) -> None:
    path = project.root / "packager.toml"
    project.write_config(size="256 MiB")
    path.write_text(path.read_text().replace("[shards]", f'[shards]\nfolder = "{shards}"'))


@pytest.mark.parametrize("command", ["release", "pack"])
def test_tars_that_a_disk_has_no_space_for_are_not_begun(
    large: Project, capsys: Capture, mount: Callable[[str], Path], command: str
) -> None:
    disk = mount("tmpfs")
    use(large, disk / "tars")
    assert [large.run(capsys, step).code for step in ("scan", "plan")] == [0, 0]
    ran = large.run(capsys, command)
    assert ran.code == 3
    assert "will be written to this disk" in ran.err
    assert "Make room" in ran.err
    assert not (large.root / ".packager" / "packed").exists()
    assert list(disk.iterdir()) == []
    # Without tars there is nothing to find space for.
    assert large.run(capsys, command, "--no-tars").code == 0


def test_a_phase_that_fits_is_packed(large: Project, capsys: Capture, mount: Callable[[str], Path]) -> None:
    use(large, mount("tmpfs") / "tars")
    assert [large.run(capsys, step).code for step in ("scan", "plan")] == [0, 0]
    assert large.run(capsys, "pack", "--phase", "audio").code == 0
    assert large.run(capsys, "pack").code == 3


def test_what_is_packed_already_needs_no_space(large: Project, capsys: Capture, mount: Callable[[str], Path]) -> None:
    disk = mount("tmpfs")
    use(large, disk / "tars")
    for number in (1, 2):
        (large.source / f"{number}.bin").unlink()
    assert large.run(capsys, "release").code == 0
    assert sum(path.stat().st_size for path in (disk / "tars").iterdir()) > 1 << 20
    (large.source / "0.bin").touch()
    ran = large.run(capsys, "release")
    assert ran.code == 0, ran.err
