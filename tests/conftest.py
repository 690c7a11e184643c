"""Fixtures that every test may use."""

import os
import shutil
from collections.abc import Callable, Iterator

import pytest

from packager.native import hashes


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
