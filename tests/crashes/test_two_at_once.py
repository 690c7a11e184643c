"""Two processes on one project: one writes, the other is told which; readers are neither held up nor misled."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from packager.cli.app import main
from packager.engine.published.release_reader import RELEASE, open_release_reader
from packager.errors import IncompleteError, TrustError
from packager.model import PublishedFile
from packager.publish import swap_folder
from tests.helpers.error_lines import as_sentence
from tests.helpers.failing_disk import FailingDisk, Fault
from tests.helpers.projects import Project, make_project
from tests.helpers.site_reader import read_site

Capture = pytest.CaptureFixture[str]
WRITERS = (
    ("scan",),
    ("plan",),
    ("pack",),
    ("publish",),
    ("release",),
    ("export", "tones-rest-00001"),
    ("withdraw", "--yes", "notes.txt", "--reason", "x"),
    ("replace", "--yes", "tones-rest-00001", "--reason", "x"),
)
FOLLOW = ("--budget", "1 GiB", "--allow-unsigned", "--yes", "--client", "none", "--reserve", "0")


@contextmanager
def stopped_while_it_writes(project: Project, disk: FailingDisk) -> Iterator["subprocess.Popen[bytes]"]:
    """Start a scan that stops (SIGSTOP) at its second write, after that of the lock; at the end kill it as it is."""
    process = disk.start(
        Fault(project.root, "write", -signal.SIGSTOP, 2, 2), "scan", "--config", project.root / "packager.toml"
    )
    try:
        os.waitid(os.P_PID, process.pid, os.WSTOPPED)
        yield process
    finally:
        process.kill()
        process.communicate()


def test_a_second_writer_is_told_the_first_and_readers_go_on(
    tmp_path: Path, capsys: Capture, disk: FailingDisk
) -> None:
    project = make_project(tmp_path / "project", files=3)
    assert project.run(capsys, "release", "--workers", "1").code == 0
    before = project.published()
    with stopped_while_it_writes(project, disk) as owner:
        named = f".packager: in use by packager scan, process {owner.pid} on {os.uname().nodename}; wait until it ends"
        for arguments in WRITERS:
            ran = project.run(capsys, *arguments)
            assert (ran.code, named in as_sentence(ran.err)) == (2, True), ran
        assert project.run(capsys, "status").code == 0
        site = str(project.root / "site")
        shard = str(next((project.root / "shards").glob("*.tar")))
        for reader in (
            ("inspect", f"{site}/release.json"),
            ("verify", shard, "--release", site),
            ("extract", shard, "--release", site, "--to", str(tmp_path / "taken")),
            ("mirror", "follow", site, str(tmp_path / "mirror"), *FOLLOW),
        ):
            assert main(reader) in (0, 3), (reader, capsys.readouterr().err)
    assert project.published() == before
    assert not (project.root / "withdrawals.json").exists()
    assert project.run(capsys, "release", "--workers", "1").code == 0  # the lock died with the first


def test_a_release_that_is_replaced_while_it_is_read_is_no_attack(tmp_path: Path) -> None:
    site = tmp_path / "site"

    def publish(serial: str) -> None:
        built = swap_folder.new_site_folder(site)
        for name in (RELEASE, "table", *(["old"] if serial == "1" else [])):
            (built / name).write_text(serial)
        swap_folder.swap_site(built, site)

    def read(path: str, serial: str) -> None:
        with open_release_reader(str(site), seconds=1) as source:
            source.read(RELEASE, 1)
            publish(serial)
            source.read_listed(PublishedFile(path=path, size=1, sha256="00" * 32))

    publish("1")
    with pytest.raises(TrustError, match="its bytes are others"):
        read("table", "1")
    for path in ("table", "old"):
        publish("1")
        with pytest.raises(IncompleteError, match="a newer release took its place"):
            read(path, "2")


@pytest.mark.soak
def test_mirrors_verifiers_and_readers_beside_ten_releases(tmp_path: Path, capsys: Capture) -> None:
    project = make_project(tmp_path / "project", files=3)
    assert project.run(capsys, "release", "--workers", "1").code == 0
    site, mirror = project.root / "site", tmp_path / "mirror"
    follow = ("mirror", "follow", str(site), str(mirror), *FOLLOW)
    for number in range(10):
        (project.source / f"new {number}.txt").write_text(str(number))
        config = str(project.root / "packager.toml")
        command = [sys.executable, "-m", "packager", "release", "--workers", "1", "--config", config]
        writer = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        codes = set()
        while writer.poll() is None:
            codes.add(main(follow))
            codes.add(main(["inspect", str(site / "release.json")]))
            assert read_site(site) > number
        _, errors = writer.communicate()
        assert writer.returncode == 0, errors
        assert codes <= {0, 3}, capsys.readouterr().err
    assert read_site(site) == 11
    shutil.rmtree(mirror)
