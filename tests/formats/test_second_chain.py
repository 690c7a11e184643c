"""The second implementation checks a chain of releases: everything that can happen to a published file."""

import pytest

from packager.cli.app import main
from tests.helpers.projects import Project, make_project, write_tone
from tests.second_implementation import chain, documents, release
from tests.second_implementation.problems import WrongError, sha256
from tests.second_implementation.site import Site

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
    found = Site(project.root / "site", project.root / "shards").check()
    assert found.problems == []
    return documents.parse((project.root / "site/release.json").read_bytes(), documents.RELEASE)


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
    keys = ["--secret-key", f"{project.root}/k.key", "--public-key", f"{project.root}/k.pub"]
    assert main(["keygen", "--no-password", *keys]) == 0
    edit_config(project, 'date = "2026-11-21"\n', 'secret_key = "k.key"\n')
    album = project.source / "album 0"
    first = released(project)
    assert {phase["state"] for phase in first["phases"]} == {"published", "next"}

    write_tone(album / "00 tone [b].wav", 3000, pitch=40)  # a new version
    (album / "03 tone [b].wav").rename(project.source / "album 1/moved.wav")
    write_tone(album / "new.wav", 500, pitch=41)
    second = released(project)
    assert len(second["shards"]) > len(first["shards"])

    run(project, "withdraw", "--yes", "album 1/01 tone [b].wav", "--reason", "asked for", "--keep-shards")
    run(project, "withdraw", "--yes", "album 0/06 tone [b].wav", "--reason", "not ours", "--redact")
    run(project, "withdraw", "--yes", "notes.txt", "--reason", "private")
    third = released(project)
    assert len(third["withdrawals"]) == 3
    assert sum(shard.get("obsolete", False) for shard in third["shards"]) >= 2

    edit_config(project, "trackers = [[", 'trackers = [["https://new.example.org/announce"], [')
    live = next(s for s in third["shards"] if s["phase"] == "audio" and not s.get("obsolete"))
    run(project, "replace", "--yes", live["name"], "--reason", "the tags were wrong")
    fourth = released(project)
    assert by_name(fourth)[live["name"]]["superseded_by"]
    for shard in fourth["shards"]:
        assert ("new.example.org" in shard["magnet"]) != shard.get("obsolete", False)

    edit_config(project, 'embargo = "2100-01-01"\n', "")
    fifth = released(project)
    assert {phase["state"] for phase in fifth["phases"]} == {"published"}

    run(project, "withdraw", "--yes", "--undo", "notes.txt", "--reason", "asked for again")
    sixth = released(project)
    assert [each.get("lifted") for each in sixth["withdrawals"] if each["id"] == "notes.txt"] == [6]
    return project


def test_a_chain_of_six_releases_holds_at_each_step(chained: Project) -> None:
    found = Site(chained.root / "site", chained.root / "shards", chained.source).check()
    assert found.problems == []
    assert len(list((chained.root / "site/releases").glob("*.json"))) == 6


def documents_of(project: Project, serial: int) -> tuple[dict, str, dict]:
    """A release, the SHA-256 of its document, and the next release."""
    folder = project.root / "site/releases"
    bodies = [(folder / f"{number}.json").read_bytes() for number in (serial, serial + 1)]
    old, new = (documents.parse(body, documents.RELEASE) for body in bodies)
    return old, sha256(bodies[0]), new


def shard_with(release: dict, **wanted: object) -> dict:
    return next(s for s in release["shards"] if all(s.get(key) == value for key, value in wanted.items()))


def other(value: object) -> object:
    """A value of the same type that is another."""
    return value + 1 if isinstance(value, int) else [] if isinstance(value, list) else f"{value}x"


@pytest.mark.parametrize("field", [field for field in chain.SHARD_KEPT if field != "sha256"])
def test_a_published_shard_that_changes_is_found(chained: Project, field: str) -> None:
    old, digest, new = documents_of(chained, 5)
    chain.check_step(old, digest, new)
    shard = next(s for s in new["shards"] if s["name"] in by_name(old))
    shard[field] = other(shard.get(field))
    with pytest.raises(WrongError):
        chain.check_step(old, digest, new)


