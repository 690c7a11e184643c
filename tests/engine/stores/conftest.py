"""One S3 server for these tests; a bucket of its own for each."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from packager.engine.stores import base
from tests.helpers import s3_server
from tests.helpers.sftp_server import Host, know, sftp_server

_number = itertools.count(1)


@pytest.fixture(scope="session")
def s3_port() -> Iterator[int]:
    """Return the port of the S3 server."""
    with s3_server.s3_server() as port:
        yield port


@pytest.fixture
def bucket(s3_port: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[s3_server.Bucket]:
    """Return an empty bucket, and have packager meet its server."""
    s3_server.use(monkeypatch, f"http://127.0.0.1:{s3_port}")
    found = s3_server.Bucket(s3_port, f"bucket-{next(_number)}")
    yield found
    found.close()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have tries follow each other quickly."""
    monkeypatch.setattr(base, "PATIENCE", base.RetryPolicy(tries=8, first=0.01, most=0.05))


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    """Return a server that this user knows, and whose key it has."""
    (tmp_path / "served").mkdir()
    home = tmp_path / "home"
    (home / ".ssh").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    with sftp_server(tmp_path / "served") as served:
        served.client_key.write_private_key_file(str(home / ".ssh" / "id_ecdsa"))
        know(served, served.key.get_base64())
        yield served
