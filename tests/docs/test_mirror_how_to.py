"""The commands of the page on mirrors do what the page says, and what they report is as the schemas say."""

import json
import shlex
from collections.abc import Iterator
from pathlib import Path

import jsonschema
import pytest

from packager import api
from packager.cli.app import main
from tests.docs.test_check_how_to import ROOT, commands
from tests.helpers.http_server import Site, serving
from tests.helpers.publisher import Archive, pack

SCHEMAS = ROOT / "manifests/schema/reports"
END = ["--listen", "127.0.0.2:0", "--for", "20s"]


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Archive, Site]]:
    for name in ("http_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.chdir(tmp_path)
    with serving({}) as site:
        archive = pack(tmp_path / "project", shards=3, torrent=f'web_seeds = ["{site.address}shards/"]')
        archive.publish(3)
        archive.files |= {f"shards/{shard.file}": archive.tar(shard.name) for shard in archive.shards}
        site.files = archive.files
        Path("minisign.pub").write_bytes(archive.files["minisign.pub"])
        yield archive, site


def test_a_part_is_held_as_the_page_says(site: tuple[Archive, Site], capsys: pytest.CaptureFixture[str]) -> None:
    archive, server = site
    ours = {"https://archive.example.org/": server.address, "/srv/mirror": "mirror"}
    run = []
    for command in commands("mirror.md"):
        words, _, output = shlex.join(ours.get(word, word) for word in command).partition(" '>' ")
        ended = END if command[1] in ("follow", "sync") else END[:2] if command[1] == "run" else []
        capsys.readouterr()
        if command[1] == "follow":
            ended = [*ended, "--reserve", "0", "--warn-age", "36500 d"]
        assert main([*shlex.split(words), *ended]) == 0, capsys.readouterr().err
        if output:
            Path(output).write_text(capsys.readouterr().out)
        run.append(command[1])
    assert run == ["follow", "run", "magnets", "sync", "prune", "/srv/mirror", "status"]
    for shard in archive.shards:
        assert Path("mirror", shard.file).read_bytes() == archive.tar(shard.name)
    assert sorted(Path("magnets.txt").read_text().splitlines()) == sorted(shard.magnet for shard in archive.shards)
    assert all(each.verified for each in api.mirror_status("mirror").shards)


def test_reports_are_valid(site: tuple[Archive, Site], capsys: pytest.CaptureFixture[str]) -> None:
    archive, server = site
    of = ["mirror", "follow", server.address, "mirror", "--budget", "1 MB", "--reserve", "0"]
    of += ["--key", archive.key, "--json"]
    status = ["mirror", "status", "mirror", "--json"]
    Path("mirror").mkdir()
    Path("mirror", archive.shards[0].file).write_bytes(bytes(200_000))
    for name, command in (
        ("mirror-follow", [*of, "--dry-run"]),
        ("mirror-follow", [*of, "--client", "none"]),
        ("mirror-status", status),
        ("mirror-follow", [*of, *END]),
        ("mirror-status", status),
    ):
        capsys.readouterr()
        assert main(command) == (3 if command[1] == "status" else 0)  # one file is in the way
        schema = json.loads((SCHEMAS / f"{name}.schema.json").read_bytes())
        jsonschema.Draft202012Validator(schema).validate(json.loads(capsys.readouterr().out))
