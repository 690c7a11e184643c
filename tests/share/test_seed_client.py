"""Tars given to a client that runs: read in full first, where they lie, each once."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from packager.cli.app import main
from packager.engine.clients.client_url import VARIABLE
from tests.helpers.bittorrent_clients import CLIENTS, Released, Running, make_release, seeds
from tests.helpers.http_server import serving
from tests.helpers.waiting import free_port, until

Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Released]:
    with serving({}) as site:
        yield make_release(tmp_path_factory.mktemp("released") / "project", site)


@pytest.fixture
def released(made: Released, tmp_path: Path) -> Released:
    shutil.copytree(made.root, tmp_path / "project, 100% é")
    return Released(tmp_path / "project, 100% é", made.site)


@pytest.fixture(params=list(CLIENTS))
def running(
    request: pytest.FixtureRequest, program: Callable[[str], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Running]:
    (tmp_path / "home").mkdir()
    with CLIENTS[str(request.param)](program(str(request.param)), tmp_path / "home") as client:
        monkeypatch.setenv(VARIABLE, client.password)
        yield client


@pytest.fixture
def watched(tmp_path: Path) -> Path:
    (tmp_path / "watched").mkdir()
    return tmp_path / "watched"


def seed(capsys: Capture, *arguments: object) -> tuple[int, dict[str, Any]]:
    capsys.readouterr()
    code = main(["seed", *map(str, arguments), "--json", "-w", "1"])
    printed = capsys.readouterr()
    assert "Traceback" not in printed.err
    return code, json.loads(printed.out or printed.err)


def shards(released: Released) -> list[Path]:
    return sorted((released.root / "shards").glob("*.tar"))


def states(report: dict[str, Any]) -> dict[str, str]:
    return {each["name"]: each["state"] for each in report["added"]}


@pytest.mark.interop
def test_a_client_shares_the_right_tars_where_they_lie_and_is_given_none_twice(
    running: Running, released: Released, capsys: Capture
) -> None:
    bad, *good = shards(released)
    before = released.tars
    data = bytearray(before[bad.stem])
    data[len(data) // 2] ^= 1
    bad.write_bytes(data)
    sent = released.site.sent

    code, report = seed(capsys, released.root / "shards", "--client", running.spec)
    assert (code, states(report)) == (1, {tar.name: "added" for tar in good})
    assert [(each["where"], "1 bad piece" in each["what"]) for each in report["refused"]] == [(str(bad), True)]
    client = running.open()
    until(lambda: seeds(client, len(good)), client.held)
    assert {held.path for held in client.held().values()} == set(good)

    code, report = seed(capsys, *good, "--client", running.spec)
    assert (code, states(report)) == (0, {tar.name: "present" for tar in good})
    assert report["client"] == client.name
    assert {tar.stem: tar.read_bytes() for tar in good} == {tar.stem: before[tar.stem] for tar in good}
    assert bad.read_bytes() == data
    assert released.site.sent == sent  # all that they have was here


def test_what_a_client_has_is_not_read_again(released: Released, watched: Path, capsys: Capture) -> None:
    first, *others = shards(released)
    assert states(seed(capsys, first, "--client", f"watch:{watched}")[1]) == {first.name: "added"}
    first.write_bytes(bytes(first.stat().st_size))  # read again, it would be refused
    code, report = seed(capsys, released.root / "shards", "--client", f"watch:{watched}")
    assert code == 0
    assert states(report) == {first.name: "present"} | {tar.name: "added" for tar in others}
    assert {path.name for path in watched.glob("*.torrent")} == {f"{tar.stem}.torrent" for tar in (first, *others)}


def test_a_client_of_v1_torrents_alone_gets_the_twin(released: Released, watched: Path, capsys: Capture) -> None:
    tar = shards(released)[0]
    assert seed(capsys, tar, "--client", f"watch-v1:{watched}")[0] == 0
    assert (watched / f"{tar.stem}.torrent").read_bytes() == released.torrent(tar.stem, ".v1")


def test_a_tar_of_another_name_is_not_given_since_a_client_would_fetch_it_again(
    released: Released, watched: Path, capsys: Capture
) -> None:
    tar = shards(released)[0]
    torrent = released.root / "site/torrents" / f"{tar.stem}.torrent"
    renamed = tar.rename(tar.with_name("mine.tar"))
    code, report = seed(capsys, renamed, "--torrent", torrent, "--client", f"watch:{watched}")
    assert (code, report["added"]) == (1, [])
    assert f'its torrent calls it "{tar.name}"' in report["refused"][0]["what"]
    assert not list(watched.glob("*.torrent"))


def test_what_was_given_is_told(released: Released, watched: Path, capsys: Capture) -> None:
    capsys.readouterr()
    count = len(shards(released))
    command = ["seed", str(released.root / "shards"), "--client", f"watch:{watched}", "-w", "1"]
    assert main(command) == 0
    assert f"watch folder {watched} was given {count} shards (" in capsys.readouterr().out
    assert main(command) == 0
    assert f"was given 0 shards, had {count} before (" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["--client", "deluge:http://127.0.0.1"], 2, "is no client that is known"),
        (["--client", "watch:/nowhere"], 2, "there is no such folder"),
        (["--client", "watch:.", "--for", "1 h"], 2, "cannot be used with --client"),
        (["--client", "watch:.", "--upload-limit", "1 MiB"], 2, "cannot be used with --client"),
        (["--client", "aria2:http://127.0.0.1:PORT"], 3, "does not answer"),
    ],
)
def test_a_client_that_cannot_be_used_is_a_sentence(
    released: Released, arguments: list[str], code: int, sentence: str, capsys: Capture
) -> None:
    given = [argument.replace("PORT", str(free_port())) for argument in arguments]
    found, error = seed(capsys, released.root / "shards", *given)
    assert (found, sentence in error["what"]) == (code, True), error
