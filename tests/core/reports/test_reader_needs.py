"""What readers of a release will miss is said once, at the end, with the key to set."""

import json
from pathlib import Path

import pytest

from packager.cli.app import main
from packager.core.config.parse_config import parse_config
from packager.core.reports.reader_needs import missing_for_readers
from tests.helpers.projects import make_project

Capture = pytest.CaptureFixture[str]
BARE = '[collection]\nname = "a"\ntitle = "A"\nsource = "a"\n{collection}\n[[phases]]\nname = "all"\n'
NEEDS = ["torrents.trackers", "torrents.web_seeds", "release.secret_key", "collection.licence", "collection.contact"]


def keys(text: str) -> list[str]:
    return [each.key for each in missing_for_readers(parse_config(text))]


def test_a_bare_config_misses_everything() -> None:
    assert keys(BARE.format(collection="")) == [*NEEDS, "release.url"]


@pytest.mark.parametrize(
    ("lines", "key"),
    [
        ('[torrents]\ntrackers = [["udp://t.example:1/announce"]]', "torrents.trackers"),
        ('[torrents]\nweb_seeds = ["https://files.example/"]', "torrents.web_seeds"),
        ('[release]\nsecret_key = "release.key"', "release.secret_key"),
        ('[release]\nurl = "https://a.example/"', "release.url"),
    ],
)
def test_what_is_set_is_not_missed(lines: str, key: str) -> None:
    assert keys(BARE.format(collection="") + lines) == [each for each in [*NEEDS, "release.url"] if each != key]


def test_white_space_is_no_licence() -> None:
    assert "collection.licence" in keys(BARE.format(collection='licence = " "'))
    assert keys(BARE.format(collection='licence = "CC0-1.0"\ncontact = "x@example.org"'))[3:] == ["release.url"]


def test_release_and_publish_say_so_before_their_last_line(tmp_path: Path, capsys: Capture) -> None:
    project = make_project(tmp_path / "project", files=1)
    for command, last in (("release", "Published release 1: "), ("publish", "Release 1 is published; ")):
        lines = project.run(capsys, command).out.splitlines()
        at = lines.index("Readers of this release will miss:")
        assert lines[at + 1 : at + 4] == [
            "  web seeds  no download without a seeder        torrents.web_seeds",
            "  signature  no proof that the release is yours  release.secret_key",
            "  contact    no way to reach you                 collection.contact",
        ]
        assert lines[at + 4].startswith(last)
    document = json.loads(project.run(capsys, "release", "--json").out)
    assert [each["key"] for each in document["publish"]["missing"]] == [*NEEDS[1:3], NEEDS[4]]


def test_a_release_that_misses_nothing_says_nothing(tmp_path: Path, capsys: Capture) -> None:
    project = make_project(tmp_path / "project", files=1)
    project.write_config(
        collection='contact = "x@example.org"', torrent='web_seeds = ["https://files.example/shards/"]'
    )
    assert (
        main(["keygen", "--no-password", "--secret-key", str(project.root / "k"), "--public-key", str(tmp_path / "p")])
        == 0
    )
    path = project.root / "packager.toml"
    path.write_text(path.read_text().replace("[release]", '[release]\nsecret_key = "k"'))
    ran = project.run(capsys, "release")
    assert ran.code == 0, ran.err
    assert "will miss" not in ran.out
