"""What a command prints while it works and when it ends: each part in turn, warnings by kind, what Ctrl-C leaves."""

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from packager import api
from packager.cli.app import main
from packager.core.reports.warning_kinds import KINDS
from packager.errors import Stopped
from packager.progress import Silent
from tests.helpers.http_server import serving
from tests.helpers.projects import Project, make_project

Capture = pytest.CaptureFixture[str]
PATIENCE = 60.0


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = make_project(tmp_path, files=3)
    for number in range(30):
        (made.source / f"{number} %.txt").write_text("x")
    return made


def test_release_prints_each_part_when_it_ends(
    project: Project, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    printed = {}

    def packing(*_: object, **__: object) -> None:
        printed["before packing"] = capsys.readouterr().out
        raise Stopped("0 of 3 shards are complete; nothing was lost.")

    monkeypatch.setattr("packager.api.releasing.pack.pack", packing)
    assert project.run(capsys, "release").code == 130
    scanned, *rest = printed["before packing"].splitlines()
    assert scanned.startswith("Scanned ")
    assert [line for line in rest if line.lower().startswith("phase")]


def test_a_release_ends_with_what_was_made_and_the_next_step(project: Project, capsys: Capture) -> None:
    ran = project.run(capsys, "release")
    lines = ran.out.splitlines()
    assert re.fullmatch(r"Published release 1: \d shards, [\d.]+ KiB, \d+ files in \S*site/\.", lines[-2])
    assert re.fullmatch(r"Next: packager seed {12}\(and put \S*site/ on a web server\)", lines[-1])
    [packed] = [line for line in lines if line.startswith("Packed ")]
    assert re.fullmatch(r"Packed 3 shards, [\d.]+ KiB, in \d+ s( \([\d.]+ [KM]iB/s\))?\.", packed)
    again = project.run(capsys, "release").out.splitlines()
    assert again[-1] == "Release 1 is published; nothing changed."
    assert "Nothing to pack: 3 shards are complete already." in again
    quiet = project.run(capsys, "release", "-q")
    assert not [line for line in (quiet.out + quiet.err).splitlines() if line.startswith("Next")]


def test_warnings_are_one_line_a_kind_and_listed_by_their_command(project: Project, capsys: Capture) -> None:
    (project.source / "link").symlink_to("notes.txt")
    ran = project.run(capsys, "scan")
    shown = [line for line in ran.err.splitlines() if line.startswith("warning: ")]
    assert len(shown) == 2
    assert shown[0].startswith('warning: 31 files get a safe name in the shard, such as "')
    assert shown[1].startswith("warning: 1 path is left out, such as ")
    assert "32 warnings of 2 kinds. List them: packager warnings" in ran.out.splitlines()
    listed = project.run(capsys, "warnings")
    assert listed.out.splitlines()[-1] == "32 warnings of 2 kinds."
    assert len(listed.out.splitlines()) == 32 + 2 + 1
    one = project.run(capsys, "warnings", "--kind", "skipped").out.splitlines()
    assert one[0].startswith("skipped: 1 path is left out. ")
    assert one[-1] == "1 warning of 1 kind."
    report = json.loads(project.run(capsys, "warnings", "--json").out)
    assert (report["count"], {each["kind"] for each in report["warnings"]}) == (32, {"renamed", "skipped"})
    wrong = project.run(capsys, "warnings", "--kind", "odd")
    assert (wrong.code, f"The kinds are: {', '.join(KINDS)}." in wrong.err) == (2, True)


def test_a_project_without_warnings_says_so(tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "a.txt").write_text("a")
    config = str(tmp_path / "packager.toml")
    api.init(tmp_path / "files", config=config)
    assert main(["scan", "-c", config]) == 0
    assert main(["warnings", "-c", config]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "No warnings."


def test_v_names_each_shard_and_file_and_the_log_file_has_them_always(project: Project, capsys: Capture) -> None:
    log = project.root / "log"
    assert "tones-rest-00001: " not in project.run(capsys, "release", "--log-file", str(log)).err
    lines = log.read_text().splitlines()
    assert [line for line in lines if re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ tones-rest-00001: ", line)]
    assert [line for line in lines if "Z warning: 0 %.txt: named " in line]
    assert lines[-1].endswith("Z exit code 0")
    (project.source / "new.txt").write_text("new")
    assert "tones-rest-00002: 1 member, " in project.run(capsys, "-v", "release").err


class Interrupts(Silent):
    """Ctrl-C when the second shard is complete."""

    shards = 0

    def detail(self, text: str) -> None:
        self.shards += text.startswith("tones-")
        if self.shards == 2:
            raise KeyboardInterrupt


def test_ctrl_c_in_a_pack_says_what_is_complete_and_what_was_lost(project: Project) -> None:
    config = project.root / "packager.toml"
    api.scan(config)
    api.plan(config)
    with pytest.raises(Stopped, match=r"^2 of 3 shards are complete; one unfinished tar will be written again\.$"):
        api.pack(config, workers=1, progress=Interrupts())
    assert api.pack(config, workers=1).unchanged == 2


def test_a_stopped_command_names_the_command_that_resumes(
    project: Project, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop = Stopped("12 of 40 shards are complete; one unfinished tar will be written again.")
    monkeypatch.setattr("packager.api.pack", lambda *_, **__: (_ for _ in ()).throw(stop))
    ran = project.run(capsys, "pack", "--phase", "audio")
    assert (ran.code, ran.out) == (130, "")
    assert ran.err.splitlines() == [
        "Stopped. 12 of 40 shards are complete; one unfinished tar will be written again.",
        f"Resume: packager pack --phase audio --config {project.root / 'packager.toml'}",
    ]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_real_signal_ends_with_130_and_the_way_on(number: signal.Signals, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "packager.toml")  # reading it waits
    command = [sys.executable, "-c", "from packager.cli.app import run; run()", "plan"]
    with (
        subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as process,
        open(tmp_path / "packager.toml", "w"),  # it is read now
    ):
        process.send_signal(number)
        _, error = process.communicate(timeout=PATIENCE)
    assert (process.returncode, error) == (130, "Stopped. Work that is complete is kept.\nResume: packager plan\n")


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_a_bar_stays_on_one_line_of_a_terminal(columns: int, tmp_path: Path) -> None:
    script = (
        "import time\n"
        "from packager.cli.progress_bars import show_progress\n"
        "with show_progress(json=False) as progress:\n"
        "    progress.begin('Packing', 64 << 30)\n"
        "    for _ in range(20): progress.advance(1 << 30); time.sleep(0.06)\n"
        "    progress.end()\n"
        "print('done')\n"
    )
    child, terminal = pty.fork()
    if child == 0:
        environment = {**os.environ, "COLUMNS": str(columns), "TERM": "xterm", "NO_COLOR": "1"}
        os.execve(sys.executable, [sys.executable, "-c", script], environment)
    text, end = "", time.monotonic() + PATIENCE
    while "done" not in text:
        assert time.monotonic() < end, text
        if select.select([terminal], [], [], 1)[0]:
            text += os.read(terminal, 65536).decode()
    os.close(terminal)
    os.waitpid(child, 0)
    plain = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", text)
    shown = [line for line in re.split(r"[\r\n]+", plain) if line.startswith("Packing")]
    assert shown
    assert all(len(line.rstrip()) < columns for line in shown)
    assert any(("[" in line) == (columns >= 70) for line in shown)
    assert "\x1b[1A" not in text  # no second line to go up to


@pytest.mark.parametrize("style", ["lines", "none"])
def test_a_pipe_gets_no_bar(style: str, project: Project, capsys: Capture) -> None:
    ran = project.run(capsys, "release", "--progress", style)
    assert ran.code == 0
    assert "[#" not in ran.err + ran.out
    assert "Packing " not in ran.err


@pytest.mark.parametrize(("color", "escapes"), [("always", True), ("never", False), ("auto", False)])
def test_color_is_as_asked(color: str, escapes: bool, project: Project, capsys: Capture) -> None:
    assert project.run(capsys, "scan").code == 0
    assert ("\x1b[" in project.run(capsys, "plan", "--color", color).out) == escapes


def test_vv_shows_each_request_with_its_time_and_without_secrets(
    project: Project, capsys: Capture, tmp_path: Path
) -> None:
    assert project.run(capsys, "release").code == 0
    tar = next((project.root / "shards").glob("tones-rest-*.tar"))
    root = project.root / "site"
    files = {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}
    alone = tmp_path / "alone" / tar.name
    alone.parent.mkdir()
    tar.rename(alone)
    with serving(files) as site:
        verify = ["verify", str(alone), "--release", site.address, "-w", "1"]
        assert main([*verify, "-vv"]) == 0
        shown = capsys.readouterr().err
        assert re.search(r"^ +\d+\.\d{3} s  GET http://127\.0\.0\.1:\d+/release\.json: 200$", shown, re.MULTILINE)
        assert main([*verify, "-v", "--log-file", str(tmp_path / "log")]) == 0
    assert " GET " not in capsys.readouterr().err
    assert "/release.json: 200" in (tmp_path / "log").read_text()
