"""Fixtures that every test may use."""

import os
import shutil
import signal
import ssl
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from hypothesis import HealthCheck, settings

from packager.engine.network.http_client import HttpClient
from packager.native import hashes
from tests.helpers import first_releases
from tests.helpers.failing_disk import FailingDisk, failing_disk

# A machine that is busy draws and tries its examples slowly; and examples may share a test's folder.
_UNCHECKED = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
settings.register_profile("patient", deadline=None, suppress_health_check=_UNCHECKED)
settings.load_profile("patient")

_IN_MEMORY = Path("/dev/shm")
_ROOM = 3 << 30  # bytes; all tests that run at once take less than half of it


def pytest_configure(config: pytest.Config) -> None:
    """Put the tests' folders into memory where there is room: thousands of fsyncs would wait for a disk."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as packager.__main__ does, for hundreds of processes
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:  # in a job in the background; commands would inherit it
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if "TMPDIR" in os.environ or config.option.markexpr == "soak" or not _IN_MEMORY.is_dir():
        return
    disk = os.statvfs(_IN_MEMORY)
    if disk.f_bavail * disk.f_frsize >= _ROOM and not disk.f_flag & os.ST_NOEXEC:
        os.environ["TMPDIR"] = tempfile.tempdir = str(_IN_MEMORY)


@pytest.fixture(scope="session")
def program() -> Callable[[str], str]:
    """Return a function that finds a real program: its path, or a skip that says why (a failure when CI=true)."""

    def find(name: str) -> str:
        path = shutil.which(name)
        if path is None:
            reason = f"{name} is not installed; .ci/run installs it"
            (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(reason)
        return str(path)

    return find


@pytest.fixture(scope="session", autouse=True)
def _certificates_are_read_once() -> Iterator[None]:
    """Keep the certificates that are trusted: hundreds of clients would read them anew, each in 15 ms."""
    real = httpx.create_ssl_context
    kept: dict[str | None, ssl.SSLContext] = {}

    def read() -> ssl.SSLContext:
        named = os.environ.get("SSL_CERT_FILE")
        return kept[named] if named in kept else kept.setdefault(named, real())

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(httpx, "create_ssl_context", read)
        yield


@pytest.fixture(scope="session", autouse=True)
def _requests_are_repeated_at_once() -> Iterator[None]:
    """Take the pauses from requests that are tried again: 3.5 seconds for each server that fails."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(HttpClient.__init__.__kwdefaults__, "pause", 0.001)
        yield


@pytest.fixture(scope="session", autouse=True)
def _first_releases_are_kept(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Name the folder in which the tests of this process keep the first releases that they copy."""
    first_releases.keep_in(tmp_path_factory.mktemp("first-releases"))


@pytest.fixture(scope="session")
def disk(program: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[FailingDisk]:
    """A disk that fails on demand, and processes on it that are killed on demand."""
    with failing_disk(tmp_path_factory.mktemp("failing-disk"), program("cc")) as built:
        yield built


@pytest.fixture
def afresh() -> Iterator[None]:
    """Have the library of hashes looked for anew in the test, and after it."""
    cached = (hashes._lanes, hashes._streams, hashes._library)
    for each in cached:
        each.cache_clear()
    yield
    for each in cached:
        each.cache_clear()


@pytest.fixture(params=["AVX-512", "SHA-NI", "hashlib"])
def hasher(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, afresh: None) -> str:
    """Hash by the compiled library in each of its ways, then by hashlib."""
    monkeypatch.setenv("PACKAGER_HASHES", {"AVX-512": "", "SHA-NI": "sha", "hashlib": "hashlib"}[request.param])
    if request.param not in hashes.name():
        pytest.skip(f"packager/native/hashes.c was not compiled, or this processor has no {request.param}")
    return str(request.param)
