"""The main job end to end, through the command line: from a folder to a published, phased release."""

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import bagit
import libtorrent
import pytest

from tests.helpers.libtorrent_peer import local_session
from tests.helpers.projects import Project, make_project
from tests.helpers.waiting import until

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return make_project(tmp_path / "project")


def test_release_ends_with_the_folder_of_the_site(project: Project, capsys: Capture) -> None:
    ran = project.run(capsys, "release")
    assert ran.code == 0, ran.err
    site = Path(ran.out.splitlines()[-2].rpartition(" in ")[2].rstrip("."))
    assert site == project.root / "site"
    index = site / "index.html"
    assert "Tones &amp; &lt;noises&gt;" in index.read_text()


def test_no_tar_is_larger_than_the_bound_and_its_size_was_planned(project: Project, capsys: Capture) -> None:
    planned = project.run(capsys, "scan").code or json.loads(project.run(capsys, "plan", "--json").out)
    assert project.run(capsys, "release").code == 0
    shards = [shard for phase in planned["plan"]["phases"] for shard in phase["shards"]]
    sizes = {path.stem: path.stat().st_size for path in (project.root / "shards").glob("*.tar")}
    assert sizes == {shard["name"]: shard["size"] for shard in shards}
    assert len(shards) > 4
    assert all(shard["size"] <= 64 << 10 for shard in shards)
    torrents = {
        shard["name"]: (project.root / "site" / "torrents" / f"{shard['name']}.torrent").stat().st_size
        for shard in shards
    }
    assert torrents == {shard["name"]: shard["torrent_size"] for shard in shards}


def test_a_copy_with_other_times_gives_the_same_bytes_for_any_number_of_workers(
    project: Project, tmp_path: Path, capsys: Capture
) -> None:
    project.write_config(torrent="also_v1 = true", collection="description = 'two\\n\\nparagraphs'")
    copy = Project(tmp_path / "elsewhere" / "deeper")
    shutil.copytree(project.root, copy.root)
    for path in copy.source.rglob("*"):
        os.utime(path, (1_000_000_000, 1_000_000_000))
    assert project.run(capsys, "release", "--workers", "1").code == 0
    assert copy.run(capsys, "release", "--workers", "2").code == 0
    one, two = project.published(), copy.published()
    assert one.keys() == two.keys()
    assert [name for name in one if one[name] != two[name]] == []


def test_every_shard_is_a_bag_for_tar_bagit_and_sha256sum(project: Project, tmp_path: Path, capsys: Capture) -> None:
    assert project.run(capsys, "release").code == 0
    for tar in (project.root / "shards").glob("*.tar"):
        subprocess.run(["tar", "xf", tar, "-C", tmp_path], check=True)
        folder = tmp_path / tar.stem
        assert bagit.Bag(str(folder)).is_valid()
        for sums in ("manifest-sha256.txt", "tagmanifest-sha256.txt"):
            subprocess.run(["sha256sum", "--strict", "--quiet", "-c", sums], cwd=folder, check=True)


def test_records_jsonl_gives_back_the_name_that_was_replaced(project: Project, tmp_path: Path, capsys: Capture) -> None:
    assert project.run(capsys, "release").code == 0
    found = []
    for tar in (project.root / "shards").glob("tones-rest-*.tar"):
        subprocess.run(["tar", "xf", tar, "-C", tmp_path], check=True)
        lines = (tmp_path / tar.stem / "records.jsonl").read_text().splitlines()
        for record in map(json.loads, lines):
            data = (tmp_path / tar.stem / "data" / record["path"]).read_bytes()
            assert data == (project.source / record.get("source_path", record["path"])).read_bytes()
            found.append(record.get("source_path", record["path"]))
    assert sorted(found) == ["cover 100%.png", "empty.txt", "notes.txt", "Ærø é.txt"]


@pytest.mark.parametrize("version", ["hybrid", "v1", "v2"])
def test_libtorrent_finds_every_byte_in_place(project: Project, capsys: Capture, version: str) -> None:
    project.write_config(torrent=f'format = "{version}"')
    assert project.run(capsys, "release").code == 0
    session = local_session()
    handles = []
    for torrent in (project.root / "site" / "torrents").glob("*.torrent"):
        wanted = libtorrent.load_torrent_file(str(torrent))
        wanted.save_path = str(project.root / "shards")
        wanted.flags |= libtorrent.torrent_flags.seed_mode & 0
        handles.append(session.add_torrent(wanted))
    for handle in handles:
        until(lambda handle=handle: handle.status().is_seeding)
        assert handle.status().progress == 1.0


