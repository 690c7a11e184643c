"""Members that no folder has are fetched by their ranges alone when a shard is rebuilt."""

import json
import shutil
from pathlib import Path

import pytest

from packager.cli.app import main
from tests.check.repair.test_repair import NAME, Held, held, make_release
from tests.helpers.http_server import serving
from tests.helpers.libtorrent_peer import seeding

Capture = pytest.CaptureFixture[str]
LOST = (3, 9)


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("released") / "project"
    make_release(root, members=12, member=60_000, size="16 MiB", piece="64 KiB")
    return root


@pytest.fixture
def shard(released: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Held:
    """A project whose tar is gone, and two of its files."""
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    shutil.copytree(released, tmp_path / "project")
    whole = held(tmp_path / "project")
    (tmp_path / "peer").mkdir()
    whole.tar.rename(tmp_path / "peer" / f"{NAME}.tar")
    for number in LOST:
        (whole.root / "source" / f"{number:03d} [b].bin").unlink()
    return whole


def rebuild(shard: Held, capsys: Capture, *more: str) -> tuple[int, dict[str, object]]:
    capsys.readouterr()
    arguments = ["rebuild", str(shard.tar), "--from", str(shard.root / "source"), "--no-web-seeds", "--timeout", "30 s"]
    code = main([*arguments, "--listen", "127.0.0.1:0", "--json", *more])
    printed = capsys.readouterr()
    assert "Traceback" not in printed.err
    return code, json.loads(printed.out)


def lost(shard: Held) -> list[tuple[int, int]]:
    layout = shard.published.layout
    return [(int(layout.offsets[at]), int(layout.offsets[at] + layout.sizes[at])) for at in LOST]


def test_nothing_is_fetched_unless_a_source_is_named(shard: Held, capsys: Capture) -> None:
    code, report = rebuild(shard, capsys)
    assert (code, report["complete"], report["fetched"]) == (3, False, 0)


def test_a_web_seed_sends_the_missing_members_and_not_a_byte_more(shard: Held, capsys: Capture) -> None:
    with serving({f"{NAME}.tar": shard.right}) as site:
        code, report = rebuild(shard, capsys, "--from", site.address)
        assert [(start, stop) for _, start, stop in site.ranges] == lost(shard)
    assert (code, report["fetched"]) == (0, len(LOST))
    assert shard.tar.read_bytes() == shard.right


def test_a_peer_gives_them_where_the_web_seed_is_down(shard: Held, tmp_path: Path, capsys: Capture) -> None:
    with serving({f"{NAME}.tar": shard.right}, "404") as site, seeding(shard.torrent, tmp_path / "peer") as peer:
        code, report = rebuild(shard, capsys, "--from", site.address, "--peer", peer)
        assert site.requests == 1
    assert (code, report["fetched"]) == (0, len(LOST))
    assert shard.tar.read_bytes() == shard.right
    assert [path.name for path in shard.tar.parent.iterdir()] == [shard.tar.name]


def test_wrong_bytes_make_no_tar(shard: Held, capsys: Capture) -> None:
    with serving({f"{NAME}.tar": shard.right}, "wrong bytes") as site:
        code, report = rebuild(shard, capsys, "--from", site.address)
    assert (code, report["complete"]) == (3, False)
    assert not shard.tar.exists()
