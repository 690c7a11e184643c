"""The commands of the page on repair do what the page says."""

import shlex
from pathlib import Path

import pytest

from packager import api
from packager.cli.app import main
from tests.docs.test_check_how_to import NAME, commands, project
from tests.helpers.http_server import serving

__all__ = ["project"]


def test_a_shard_is_mended_as_the_page_says(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    tar = project / f"shards/{NAME}.tar"
    whole = tar.read_bytes()
    run = []
    with serving({f"shards/{NAME}.tar": whole}) as site:
        ours = {"/music": "source", "https://mirror.example.org/shards/": site.address + "shards/"}
        for command in commands("repair.md"):
            words, _, output = shlex.join(ours.get(word, word) for word in command).partition(" '>' ")
            tar.write_bytes(whole[:5000] + bytes([whole[5000] ^ 1]) + whole[5001:])
            run.append(command[0])
            repairing = command[0] == "repair"
            capsys.readouterr()
            code = main([*shlex.split(words), *(["--no-web-seeds"] if repairing else [])])
            printed = capsys.readouterr()
            if output:
                Path(output).write_text(printed.out)
            assert code == (0 if repairing else 1), (words, printed.err)
            assert (tar.read_bytes() == whole) == repairing
    assert run == ["repair", "repair", "verify", "repair"]


def test_the_call_from_python_is_as_the_page_says(project: Path) -> None:
    assert api.repair(
        Path(f"shards/{NAME}.tar"), [Path("source")], api.RepairOptions(network=api.NetworkOptions(no_web_seeds=True))
    ).complete
