"""A virtual pack publishes what a pack with tars publishes, takes no disk, and its tars can be written later."""

import json
import os
import shutil
from pathlib import Path

import msgspec
import pytest

from packager import api
from packager.engine.files.file_stamp import TarStamp
from packager.engine.project import load_project as projects
from packager.engine.project.state_files import read_plan
from packager.engine.project.tar_stamps import read_tar_stamp
from packager.errors import InputError
from packager.model import ShardName
from packager.pack import export
from packager.pack.pack import make_tasks
from tests.helpers.projects import Project, make_project

CONFIG = "packager.toml"


def twin(project: Project, root: Path) -> Project:
    """Return a copy of a project, file times and all."""
    shutil.copytree(project.root, root)
    return Project(root)


def site(project: Project) -> dict[str, bytes]:
    return {name: data for name, data in project.published().items() if name.startswith("site/")}


def tars(project: Project) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((project.root / "shards").glob("*"))}


def marks(project: Project) -> list[dict[str, object]]:
    found = sorted((project.root / ".packager" / "packed").glob("*/packed.json"))
    return [json.loads(path.read_bytes()) for path in found]


def disk_use(folder: Path) -> int:
    return sum(os.lstat(path).st_blocks * 512 for path in folder.rglob("*"))


@pytest.mark.parametrize("torrent", ["", 'format = "v1"', 'format = "v2"\nalso_v1 = true'])
def test_a_virtual_release_is_byte_for_byte_the_one_with_tars(tmp_path: Path, torrent: str) -> None:
    real = make_project(tmp_path / "real")
    real.write_config(torrent=torrent, size="256 KiB")
    virtual = twin(real, tmp_path / "virtual")
    with_tars = api.release(real.root / CONFIG, workers=1)
    without = api.release(virtual.root / CONFIG, no_tars=True, workers=1)
    assert site(virtual) == site(real)
    assert tars(virtual) == {}
    assert (with_tars.pack.without_tars, without.pack.without_tars) == (0, without.publish.shards)
    assert without.pack.read_bytes == with_tars.pack.read_bytes
    assert all(mark["virtual"] for mark in marks(virtual))


def test_export_writes_the_tars_that_pack_would_have_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    real = make_project(tmp_path / "real")
    real.write_config(size="256 KiB")
    virtual = twin(real, tmp_path / "virtual")
    api.release(real.root / CONFIG, workers=1)
    api.release(virtual.root / CONFIG, no_tars=True, workers=1)
    names = [name.removesuffix(".tar") for name in tars(real)]
    first = virtual.run(capsys, "export", names[0], "--json")
    assert (first.code, first.err) == (0, "")
    report = json.loads(first.out)
    assert (report["written"], report["unchanged"], report["failed"]) == (1, 0, [])
    assert tars(virtual) == {f"{names[0]}.tar": tars(real)[f"{names[0]}.tar"]}
    rest = virtual.run(capsys, "export", *names)
    assert rest.code == 0
    assert rest.out.startswith(f"Wrote {len(names) - 1} tars, ")
    assert "; 1 complete already" in rest.out
    assert tars(virtual) == tars(real)
    again = virtual.run(capsys, "export", *names)
    assert again.out == f"Nothing to do: {len(names)} tars complete already.\n"


def test_a_project_may_hold_both_kinds_and_a_tar_that_is_there_is_left_alone(tmp_path: Path) -> None:
    project = make_project(tmp_path / "p")
    config = project.root / CONFIG
    project.write_config(size="256 KiB")
    api.scan(config, workers=1)
    api.plan(config)
    api.pack(config, phases=["audio"], workers=1)
    before = {path: path.stat() for path in (project.root / "shards").iterdir()}
    assert before
    rest = api.pack(config, no_tars=True, workers=1)
    assert (rest.unchanged, rest.packed) == (len(before), rest.without_tars)
    assert rest.without_tars > 0
    for run in (lambda: api.pack(config, workers=1), lambda: api.pack(config, no_tars=True, workers=1)):
        again = run()
        assert (again.packed, again.without_tars) == (0, rest.without_tars)
    assert {path: path.stat() for path in (project.root / "shards").iterdir()} == before
    assert api.publish(config).shards == len(before) + rest.without_tars


