"""The console sessions of README and tutorial print what the pages say; the how-tos' commands do what they say."""

import os
import re
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import pytest

from packager import api
from tests.helpers.forked_commands import forked
from tests.helpers.load_script import DOCS, ROOT, load

console = load(DOCS / "console.py")
SHARD = ROOT / "manifests/vectors/shard"
NAME = "example-texts-00001"
PROGRAMS = ("aria2c", "minisign")  # that a session uses and not every machine has


@pytest.fixture
def forked_program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a program `packager`."""
    folder = tmp_path_factory.mktemp("programs")
    (folder / "packager").write_text(f'#!/bin/sh\nexec {shlex.join(forked())} "$@"\n')
    (folder / "packager").chmod(0o755)
    return folder


@pytest.mark.parametrize("page", ["README.md", "docs/tutorial.md"])
def test_a_session_prints_what_its_page_says(
    page: str, tmp_path: Path, forked_program: Path, program: Callable[[str], str]
) -> None:
    session = list(console.commands((ROOT / page).read_text(encoding="utf-8")))
    missing = {name for name in PROGRAMS if shutil.which(name) is None}
    runnable = [command for command in session if command.text.split()[0] not in missing]
    console.prepare(tmp_path)
    found = console.run([command.text for command in runnable], tmp_path, forked_program)
    assert [(command.text, code) for command, (code, _) in zip(runnable, found, strict=True) if code] == []
    for command, (_, output) in zip(runnable, found, strict=True):
        assert console.agree(command.output, output), f"{command.text}\n{chr(10).join(output)}"
    for command in session:
        if command not in runnable:
            program(command.text.split()[0])


def test_the_readme_shows_how_make_demo_ends(tmp_path: Path) -> None:
    console.prepare(tmp_path)
    config = (DOCS / "demo/packager.toml").read_text(encoding="utf-8")
    (tmp_path / "packager.toml").write_text(config.replace("../docs/demo", "docs/demo"))
    done = subprocess.run(
        [*forked(), "release"], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=True
    )
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    shown = tuple(readme.partition("```text\n")[2].partition("```")[0].splitlines())
    assert console.agree(shown, done.stdout.splitlines()[-len(shown) :]), done.stdout


def test_what_differs_from_run_to_run_is_all_that_may_differ() -> None:
    assert console.agree(("Packed 1 shard, in 0 s.", "..."), ["Packed 1 shard, in 12 s (3.4 GiB/s).", "a", "b"])
    assert not console.agree(("Packed 1 shard",), ["Packed 2 shards"])
    assert not console.agree((), ["a line"])


def blocks(page: Path, language: str) -> list[str]:
    found = re.findall(rf"^ *```{language}\n(.*?)^ *```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return [re.sub(r"^   ", "", block, flags=re.MULTILINE) for block in found]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The golden shard's project, released."""
    shutil.copytree(SHARD / "source", tmp_path / "source")
    for name in ("records.csv", "packager.toml"):
        shutil.copyfile(SHARD / name, tmp_path / name)
    api.release(tmp_path / "packager.toml", workers=1)
    return tmp_path


def good(script: str, folder: Path) -> str:
    done = subprocess.run(["bash", "-ec", script], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.interop
def test_public_tools_check_a_shard_as_the_page_says(project: Path, program: Callable[[str], str]) -> None:
    program("aria2c")
    unpack, aria2, sums = blocks(DOCS / "how-to/check-with-public-tools.md", "sh")
    shutil.copyfile(project / f"site/torrents/{NAME}.torrent", project / f"shards/{NAME}.torrent")
    assert good(unpack.replace("NAME", NAME), project / "shards").endswith("good\n")
    assert good(aria2.replace("NAME", NAME), project / "shards") == "good\n"
    assert good(sums, project / "site") == "good\n"


@pytest.mark.interop
def test_public_tools_refuse_one_changed_byte(project: Path, program: Callable[[str], str]) -> None:
    program("aria2c")
    unpack, aria2, _ = blocks(DOCS / "how-to/check-with-public-tools.md", "sh")
    shutil.copyfile(project / f"site/torrents/{NAME}.torrent", project / f"shards/{NAME}.torrent")
    tar = project / f"shards/{NAME}.tar"
    with tar.open("r+b") as file:
        file.seek(9000)
        file.write(b"?")
    for script in (unpack, aria2):
        done = subprocess.run(
            ["bash", "-ec", script.replace("NAME", NAME)], cwd=tar.parent, capture_output=True, text=True, check=False
        )
        assert (done.returncode != 0, "good" in done.stdout) == (True, False)


def test_the_query_for_one_member_finds_its_range_of_the_tar(project: Path) -> None:
    script = blocks(DOCS / "how-to/serve-the-tars.md", "sh")[1]
    told = re.search(r'^duckdb -c "(.*)"$', script, re.MULTILINE)
    assert told is not None
    query = told[1].replace('\\"', '"').replace("Fyrskib", "Début").replace("'manifests", f"'{project}/site/manifests")
    [(path, start, size)] = duckdb.sql(query).fetchall()
    data = (project / f"shards/{NAME}.tar").read_bytes()[start : start + size]
    assert data == (SHARD / "source" / path).read_bytes()


@pytest.fixture
def socket(project: Path, program: Callable[[str], str]) -> Iterator[Path]:
    """nginx as the page configures it, with the project's shards, on a socket in a folder of a short name."""
    nginx = program("nginx")
    [server] = blocks(DOCS / "how-to/serve-the-tars.md", "nginx")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for told, here in (("listen 80", f"listen unix:{folder}/socket"), ("root /srv", f"root {project}")):
            assert told in server
            server = server.replace(told, here)
        kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        config = folder / "nginx.conf"
        config.write_text(
            ("user root;\n" if os.geteuid() == 0 else "")
            + f"pid {folder}/pid;\nerror_log {folder}/log;\nevents {{}}\nhttp {{\naccess_log off;\n"
            + "".join(f"{kind}_temp_path {folder};\n" for kind in kinds)
            + f"{server}}}\n"
        )
        command = [nginx, "-e", f"{folder}/log", "-c", str(config)]
        subprocess.run(command, check=True)  # returns when it listens
        yield folder / "socket"
        subprocess.run([*command, "-s", "quit"], check=True)


@pytest.mark.interop
def test_the_web_server_of_the_page_gives_ranges_of_a_tar(socket: Path, program: Callable[[str], str]) -> None:
    program("curl")
    script = blocks(DOCS / "how-to/serve-the-tars.md", "sh")[0]
    for told, here in (
        ("https://files.example.org", "http://localhost"),
        ("NAME", NAME),
        ("curl ", f"curl --unix-socket {socket} "),
    ):
        script = script.replace(told, here)
    head, first = script.strip().split("\n")
    answer = good(head, ROOT)
    assert "200 OK" in answer
    assert "Accept-Ranges: bytes" in answer
    assert f"Content-Length: {(SHARD / f'expected/{NAME}.tar').stat().st_size}" in answer
    assert good(f"set +e\n{first}\ntrue", ROOT) == f"{NAME}/bagit.txt\n"
