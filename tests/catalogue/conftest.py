"""Fixtures of the catalogue's tests."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.helpers.catalogue_projects import CatalogueProject


@pytest.fixture
def project(tmp_path: Path) -> CatalogueProject:
    """Return an empty project."""
    return CatalogueProject(tmp_path)


@pytest.fixture
def unprivileged() -> Iterator[CatalogueProject]:
    """Yield a project of a user whom rights bind: root becomes nobody for the test."""
    if os.geteuid() != 0:
        folder = tempfile.mkdtemp()
        yield CatalogueProject(Path(folder))
    else:
        folder = tempfile.mkdtemp()
        os.chown(folder, 65534, 65534)
        os.seteuid(65534)
        try:
            yield CatalogueProject(Path(folder))
        finally:
            os.seteuid(0)
    for path, _, _ in os.walk(folder):
        os.chmod(path, 0o700)
    shutil.rmtree(folder)