def test_tars_that_were_removed_make_their_shards_virtual_and_nothing_is_read(tmp_path: Path) -> None:
    project = make_project(tmp_path / "p")
    config = project.root / CONFIG
    api.release(config, workers=1)
    before = site(project)
    shutil.rmtree(project.root / "shards")
    for path in project.source.rglob("*.wav"):
        path.chmod(0)
    report = api.pack(config, no_tars=True, workers=1)
    assert (report.read_bytes, report.failed) == (0, ())
    assert report.without_tars == len(marks(project)) == report.packed
    assert not api.publish(config).changed
    assert site(project) == before


def test_the_config_may_ask_for_no_tars(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    project = make_project(tmp_path / "p")
    text = (project.root / CONFIG).read_text()
    (project.root / CONFIG).write_text(text.replace("[shards]", "[shards]\nwrite_tars = false"))
    done = project.run(capsys, "release")
    assert done.code == 0
    assert "shards without a tar" in done.out
    assert tars(project) == {}
    status = json.loads(project.run(capsys, "status", "--json").out)
    assert status["remaining_bytes"] == 0
    assert status["next"] == ""
    assert all(phase["without_tars"] == phase["packed"] == phase["shards"] for phase in status["phases"])
    assert "Nothing to pack: " in project.run(capsys, "pack").out


def test_a_stale_tar_of_another_plan_is_replaced_not_kept_beside_new_documents(tmp_path: Path) -> None:
    project = make_project(tmp_path / "p")
    config = project.root / CONFIG
    api.scan(config, workers=1)
    api.plan(config)
    api.pack(config, workers=1)
    changed = project.source / "notes.txt"
    changed.write_bytes(b"made of SINES\n")
    api.scan(config, workers=1)
    api.plan(config)
    api.pack(config, no_tars=True, workers=1)
    calm = twin(project, tmp_path / "calm")
    shutil.rmtree(calm.root / "shards")
    shutil.rmtree(calm.root / ".packager" / "packed")
    api.pack(calm.root / CONFIG, workers=1)
    assert tars(project) == tars(calm)


@pytest.mark.parametrize("keep_time", [False, True])
def test_export_names_a_source_that_changed_and_leaves_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], keep_time: bool
) -> None:
    project = make_project(tmp_path / "p")
    api.release(project.root / CONFIG, no_tars=True, workers=1)
    changed = project.source / "cover 100%.png"
    status = changed.stat()
    changed.write_bytes(bytes(status.st_size))
    if keep_time:
        os.utime(changed, ns=(status.st_atime_ns, status.st_mtime_ns))
    name = "tones-rest-00001"
    failed = project.run(capsys, "export", name)
    assert failed.code == 3
    expected = "the content has changed since packing" if keep_time else "changed since the scan: it was written to"
    assert "cover 100" in failed.err
    assert expected in failed.err
    assert os.listdir(project.root / "shards") == []


def test_export_refuses_shards_that_are_unknown_or_not_packed(tmp_path: Path) -> None:
    project = make_project(tmp_path / "p")
    config = project.root / CONFIG
    api.scan(config, workers=1)
    api.plan(config)
    with pytest.raises(InputError, match=r"is not a shard of the plan; did you mean \"tones-rest-00001\""):
        api.export(config, ["tones-rest-0001"])
    with pytest.raises(InputError, match="is not packed as planned; run: packager pack"):
        api.export(config, ["tones-rest-00001"])


