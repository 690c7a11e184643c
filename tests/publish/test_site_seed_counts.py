"""`publish --count-seeds`: seed counts in torrents.json and on the pages, and the release left as it was."""

import json
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import jsonschema
import pytest

from packager.cli.app import main
from packager.core.bittorrent.scrape import SwarmCounts
from packager.core.releases import documents
from packager.core.releases.release_lists import torrents_json
from packager.core.releases.seed_counts import Counted, swarms
from packager.model import Release
from packager.publish.site import render
from tests.helpers.made_up_releases import make_phase, make_release, make_shard, reader
from tests.helpers.opentracker import tracking
from tests.helpers.projects import Project, make_project
from tests.helpers.trackers import announce, bep15, bep48, http_tracker, udp_tracker
from tests.helpers.waiting import free_port, until
from tests.publish.site.test_hostile_pages import Page

Capture = pytest.CaptureFixture[str]
TRACKER = '[["udp://tracker.example.org:6969/announce"]]'
SCHEMAS = Path(__file__).parents[2] / "manifests/schema"
AT = "2026-11-20T09:05:00Z"


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def with_trackers(root: Path, *trackers: str, release: str = "", torrent: str = "") -> Project:
    """A project whose torrents name these trackers, one a tier."""
    project = make_project(root, files=3)
    project.write_config(torrent=torrent)
    config = root / "packager.toml"
    text = config.read_text().replace(TRACKER, json.dumps([[tracker] for tracker in trackers]))
    config.write_text(text.replace("[release]", f"[release]\n{release}"))
    return project


def listed(project: Project) -> list[dict[str, object]]:
    found = json.loads((project.root / "site" / "torrents.json").read_bytes())
    assert isinstance(found, list)
    return found


def released(project: Project) -> Release:
    path = project.root / "site" / "release.json"
    return documents.from_bytes(path.read_bytes(), Release, path)


@contextmanager
def telling(counts: dict[bytes, tuple[int, int, int]]) -> Iterator[str]:
    """A tracker that tells what `counts` holds just then."""
    with http_tracker(lambda asked: bep48({each: counts[each] for each in asked if each in counts})) as tracker:
        yield tracker


def test_counts_go_into_the_list_and_pages_and_the_release_stays(tmp_path: Path, capsys: Capture) -> None:
    counts: dict[bytes, tuple[int, int, int]] = {}
    with telling(counts) as tracker, udp_tracker(bep15(lambda _: (1, 0, 0))) as other:
        project = with_trackers(tmp_path, tracker, other)
        assert project.run(capsys, "release").code == 0
        before = (tmp_path / "site" / "release.json").read_bytes()
        assert {row["seeders"] for row in listed(project)} == {None}
        page = (tmp_path / "site" / "phases" / "rest" / "index.html").read_text()
        assert "Seeders" not in page
        for shard in released(project).shards:
            v1, v2 = swarms(shard)
            counts |= {v1: (12345, 7, 1), v2: (12000, 0, 3)}
        ran = project.run(capsys, "publish", "--count-seeds")
        assert ran.code == 0
        assert f"{tracker}: counts of 6 of 6 swarms" in ran.out
        assert "seed counts: 3 of 3 shards" in ran.out
        assert (tmp_path / "site" / "release.json").read_bytes() == before
        assert {path.name for path in (tmp_path / "site" / "releases").iterdir()} == {"1.json", "1.html"}
        for row in listed(project):
            assert (row["seeders"], row["leechers"], row["completed"]) == (12345, 3, 7)
            assert str(row["stats_scraped_at"]).endswith("Z")
        index = (tmp_path / "site" / "index.html").read_text()
        assert "0 of 3 shards have none, and half of the shards have 12,345 or fewer" in index
        assert "12,345" in (tmp_path / "site" / "phases" / "rest" / "index.html").read_text()
        for shard in released(project).shards:
            assert "12,345" in (tmp_path / "site" / "shards" / shard.name / "index.html").read_text()
    assert subprocess.run(["sha256sum", "-c", "--quiet", "SHA256SUMS"], cwd=tmp_path / "site", check=True)


