"""A second release: with nothing changed no source is read and nothing is written anew; with some new, those alone."""

import os
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from packager import api
from tests.helpers.projects import make_project, write_tone

CONFIG = "packager.toml"


def settle(root: Path) -> None:
    """Give every source a time of yesterday, so that its tags need not be read twice."""
    for path in root.rglob("*"):
        os.utime(path, (time.time() - 86_400,) * 2, follow_symlinks=False)


def opened_sources(root: Path, source: Path) -> list[str]:
    """Release in a process of its own and return the sources that it opened, by Python's audit of every open."""
    code = (
        "import sys\n"
        "seen = []\n"
        "def see(event, args):\n"
        "    if event == 'open' and isinstance(args[0], (str, bytes)):\n"
        "        seen.append(args[0])\n"
        "sys.addaudithook(see)\n"
        "from pathlib import Path\n"
        "from packager import api\n"
        f"api.release(Path({os.fspath(root / CONFIG)!r}), workers=1)\n"
        "import os\n"
        "for name in seen:\n"
        "    print(os.fsdecode(name))\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return [line for line in ran.stdout.splitlines() if line.startswith(f"{os.fspath(source)}/")]


def test_a_release_with_nothing_changed_opens_no_source_and_leaves_everything(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    settle(project.source)
    api.release(tmp_path / CONFIG, workers=1)
    before = project.published()
    assert opened_sources(tmp_path, project.source) == []
    again = api.release(tmp_path / CONFIG, workers=1)
    assert (again.scan.changed, again.scan.tags_read, again.plan.changed) == (False, 0, False)
    assert (again.pack.packed, again.pack.read_bytes, again.publish.changed) == (0, 0, False)
    assert project.published() == before


def test_a_scan_again_reports_what_the_first_one_did(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    (project.source / "broken.flac").write_bytes(b"no flac")
    (project.source / "link").symlink_to("nowhere")
    (project.source / "Twin.txt").write_bytes(b"1")
    (project.source / "twin.txt").write_bytes(b"2")
    settle(project.source)
    reports = [api.scan(tmp_path / CONFIG, workers=1) for _ in range(3)]
    assert reports[0].warning_count >= 5  # the flac, the link, both twins, the cover's "%"
    for report in reports[1:]:
        assert (report.warnings, report.kinds, report.files, report.bytes, report.records) == (
            reports[0].warnings, reports[0].kinds, reports[0].files, reports[0].bytes, reports[0].records,
        )  # fmt: skip
        assert not report.changed
        assert report.tags_read == 0


def test_a_name_that_changes_another_s_member_name_is_seen_though_no_file_changed(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    settle(project.source)
    api.scan(tmp_path / CONFIG, workers=1)
    os.symlink("nowhere", project.source / "NOTES.txt")
    assert api.scan(tmp_path / CONFIG, workers=1).changed


@pytest.mark.parametrize("change", ["grown", "gone", "records", "catalogue"])
def test_what_a_scan_noted_is_not_believed_once_anything_is_other(tmp_path: Path, change: str) -> None:
    project = make_project(tmp_path)
    (tmp_path / "records.csv").write_text("id,path,title\n1,notes.txt,Notes\n")
    project.write_config(collection='[records]\nfiles = ["records.csv"]')
    settle(project.source)
    api.scan(tmp_path / CONFIG, workers=1)
    catalogue = tmp_path / ".packager/catalogue.parquet"
    before = catalogue.read_bytes()
    if change == "grown":
        (project.source / "notes.txt").write_bytes(b"made of many more sines\n")
    elif change == "gone":
        (project.source / "empty.txt").unlink()
    elif change == "records":
        (tmp_path / "records.csv").write_text("id,path,title\n1,notes.txt,Remarks\n")
    else:
        catalogue.write_bytes(before[:-1])
    assert api.scan(tmp_path / CONFIG, workers=1).changed
    assert (catalogue.read_bytes() == before) == (change == "catalogue")


def test_with_some_files_new_only_those_are_opened(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    settle(project.source)
    api.release(tmp_path / CONFIG, workers=1)
    fresh = project.source / "new"
    fresh.mkdir()
    write_tone(fresh / "new.wav", 500)
    settle(fresh)
    assert set(opened_sources(tmp_path, project.source)) == {os.fspath(fresh / "new.wav")}


@pytest.mark.soak
def test_a_release_of_100_000_unchanged_files_takes_under_two_seconds(tmp_path: Path) -> None:
    project = make_project(tmp_path, files=1)
    shutil.rmtree(project.source)
    for number in range(100_000):
        folder = project.source / f"{number // 1000:03d}" / f"{number // 10 % 100:02d}"
        if number % 10 == 0:
            folder.mkdir(parents=True)
        (folder / f"{number:06d}.bin").write_bytes(b"%d" % number)
    settle(project.source)
    project.write_config(size="1 GiB")
    command = [sys.executable, "-m", "packager", "release", "--config", os.fspath(tmp_path / CONFIG)]
    subprocess.run(command, check=True, capture_output=True)
    spent = []  # of processor: what else runs here does not count
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, check=True, capture_output=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert min(spent) < 2
