"""Five releases of a collection that grows, changes and takes back; a mirror follows each."""

import hashlib
import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest

from packager import api
from packager.cli.app import main
from packager.core.reports.mirror_reports import MirrorReport
from packager.mirror.state import MirrorFolder
from tests.end_to_end.test_growing import assert_frozen, by_name, new_shards, read_release
from tests.helpers.http_server import Site, serving
from tests.helpers.projects import Project
from tests.helpers.site_contents import told, told_by_tar

Capture = pytest.CaptureFixture[str]
CHECKER = (sys.executable, "-m", "tests.second_implementation")
FETCH = api.RunOptions(listen="127.0.0.2:0", stop_after=120)
CONFIG = """
[collection]
name = "texts"
title = "Texts"
source = "source"
[records]
files = ["records.csv"]
[shards]
size = "{size}"
[torrents]
web_seeds = ["{address}shards/"]
[[phases]]
name = "metadata"
content = "catalogue"
[[phases]]
name = "texts"
order = "path"
[release]
secret_key = "release.key"
"""


@dataclass
class Growing:
    """A project, its server and its mirror; `numbers` are the files that are there."""

    project: Project
    site: Site
    mirror: Path
    chance: random.Random
    numbers: list[int]

    def file(self, number: int) -> Path:
        return self.project.source / f"{number % 10}" / f"text {number:05d}.txt"

    def add(self, count: int) -> None:
        first = max(self.numbers, default=0) + 1
        for number in range(first, first + count):
            self.file(number).parent.mkdir(parents=True, exist_ok=True)
            self.file(number).write_bytes(self.chance.randbytes(self.chance.randrange(100, 1500)))
            self.numbers.append(number)

    def change(self, count: int) -> None:
        for number in self.chance.sample(self.numbers, count):
            old = self.file(number).read_bytes()
            same_size = self.chance.random() < 0.5
            self.file(number).write_bytes(self.chance.randbytes(len(old) if same_size else len(old) + 7))

    def remove(self, count: int) -> None:
        for number in self.chance.sample(self.numbers, count):
            self.file(number).unlink()
            self.numbers.remove(number)

    def write_records(self, *, wrong: str = "") -> None:
        lines = [f'r-{n:05d},{self.file(n).relative_to(self.project.source)},"Text {n}{wrong}"' for n in self.numbers]
        (self.project.root / "records.csv").write_text("\n".join(["id,path,title", *lines]) + "\n")

    def release(self) -> dict:
        assert main(["release", "--config", str(self.project.root / "packager.toml"), "--workers", "1"]) == 0
        output = self.project.root / "site"
        files = {str(path.relative_to(output)): path.read_bytes() for path in output.rglob("*") if path.is_file()}
        self.site.files = files | {
            f"shards/{p.name}": p.read_bytes() for p in (self.project.root / "shards").glob("*.tar")
        }
        return read_release(self.project)

    def run(self, *arguments: str) -> None:
        assert main([*arguments, "--config", str(self.project.root / "packager.toml")]) == 0


