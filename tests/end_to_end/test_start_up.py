"""A command loads what it needs and no more: importing every library takes longer than most questions."""

import platform
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from packager import __version__, api
from packager.cli import app
from packager.native import hashes

SHARD = Path(__file__).parents[2] / "manifests/vectors/shard/expected"
HEAVY = {"anyio", "cryptography", "duckdb", "httpx", "jinja2", "libtorrent", "mutagen", "numpy", "pyarrow", "torf"}
OF_OTHERS = {"anyio", "duckdb", "httpx", "jinja2", "libtorrent", "mutagen", "torf"}  # that `verify` has no use for
RUN = """
import sys
from packager.cli.app import main
code = main(sys.argv[1:])
sys.stderr.write(" ".join(sys.modules))
sys.exit(code)
"""


def loaded(*arguments: str) -> set[str]:
    """Return the modules that a run of the command line has imported in the end."""
    command = [sys.executable, "-c", RUN, *arguments]
    return set(subprocess.run(command, capture_output=True, text=True, check=True).stderr.split())


@pytest.mark.parametrize("option", ["--version", "--help"])
def test_version_and_help_import_no_heavy_library(option: str) -> None:
    assert not loaded(option) & HEAVY


@pytest.mark.parametrize("option", ["--version", "-V"])
def test_the_version_names_what_decides_speed_and_sharing(
    option: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, afresh: None
) -> None:
    assert app.main([option]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said == [
        f"archive-packager {__version__}",
        f"Python {platform.python_version()}",
        f"hashes: {hashes.name()}",
        f"libtorrent {metadata.version('libtorrent')}",
    ]
    hashes._library.cache_clear()
    hashes._lanes.cache_clear()
    hashes._streams.cache_clear()
    monkeypatch.setenv("PACKAGER_HASHES", "hashlib")
    monkeypatch.setattr(metadata, "version", missing)
    assert app.main([option]) == 0
    assert capsys.readouterr().out.splitlines()[2:] == ["hashes: hashlib", "libtorrent not installed"]


def missing(name: str) -> str:
    raise metadata.PackageNotFoundError(name)


def test_verify_of_a_tar_imports_no_library_of_other_commands() -> None:
    modules = loaded("verify", str(SHARD / "example-texts-00001.tar"), "--json", "-w", "1")
    assert "pyarrow" in modules
    assert not modules & OF_OTHERS


@pytest.mark.parametrize("name", app.COMMANDS)
def test_the_line_of_a_command_is_what_its_own_help_begins_with(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert app.main([name, "--help"]) == 0
    _, _, text = " ".join(capsys.readouterr().out.split()).partition(app.COMMANDS[name].removesuffix("."))
    assert text.startswith((".", ":"))


def test_every_name_of_the_api_is_where_it_says() -> None:
    assert "release" in dir(api)
    assert all(getattr(api, name) is not None for name in dir(api))
    assert not hasattr(api, "no such command")