CHANGES = {
    "a serial is skipped": lambda new: new.update(serial=new["serial"] + 1),
    "another release before": lambda new: new.update(previous="0" * 64),
    "an earlier date": lambda new: new.update(date="2000-01-01T00:00:00Z"),
    "another collection": lambda new: new["collection"].update(name="others"),
    "a shard vanishes": lambda new: new["shards"].pop(0),
    "a new shard that says it is old": lambda new: shard_with(new, since=6).update(since=5),
    "a new shard of an old date": lambda new: shard_with(new, since=6).update(added="2000-01-01T00:00:00Z"),
    "another reason": lambda new: shard_with(new, obsolete_since=3).update(reason="no reason"),
    "obsolete since another serial": lambda new: shard_with(new, obsolete_since=3).update(obsolete_since=4),
    "superseded by another": lambda new: shard_with(new, obsolete_since=4).update(superseded_by=[]),
    "an obsolete shard's magnet": lambda new: shard_with(new, obsolete_since=3).update(magnet="magnet:?"),
    "an obsolete shard's twin": lambda new: shard_with(new, obsolete_since=3).pop("twin_torrent"),
    "another twin": lambda new: shard_with(new, phase="rest").update(twin_infohash="0" * 40),
    "an obsolete shard comes back": lambda new: shard_with(new, obsolete_since=3).pop("obsolete"),
    "a withdrawal vanishes": lambda new: new["withdrawals"].pop(0),
    "a withdrawal of another date": lambda new: new["withdrawals"][0].update(date="2000-01-01T00:00:00Z"),
    "a withdrawal for another reason": lambda new: new["withdrawals"][0].update(reason="no reason"),
    "a withdrawal of fewer shards": lambda new: new["withdrawals"][0]["shards"].pop(),
    "a withdrawal of another serial": lambda new: new["withdrawals"][0].update(since=5),
    "a withdrawal that was lifted before": lambda new: new["withdrawals"][0].update(lifted=5),
    "a new withdrawal of an old serial": lambda new: new["withdrawals"].append(new["withdrawals"][0] | {"since": 4}),
    "a phase closes again": lambda new: new["phases"][1].update(state="next"),
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_release_that_does_not_keep_what_it_must_is_found(chained: Project, what: str) -> None:
    old, digest, new = documents_of(chained, 5)
    CHANGES[what](new)
    with pytest.raises(WrongError):
        chain.check_step(old, digest, new)


def test_a_twin_that_comes_back_as_another_is_found() -> None:
    def listed(*twins: str | None) -> list[dict]:
        shards = [{"name": "a-b-00001"} | ({"twin_infohash": twin} if twin else {}) for twin in twins]
        return [{"serial": number, "shards": [shard]} for number, shard in enumerate(shards, 1)]

    chain.check_twins(listed("1", None, "1"))
    with pytest.raises(WrongError, match="in serial 3"):
        chain.check_twins(listed("1", None, "2"))


def test_shards_out_of_order_and_unknown_fields_are_found_in_the_document_itself(chained: Project) -> None:
    for change in (
        lambda new: new["shards"].reverse(),
        lambda new: new["shards"].insert(0, new["shards"].pop(1)),
        lambda new: new["shards"][0].update(since=7),
        lambda new: new["shards"][0].update(withdrawn=1, phase="audio"),
        lambda new: new["withdrawals"].append(new["withdrawals"][0] | {"since": 4}),
    ):
        _, _, new = documents_of(chained, 5)
        release.check(new)
        change(new)
        with pytest.raises(WrongError):
            release.check(new)


def test_extensions_and_what_may_change_are_accepted(chained: Project) -> None:
    old, digest, new = documents_of(chained, 5)
    new["extensions"] = {"another program": [1.5, None, {"x": "y"}]}
    new["collection"]["title"] = "Another title"
    live = shard_with(new, phase="audio", obsolete=None)
    live["magnet"] += "&tr=x"
    for field in ("twin_infohash", "twin_magnet", "twin_torrent"):
        live.pop(field)
    for each in new["withdrawals"]:
        each.pop("title", None)
        each.pop("files", None)
    documents.check(new, documents.RELEASE)
    chain.check_step(old, digest, new)
