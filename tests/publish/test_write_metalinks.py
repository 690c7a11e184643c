"""The site's metalinks: which shards have one, what it names, and aria2 fetching tars by it alone."""

import subprocess
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path

import pytest

from packager.core.releases import documents
from packager.core.releases.metalink import NAMESPACE
from packager.model import Release
from tests.helpers.http_server import serving
from tests.helpers.projects import Project, make_project
from tests.publish.site.test_hostile_pages import Page
from tests.publish.site.test_render import dead_links

Capture = pytest.CaptureFixture[str]
BASE = "https://archive.example.org/"
SEED = "https://files.example.org/shards/"


def release(root: Path, capsys: Capture, *, torrent: str = "", base: str = BASE, shards: str = "") -> Project:
    """A release of some shards, whose base_url and web seeds are as told."""
    project = make_project(root)
    project.write_config(size="256 KiB", torrent=torrent)
    config = root / "packager.toml"
    text = config.read_text().replace(f'url = "{BASE}"', f'url = "{base}"')
    text = text.replace('trackers = [["udp://tracker.example.org:6969/announce"]]', "")
    config.write_text(text.replace("[shards]", f"[shards]\n{shards}"))
    ran = project.run(capsys, "release", "--workers", "1")
    assert ran.code == 0, ran.err
    return project


def published(project: Project) -> Release:
    return documents.from_bytes((project.root / "site/release.json").read_bytes(), Release, "release.json")


def metalinks(project: Project) -> list[Path]:
    return sorted((project.root / "site").rglob("*.meta4"))


def texts(path: Path, tag: str) -> list[str | None]:
    return [each.text for each in ET.parse(path).getroot().findall(f".//{{{NAMESPACE}}}{tag}")]


def test_each_shard_has_one_that_names_its_torrent_and_web_seeds(tmp_path: Path, capsys: Capture) -> None:
    project = release(tmp_path, capsys, torrent=f'web_seeds = ["{SEED}", "http://b.example.org/x/"]')
    shards = published(project).shards
    folder = project.root / "site/metalinks"
    assert metalinks(project) == sorted(folder / f"{shard.name}.meta4" for shard in shards)
    for shard in shards:
        path = folder / f"{shard.name}.meta4"
        assert texts(path, "size") == [str(shard.size)]
        assert texts(path, "metaurl") == [f"{BASE}torrents/{shard.name}.torrent"]
        assert texts(path, "url") == [f"{SEED}{shard.file}", f"http://b.example.org/x/{shard.file}"]
        assert len(texts(path, "hash")) == -(-shard.size // shard.piece_length)
        page = (project.root / f"site/shards/{shard.name}/index.html").read_text()
        assert f"../../metalinks/{shard.name}.meta4" in Page(page).values("href")
    sums = (project.root / "site/SHA256SUMS").read_text()
    assert all(f"  metalinks/{path.name}\n" in sums for path in metalinks(project))
    assert dead_links(project.root / "site") == []


def test_the_v1_only_torrent_is_named_where_there_is_one(tmp_path: Path, capsys: Capture) -> None:
    project = release(tmp_path, capsys, torrent="also_v1 = true")
    for shard in published(project).shards:
        path = project.root / f"site/metalinks/{shard.name}.meta4"
        assert texts(path, "metaurl") == [f"{BASE}torrents/{shard.name}.v1.torrent"]
        assert texts(path, "url") == []


@pytest.mark.parametrize(
    ("written", "count"),
    [
        ({"base": ""}, 0),  # nowhere to fetch from
        ({"base": "", "torrent": f'web_seeds = ["{SEED}"]'}, 1),
        ({"torrent": 'format = "v2"'}, 0),  # nothing that Metalink can check by
        ({"base": "", "torrent": f'format = "v2"\nweb_seeds = ["{SEED}"]', "shards": "tar_sha256 = true"}, 1),
    ],
)
def test_there_is_none_where_it_could_not_fetch_or_not_check(
    written: dict[str, str], count: int, tmp_path: Path, capsys: Capture
) -> None:
    project = release(tmp_path, capsys, **written)
    assert len(metalinks(project)) == count * len(published(project).shards)
    assert (project.root / "site/metalinks").is_dir() is bool(count)
    pages = "".join(path.read_text() for path in (project.root / "site").rglob("*.html"))
    assert ("meta4" in pages) is bool(count)
    assert dead_links(project.root / "site") == []


def test_web_seeds_that_come_later_come_into_it(tmp_path: Path, capsys: Capture) -> None:
    project = release(tmp_path, capsys, base="")
    assert metalinks(project) == []
    before = published(project)
    config = project.root / "packager.toml"
    config.write_text(config.read_text().replace("[torrents]", f'[torrents]\nweb_seeds = ["{SEED}"]'))
    assert project.run(capsys, "release", "--workers", "1").code == 0
    assert len(metalinks(project)) == len(before.shards)
    assert [shard.infohash_v1 for shard in published(project).shards] == [s.infohash_v1 for s in before.shards]


@pytest.mark.interop
def test_aria2_fetches_and_checks_a_release_by_its_metalinks(
    tmp_path: Path, capsys: Capture, program: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    aria2c = program("aria2c")
    for name in ("http_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    with serving({}) as site:
        project = release(
            tmp_path / "project",
            capsys,
            torrent=f'also_v1 = true\nweb_seeds = ["{site.address}gone/", "{site.address}shards/"]',
            base=site.address,
        )
        tars = {path.name: path.read_bytes() for path in (project.root / "shards").glob("*.tar")}
        site.files |= {f"shards/{name}": data for name, data in tars.items()}
        for path in (project.root / "site").rglob("*.*"):
            site.files[path.relative_to(project.root / "site").as_posix()] = path.read_bytes()
        quiet = ["--no-conf", "--enable-dht=false", "--bt-enable-lpd=false", "--enable-peer-exchange=false"]
        bounds = ["--timeout=2", "--max-tries=2", "--retry-wait=0", "--seed-time=0", "--bt-stop-timeout=1"]
        command = [aria2c, "--dir", str(tmp_path / "got"), *quiet, *bounds]

        def fetch(*documents: str) -> "subprocess.CompletedProcess[str]":
            return subprocess.run([*command, *documents], check=False, capture_output=True, text=True, timeout=60)

        ran = fetch(*(str(path) for path in metalinks(project)))
        assert ran.returncode == 0, ran.stdout
        assert {path.name: path.read_bytes() for path in (tmp_path / "got").glob("*.tar")} == tars

        name, bad = next((name, bytearray(data)) for name, data in tars.items())
        bad[700] ^= 1
        (tmp_path / "got" / name).unlink()
        site.files[f"shards/{name}"] = bytes(bad)
        address = f"{site.address}metalinks/{name.removesuffix('.tar')}.meta4"
        assert fetch("--follow-metalink=mem", address).returncode != 0
        site.files[f"shards/{name}"] = tars[name]
        assert fetch("--follow-metalink=mem", "--check-integrity", address).returncode == 0
        assert (tmp_path / "got" / name).read_bytes() == tars[name]