@pytest.fixture
def growing(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Growing]:
    """An empty project of the size asked for, with a key and a server."""
    for name in ("http_proxy", "all_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    project = Project(tmp_path / "project")
    project.source.mkdir(parents=True)
    secret, public = str(project.root / "release.key"), str(project.root / "release.pub")
    assert main(["keygen", "--no-password", "--secret-key", secret, "--public-key", public]) == 0
    with serving({}) as site:
        config = CONFIG.format(size=request.param, address=site.address)
        (project.root / "packager.toml").write_text(config)
        yield Growing(project, site, tmp_path / "mirror", random.Random(7), [])


def followed(growing: Growing, before: dict | None, after: dict) -> MirrorReport:
    """Let the mirror follow; assert that it fetched the new shards and not a byte of any other."""
    wanted = {
        name: shard
        for name, shard in by_name(after).items()
        if not shard.get("obsolete") and name not in (by_name(before) if before else {})
    }
    growing.site.ranges.clear()
    if before is None:
        key = (growing.project.root / "release.pub").read_text().splitlines()[1]
        report = api.mirror_follow(
            growing.site.address,
            growing.mirror,
            api.MirrorOptions(budget=1 << 30, key=key, reserve=0, client="builtin"),
            run=FETCH,
        )
    else:
        report = api.mirror_sync(growing.mirror, run=FETCH)
    assert report.complete
    assert report.fetched is not None
    tars = {path.split("/")[-1] for path, _, _ in growing.site.ranges if "shards/" in path}
    assert tars == {shard["file"] for shard in wanted.values()}
    size = sum(shard["size"] for shard in wanted.values())
    assert size <= report.fetched.downloaded <= size * 1.02 + (64 << 10)
    assert report.plan.download_size == size
    folder = MirrorFolder(growing.mirror)
    for name in (chosen.name for chosen in folder.required().chosen):
        for kind in ("torrent", "manifest", "members_table"):
            file = by_name(after)[name][kind]
            assert hashlib.sha256((folder.release / file["path"]).read_bytes()).hexdigest() == file["sha256"]
    return report


def run_checker(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run the second implementation, which needs nothing but its own files."""
    command, root = [*CHECKER, *arguments], Path(__file__).parents[2]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=root, env={"PATH": os.environ["PATH"]}
    )


def checked(growing: Growing) -> str:
    """What the second implementation says of the site."""
    root = growing.project.root
    done = run_checker(root / "site", root / "shards")
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def five_releases(growing: Growing, files: int, tmp_path: Path) -> None:
    tenth = files // 10
    growing.add(6 * tenth)
    growing.write_records()
    releases = [growing.release()]
    followed(growing, None, releases[0])

    growing.add(tenth)
    growing.change(tenth // 3)
    growing.write_records()
    releases.append(growing.release())
    followed(growing, releases[0], releases[1])

    one, two = (f"r-{growing.numbers[at]:05d}" for at in (0, 8))  # of folders far from each other
    wrong = "texts-texts-00002"
    growing.run("withdraw", "--yes", one, "--reason", "asked for", "--keep-shards")
    growing.run("withdraw", "--yes", two, "--reason", "not ours to share", "--redact")
    growing.run("replace", "--yes", wrong, "--reason", "the titles were wrong")
    growing.add(tenth)
    growing.write_records(wrong=", right now")
    releases.append(growing.release())
    report = followed(growing, releases[1], releases[2])
    assert {each.id for each in report.plan.withdrawn} == {one, two}
    assert wrong in report.plan.obsolete
    assert {each.name for each in report.plan.removable} >= {wrong}

    for number in growing.numbers:
        os.utime(growing.file(number), (1_000_000_000 + number, 1_000_000_000))
    growing.numbers = [number for number in growing.numbers if f"r-{number:05d}" not in (one, two)]
    growing.remove(tenth // 2)
    growing.add(tenth)
    growing.write_records(wrong=", right now")
    releases.append(growing.release())
    followed(growing, releases[2], releases[3])

    growing.run(
        "withdraw",
        "--yes",
        "--where",
        f"title = 'Text {growing.numbers[20]}, right now'",
        "--reason",
        "late",
        "--keep-shards",
    )
    growing.add(tenth)
    growing.change(tenth // 5)
    growing.write_records(wrong=", right now")
    releases.append(growing.release())
    followed(growing, releases[3], releases[4])

    for old, new in pairwise(releases):
        assert_frozen(old, new)
        assert len(new_shards(old, new)) < len(by_name(new)) / 2
    assert "everything is as FORMAT.md says" in checked(growing)
    withdrawn = [each["id"] for each in releases[4]["withdrawals"]]
    assert len(withdrawn) == 3
    assert_nowhere(growing, withdrawn, tmp_path)
    assert main(["inspect", str(growing.project.root / "site" / "release.json")]) == 0


def assert_nowhere(growing: Growing, withdrawn: list[str], tmp_path: Path) -> None:
    """No withdrawn id stands anywhere but among the withdrawals: of each release's document, and the pages of them."""
    where = {f"releases/{serial}.{kind}" for serial in range(1, 6) for kind in ("json", "html")} | {"release.json"}
    site = growing.project.root / "site"
    for name, data in told(site):
        if name not in where:
            assert not [each for each in withdrawn if each.encode() in data], name
        if name.endswith(".json") and name in where:
            document = json.loads(data)
            document.pop("withdrawals")
            assert not [each for each in withdrawn if each in json.dumps(document)], name
    for shard in read_release(growing.project)["shards"]:
        if shard.get("obsolete") or shard.get("withdrawn"):
            continue
        for name, data in told_by_tar(growing.project.root / "shards" / shard["file"], tmp_path / "unpacked"):
            assert not [each for each in withdrawn if each.encode() in data], name


@pytest.mark.parametrize("growing", ["96 KiB"], indirect=True)
def test_five_releases_of_a_collection_that_grows_and_changes(
    growing: Growing, tmp_path: Path, capsys: Capture
) -> None:
    five_releases(growing, 300, tmp_path)
    shown = capsys.readouterr().out
    assert "serials 1 to 5 follow from one another" in shown
    assert "the titles were wrong" in shown
    assert "not ours to share" in shown
    spoil(growing)


def spoil(growing: Growing) -> None:
    """What the second implementation refuses: a chain cut, a shard changed, a record offered again."""
    output = growing.project.root / "site"
    held = next(shard for shard in read_release(growing.project)["shards"] if shard.get("withdrawn") == 1)
    for path, old, new in (
        ("releases/2.json", b'"serial": 2', b'"serial": 7'),
        ("release.json", b'"withdrawals": [', b'"withdrawals": [\n'),
        ("magnets.txt", b"magnet:", b"Magnet:"),
        (held["manifest"]["path"], b'"withdrawn": 1', b'"withdrawn": 2'),
    ):
        was = (output / path).read_bytes()
        assert old in was, path
        (output / path).unlink()
        (output / path).write_bytes(was.replace(old, new, 1))
        done = run_checker(output)
        assert done.returncode == 1, path
        assert "Traceback" not in done.stderr
        (output / path).write_bytes(was)


@pytest.mark.soak
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("growing", ["1 MiB"], indirect=True)
def test_five_releases_of_five_thousand_files(growing: Growing, tmp_path: Path) -> None:
    five_releases(growing, 5000, tmp_path)
