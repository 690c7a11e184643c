"""What an earlier run packed is used only if it is what this run would make; what is published never changes."""

import os
import shutil
from pathlib import Path

import pytest

from packager import api
from packager.errors import InputError, TrustError
from packager.pack.shard import write_documents
from packager.pack.shard.pack_shard import MARKER
from tests.helpers.projects import Project

PHASES = '[[phases]]\nname = "all"\ntitle = "All"\norder = "path"\n'
NAME = "tones-all-00001"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = Project(tmp_path / "p")
    made.source.mkdir(parents=True)
    for name in ("a", "b"):
        (made.source / f"{name}.bin").write_bytes(name.encode() * 5000)
    made.write_config(phases=PHASES)
    return made


def packed(project: Project) -> bytes:
    """Scan, plan and pack a project, and return its tar."""
    config = project.root / "packager.toml"
    api.scan(config, workers=1)
    api.plan(config)
    assert not api.pack(config, workers=1).failed
    return (project.root / "shards" / f"{NAME}.tar").read_bytes()


def test_a_tar_that_was_made_for_another_plan_of_the_same_size_is_packed_again(project: Project) -> None:
    before = packed(project)
    config = project.root / "packager.toml"
    config.write_text(config.read_text().replace("Tones & <noises>", "Noises & <tones>"))
    after = packed(project)
    assert len(after) == len(before)
    assert b"Noises & <tones>" in after
    assert b"Tones & <noises>" not in after


@pytest.mark.parametrize("change", [lambda tar: tar + b"x", lambda tar: tar[:-512], lambda _: b""])
def test_a_tar_of_the_wrong_size_is_packed_again(project: Project, change: "type[bytes]") -> None:
    before = packed(project)
    tar = project.root / "shards" / f"{NAME}.tar"
    tar.write_bytes(change(before))
    assert packed(project) == before


def test_a_published_tar_is_not_replaced_by_one_with_another_infohash(project: Project) -> None:
    config, tar = project.root / "packager.toml", project.root / "shards" / f"{NAME}.tar"
    api.release(config, workers=1)
    short = tar.read_bytes()[:-512]
    tar.write_bytes(short)
    source = project.source / "a.bin"
    status = source.stat()
    source.write_bytes(b"x" * status.st_size)
    os.utime(source, ns=(status.st_atime_ns, status.st_mtime_ns))
    try:
        failed = [f"{each.where}: {each.what}" for each in api.pack(config, workers=1).failed]
    except InputError as error:
        failed = [str(error)]
    assert len(failed) == 1
    assert NAME in failed[0]
    assert tar.read_bytes() == short


@pytest.mark.parametrize("number", [1, 2])
def test_a_site_whose_chain_is_broken_is_not_taken_for_the_state(project: Project, number: int) -> None:
    config = project.root / "packager.toml"
    for count in range(3):
        (project.source / f"new {count}.bin").write_bytes(bytes([count]) * 3000)
        api.release(config, workers=1)
    for kept in (project.root / ".packager" / "releases").iterdir():
        kept.unlink()
    document = project.root / "site" / "releases" / f"{number}.json"
    document.write_bytes(document.read_bytes().replace(b"CC0-1.0", b"CC9-9.9"))
    (project.source / "another.bin").write_bytes(b"another")
    with pytest.raises(TrustError, match=rf"releases/{number}\.json|releases/{number + 1}\.json"):
        api.release(config, workers=1)


@pytest.mark.parametrize("kind", ["manifest.json", "members.parquet", "torrent"])
def test_a_site_with_another_document_is_not_taken_for_the_state(project: Project, kind: str) -> None:
    config = project.root / "packager.toml"
    api.release(config, workers=1)
    shutil.rmtree(project.root / ".packager")
    document = next((project.root / "site").rglob(f"{NAME}.{kind}"))
    document.write_bytes(document.read_bytes() + b" ")
    with pytest.raises(TrustError, match=f"{NAME}.{kind}: it does not have the [0-9]* bytes that release.json says"):
        api.release(config, workers=1)


def test_other_trackers_are_in_the_torrents_of_the_next_run(project: Project) -> None:
    packed(project)
    torrent = next((project.root / ".packager").rglob(f"{NAME}.torrent"))
    config = project.root / "packager.toml"
    assert b"other.example" not in torrent.read_bytes()
    config.write_text(config.read_text().replace("tracker.example.org", "other.example"))
    packed(project)
    assert b"other.example" in torrent.read_bytes()


def test_a_shard_that_is_packed_again_is_not_complete_until_it_is(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    tar = packed(project)
    (project.root / "shards" / f"{NAME}.tar").unlink()

    def end(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(write_documents, "write_manifest", end)
    with pytest.raises(KeyboardInterrupt):
        packed(project)
    assert not list((project.root / ".packager").rglob(MARKER))
    monkeypatch.undo()
    assert packed(project) == tar