@pytest.mark.interop
def test_aria2_and_transmission_read_the_torrents(
    project: Project, capsys: Capture, program: Callable[[str], str]
) -> None:
    project.write_config(torrent="also_v1 = true")
    assert project.run(capsys, "release").code == 0
    release = json.loads((project.root / "site" / "release.json").read_text())
    for shard in release["shards"]:
        hybrid = project.root / "site" / shard["torrent"]["path"]
        v1 = project.root / "site" / shard["twin_torrent"]["path"]
        assert (
            shard["file"]
            in subprocess.run([program("aria2c"), "-S", hybrid], check=True, capture_output=True, text=True).stdout
        )
        told = subprocess.run([program("transmission-show"), v1], check=True, capture_output=True, text=True).stdout
        assert f"Hash: {shard['twin_infohash']}" in told


def test_a_second_release_finds_nothing_to_do(project: Project, capsys: Capture) -> None:
    assert project.run(capsys, "release").code == 0
    before = {path: path.stat().st_mtime_ns for path in project.root.rglob("*") if path.is_file()}
    ran = project.run(capsys, "release")
    assert ran.code == 0
    assert "is published; nothing changed." in ran.out
    after = {path: path.stat().st_mtime_ns for path in project.root.rglob("*") if path.is_file()}
    outside = {path for path in after if ".packager" not in path.parts}
    assert {path for path in outside if after[path] != before.get(path)} == set()


def test_a_changed_catalogue_whose_files_have_as_many_bytes_takes_the_place_of_the_packed_one(
    project: Project, capsys: Capture
) -> None:
    phase = '[[phases]]\nname = "metadata"\ntitle = "Metadata"\ncontent = "catalogue"\n'
    project.write_config(collection='[records]\nfiles = ["records.csv"]', phases=phase)
    tars, exported = [], []
    for title in ("Alpha", "Blpha"):
        lines = (f"r{number},{title} {number}\n" for number in range(50))
        (project.root / "records.csv").write_text("id,title\n" + "".join(lines))
        for command in ("scan", "plan", "pack"):
            assert project.run(capsys, command).code == 0
        files = sorted((project.root / ".packager" / "plan" / "metadata.export").iterdir())
        exported.append([file.read_bytes() for file in files])
        tars.append((project.root / "shards" / "tones-metadata-00001.tar").read_bytes())
    assert [*map(len, exported[0])] == [*map(len, exported[1])]
    assert all(data in tar for tar, files in zip(tars, exported, strict=True) for data in files)


def test_phases_are_published_one_after_the_other(project: Project, capsys: Capture) -> None:
    for command in ("scan", "plan"):
        assert project.run(capsys, command).code == 0
    assert project.run(capsys, "pack", "--phase", "metadata").code == 0
    assert project.run(capsys, "publish", "--phase", "metadata").code == 0
    states = [phase["state"] for phase in read_release(project)["phases"]]
    assert states == ["published", "next", "planned"]
    refused = project.run(capsys, "publish", "--phase", "audio")
    assert refused.code == 3
    assert "is not packed" in refused.err
    assert project.run(capsys, "pack").code == 0
    assert project.run(capsys, "publish", "--phase", "audio").code == 0
    second = read_release(project)
    assert [phase["state"] for phase in second["phases"]] == ["published", "published", "next"]
    assert second["serial"] == 2
    assert {shard["phase"] for shard in second["shards"]} == {"metadata", "audio"}
    assert project.run(capsys, "publish", "--phase", "nosuch").code == 2


def read_release(project: Project) -> dict:
    return json.loads((project.root / "site" / "release.json").read_text())


def test_every_file_of_the_site_stands_in_sha256sums(project: Project, capsys: Capture) -> None:
    assert project.run(capsys, "release").code == 0
    site = project.root / "site"
    subprocess.run(["sha256sum", "--strict", "--quiet", "-c", "SHA256SUMS"], cwd=site, check=True)
    listed = {line.split("  ", 1)[1] for line in (site / "SHA256SUMS").read_text().splitlines()}
    there = {path.relative_to(site).as_posix() for path in site.rglob("*") if path.is_file()}
    assert there - listed == {"SHA256SUMS"}


