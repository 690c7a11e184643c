"""The commands of the page on serving do what the page says."""

import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from packager.cli.app import main
from tests.helpers.projects import Project
from tests.helpers.serve_process import serving, tars
from tests.helpers.waiting import free_port

PAGE = Path(__file__).parents[2] / "docs/how-to/serve.md"
CONFIG = '[collection]\nname = "songs"\ntitle = "Songs"\nsource = "source"\n[[phases]]\nname = "all"\ntitle = "All"\n'


def commands() -> list[list[str]]:
    """Return the commands of the page's sh blocks, up to those for nginx."""
    blocks = PAGE.read_text(encoding="utf-8").partition("**With nginx alone.**")[0].split("```sh\n")[1:]
    return [shlex.split(line) for block in blocks for line in block.partition("```")[0].splitlines()]


@pytest.mark.interop
def test_a_release_without_tars_is_made_and_served_as_the_page_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: Callable[[str], str]
) -> None:
    project = Project(tmp_path)
    project.source.mkdir()
    (project.source / "a.txt").write_bytes(b"one\n")
    (tmp_path / "packager.toml").write_text(CONFIG)
    monkeypatch.chdir(tmp_path)
    run = commands()
    assert [words[1] if words[0] == "packager" else words[0] for words in run] == [
        "release",
        "export",
        "serve",
        "curl",
    ]
    assert main(run[0][1:]) == 0
    assert tars(project) == {}
    assert run[2][2:] == ["--listen", "127.0.0.1:8000"]
    port = free_port()
    with serving(project, port=port):
        curl = [program("curl"), *(word.replace(":8000/", f":{port}/") for word in run[3][1:])]
        head = subprocess.run(curl, check=True, capture_output=True, timeout=60).stdout
    assert main(run[1][1:]) == 0
    assert tars(project)["songs-all-00001.tar"][:512] == head


def test_the_page_tells_every_option_that_serve_has() -> None:
    text = PAGE.read_text(encoding="utf-8")
    for option in ("--listen", "--check-pieces", "--access-log", "--cache-size", "--workers"):
        assert option in text
