"""A place in a store is one project's: nobody sweeps, replaces or mixes what another has begun there."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from packager import api
from packager.core.config.store_url import parse_store_url
from packager.engine.project.owner_id import STORE_FILE, claim_store
from packager.engine.stores import open_store
from packager.engine.stores.base import Store
from packager.engine.stores.s3 import S3Store
from packager.errors import InputError
from tests.crashes.test_two_projects import Meanwhile, plan
from tests.helpers.error_lines import as_sentence
from tests.helpers.projects import Project, make_project
from tests.helpers.s3_server import Bucket
from tests.helpers.sftp_server import Host, address

A, B = "0123456789abcdef", "fedcba9876543210"
SENTENCE = "belongs to another project, as .packager-owner there says; name a place of its own"
Open = Callable[[], Store]


@pytest.fixture(params=["s3", "s3 without conditions", "sftp", "folder"])
def opened(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Open:
    """A function that opens an empty store of each kind."""
    kind = request.param
    if kind == "sftp":
        host: Host = request.getfixturevalue("host")
        return lambda: open_store(parse_store_url(address(host), "test"))
    if kind == "folder":
        return lambda: open_store(parse_store_url(f"file://{tmp_path}/store", "test"))
    bucket: Bucket = request.getfixturevalue("bucket")
    if kind == "s3 without conditions":
        put = S3Store._put

        def refuse(self: S3Store, path: str, data: bytes, **condition: str) -> object:
            if condition:
                raise InputError("s3://", "the store answers 501 NotImplemented")
            return put(self, path, data)

        monkeypatch.setattr(S3Store, "_put", refuse)
    return lambda: open_store(parse_store_url(f"s3://{bucket.name}/p", "test"))


def test_a_place_is_claimed_once_and_again_by_its_owner_alone(opened: Open) -> None:
    for _ in range(2):
        claim_store(opened(), A)
    with pytest.raises(InputError, match=SENTENCE):
        claim_store(opened(), B)
    opened().delete(STORE_FILE)
    claim_store(opened(), B)
    with pytest.raises(InputError, match=SENTENCE):
        claim_store(opened(), A)


def test_of_two_that_claim_a_place_at_once_one_has_it(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    store = opened()
    claim_store(opened(), B)
    stat, looked = type(store).stat, [None]
    with monkeypatch.context() as patched:  # the first look is from before the other one wrote it
        patched.setattr(type(store), "stat", lambda self, path: looked.pop() if looked else stat(self, path))
        assert store.create(STORE_FILE, b"mine") == (S3Store._put.__name__ == "refuse")
    if S3Store._put.__name__ != "refuse":
        with pytest.raises(InputError, match=SENTENCE):
            claim_store(store, A)


@pytest.mark.parametrize("content", [b"", b"\xff" * 17, b"0123456789abcdef", b"somebody's page\n" * 9])
def test_a_mark_that_was_cut_is_written_again_and_another_is_respected(content: bytes, opened: Open) -> None:
    opened().put(STORE_FILE, content)
    if content:
        with pytest.raises(InputError, match=SENTENCE):
            claim_store(opened(), A)
    else:
        claim_store(opened(), A)
        claim_store(opened(), A)


def stored_project(root: Path, shards: str, seed: int) -> Project:
    project = make_project(root, seed=seed, files=4)
    config = project.root / "packager.toml"
    config.write_text(config.read_text().replace("[shards]", f'[shards]\nfolder = "{shards}"'))
    plan(project)
    return project


def test_a_second_project_is_refused_before_it_sweeps_what_the_first_is_sending(
    bucket: Bucket, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = f"s3://{bucket.name}/tars"
    a, b = stored_project(tmp_path / "a", place, 1), stored_project(tmp_path / "b", place, 2)
    codes = []

    def second() -> None:
        upload = bucket.client.create_multipart_upload(Bucket=bucket.name, Key="tars/tones-rest-00001.tar")["UploadId"]
        codes.append(b.run(capsys, "pack").code)
        assert bucket.uploads() == ["tars/tones-rest-00001.tar"]
        name = {"Bucket": bucket.name, "Key": "tars/tones-rest-00001.tar"}
        bucket.client.abort_multipart_upload(**name, UploadId=upload)

    assert not api.pack(a.root / "packager.toml", workers=1, progress=Meanwhile("Packing", second)).failed
    assert codes == [2]
    before = bucket.everything("tars/")
    ran = b.run(capsys, "release")
    assert (ran.code, "this project did not write it" in ran.err) == (2, True)
    assert bucket.everything("tars/") == before
    config = b.root / "packager.toml"
    config.write_text(config.read_text().replace("/tars", "/others"))
    assert b.run(capsys, "pack").code == 0
    assert bucket.everything("tars/") == before


def test_a_site_is_brought_to_no_place_of_another_project(
    bucket: Bucket, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    a, b = (make_project(tmp_path / name, seed=seed, files=4) for seed, name in enumerate("ab"))
    for project in (a, b):
        assert project.run(capsys, "release").code == 0
    to = f"s3://{bucket.name}/site"
    assert a.run(capsys, "publish", "--to", to).code == 0
    bucket.client.delete_object(Bucket=bucket.name, Key="site/release.json")  # as before the end of its first upload
    before = bucket.everything("site/")
    ran = b.run(capsys, "publish", "--to", to)
    assert (ran.code, SENTENCE in as_sentence(ran.err)) == (2, True)
    assert bucket.everything("site/") == before
    moved = Project(tmp_path / "moved")
    shutil.move(os.fspath(a.root), moved.root)
    assert moved.run(capsys, "publish", "--to", to).code == 0