def test_trackers_and_dates_change_torrents_but_no_tar_and_no_infohash(project: Project, capsys: Capture) -> None:
    assert project.run(capsys, "release").code == 0
    tars = {path: path.stat().st_ino for path in (project.root / "shards").glob("*.tar")}
    before = read_release(project)["shards"]
    text = (project.root / "packager.toml").read_text()
    text = text.replace("tracker.example.org", "other.example.org").replace("2026-11-21", "2026-12-01")
    (project.root / "packager.toml").write_text(text)
    assert project.run(capsys, "release").code == 0
    after = read_release(project)
    assert after["serial"] == 2
    for old, new in zip(before, after["shards"], strict=True):
        assert (new["infohash_v1"], new["infohash_v2"]) == (old["infohash_v1"], old["infohash_v2"])
        assert new["torrent"] != old["torrent"]
        told = (project.root / "site" / new["torrent"]["path"]).read_bytes()
        assert b"other.example.org" in told
        assert b"13:creation datei1795219200e" in told  # 2026-11-21: a published shard keeps its date
    assert {path: path.stat().st_ino for path in (project.root / "shards").glob("*.tar")} == tars


@pytest.mark.parametrize("here", [True, False], ids=["tars here", "tars elsewhere"])
def test_touched_sources_are_compared_and_the_release_stands(project: Project, capsys: Capture, here: bool) -> None:
    assert project.run(capsys, "release").code == 0
    if not here:
        shutil.rmtree(project.root / "shards")
    before = project.published()
    for path in project.source.rglob("*"):
        os.utime(path, (1_000_000_000, 1_000_000_000))
    assert project.run(capsys, "release").code == 0
    assert project.published() == before


def test_a_published_tar_that_is_seeded_elsewhere_is_not_packed_again(project: Project, capsys: Capture) -> None:
    assert project.run(capsys, "release").code == 0
    site = read_release(project)
    shutil.rmtree(project.root / "shards")
    ran = project.run(capsys, "release")
    assert ran.code == 0, ran.err
    assert "not in the shards' folder; not packed" in ran.out
    assert not list((project.root / "shards").glob("*.tar"))
    assert read_release(project) == site


DAMAGE: dict[str, Callable[[Path], object]] = {
    "cut short": lambda path: os.truncate(path, 100),
    "grown": lambda path: path.write_bytes(path.read_bytes() + b"x"),
    "deleted": lambda path: path.unlink(),
    "a folder now": lambda path: (path.unlink(), path.mkdir()),
    "written to": lambda path: path.write_bytes(bytes(path.stat().st_size)),
}


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_source_that_changed_since_the_scan_is_named_and_leaves_no_half_shard(
    project: Project, capsys: Capture, damage: str, workers: str
) -> None:
    for command in ("scan", "plan"):
        assert project.run(capsys, command).code == 0
    victim = project.source / "album 1" / "04 tone [b].wav"
    kept = victim.read_bytes(), victim.stat().st_mtime_ns
    DAMAGE[damage](victim)
    ran = project.run(capsys, "pack", "--workers", workers)
    assert ran.code == 3
    assert "album 1/04 tone [b].wav" in ran.err
    assert "Traceback" not in ran.err
    whole = {path.stem for path in (project.root / "shards").glob("*.tar")}
    plan = json.loads((project.root / ".packager" / "plan" / "plan.json").read_text())
    planned = {shard["name"] for phase in plan["phases"] for shard in phase["shards"]}
    assert len(planned - whole) == 1
    assert not list((project.root / "shards").glob(".*"))
    assert project.run(capsys, "publish").code == 3
    if victim.is_dir():
        victim.rmdir()
    victim.write_bytes(kept[0])
    os.utime(victim, ns=(kept[1], kept[1]))
    assert project.run(capsys, "release").code == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become a user who may not read the file")
def test_an_unreadable_source_is_named(capsys: Capture) -> None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o777)
        project = make_project(Path(folder) / "project", files=3)
        for command in ("scan", "plan"):
            assert project.run(capsys, command).code == 0
        (project.source / "notes.txt").chmod(0)
        subprocess.run(["chown", "-R", "65534", project.root / ".packager", project.root], check=True)
        (project.source / "notes.txt").chmod(0)
        os.chown(project.source / "notes.txt", 0, 0)
        os.seteuid(65534)
        try:
            ran = project.run(capsys, "pack", "--workers", "1")
        finally:
            os.seteuid(0)
    assert ran.code == 3
    assert "notes.txt: cannot be read (Permission denied)" in ran.err


