"""`publish --to`: the order of writes, what is sent again, what is deleted, what a kill leaves."""

import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from packager.cli.app import main
from packager.engine.project.owner_id import STORE_FILE
from tests.helpers import s3_server
from tests.helpers.projects import Project, make_project
from tests.helpers.s3_server import Bucket

TARGET = "s3://{}/site"


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Return a project with one release, made once."""
    project = make_project(tmp_path_factory.mktemp("released"), files=8)
    (project.source / "large.bin").write_bytes(random.Random(1).randbytes(18 << 20))  # sent by parts
    run = subprocess.run(
        [sys.executable, "-m", "packager", "release", "-c", project.root / "packager.toml"], check=False
    )
    assert run.returncode == 0
    return project


@pytest.fixture
def project(released: Project, tmp_path: Path) -> Project:
    """Return a copy of it."""
    shutil.copytree(released.root, tmp_path / "p")
    return Project(tmp_path / "p")


def grow(project: Project, capsys: pytest.CaptureFixture[str], seed: int = 5) -> None:
    """Publish a second release, here."""
    (project.source / "new.txt").write_bytes(random.Random(seed).randbytes(3000))
    assert project.run(capsys, "release").code == 0


def site(project: Project) -> dict[str, bytes]:
    """Return the site's files."""
    found = project.published()
    return {path.removeprefix("site/"): data for path, data in found.items() if path.startswith("site/")}


def upload(project: Project, capsys: pytest.CaptureFixture[str], to: str, *more: str) -> dict[str, object]:
    """Publish to an address, and return what was reported of it."""
    ran = project.run(capsys, "publish", "--json", "--to", to, *more)
    assert ran.code == 0, ran.err
    report = json.loads(ran.out)["upload"]
    assert isinstance(report, dict)
    return report


def test_the_site_and_the_tars_are_brought_there_and_once_only(project: Project, bucket: Bucket, capsys) -> None:
    to = TARGET.format(bucket.name)
    first = upload(project, capsys, to, "--with-shards")
    tars = {f"shards/{path.name}": path.read_bytes() for path in (project.root / "shards").glob("*.tar")}
    assert tars
    assert bucket.everything("site/") == site(project) | tars
    again = upload(project, capsys, to, "--with-shards")
    assert (again["uploaded"], again["uploaded_bytes"], again["unchanged"]) == (0, 0, first["uploaded"])


def test_what_is_changed_or_gone_there_is_sent_again(project: Project, bucket: Bucket, capsys) -> None:
    to = TARGET.format(bucket.name)
    upload(project, capsys, to)
    bucket.put("site/index.html", b"not ours")
    bucket.client.delete_object(Bucket=bucket.name, Key="site/magnets.txt")
    assert upload(project, capsys, to)["uploaded"] == 2
    assert bucket.everything("site/") == site(project)


@pytest.mark.soak
def test_a_reader_that_begins_with_release_json_finds_every_file_at_every_moment(
    project: Project, bucket: Bucket, s3_port: int, capsys, monkeypatch
) -> None:
    to = TARGET.format(bucket.name)
    upload(project, capsys, to)
    grow(project, capsys)
    missing: list[str] = []

    def look(method: str, path: str) -> None:
        if method not in ("PUT", "DELETE", "POST"):
            return
        there = set(bucket.listed())
        release = json.loads(bucket.get("site/release.json"))
        for shard in release["shards"]:
            files = [shard["torrent"], shard["manifest"], shard["members_table"]]
            missing.extend(file["path"] for file in files if f"site/{file['path']}" not in there)

    with s3_server.proxy(s3_port, before=look) as storm:
        s3_server.use(monkeypatch, storm.address)
        upload(project, capsys, to, "--delete-after", "0")
    puts = [path for method, path in storm.requests if method == "PUT"]
    assert puts[-1].partition("?")[0].endswith("/release.json")
    assert missing == []


@pytest.mark.soak
def test_old_files_go_after_the_time_of_grace_and_files_of_others_never(
    project: Project, bucket: Bucket, capsys, monkeypatch
) -> None:
    to = TARGET.format(bucket.name)
    upload(project, capsys, to)
    bucket.put("site/notes-of-somebody.txt", b"mine")
    gone = project.root / "site" / "extra.html"  # as if an older release had had it
    gone.write_bytes(b"old page")
    sums = project.root / "site" / "SHA256SUMS"
    before = sums.read_bytes()
    sums.write_bytes(before + f"{hashlib.sha256(b'old page').hexdigest()}  extra.html\n".encode())
    assert upload(project, capsys, to)["uploaded"] == 2
    sums.write_bytes(before)
    assert upload(project, capsys, to)["pending_removal"] == 1
    assert "site/extra.html" in bucket.listed()
    assert upload(project, capsys, to, "--delete-after", "1h")["pending_removal"] == 1
    after = upload(project, capsys, to, "--delete-after", "0")
    assert (after["removed"], after["pending_removal"]) == (1, 0)
    assert "site/extra.html" not in bucket.listed()
    assert bucket.get("site/notes-of-somebody.txt") == b"mine"