def test_a_run_of_export_that_is_cut_leaves_no_tar_and_is_run_again(tmp_path: Path) -> None:
    project = make_project(tmp_path / "p")
    config = project.root / CONFIG
    api.release(config, no_tars=True, workers=1)
    options, workspace = projects.load_project(config)
    task = export.select_tasks(make_tasks(workspace, options, read_plan(workspace), {}), ["tones-rest-00001"])[0]

    def cut(_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export.write_tar(task, cut)
    assert not task.tar.exists()
    others = task.tar.parent / ".others.tar.0123456789abcdef.partial"
    for left in (task.partial, others):
        left.write_bytes(b"of a killed run")
    assert api.export(config, ["tones-rest-00001.tar"]).written == 1
    assert sorted(os.listdir(task.tar.parent)) == [others.name, "tones-rest-00001.tar"]


def test_a_kill_between_a_tars_name_and_its_stamp_is_made_good_by_the_next_run(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project")
    project.write_config(size="256 KiB")
    api.release(project.root / CONFIG, no_tars=True, workers=1)
    name = min(path.name for path in (project.root / ".packager" / "packed").iterdir())
    api.export(project.root / CONFIG, name, workers=1)
    before, stamp = tars(project), project.root / ".packager" / "tars" / f"{name}.written.json"
    assert json.loads((stamp.parent / f"{name}.json").read_bytes()) == ["shards"]  # so prune knows it
    stamp.unlink()
    assert api.export(project.root / CONFIG, name, workers=1).written == 1
    assert (tars(project), stamp.exists()) == (before, True)
    assert api.export(project.root / CONFIG, name, workers=1).written == 0


def test_each_place_that_a_tar_is_written_to_has_a_stamp_of_its_own(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project")
    project.write_config(size="1 MiB", phases='[[phases]]\nname = "all"\ntitle = "All"\n')
    config = project.root / CONFIG
    api.release(config, workers=1)
    name = ShardName(min(tars(project)).removesuffix(".tar"))
    places = [None, tmp_path / "stick", project.root / "second"]
    for place in places[1:]:
        assert api.export(config, name, to=place, workers=1).written == 1
    for place in places:
        there = projects.load_project(config, tars=place and str(place))[1]
        assert read_tar_stamp(there, name) == TarStamp.of(there.tar(name).stat())
    note = project.root / ".packager" / "tars" / f"{name}.written.json"
    note.write_bytes(msgspec.json.encode(TarStamp.of((tmp_path / "stick" / f"{name}.tar").stat())))  # of before
    assert read_tar_stamp(projects.load_project(config)[1], name) is None
    assert api.export(config, name, to=tmp_path / "stick", workers=1).written == 1


def test_a_source_that_changed_goes_into_a_new_virtual_shard_and_the_published_one_stays(tmp_path: Path) -> None:
    project = make_project(tmp_path / "p")
    config = project.root / CONFIG
    api.release(config, no_tars=True, workers=1)
    before = {name: data for name, data in site(project).items() if name.startswith("site/torrents/")}
    (project.source / "notes.txt").write_bytes(b"made of SINES\n")
    report = api.release(config, no_tars=True, workers=1)
    now = site(project)
    assert {name: now[name] for name in before} == before
    assert report.pack.without_tars > report.pack.packed > 0
    assert tars(project) == {}


def test_touched_sources_of_a_virtual_shard_are_compared_and_its_tar_can_still_be_written(tmp_path: Path) -> None:
    project = make_project(tmp_path / "p")
    config = project.root / CONFIG
    project.write_config(size="1 MiB", phases='[[phases]]\nname = "all"\ntitle = "All"\n')
    real = twin(project, tmp_path / "real")
    api.release(real.root / CONFIG, workers=1)
    api.release(config, no_tars=True, workers=1)
    before = site(project)
    os.utime(project.source / "notes.txt", ns=(0, 0))
    api.release(config, no_tars=True, workers=1)
    assert site(project) == before
    assert api.export(config, [name.removesuffix(".tar") for name in tars(real)]).failed == ()
    assert tars(project) == tars(real)


def test_a_virtual_pack_takes_less_than_a_hundredth_of_the_collection(tmp_path: Path) -> None:
    project = Project(tmp_path / "p")
    project.source.mkdir(parents=True)
    for number in range(8):
        (project.source / f"{number}.bin").write_bytes(bytes([number]) * (4 << 20))
    project.write_config(size="16 MiB", phases='[[phases]]\nname = "all"\ntitle = "All"\n')
    before = disk_use(project.root)
    config = project.root / CONFIG
    api.scan(config, workers=1)
    api.plan(config)
    api.pack(config, no_tars=True, workers=1)
    assert disk_use(project.root) - before <= before / 100