def test_names_with_markup_and_escapes_are_printed_as_they_are(tmp_path: Path, capsys: Capture) -> None:
    project = make_project(tmp_path / "project", files=2)
    for name in ("a[b].txt", "a[/b].txt", "\x1b[31mred\x1b[0m.txt", "line\nbreak.txt", "\udcff.txt"):
        (project.source / name).parent.mkdir(exist_ok=True)
        (project.source / name).write_bytes(b"x")
    project.write_config(size="64 KiB")
    for command in ("scan", "plan", "pack", "publish", "status", "release"):
        ran = project.run(capsys, command)
        assert ran.code == 0, ran.err
        assert "\x1b" not in ran.out + ran.err
    (project.source / "a[/b].txt").write_bytes(b"longer")
    ran = project.run(capsys, "pack")
    assert ran.code == 0
    shutil.rmtree(project.root / "shards")
    shutil.rmtree(project.root / ".packager" / "packed")
    ran = project.run(capsys, "pack")
    assert ran.code == 3
    assert "a[/b].txt: changed since the scan: it has 6 bytes, not 1" in ran.err


def test_json_is_one_document_and_errors_are_one_line(project: Project, capsys: Capture) -> None:
    for command in ("scan", "plan", "pack", "publish", "status", "release"):
        ran = project.run(capsys, command, "--json")
        assert ran.code == 0, ran.err
        assert isinstance(json.loads(ran.out), dict)
        assert ran.err == ""
    (project.root / "packager.toml").write_text("[collection]\nname = 3\n")
    ran = project.run(capsys, "release", "--json")
    assert ran.code == 2
    assert json.loads(ran.err).keys() == {"level", "code", "kind", "where", "what", "fix"}
    assert ran.out == ""


def test_a_file_larger_than_a_shard_gets_its_own_or_is_refused(project: Project, capsys: Capture) -> None:
    (project.source / "huge.bin").write_bytes(bytes(200_000))
    assert project.run(capsys, "release").code == 0
    big = [path for path in (project.root / "shards").glob("*.tar") if path.stat().st_size > 64 << 10]
    assert len(big) == 1
    manifest = project.root / "site" / "manifests" / f"{big[0].stem}.manifest.json"
    assert json.loads(manifest.read_text())["oversize"] is True
    text = (project.root / "packager.toml").read_text()
    (project.root / "packager.toml").write_text(text.replace("[shards]", '[shards]\nlarge_files = "refuse"'))
    assert project.run(capsys, "plan").code == 0  # what is published stays as it is
    shutil.rmtree(project.root / ".packager")
    shutil.rmtree(project.root / "site")
    assert project.run(capsys, "scan").code == 0
    ran = project.run(capsys, "plan")
    assert ran.code == 2
    assert "huge.bin: its 195.3 KiB (200000 bytes) do not fit a shard of 64 KiB" in ran.err


def test_a_budget_takes_the_first_of_its_order_and_leaves_the_rest_to_later_phases(
    project: Project, capsys: Capture
) -> None:
    phases = """
[[phases]]
name = "big"
title = "Largest first"
where = "kind = 'audio'"
order = "size DESC"
budget = "60 KiB"
[[phases]]
name = "small"
title = "The others"
"""
    project.write_config(phases=phases)
    assert project.run(capsys, "scan").code == 0
    plan = json.loads(project.run(capsys, "plan", "--json").out)["plan"]
    first, second = plan["phases"]
    assert first["over_budget"] > 0
    assert sum(shard["size"] for shard in first["shards"]) <= 60 << 10
    assert first["files"] + second["files"] == 28
    assert plan["without_phase"] == 0


def test_sql_that_fails_on_a_record_is_a_sentence(project: Project, capsys: Capture) -> None:
    project.write_config(phases='[[phases]]\nname = "audio"\ntitle = "Audio"\nwhere = "id::int > 3"\n')
    assert project.run(capsys, "scan").code == 0
    ran = project.run(capsys, "plan")
    assert ran.code == 2
    assert ran.err.startswith('error: packager.toml: phases[0].where: cannot convert "')
    assert ran.err.count("\n") <= 2
