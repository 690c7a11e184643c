"""Source and tars in object storage: the same bytes as from folders, whatever fails on the way."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from packager.pack.shard import checkpoint
from tests.helpers import s3_server
from tests.helpers.error_lines import as_sentence
from tests.helpers.projects import Project, make_project
from tests.helpers.s3_server import Bucket


@pytest.fixture
def local(tmp_path: Path) -> Project:
    """Return a project whose files lie in a folder; names that sort otherwise in a listing than in folders."""
    project = make_project(tmp_path / "local", files=9)
    for name in ("album 1.txt", "album-1/b.txt", "a/b/c/d.txt", "a/b.txt", "a b/c.txt", "é/ü.txt"):
        path = project.source / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode() * 50)
    (project.source / "large.bin").write_bytes(random.Random(1).randbytes(17 << 20))
    return project


def in_store(local: Project, bucket: Bucket, root: Path) -> Project:
    """Return the same project with its source and its tars in a bucket."""
    for path in sorted(local.source.rglob("*")):
        if path.is_file():
            bucket.put(f"source/{path.relative_to(local.source)}", path.read_bytes())
    project = Project(root)
    root.mkdir()
    text = (local.root / "packager.toml").read_text()
    text = text.replace('source = "source"', f'source = "s3://{bucket.name}/source"')
    text = text.replace("[shards]", f'[shards]\nfolder = "s3://{bucket.name}/tars"')
    (root / "packager.toml").write_text(text)
    return project


@pytest.mark.usefixtures("impatient")
def test_a_release_from_s3_to_s3_is_byte_for_byte_that_of_folders_through_faults_of_every_kind(
    local: Project, bucket: Bucket, s3_port: int, capsys, monkeypatch
) -> None:
    assert local.run(capsys, "release").code == 0
    project = in_store(local, bucket, local.root.parent / "stored")
    with s3_server.proxy(s3_port, share=0.15, seed=4) as storm:
        s3_server.use(monkeypatch, storm.address)
        ran = project.run(capsys, "release", "--workers", "1")
        assert ran.code == 0, ran.err
        sent = project.run(capsys, "publish", "--to", f"s3://{bucket.name}/site", "--json")
        assert sent.code == 0, sent.err
    assert set(storm.done) == {"", *s3_server.FAULTS}
    written = [path.read_bytes() for path in project.root.rglob("*") if path.is_file()]
    said = [ran.out, ran.err, sent.out, sent.err]
    assert not s3_server.tells_a_key(*said, *written, *bucket.everything().values())
    made = local.published()
    tars = {path.removeprefix("shards/"): data for path, data in made.items() if path.startswith("shards/")}
    assert len(tars) >= 3
    assert bucket.everything("tars/") == tars
    assert project.published() == {path: data for path, data in made.items() if path.startswith("site/")}
    assert bucket.uploads() == []


def test_a_published_file_that_changes_gets_a_new_shard_where_tars_lie_in_a_store(
    bucket: Bucket, tmp_path: Path, capsys
) -> None:
    project = make_project(tmp_path / "project", files=1)
    config = project.root / "packager.toml"
    config.write_text(config.read_text().replace("[shards]", f'[shards]\nfolder = "s3://{bucket.name}/tars"'))
    note = project.root / ".packager" / "packed" / "tones-rest-00001" / checkpoint.FILE
    note.parent.mkdir(parents=True)
    note.write_bytes(b"of a killed run, when tars went to a folder")
    for text in (b"made of sines", b"made of SINES\n"):
        (project.source / "notes.txt").write_bytes(text)
        ran = project.run(capsys, "release", "--workers", "1")
        assert ran.code == 0, ran.err
    tars = bucket.everything("tars/")
    assert [name for name, data in sorted(tars.items()) if b"made of SINES" in data] == ["tones-rest-00002.tar"]
    assert not note.exists()


@pytest.mark.soak
def test_nothing_is_done_twice_and_a_tar_that_is_lost_is_packed_again(
    local: Project, bucket: Bucket, tmp_path: Path, capsys
) -> None:
    project = in_store(local, bucket, tmp_path / "stored")
    for command in ("scan", "plan", "pack"):
        ran = project.run(capsys, command)
        assert ran.code == 0, ran.err
    again = json.loads(project.run(capsys, "pack", "--json").out)
    assert (again["packed"], again["read_bytes"]) == (0, 0)
    scanned = json.loads(project.run(capsys, "scan", "--json").out)
    assert (scanned["tags_read"], scanned["changed"]) == (0, False)
    tars = bucket.everything("tars/")
    bucket.client.delete_object(Bucket=bucket.name, Key=f"tars/{min(tars)}")
    assert json.loads(project.run(capsys, "pack", "--json").out)["packed"] == 1
    assert bucket.everything("tars/") == tars
    bucket.put("tars/stranger.tar", b"")
    status = json.loads(project.run(capsys, "status", "--json").out)
    assert (status["remaining_bytes"], status["unknown_tars"]) == (0, ["stranger.tar"])


@pytest.mark.soak
def test_tars_of_obsolete_shards_are_deleted_from_the_store_if_this_project_made_them(
    bucket: Bucket, tmp_path: Path, capsys
) -> None:
    local = make_project(tmp_path / "local", files=1)
    project = in_store(local, bucket, tmp_path / "stored")
    assert project.run(capsys, "release", "--workers", "1").code == 0
    assert project.run(capsys, "withdraw", "--yes", "notes.txt", "--reason", "x").code == 0
    assert project.run(capsys, "release", "--workers", "1").code == 0
    bucket.put("tars/tones-metadata-00001.tar", b"somebody's own")
    before = set(bucket.everything("tars/"))
    ran = project.run(capsys, "status")
    assert "1 tar should be deleted (" in ran.out, ran.out
    ran = project.run(capsys, "prune", "--yes")
    assert (ran.code, "Deleted 1 tar, " in ran.out) == (0, True), ran.err
    assert "tones-metadata-00001.tar: another file has this name (14 bytes)" in ran.out
    assert before - set(bucket.everything("tars/")) == {"tones-rest-00001.tar"}


def test_an_object_that_changed_since_the_scan_is_named_and_its_shard_is_not_there(
    local: Project, bucket: Bucket, tmp_path: Path, capsys
) -> None:
    project = in_store(local, bucket, tmp_path / "stored")
    for command in ("scan", "plan"):
        assert project.run(capsys, command).code == 0
    old = bucket.get("source/large.bin")
    bucket.put("source/large.bin", bytes(reversed(old)))  # as many bytes, in the same second
    bucket.client.delete_object(Bucket=bucket.name, Key="source/a/b.txt")
    ran = project.run(capsys, "pack")
    assert ran.code == 3
    assert "large.bin: changed since the scan: it was written to" in ran.err
    assert "a/b.txt: is not in s3://" in ran.err or "a/b.txt: is not there any more" in ran.err
    assert all(old[:100] not in data for data in bucket.everything("tars/").values())
    assert bucket.uploads() == []
    assert project.run(capsys, "release").code == 0


@pytest.mark.soak
def test_odd_keys_are_named_by_the_rule_and_folders_that_other_tools_made_are_no_files(
    bucket: Bucket, tmp_path: Path, capsys
) -> None:
    for key in ("both", "both/x.txt", "a//b.txt", "up/../c.txt", "made/", "made/d.txt", "empty/", "A.txt", "a.txt"):
        bucket.put(f"source/{key}", b"" if key.endswith("/") else key.encode())
    (tmp_path / "local" / "source").mkdir(parents=True)
    local = Project(tmp_path / "local")
    local.write_config()
    project = in_store(local, bucket, tmp_path / "stored")
    scanned = json.loads(project.run(capsys, "scan", "--json").out)
    assert scanned["files"] == 7
    told = {each["where"]: each["what"] for each in scanned["warnings"]}
    assert told["empty"] == "an empty folder; shards contain only files"
    assert "a folder has the same name" in told["both"]
    assert set(told) >= {"both", "a//b.txt", "up/../c.txt", "A.txt", "a.txt", "empty"}
    assert "made" not in told
    ran = project.run(capsys, "release")
    assert ran.code == 0, ran.err


def test_tags_are_read_by_ranges_and_are_those_of_the_folder(
    local: Project, bucket: Bucket, s3_port: int, capsys, monkeypatch
) -> None:
    media = Path(__file__).parents[2] / "catalogue/media"
    shutil.copytree(media, local.source / "media")
    assert local.run(capsys, "scan").code == 0
    project = in_store(local, bucket, local.root.parent / "stored")
    with s3_server.proxy(s3_port) as storm:
        s3_server.use(monkeypatch, storm.address)
        assert project.run(capsys, "scan").code == 0
    columns = ["id", "path", "member", "size", "title", "artist", "album", "duration", "codec"]
    one, other = (
        pq.read_table(root / ".packager" / "catalogue.parquet", columns=columns).to_pylist()
        for root in (local.root, project.root)
    )
    assert one == other
    assert any(row["duration"] for row in one)
    gets = [path for method, path in storm.requests if method == "GET" and "large.bin" in path]
    assert gets == []


@pytest.mark.usefixtures("impatient")
def test_tars_are_written_to_a_store_of_virtual_shards_through_faults_and_none_of_what_changed(
    tmp_path: Path, bucket: Bucket, capsys, monkeypatch
) -> None:
    local = make_project(tmp_path / "local", files=3)
    (local.source / "large.bin").write_bytes(random.Random(1).randbytes(17 << 20))
    assert local.run(capsys, "release", "--workers", "1", "--no-tars").code == 0
    names = [path.name.removesuffix(".manifest.json") for path in local.root.glob("site/manifests/*.manifest.json")]
    (changed,) = (name for name in names if name.startswith("tones-audio-"))
    path = next(local.source.rglob("*.wav"))
    old = path.stat()
    data = path.read_bytes()
    path.write_bytes(bytes(len(data)))
    os.utime(path, ns=(old.st_mtime_ns, old.st_mtime_ns))  # as many bytes, the same time
    with s3_server.proxy(bucket.port, share=0.15, seed=4) as storm:
        s3_server.use(monkeypatch, storm.address)
        ran = local.run(capsys, "export", *names, "--to", f"s3://{bucket.name}/tars", "--workers", "1")
    assert ran.code == 3
    assert f"{path.relative_to(local.source)}: the content has changed since packing" in ran.err
    assert bucket.uploads() == []
    path.write_bytes(data)
    os.utime(path, ns=(old.st_mtime_ns, old.st_mtime_ns))
    s3_server.use(monkeypatch, f"http://127.0.0.1:{bucket.port}")
    stored = set(bucket.everything("tars/"))
    assert stored == {f"{name}.tar" for name in names} - {f"{changed}.tar"}
    to = tmp_path / "tars"
    assert local.run(capsys, "export", *names, "--to", str(to), "--workers", "1").code == 0
    tars = {path.name: path.read_bytes() for path in to.glob("*.tar")}
    assert bucket.everything("tars/") == {name: tars[name] for name in stored}


@pytest.mark.soak
def test_a_command_that_needs_folders_says_so(bucket: Bucket, local: Project, tmp_path: Path, capsys) -> None:
    project = in_store(local, bucket, tmp_path / "stored")
    for key in bucket.listed():
        if "large" in key:
            bucket.client.delete_object(Bucket=bucket.name, Key=key)
    assert project.run(capsys, "release", "--no-tars").code == 0
    ran = project.run(capsys, "publish", "--with-shards", "--to", f"s3://{bucket.name}/site")
    assert (ran.code, "the tars go to s3://" in ran.err) == (2, True)


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ('source = "s3://key:hunter2@b/x"', "collection.source: the s3:// address holds a name or a password"),
        ('source = "https://example.org/x"', "does not begin with one of s3://"),
        (
            'source = "s3://bucket/x"\n[records]\nfile_times = true',
            "records.file_times: true cannot be used with a store",
        ),
        (
            'source = "s3://bucket/x"\n[records]\nfiles = ["s3://bucket/records.csv"]',
            "must be a path on this machine; copy it here",
        ),
    ],
)
def test_a_config_that_will_not_do_is_refused_in_a_sentence(local: Project, capsys, line: str, sentence: str) -> None:
    source, _, table = line.partition("\n")
    text = (local.root / "packager.toml").read_text().replace('source = "source"', source)
    (local.root / "packager.toml").write_text(f"{text}\n{table}\n")
    ran = local.run(capsys, "scan")
    assert ran.code == 2
    assert sentence in as_sentence(ran.err)
    assert "hunter2" not in ran.err


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(3))
def test_a_release_that_is_killed_again_and_again_ends_with_the_same_bytes_and_no_parts_left(
    local: Project, bucket: Bucket, capsys, monkeypatch, seed: int
) -> None:
    assert local.run(capsys, "release").code == 0
    project = in_store(local, bucket, local.root.parent / "stored")
    command = [sys.executable, "-m", "packager", "release", "--workers", "2", "-c", project.root / "packager.toml"]
    kills, code = 0, -1
    with s3_server.proxy(bucket.port, share=0.05, seed=seed) as storm:
        s3_server.use(monkeypatch, storm.address)
        while code:
            last = 2 + seed + 5 * kills  # later and later, until a run ends before
            storm.requests.clear()
            with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as running:

                def kill(method: str, path: str, pid: int = running.pid, last: int = last) -> None:
                    if len(storm.requests) >= last:
                        os.kill(pid, signal.SIGKILL)

                storm.before = kill
                said = running.communicate()[1]
                code = running.returncode
            assert code in (0, -signal.SIGKILL), said.decode()
            kills += code != 0
    assert kills >= 3
    made = local.published()
    tars = {path.removeprefix("shards/"): data for path, data in made.items() if path.startswith("shards/")}
    assert bucket.everything("tars/") == tars
    assert project.published() == {path: data for path, data in made.items() if path.startswith("site/")}
    assert bucket.uploads() == []
