"""One S3 server for these tests; a bucket of its own for each."""

import itertools
from collections.abc import Iterator

import pytest

from packager.engine.stores import base
from tests import object_store

_number = itertools.count(1)


@pytest.fixture(scope="session")
def s3_port() -> Iterator[int]:
    """Return the port of the S3 server."""
    with object_store.s3_server() as port:
        yield port


@pytest.fixture
def bucket(s3_port: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[object_store.Bucket]:
    """Return an empty bucket, and have packager meet its server."""
    object_store.use(monkeypatch, f"http://127.0.0.1:{s3_port}")
    found = object_store.Bucket(s3_port, f"bucket-{next(_number)}")
    yield found
    found.close()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have tries follow each other quickly."""
    monkeypatch.setattr(base, "PATIENCE", base.Patience(tries=8, first=0.01, most=0.05))