def test_publishing_without_scrape_keeps_the_counts_and_their_time(tmp_path: Path, capsys: Capture) -> None:
    with udp_tracker(bep15(lambda _: (5, 6, 7))) as tracker:
        project = with_trackers(tmp_path, tracker)
        assert project.run(capsys, "release", "--count-seeds").code == 0
    before = (tmp_path / "site" / "torrents.json").read_bytes()
    assert {row["seeders"] for row in listed(project)} == {5}
    assert "is published; nothing changed." in project.run(capsys, "publish").out
    config = tmp_path / "packager.toml"
    config.write_text(config.read_text().replace('title = "Tones', 'title = "Other tones'))
    assert project.run(capsys, "release").code == 0
    assert released(project).serial == 2
    assert (tmp_path / "site" / "torrents.json").read_bytes() == before


def test_a_tracker_that_fails_is_named_and_nothing_is_lost(tmp_path: Path, capsys: Capture) -> None:
    counts: dict[bytes, tuple[int, int, int]] = {}
    refused = "http://127.0.0.1:1/announce"
    with telling(counts) as tracker:
        project = with_trackers(tmp_path, tracker, refused, "wss://tracker.example.org/")
        assert project.run(capsys, "release").code == 0
        counts |= {swarm: (2, 2, 2) for shard in released(project).shards for swarm in swarms(shard)}
        ran = project.run(capsys, "publish", "--count-seeds", "--json")
        assert ran.code == 0
        report = json.loads(ran.out)
        told = {each["tracker"]: (each["answered"], each["error"]) for each in report["seed_counts"]["trackers"]}
        assert told[tracker] == (6, "")
        assert told[refused][0] == 0
        assert "could not be read" in told[refused][1]
        assert told["wss://tracker.example.org/"] == (0, "cannot be asked: neither http, https nor udp")
        assert report["changed"] is True
        jsonschema.validate(report, json.loads((SCHEMAS / "reports/publish.schema.json").read_bytes()))
    jsonschema.validate(listed(project), json.loads((SCHEMAS / "torrents.schema.json").read_bytes()))
    kept = listed(project)
    ran = project.run(capsys, "publish", "--count-seeds", "--json")
    assert ran.code == 0
    report = json.loads(ran.out)
    assert report["changed"] is False
    assert report["seed_counts"]["counted"] == 0
    assert all(each["error"] for each in report["seed_counts"]["trackers"])
    ran = project.run(capsys, "publish", "--count-seeds")
    assert f"{refused}: counts of 0 of 6 swarms; could not be read" in ran.out
    assert listed(project) == kept


def test_a_release_without_trackers_says_that_nobody_could_be_asked(tmp_path: Path, capsys: Capture) -> None:
    project = with_trackers(tmp_path)
    config = tmp_path / "packager.toml"
    config.write_text(config.read_text().replace("trackers = []\n", ""))
    ran = project.run(capsys, "release", "--count-seeds")
    assert ran.code == 0
    assert "no seed counts: the release has no tracker" in ran.err
    assert {row["stats_scraped_at"] for row in listed(project)} == {None}


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [('"at": "2', '"at": "x', "is not a date"), ('"seeders": 5', '"seeders": -5', "seeders"), ("{", "", "not a valid")],
)
def test_kept_counts_that_are_damaged_are_named(old: str, new: str, what: str, tmp_path: Path, capsys: Capture) -> None:
    with udp_tracker(bep15(lambda _: (5, 6, 7))) as tracker:
        project = with_trackers(tmp_path, tracker)
        assert project.run(capsys, "release", "--count-seeds").code == 0
    path = tmp_path / ".packager" / "seed-counts.json"
    path.write_text(path.read_text().replace(old, new, 1))
    ran = project.run(capsys, "publish")
    assert ran.code == 2
    assert what in ran.err
    assert "seed-counts.json" in ran.err


