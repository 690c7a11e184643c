"""The second implementation checks a chain of releases: everything that can happen to a published file."""

import pytest

from packager.cli.app import main
from packager.model import ReleaseShard
from tests.projects import Project, make_project, write_tone
from tests.second_implementation import documents
from tests.second_implementation.site import Site

pytestmark = pytest.mark.skipif("members_tsv" not in ReleaseShard.__struct_fields__, reason="not written yet")
PHASES = """
[[phases]]
name = "metadata"
title = "Metadata"
content = "catalogue"
[[phases]]
name = "later"
title = "Later"
where = "path LIKE 'album 2/%'"
embargo = "2100-01-01"
[[phases]]
name = "audio"
title = "Audio"
where = "kind = 'audio'"
order = "path"
[[phases]]
name = "rest"
title = "The rest"
order = "path"
container = "folder"
"""


def run(project: Project, *arguments: str) -> None:
    code = main([*arguments, "--config", str(project.root / "packager.toml")])
    assert code in (0, 3) if arguments[0] == "release" else code == 0, arguments


def released(project: Project) -> dict:
    """Release, check everything with the second implementation, and return the release document."""
    run(project, "release", "--workers", "1")
    found = Site(project.root / "output", project.root / "shards").check()
    assert found.problems == []
    return documents.parse((project.root / "output/release.json").read_bytes(), documents.RELEASE)


def edit_config(project: Project, old: str, new: str) -> None:
    path = project.root / "packager.toml"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))


def by_name(release: dict) -> dict[str, dict]:
    return {shard["name"]: shard for shard in release["shards"]}


@pytest.fixture(scope="module")
def chained(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project after six releases, each checked when it was made."""
    project = make_project(tmp_path_factory.mktemp("chain"), files=12)
    project.write_config(phases=PHASES, torrent="also_v1 = true")
    assert (
        main(["keygen", "--no-password", "--secret", f"{project.root}/k.key", "--public", f"{project.root}/k.pub"]) == 0
    )
    edit_config(project, 'date = "2026-11-21"\n', 'key = "k.key"\n')
    album = project.source / "album 0"
    first = released(project)
    assert {phase["state"] for phase in first["phases"]} == {"published", "next"}

    write_tone(album / "00 tone [b].wav", 3000, pitch=40)  # a new version
    (album / "03 tone [b].wav").rename(project.source / "album 1/moved.wav")
    write_tone(album / "new.wav", 500, pitch=41)
    second = released(project)
    assert len(second["shards"]) > len(first["shards"])

    run(project, "withdraw", "--id", "album 1/01 tone [b].wav", "--reason", "asked for", "--keep-shards")
    run(project, "withdraw", "--id", "album 0/06 tone [b].wav", "--reason", "not ours", "--redact")
    run(project, "withdraw", "--id", "notes.txt", "--reason", "private")
    third = released(project)
    assert len(third["withdrawals"]) == 3
    assert sum(shard.get("obsolete", False) for shard in third["shards"]) >= 2

    edit_config(project, "trackers = [[", 'trackers = [["https://new.example.org/announce"], [')
    live = next(s for s in third["shards"] if s["phase"] == "audio" and not s.get("obsolete"))
    run(project, "supersede", live["name"], "--reason", "the tags were wrong")
    fourth = released(project)
    assert by_name(fourth)[live["name"]]["superseded_by"]

    edit_config(project, 'embargo = "2100-01-01"\n', "")
    fifth = released(project)
    assert {phase["state"] for phase in fifth["phases"]} == {"published"}

    run(project, "withdraw", "--undo", "--id", "notes.txt", "--reason", "asked for again")
    sixth = released(project)
    assert [each.get("lifted") for each in sixth["withdrawals"] if each["id"] == "notes.txt"] == [6]
    return project


def test_a_chain_of_six_releases_holds_at_each_step(chained: Project) -> None:
    found = Site(chained.root / "output", chained.root / "shards", chained.source).check()
    assert found.problems == []
    assert len(list((chained.root / "output/releases").glob("*.json"))) == 6
