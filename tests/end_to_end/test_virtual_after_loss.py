"""A virtual shard of which a file is gone or changed stays published, also if the state folder was lost."""

import shutil
from pathlib import Path

import pytest

from packager import api
from tests.end_to_end.test_growing import assert_frozen, read_release
from tests.end_to_end.test_moved_and_withdrawn import PHASES, Capture, write
from tests.helpers.first_releases import first_release
from tests.helpers.projects import Project


def _release(root: Path, *, is_option: bool) -> Project:
    """Release a shard without its tar, as an option or the configuration asks for."""
    project = Project(root)
    write(project, {"s": b"s", "t": b"t"})
    project.write_config(phases=PHASES)
    config = root / "packager.toml"
    if not is_option:
        config.write_text(config.read_text().replace("[shards]", "[shards]\nwrite_tars = false"))
    api.release(config, no_tars=is_option, workers=1)
    return project


@pytest.mark.parametrize("is_lost", [False, True])
@pytest.mark.parametrize("change", ["gone", "other size", "equal size"])
@pytest.mark.parametrize("is_option", [False, True])
def test_a_release_goes_on(tmp_path: Path, capsys: Capture, change: str, *, is_option: bool, is_lost: bool) -> None:
    project = first_release(tmp_path / "p", _release, is_option=is_option)
    command = ("release", "--no-tars") if is_option else ("release",)
    first = read_release(project)
    if change == "gone":
        (project.source / "t").unlink()
    else:
        write(project, {"t": b"other" if change == "other size" else b"x"})
    if is_lost:
        shutil.rmtree(project.root / ".packager")
    for _ in range(2):
        ran = project.run(capsys, *command)
        assert ran.code == 0, ran.err
        assert "not available here: no tar, and their source files changed: tones-all-00001" in ran.out
    assert_frozen(first, read_release(project))
