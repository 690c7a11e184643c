"""Fixtures that every test may use."""

import os
import shutil
from collections.abc import Callable

import pytest


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
