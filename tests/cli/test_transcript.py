"""The first five minutes: a new user's commands, and every line that they print at 80 columns."""

import re
import shutil
import sys
from pathlib import Path

import pytest

from packager import api
from packager.cli.app import main

DEMO = Path(__file__).parents[2] / "docs" / "demo"

# Commands and what they print on stdout and stderr. KEY, DATE and FREE stand for what differs from run to run.
SESSION = """
$ keygen --no-password
Created release.key (secret: keep a copy) and release.pub (publish it).
Next: set release.secret_key = "release.key" in packager.toml, and publish release.pub
$ init music --yes --title Songs --name songs --licence CC0-1.0 --contact archive@songs.example --shard-size 384KiB
Found 38 files, 1.2 MiB, in music: 27 audio, 8 artwork, 3 metadata.
Created packager.toml: 38 files, 1.2 MiB, 41 records.
Next: packager release
$ status
Not scanned yet.
Next: packager scan
$ release
Scanned 38 files, 1.2 MiB; 41 records, 3 of them without a file.
warning: 5 files get a safe name in the shard, such as "Percent Ten/100% Sin…"
5 warnings of 1 kind. List them: packager warnings
PHASE     RECORDS  FILES      SIZE  SHARDS   LARGEST  STATE
metadata       41      2  17.5 KiB       1  17.5 KiB  new
audio          27     27   1.2 MiB       4   374 KiB  new
artwork         8      8   101 KiB       1   101 KiB  new
rest            3      3     9 KiB       1     9 KiB  new
Planned 7 shards, 1.3 MiB, in 4 phases.
Packed 7 shards, 1.3 MiB, in SECONDS.
Readers of this release will miss:
  trackers   peers find each other only through the DHT  torrents.trackers
  web seeds  no download without a seeder                torrents.web_seeds
  address    feeds need it                               release.url
Published release 1: 7 shards, 1.3 MiB, 58 files in site/.
Next: packager seed            (and put site/ on a web server)
$ status
PHASE     STATE      SHARDS      SIZE  LEFT
metadata  published  1 of 1  17.5 KiB   0 B
audio     published  4 of 4   1.2 MiB   0 B
artwork   published  1 of 1   101 KiB   0 B
rest      published  1 of 1     9 KiB   0 B
Release 1 of DATE is in site/, signed by key KEY.
All done. After a change run: packager release
$ verify shards
Compared with release 1 of songs in site/, signed by key KEY.
7 shards checked: all good. 10 pieces, 1.3 MiB read in SECONDS.
$ plan
PHASE     RECORDS  FILES      SIZE  SHARDS   LARGEST  STATE
metadata       41      2  17.5 KiB       1  17.5 KiB  published
audio          27     27   1.2 MiB       4   374 KiB  published
artwork         8      8   101 KiB       1   101 KiB  published
rest            3      3     9 KiB       1     9 KiB  published
Planned 7 shards, 1.3 MiB, in 4 phases; 7 are published already; unchanged.
Next: packager pack
"""

DAMAGED = """
bad: shards/songs-artwork-00001.tar: piece 0 (bytes 0 to 103,424), 8 files affected
    Lindqvist & Vega/Night Trains/cover.jpg
"""


def plain(printed: str) -> list[str]:
    """Return lines with names for what differs from run to run."""
    text = re.sub(r"\bkey [0-9A-F]{16}\b", "key KEY", printed)
    text = re.sub(r"\bof \d{4}-\d\d-\d\d\b", "of DATE", text)
    text = re.sub(r"\bin \d+ s( \([\d.]+ [KM]iB/s\))?", "in SECONDS", text)
    return [line.rstrip() for line in text.splitlines()]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(DEMO / "collection", tmp_path / "music")
    shutil.copyfile(DEMO / "records.csv", tmp_path / "records.csv")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_every_line_of_the_first_five_minutes(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for part in SESSION.strip().removeprefix("$ ").split("\n$ "):
        command, *expected = part.split("\n")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("sys.stderr", sys.stdout)  # in the order of a terminal
            assert main([*command.split(), "--color", "never", "--progress", "none"]) == 0, command
        shown = plain(capfd.readouterr().out)
        assert [line for line in shown if line not in expected] == [], command
        assert shown == expected, command
        assert all(len(line) <= 80 for line in shown if not line.startswith("Next: set ")), command
    tar = folder / "shards" / "songs-artwork-00001.tar"
    with tar.open("r+b") as file:
        file.seek(20000)
        file.write(b"damage")
    assert main(["verify"]) == 1
    shown = plain(capfd.readouterr().out)
    assert "\n".join(DAMAGED.strip().split("\n")) in "\n".join(shown)
    assert shown[-2:] == [
        "7 shards checked: 6 good, 1 bad. 10 pieces, 1.3 MiB read in SECONDS.",
        "Next: packager repair shards/songs-artwork-00001.tar",
    ]


def test_a_signature_counts_only_if_the_site_is_as_the_project_signed_it(folder: Path) -> None:
    api.keygen(folder / "release.key", folder / "release.pub", password=None)
    api.init(folder / "music", config=folder / "packager.toml")
    api.release(folder / "packager.toml")
    first = api.verify()
    assert {each.evidence.kind for each in first.targets if each.evidence} == {"signature"}
    document = folder / "site" / "release.json"
    document.write_bytes(document.read_bytes() + b"\n")
    second = api.verify()
    assert {each.evidence.kind for each in second.targets if each.evidence} == {"release"}
