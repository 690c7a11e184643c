"""An obsolete shard keeps its magnet, .torrent and twin as they were in the last release in which it was live."""

import json
from pathlib import Path

import pytest

from packager.core.bittorrent import parse_torrent
from packager.core.bittorrent.magnet import parse_magnet
from packager.core.releases.kept_entries import LINKS
from tests.end_to_end.test_growing import by_name, release
from tests.helpers.error_lines import as_sentence
from tests.helpers.first_releases import first_release
from tests.helpers.projects import Project, make_project

Capture = pytest.CaptureFixture[str]
TWIN = "also_v1 = true"


def configure(project: Project, tracker: str, torrent: str = "") -> None:
    """Write packager.toml with other trackers."""
    project.write_config(torrent=torrent)
    path = project.root / "packager.toml"
    path.write_text(path.read_text().replace("tracker.example.org", tracker))


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project whose first release is out, with twins."""
    return first_release(tmp_path / "project", _release)


def _release(root: Path) -> Project:
    project = make_project(root, files=5)
    configure(project, "one.example", TWIN)
    project.release()
    return project


def supersede(project: Project, capsys: Capture, name: str = "tones-rest-00001") -> None:
    assert project.run(capsys, "replace", "--yes", name, "--reason", "wrong titles").code == 0


def site_torrents(project: Project, name: str) -> list[bytes]:
    folder = project.root / "site" / "torrents"
    return [path.read_bytes() for path in sorted(folder.glob(f"{name}.*torrent"))]


def assert_links_agree(project: Project, shard: dict) -> None:
    """The .torrent in the site is the one listed, and has the trackers of the magnet."""
    path = project.root / "site" / shard["torrent"]["path"]
    torrent = parse_torrent.parse_torrent(path.read_bytes(), path)
    magnet = parse_magnet(shard["magnet"])
    assert [each for tier in torrent.trackers for each in tier] == list(magnet.trackers)
    assert (project.root / "site" / "SHA256SUMS").read_text().count(shard["torrent"]["sha256"]) == 1


@pytest.mark.parametrize("packed_between", [False, True], ids=["together", "packed before"])
@pytest.mark.parametrize("torrent", [TWIN, ""], ids=["other trackers", "no twin either"])
def test_links_stay_when_the_config_changes(
    project: Project, capsys: Capture, torrent: str, packed_between: bool
) -> None:
    first = by_name(json.loads((project.root / "site" / "release.json").read_text()))
    name = "tones-rest-00001"
    before = site_torrents(project, name)
    configure(project, "other.example", torrent)
    if packed_between:  # the torrents of the shard, which is live, are made again, and never published
        for command in ("scan", "plan", "pack"):
            assert project.run(capsys, command).code == 0
    supersede(project, capsys)
    second = by_name(release(project, capsys))
    old, new = second[name], second["tones-rest-00002"]
    assert (old["obsolete"], old["obsolete_since"]) == (True, 2)
    assert {field: old[field] for field in LINKS} == {field: first[name][field] for field in LINKS}
    assert site_torrents(project, name) == before
    assert parse_magnet(new["magnet"]).trackers == ("udp://other.example:6969/announce",)
    for shard in second.values():
        assert_links_agree(project, shard)
    configure(project, "third.example")
    (project.source / "new.txt").write_bytes(b"new")
    third = by_name(release(project, capsys))
    assert {field: third[name][field] for field in LINKS} == {field: old[field] for field in LINKS}
    assert site_torrents(project, name) == before
    for shard in third.values():
        assert_links_agree(project, shard)


def test_links_stay_when_the_state_folder_is_lost(project: Project, capsys: Capture) -> None:
    supersede(project, capsys)
    second = by_name(release(project, capsys))
    for path in sorted((project.root / ".packager").rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    configure(project, "other.example")
    (project.source / "new.txt").write_bytes(b"new")
    third = by_name(release(project, capsys))
    name = "tones-rest-00001"
    assert {field: third[name][field] for field in LINKS} == {field: second[name][field] for field in LINKS}
    assert_links_agree(project, third[name])


def test_a_kept_torrent_that_is_gone_is_named(project: Project, capsys: Capture) -> None:
    supersede(project, capsys)
    release(project, capsys)
    (project.root / ".packager/packed/tones-rest-00001/tones-rest-00001.torrent").write_bytes(b"de")
    (project.source / "new.txt").write_bytes(b"new")
    ran = project.run(capsys, "release")
    assert ran.code == 2
    assert (
        "an obsolete shard must keep its .torrent; copy it back from the site: torrents/tones-rest-00001.torrent"
        in as_sentence(ran.err)
    )