@pytest.mark.interop
def test_a_signed_site_with_new_counts_passes_minisign(
    program: Callable[[str], str], tmp_path: Path, capsys: Capture
) -> None:
    minisign = program("minisign")
    secret, public = tmp_path / "release.key", tmp_path / "release.pub"
    assert main(["keygen", "--no-password", "--secret-key", str(secret), "--public-key", str(public)]) == 0
    with udp_tracker(bep15(lambda _: (5, 6, 7))) as tracker:
        project = with_trackers(tmp_path / "project", tracker, release=f"secret_key = '{secret}'")
        assert project.run(capsys, "release").code == 0
        site = project.root / "site"
        before = (site / "release.json.minisig").read_bytes()
        assert project.run(capsys, "publish", "--count-seeds").code == 0
    assert (site / "release.json.minisig").read_bytes() == before
    for name in ("release.json", "SHA256SUMS"):
        subprocess.run([minisign, "-qVm", name, "-p", str(public)], cwd=site, check=True)
    subprocess.run(["sha256sum", "-c", "--quiet", "SHA256SUMS"], cwd=site, check=True)
    assert {row["seeders"] for row in listed(project)} == {5}


@pytest.mark.interop
def test_opentracker_counts_what_is_published(program: Callable[[str], str], tmp_path: Path, capsys: Capture) -> None:
    port = free_port()
    project = with_trackers(tmp_path / "project", f"udp://127.0.0.1:{port}/announce", torrent="also_v1 = true")
    assert project.run(capsys, "release").code == 0
    shards = released(project).shards
    with tracking(program("opentracker"), tmp_path / "tracker", port, shards) as address:

        def all_told() -> bool:
            ran = project.run(capsys, "publish", "--count-seeds", "--json")
            return bool(json.loads(ran.out)["seed_counts"]["counted"] == len(shards))

        until(all_told)
        v1, v2, _ = swarms(shards[0])
        for peer in (6881, 6882):  # clients that join both swarms
            announce(address, v1, port=peer)
            announce(address, v2, port=peer)
        announce(address, v2, port=6883, left=10)
        assert all_told()
    rows = [(row["seeders"], row["leechers"]) for row in listed(project)]
    assert rows == [(2, 1)] + [(0, 0)] * (len(shards) - 1)


def test_an_unknown_count_is_a_dash_and_the_time_is_shown(tmp_path: Path) -> None:
    shards = [make_shard(number=number) for number in (1, 2, 3)]
    release = make_release([make_phase(shards=shards)], shards)
    counted = {
        shards[0].name: Counted(counts=SwarmCounts(seeders=0, leechers=1234), at=AT),
        shards[1].name: Counted(counts=SwarmCounts(seeders=31), at="2026-11-19T00:00:00Z"),
    }
    render.render_site(release, site=tmp_path, read_members=reader(), counted=counted)
    phase = (tmp_path / "phases" / "audio" / "index.html").read_text()
    rows = [line for line in phase.splitlines() if line.startswith('<tr><th scope="row">')]
    seeders = [row.split('<td class="n">')[3].split("<")[0] for row in rows]
    assert seeders == ["0", "31", "–"]
    assert "20 November 2026, 09:05 UTC" in phase
    texts = [(tmp_path / "shards" / shard.name / "index.html").read_text() for shard in shards]
    assert "<dt>Leechers</dt><dd>1,234</dd>" in texts[0]
    assert "<dt>Completed</dt><dd>–</dd>" in texts[0]
    assert AT in Page(texts[0]).values("datetime")
    assert "Seeders" not in texts[2]
    index = (tmp_path / "index.html").read_text()
    assert "1 of 3 shards have none" in index
    assert "1 shard has no count" in index


def test_the_list_holds_the_counts_of_each_shard_and_null_where_they_are_not_known() -> None:
    shards = [make_shard(number=number) for number in (1, 2)]
    counted = {shards[1].name: Counted(counts=SwarmCounts(seeders=3, completed=0), at=AT)}
    rows = json.loads(torrents_json(make_release(shards=shards), counted))
    fields = ("seeders", "leechers", "completed", "stats_scraped_at")
    assert [[row[field] for field in fields] for row in rows] == [[None] * 4, [3, None, 0, AT]]
