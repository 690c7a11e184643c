"""The extra v1-only torrent is switched on and off between pack and release: one run, and a release that is right."""

from pathlib import Path

import pytest

from tests.end_to_end.test_growing import read_release
from tests.helpers.projects import PHASES, make_project, write_tone

Capture = pytest.CaptureFixture[str]
FOLDERS = '[[phases]]\nname = "audio"\ncontainer = "folder"\nwhere = "kind = \'audio\'"\n[[phases]]\nname = "rest"\n'


@pytest.mark.parametrize(
    ("torrent", "phases", "arguments"),
    [
        ("also_v1 = false", PHASES, ()),
        ("", PHASES, ("--no-tars",)),
        ('format = "v1"', PHASES, ()),
        ('format = "v2"', PHASES, ()),
        ("also_v1 = false", FOLDERS, ()),
    ],
)
def test_a_twin_that_is_switched_off_before_the_release_is_gone_in_one_run(
    tmp_path: Path, capsys: Capture, torrent: str, phases: str, arguments: tuple[str, ...]
) -> None:
    project = make_project(tmp_path / "project", files=6)
    project.write_config(torrent="also_v1 = true", phases=phases)
    for command in (("scan",), ("plan",), ("pack", *arguments)):
        assert project.run(capsys, *command).code == 0
    project.write_config(torrent=torrent, phases=phases)
    write_tone(project.source / "album 0" / "one more.wav", 3000)
    ran = project.run(capsys, "release", *arguments)
    assert ran.code == 0, ran.err
    assert not any({"infohash_also_v1", "twin_infohash"} & set(shard) for shard in read_release(project)["shards"])
    assert not list((project.root / "site" / "torrents").glob("*.v1.torrent"))
    assert not list((project.root / ".packager" / "packed").rglob("*.v1.torrent"))


def test_a_twin_that_is_switched_on_before_the_release_is_there_in_one_run(tmp_path: Path, capsys: Capture) -> None:
    project = make_project(tmp_path / "project", files=6)
    for command in ("scan", "plan", "pack"):
        assert project.run(capsys, command).code == 0
    project.write_config(torrent="also_v1 = true")
    (project.source / "album 0").rename(project.source / "album 9")
    assert project.run(capsys, "release").code == 0
    shards = read_release(project)["shards"]
    assert len(list((project.root / "site" / "torrents").glob("*.v1.torrent"))) == len(shards)
