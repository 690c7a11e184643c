"""The commands of the page on getting one track do what the page says, and their reports are as the schema says."""

import json
import shlex
import shutil
from pathlib import Path

import jsonschema
import pytest

from packager.cli.app import main
from packager.units import format_size
from tests.docs.test_check_how_to import ROOT, commands
from tests.get.test_get_trust import KEY, sign_release
from tests.helpers.tagged_archive import Capture, Web, counting_peer, files_of, isrc, member

SCHEMA = json.loads((ROOT / "manifests/schema/reports/get.schema.json").read_bytes())


def test_a_track_is_had_as_the_page_says(
    web: Web, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(web.archive.root, tmp_path / "signed")
    sign_release(tmp_path / "signed/site")
    web.site.files["release/release.json.minisig"] = (tmp_path / "signed/site/release.json.minisig").read_bytes()
    follow = ["mirror", "follow", f"{web.site.address}release/", "my-mirror", "--budget", "1 GB"]
    assert main([*follow, "--reserve", "0", "--key", KEY.public.line, "--yes", "--client", "none", "--json"]) == 0
    capsys.readouterr()
    link = ""
    with counting_peer(web.archive.torrent, web.archive.tar.parent) as peer:
        ours = {
            "https://archive.example.org/release/": web.release,
            "USS1Z9900001": isrc(1),
            "id-123": "id-3",
            "Artist/Album/01 Title.flac": member(5),
            "artist = 'Nobody' AND year < 1930": "track = 1",
            "audio": "all",
            "RWQ...": KEY.public.line,
            "swarm": f"swarm --peer {peer.address} --listen 127.0.0.1:0 --no-web-seeds --overwrite",
        }
        run = commands("get-one-track.md")
        for command in run:
            words = [ours.get(word, word) for word in command]
            words = [word for each in words for word in (shlex.split(each) if each.startswith("swarm ") else [each])]
            words = [link if word.startswith("magnet:?") else word for word in words]
            capsys.readouterr()
            if "--magnet" in words:
                assert main(words) == 0
                link = capsys.readouterr().out.strip()
                continue
            allowed = ["--allow-host", "127.0.0.1"] if words[0] == "get" else []
            assert main([*words, *allowed, "--json"]) == 0, words
            jsonschema.Draft202012Validator(SCHEMA).validate(json.loads(capsys.readouterr().out))
    assert len(run) == 8
    assert files_of(tmp_path / "music") == {member(number): web.archive.source(number) for number in (3, 5)}
    assert (tmp_path / member(1)).read_bytes() == web.archive.source(1)


def test_what_is_printed_says_what_it_cost_and_what_vouches(web: Web, tmp_path: Path, capsys: Capture) -> None:
    assert main(["get", "id-2", "--release", str(web.archive.output), "--to", str(tmp_path / "to")]) == 0
    first, second, third, fourth = capsys.readouterr().out.splitlines()
    size = len(web.archive.source(2))
    assert first.startswith("Compared with release 1 of ")
    assert second.endswith("To check: --key KEY")
    assert third.startswith("Transferred 0 B, and ")
    assert third.endswith("requests to find; 1 shard of 7.4 MiB.")
    assert fourth == f"Got 1 file, {format_size(size)}, in {tmp_path / 'to'}/."
    assert main(["get", "id-2", "--release", str(web.archive.output), "--to", str(tmp_path / "to")]) == 0
    assert "Nothing to do: 1 file" in capsys.readouterr().out
    assert main(["get", "id-2", "--release", str(web.archive.output), "--dry-run"]) == 0
    assert f"{size:,}" in capsys.readouterr().out