@pytest.mark.usefixtures("impatient")
def test_through_faults_of_every_kind_the_result_is_the_same_and_no_upload_is_left(
    project: Project, bucket: Bucket, s3_port: int, capsys, monkeypatch
) -> None:
    with s3_server.proxy(s3_port, share=0.25, seed=4) as storm:
        s3_server.use(monkeypatch, storm.address)
        upload(project, capsys, TARGET.format(bucket.name), "--with-shards")
    tars = {f"shards/{path.name}": path.read_bytes() for path in (project.root / "shards").glob("*.tar")}
    assert bucket.everything("site/") == site(project) | tars
    assert bucket.uploads() == []
    assert set(storm.done) == {"", *s3_server.FAULTS}


def test_a_release_of_another_project_is_not_overwritten(project: Project, bucket: Bucket, capsys) -> None:
    bucket.put("site/release.json", b"{}")
    ran = project.run(capsys, "publish", "--to", TARGET.format(bucket.name))
    assert ran.code == 2
    assert "contains a release.json that is not from this project" in ran.err
    assert bucket.listed() == ["site/release.json"]


@pytest.mark.parametrize(
    ("to", "sentence"),
    [
        ("s3://AKIA123:hunter2@bucket/x", "holds a name or a password"),
        ("sftp://me:hunter2@host/x", "holds a name or a password"),
        ("https://me:hunter2@host/x", "holds a name or a password"),
        ("s3://bucket/x?key=hunter2", 'holds "?", "#"'),
        ("s3:///x", "does not name a bucket"),
        ("gs://bucket/x", "does not begin with one of s3://"),
        ("bucket/x", "is not an address"),
        ("sftp://host", "lacks its host or path"),
        ("file:///a/../b", "in its path"),
    ],
)
def test_an_address_that_will_not_do_is_refused_in_a_sentence(project: Project, capsys, to: str, sentence: str) -> None:
    ran = project.run(capsys, "publish", "--to", to)
    assert ran.code == 2
    assert sentence in ran.err
    assert "hunter2" not in ran.err


def test_a_folder_is_a_target_too(project: Project, tmp_path: Path, capsys) -> None:
    to = tmp_path / "web root"
    upload(project, capsys, f"file://{to}")
    found = {str(path.relative_to(to)): path.read_bytes() for path in to.rglob("*") if path.is_file()}
    assert len(found.pop(STORE_FILE)) == 17
    assert found == site(project)
    assert upload(project, capsys, f"file://{to}")["uploaded"] == 0


def begins_an_upload(method: str, path: str) -> bool:
    return method == "POST" and "uploads" in path


def sends_a_second_part(method: str, path: str) -> bool:
    return method == "PUT" and "partNumber=2" in path


def ends_an_upload(method: str, path: str) -> bool:
    return method == "POST" and "uploadId=" in path


def sends_a_page(method: str, path: str) -> bool:
    return method == "PUT" and "index.html" in path


@pytest.mark.soak
def test_a_publish_that_is_killed_at_any_request_is_resumed_and_leaves_nothing_over(
    project: Project, bucket: Bucket, s3_port: int, capsys, monkeypatch
) -> None:
    to = TARGET.format(bucket.name)
    for moment in (begins_an_upload, sends_a_second_part, ends_an_upload, sends_a_page):
        kill_when(moment, project, to, s3_port, monkeypatch)
        assert "site/release.json" not in bucket.listed()
        assert bucket.uploads() or moment in (ends_an_upload, sends_a_page)
    s3_server.use(monkeypatch, f"http://127.0.0.1:{s3_port}")
    last = upload(project, capsys, to, "--with-shards")
    assert int(str(last["unchanged"])) > 0
    tars = {f"shards/{path.name}": path.read_bytes() for path in (project.root / "shards").glob("*.tar")}
    assert bucket.everything("site/") == site(project) | tars
    assert bucket.uploads() == []


def kill_when(
    moment: Callable[[str, str], bool], project: Project, to: str, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Publish in a process of its own, which is killed when it sends such a request; the store still does it."""
    command = [sys.executable, "-m", "packager", "publish", "--with-shards", "--to", to]
    with s3_server.proxy(port) as storm:
        s3_server.use(monkeypatch, storm.address)
        with subprocess.Popen(
            [*command, "-c", project.root / "packager.toml"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        ) as running:

            def kill(method: str, path: str) -> None:
                if moment(method, path):
                    os.kill(running.pid, signal.SIGKILL)

            storm.before = kill
            said = running.communicate()[1]
        assert running.returncode == -signal.SIGKILL, said.decode()


@pytest.mark.parametrize("command", ["repair", "rebuild", "seed", "inspect", "torrent"])
def test_a_command_that_reads_files_of_this_machine_says_so_of_an_address(capsys, command: str) -> None:
    assert main([command, "s3://key:hunter2@bucket/x.tar"]) == 2
    said = capsys.readouterr().err
    assert f"packager {command}: s3://: is the address of a store, and this command takes paths of this machine" in said
    assert "hunter2" not in said
