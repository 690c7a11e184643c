"""A cluster's workers between one bucket and another: they share nothing but the scheduler."""

import json
import os
from pathlib import Path

import pytest

from packager.cli.app import main
from tests.engine.stores.test_s3_to_s3 import in_store
from tests.helpers.projects import Project, make_project
from tests.helpers.s3_server import Bucket


def test_workers_read_from_s3_and_write_to_s3_what_one_machine_packs(
    bucket: Bucket, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    local = make_project(tmp_path / "local", files=9)
    stored = in_store(local, bucket, tmp_path / "stored")
    for project, pool in ((local, ["--workers", "1"]), (stored, ["--cluster", "local:2"])):
        ran = project.run(capsys, "release", *pool)
        assert ran.code == 0, ran.err
    assert bucket.everything("tars/") == tars(local)
    assert bucket.uploads() == []
    assert json.loads(stored.run(capsys, "pack", "--json").out)["packed"] == 0
    assert site(stored) == site(local)


@pytest.mark.soak
def test_workers_write_the_tars_of_virtual_shards_to_a_store_and_verify_them_there(
    bucket: Bucket, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    project = make_project(tmp_path / "local", files=9)
    for command in (["release", "--workers", "1"], ["pack", "--no-tars"]):
        assert project.run(capsys, *command).code == 0
    made = tars(project)
    path = next(project.source.rglob("*.wav"))
    old, data = path.stat(), path.read_bytes()
    path.write_bytes(bytes(len(data)))
    os.utime(path, ns=(old.st_mtime_ns, old.st_mtime_ns))
    to = f"s3://{bucket.name}/tars"
    names = [name.removesuffix(".tar") for name in made]
    command = ["export", *names, "--to", to, "--cluster", "local:2"]
    ran = project.run(capsys, *command)
    assert (ran.code, "other bytes than were packed" in ran.err) == (3, True), ran.err
    stored = bucket.everything("tars/")
    assert (len(stored), bucket.uploads()) == (len(made) - 1, [])
    path.write_bytes(data)
    os.utime(path, ns=(old.st_mtime_ns, old.st_mtime_ns))
    assert project.run(capsys, *command).code == 0
    assert bucket.everything("tars/") == made
    bucket.put("tars/" + min(made), made[min(made)][:-1] + b"x")
    capsys.readouterr()
    code = main(["verify", to, "--release", str(project.root / "site"), "--cluster", "local:2"])
    assert (code, f"{min(made)}: " in capsys.readouterr().out) == (1, True)


def site(project: Project) -> dict[str, bytes]:
    return {path: data for path, data in project.published().items() if path.startswith("site/")}


def tars(project: Project) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (project.root / "shards").glob("*.tar")}
