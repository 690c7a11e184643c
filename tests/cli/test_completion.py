"""Shell completion, in the real shells."""

import os
import pty
import re
import select
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from packager.cli.app import main
from packager.cli.complete_names import complete_phases, complete_shards
from tests.helpers.projects import Project, make_project

BIN = Path(sys.executable).parent
PATIENCE = 60.0  # seconds for one answer


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    made = make_project(tmp_path_factory.mktemp("completion"), files=2)
    assert main(["scan", "-c", str(made.root / "packager.toml")]) == 0
    assert main(["plan", "-c", str(made.root / "packager.toml")]) == 0
    return made


@pytest.fixture
def environment() -> dict[str, str]:
    return {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}", "TERM": "dumb"}


LINES = {
    "packager ver": ["verify"],
    "packager mirror sy": ["sync"],
    "packager verify --quic": ["--quick"],
    "packager --prog": ["--progress"],
    "packager pack --phase a": ["audio"],
    "packager rebuild tones-au": ["tones-audio-00001"],
}


def test_bash_completes(program: Callable[[str], str], project: Project, environment: dict[str, str]) -> None:
    script = ["source <(packager completion bash)"]
    for line in LINES:
        words = line.split(" ")
        script.append(f"COMP_WORDS=({line}); COMP_CWORD={len(words) - 1}")
        script.append('_packager_completion packager; echo "${COMPREPLY[*]}"')
    done = subprocess.run(
        [program("bash"), "--norc", "-ec", "\n".join(script)],
        cwd=project.root,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert [line.split() for line in done.stdout.splitlines()] == list(LINES.values())
    assert done.stderr == ""


@pytest.fixture
def zsh(program: Callable[[str], str], project: Project, environment: dict[str, str]) -> Iterator[int]:
    """A real zsh in a terminal, with our completion."""
    shell = program("zsh")
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(project.root)
        os.execve(shell, [shell, "-f", "-i"], environment)
    try:
        os.write(terminal, b"PS1='%%'; autoload -Uz compinit && compinit -u -D; source <(packager completion zsh)\n")
        os.write(terminal, b"print READY$((1+1))\n")
        read_until(terminal, "READY2")
        yield terminal
    finally:
        os.close(terminal)
        os.waitpid(child, 0)


def read_until(terminal: int, wanted: str) -> str:
    """Return what comes from a terminal up to a text."""
    text, end = "", time.monotonic() + PATIENCE
    while wanted not in text:
        assert time.monotonic() < end, text
        if select.select([terminal], [], [], 1)[0]:
            text += re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", os.read(terminal, 4096).decode("utf-8", "replace"))
    return text


@pytest.mark.interop
def test_zsh_completes(zsh: int) -> None:
    for line, [word] in LINES.items():
        written = line.rpartition(" ")[2]
        os.write(zsh, f"{line}\t".encode())
        read_until(zsh, word.removeprefix(written))
        os.write(zsh, b"\x15")  # Ctrl-U: an empty line


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_has_a_script(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", shell]) == 0
    assert f"complete_{shell}" in capsys.readouterr().out


def test_another_shell_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", "tcsh"]) == 2
    assert 'error: completion: "tcsh" is not bash, zsh or fish' in capsys.readouterr().err


def test_a_name_that_a_shell_would_run_is_not_completed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert (complete_phases(""), complete_shards("")) == ([], [])
    (tmp_path / "packager.toml").write_text("[[phases]]\nname = '$(reboot)'\n[[phases]]\nname = 'good'\n")
    plan = tmp_path / ".packager" / "plan" / "plan.json"
    plan.parent.mkdir(parents=True)
    plan.write_text('{"phases":[{"shards":[{"name":"a`b`"},{"name":"a-00001"}]}]}')
    assert (complete_phases(""), complete_shards("a")) == (["good"], ["a-00001"])
    (tmp_path / "packager.toml").write_text("not toml")
    plan.write_text("not json")
    assert (complete_phases(""), complete_shards("")) == ([], [])
