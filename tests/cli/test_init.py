"""`packager init` on the command line and on a terminal."""

import os
import pty
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from packager.cli.app import main
from packager.engine.project.load_project import load_project

# Makes the terminal that of the new session, so that Ctrl-C is a signal.
ON_TERMINAL = "import fcntl, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); from packager.cli.app import run; run()"
DEMO = Path(__file__).parents[2] / "docs" / "demo"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder: the demo's collection as music/, and its records file."""
    shutil.copytree(DEMO / "collection", tmp_path / "music")
    shutil.copyfile(DEMO / "records.csv", tmp_path / "records.csv")
    monkeypatch.chdir(tmp_path)
    return tmp_path


class Terminal:
    """A command on a real terminal."""

    def __init__(self, *arguments: str, folder: Path) -> None:
        self.shown, self._answered = "", 0
        self._fd, terminal = pty.openpty()
        self._process = subprocess.Popen(
            [sys.executable, "-c", ON_TERMINAL, *arguments],
            cwd=folder, env=os.environ | {"TERM": "dumb"},
            stdin=terminal, stdout=terminal, stderr=terminal, start_new_session=True,
        )  # fmt: skip
        os.close(terminal)

    def answer(self, question: str, answer: str) -> None:
        """Wait until the question is shown, and type the answer."""
        self.read_until(question)
        assert question in self.shown[self._answered :], self.shown
        self._answered = self.shown.index(question, self._answered) + len(question)
        os.write(self._fd, answer.encode())

    def read_until(self, text: str, *, seconds: float = 60) -> None:
        """Read until a text is shown after the last question, the command ends, or the time is over."""
        end = time.monotonic() + seconds
        while text not in self.shown[self._answered :] and time.monotonic() < end:
            if not select.select([self._fd], [], [], 0.2)[0]:
                continue
            try:
                data = os.read(self._fd, 4096)
            except OSError:  # EIO: the command ended
                break
            self.shown += data.decode().replace("\r", "")

    def end(self) -> int:
        """Return the exit code, once the command has ended."""
        self.read_until("no such text")
        os.close(self._fd)
        return self._process.wait(60)

    def interrupt(self) -> int:
        """Type Ctrl-C until the command ends, and return its exit code; between two calls Python can miss one."""
        while self._process.poll() is None:
            os.write(self._fd, b"\x03")
            self.read_until("no such text", seconds=0.5)
        return self.end()


def test_without_a_terminal_it_takes_the_defaults(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["init", "music"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "Found 38 files, 1.2 MiB, in music: 27 audio, 8 artwork, 3 metadata.",
        "Created packager.toml: 38 files, 1.2 MiB, 41 records.",
        "Next: packager release",
    ]
    assert not (folder / "release.key").exists()


def test_the_transcript_of_the_specification(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PACKAGER_KEY_PASSWORD", raising=False)
    terminal = Terminal("init", "music", folder=folder)
    for question, answer in (
        ("Title [Music]: ", "Songs of the harbour"),
        ("Short name for files [songs-of-the-harbour]: ", "songs"),
        ("Records file [records.csv]: ", ""),
        ("Licence, such as CC-BY-4.0 [none]: ", "CC0-1.0"),
        ("Contact [none]: ", "archive@songs.example"),
        ("Web address of the release [none]: ", ""),
        ("Trackers, separated by spaces [none]: ", ""),
        ("Maximum shard size [1 GiB]: ", "384 KiB"),
        ("Create a signing key now? [Y/n]: ", ""),
        ("Password for release.key (twice): ", "secret"),
        ("Again: ", "secret"),
    ):
        terminal.answer(question, f"{answer}\n")
    assert terminal.end() == 0
    assert terminal.shown.startswith(
        "Found 38 files, 1.2 MiB, in music: 27 audio, 8 artwork, 3 metadata.\nTitle [Music]: "
    )
    assert terminal.shown.splitlines()[-3:] == [
        "Created release.key (secret: keep a copy) and release.pub (publish it).",
        "Created packager.toml: 38 files, 1.2 MiB, 41 records.",
        "Next: packager release",
    ]
    assert "secret\n" not in terminal.shown
    config, _ = load_project(folder / "packager.toml")
    assert (config.collection.name, config.collection.title) == ("songs", "Songs of the harbour")
    assert (config.collection.licence, config.records_file, config.shards.size) == ("CC0-1.0", "records.csv", 384 << 10)
    assert config.release.secret_key == "release.key"
    monkeypatch.setenv("PACKAGER_KEY_PASSWORD", "secret")
    assert main(["release", "--workers", "1"]) == 0  # the key signs
    assert (folder / "site" / "release.json.minisig").exists()


def test_a_wrong_answer_is_asked_again_and_a_given_option_is_not_asked(folder: Path) -> None:
    terminal = Terminal(
        "init", "music", "--title", "T", "--name", "t", "--records", "", "--licence", "", "--contact", "", "--url", "",
        "--tracker", "https://t.example/announce", "--secret-key", "", folder=folder,
    )  # fmt: skip
    terminal.answer("Maximum shard size [1 GiB]: ", "12\n")
    terminal.answer("is less than the minimum, 64 KiB", "")
    terminal.answer("Maximum shard size [1 GiB]: ", "\n")
    assert terminal.end() == 0
    assert load_project(folder / "packager.toml")[0].torrents.trackers == (("https://t.example/announce",),)


def test_with_yes_it_asks_nothing_on_a_terminal(folder: Path) -> None:
    terminal = Terminal("init", "-y", "music", folder=folder)
    assert terminal.end() == 0
    assert "[" not in terminal.shown


def test_ctrl_c_at_a_question_ends_with_130_and_writes_nothing(folder: Path) -> None:
    terminal = Terminal("init", "music", folder=folder)
    terminal.answer("Title [Music]: ", "")
    assert terminal.interrupt() == 130
    assert "Traceback" not in terminal.shown
    assert not (folder / "packager.toml").exists()


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["music", "records.csv"], "2 folders; a release has one"),
        (["nothere"], "nothere: not a folder"),
        (["music", "--shard-size", "1 KiB"], "is less than the minimum, 64 KiB"),
        (["music", "--records", "gone.csv"], "gone.csv: no such file"),
        (["music", "--name", "My Songs"], "is not a name"),
    ],
)
def test_wrong_arguments_end_with_2(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: Sequence[str], text: str
) -> None:
    assert main(["init", *arguments]) == 2
    assert text in capsys.readouterr().err
    assert not (folder / "packager.toml").exists()
