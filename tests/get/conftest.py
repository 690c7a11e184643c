"""What tests of `get` share: an archive on a server that counts."""

from collections.abc import Iterator

import pytest

from tests.helpers.http_server import serving
from tests.helpers.tagged_archive import Web, make_archive


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    with serving({}) as site:
        archive = make_archive(tmp_path_factory.mktemp("archive") / "project", web_seed=f"{site.address}shards/")
        archive.lay(site)
        yield Web(archive, site)


@pytest.fixture
def web(served: Web) -> Iterator[Web]:
    """The same archive for each test, its server's counts at nothing."""
    served.site.sent = served.site.requests = 0
    served.site.ranges.clear()
    yield served
    served.site.fault, served.site.only = "", ""
    served.archive.lay(served.site)
