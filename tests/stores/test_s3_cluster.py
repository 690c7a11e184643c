"""A cluster's workers between one bucket and another: they share nothing but the scheduler."""

import json
from pathlib import Path

import pytest

from tests.object_store import Bucket
from tests.projects import Project, make_project
from tests.stores.test_s3_to_s3 import in_store


def test_workers_read_from_s3_and_write_to_s3_what_one_machine_packs(
    bucket: Bucket, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    local = make_project(tmp_path / "local", files=9)
    stored = in_store(local, bucket, tmp_path / "stored")
    for project, crew in ((local, ["--workers", "1"]), (stored, ["--cluster", "local:2"])):
        for command in (["scan", "--workers", "1"], ["plan"], ["pack", *crew, "--json"]):
            ran = project.run(capsys, *command)
            assert ran.code == 0, ran.err
    assert bucket.everything("tars/") == tars(local)
    assert bucket.uploads() == []
    assert json.loads(stored.run(capsys, "pack", "--json").out)["packed"] == 0


def tars(project: Project) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (project.root / "shards").glob("*.tar")}
