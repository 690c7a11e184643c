"""No file of the current folder is imported, whatever starts a process: every command, among hostile modules."""

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from packager.cli import app
from packager.engine.processes.child_processes import spawn_context
from packager.engine.processes.import_path import leave_current_folder, module_path
from packager.engine.processes.local_workers import run_tasks
from tests.engine.processes.test_local_workers import square
from tests.helpers.forked_commands import forked
from tests.helpers.projects import Project, make_project, write_tone

CONSOLE = (str(Path(sys.executable).with_name("packager")),)
MODULE = (sys.executable, "-P", "-m", "packager")
FOLDERS = ("encodings", "json", "pyarrow", "numpy", "distributed", "multiprocessing")  # packages, and no modules
# What Python itself imports for `-m` before any code of ours can run (docs/explanation/what-runs.md).
BY_PYTHON = ("collections", "contextlib", "functools", "importlib", "keyword", "operator", "reprlib", "types")
BY_PYTHON += ("warnings",)
SHARD = "shards/tones-audio-00001.tar"
FOLLOW = ("--budget", "1 GiB", "--allow-unsigned", "--reserve", "1 B", "--yes", "--client", "none")
# Every command, in an order in which each has what it needs. The folder that it runs in is the project's own.
COMMANDS: tuple[tuple[str, ...], ...] = (
    ("--version",),
    ("--help",),
    ("help",),
    ("docs", "--print"),
    ("completion", "bash"),
    ("init", "source", "--config", "new/packager.toml"),
    ("keygen", "--no-password"),
    ("scan", "--workers", "2"),
    ("warnings",),
    ("estimate", "--workers", "2"),
    ("plan",),
    ("pack", "--phase", "rest", "--no-tars", "--workers", "2"),
    ("export", "tones-rest-00001", "--workers", "2"),
    ("pack", "--cluster", "local:2"),
    ("publish",),
    ("release", "--workers", "2"),
    ("status",),
    ("serve", "--workers", "2", "--listen", "127.0.0.1:0"),
    ("inspect", "site/release.json"),
    ("verify", "shards", "--workers", "2"),
    ("verify", "shards", "--cluster", "local:2"),
    ("extract", SHARD, "--to", "extracted"),
    ("get", "--release", "site", "notes.txt", "--from", "source", "--to", "got"),
    ("rebuild", "tones-audio-00001", "--release", "site", "--from", "source", "--to", "r.tar", "--index", "index"),
    ("repair", SHARD, "--release", "site", "--workers", "2"),
    ("torrent", "source", "--workers", "2"),
    ("seed", SHARD, "--verify", "--listen", "127.0.0.1:0", "--for", "0.1 s", "--workers", "2"),
    ("mirror", "follow", "site", "mirror", *FOLLOW),
    ("mirror", "status", "mirror"),
    ("mirror", "magnets", "mirror"),
    ("mirror", "sync", "mirror", "--yes"),
    ("mirror", "prune", "mirror", "--dry-run"),
    ("prune", "--dry-run"),
    ("replace", "--yes", "tones-audio-00001", "--reason", "x"),
    ("withdraw", "--yes", "notes.txt", "--reason", "x"),
)


def hostile(folder: Path, *, without: Sequence[str] = ()) -> Path:
    """Fill a folder with a module of every name that Python or a library has; return the file that they write to."""
    ran = folder / "ran"
    code = f"with open({os.fspath(ran)!r}, 'a') as ran: ran.write(__name__ + chr(10))\n"
    names = {*sys.stdlib_module_names, *packages_distributions(), "packager", "sitecustomize", "usercustomize"}
    for name in sorted(names - {*without}):
        path = folder / name / "__init__.py" if name in FOLDERS else folder / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(code)
    return ran


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project with enough files and shards that several processes work at it."""
    project = make_project(tmp_path / "project")
    for number in range(50):  # scan reads tags by several processes
        write_tone(project.source / f"short {number}.wav", 100)
    project.write_config(size="200 KiB")
    config = project.root / "packager.toml"
    config.write_text(config.read_text().replace('trackers = [["udp://tracker.example.org:6969/announce"]]', ""))
    return project


def run(program: Sequence[str], arguments: Sequence[str], folder: Path) -> None:
    """Run one command line; serve is ended once it answers."""
    with subprocess.Popen(
        [*program, *arguments], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        if arguments[0] == "serve":
            assert process.stderr
            assert "http://127.0.0.1:" in process.stderr.readline()
            process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=120)
    right = 3 if arguments[:2] == ("mirror", "status") else 0  # of that mirror nothing is here
    assert process.returncode == right, (arguments, out, err)


def test_every_command_is_tried() -> None:
    assert {arguments[0] for arguments in COMMANDS} - {"--version", "--help"} == set(app.COMMANDS)


@pytest.mark.parametrize(
    "program",
    [None, pytest.param(CONSOLE, marks=pytest.mark.soak), pytest.param(MODULE, marks=pytest.mark.soak)],
    ids=["forked", "packager", "-m"],
)
def test_no_command_imports_a_file_of_the_current_folder(program: Sequence[str] | None, project: Project) -> None:
    ran = hostile(project.root)
    for arguments in COMMANDS:
        run(program or forked(), arguments, project.root)
        assert not ran.exists(), (arguments, ran.read_text())


@pytest.mark.parametrize("program", [CONSOLE, MODULE], ids=["packager", "-m"])
def test_no_interpreter_imports_a_file_of_the_current_folder(program: Sequence[str], project: Project) -> None:
    ran = hostile(project.root)
    for arguments in (("scan", "--workers", "2"), ("release", "--workers", "1"), ("verify", "shards")):
        run(program, arguments, project.root)
        assert not ran.exists(), (arguments, ran.read_text())


@pytest.mark.parametrize("arguments", [("scan", "--workers", "2"), ("release", "--cluster", "local:2")])
def test_a_folder_beside_the_configuration_is_as_foreign(arguments: tuple[str, ...], project: Project) -> None:
    inside = project.root / "inside"
    ran = hostile(inside)
    run(CONSOLE, (*arguments, "--config", "../packager.toml"), inside)
    assert not ran.exists(), ran.read_text()


def test_python_m_leaves_the_current_folder_before_it_imports_anything_itself(project: Project) -> None:
    ran = hostile(project.root, without=("packager", *BY_PYTHON))
    for arguments in (("--version",), ("scan", "--workers", "2")):
        run((sys.executable, "-m", "packager"), arguments, project.root)
    assert not ran.exists(), ran.read_text()


@pytest.mark.parametrize("entry", ["", ".", "sub/..", None])
def test_no_child_process_looks_where_the_parent_stands(
    entry: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran = hostile(tmp_path, without=("packager",))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", ["", "sub/..", *sys.path])
    if entry is None:
        monkeypatch.delenv("PYTHONPATH", raising=False)
    else:
        monkeypatch.setenv("PYTHONPATH", os.pathsep.join([entry, os.fspath(tmp_path / "other")]))
        monkeypatch.setattr(sys, "path", [os.fspath(tmp_path), *sys.path])  # as Python's site module makes of it
    before = dict(os.environ)
    assert len(list(run_tasks(square, [1, 4], workers=2, advance=[].append))) == 2
    process = spawn_context().Process(target=print)
    process.start()
    process.join()
    assert process.exitcode == 0
    assert not ran.exists(), ran.read_text()
    assert dict(os.environ) == before
    assert sys.path[-1] in module_path()


def test_only_the_current_folder_leaves_the_module_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    library, other = os.path.dirname(os.__file__), str(tmp_path / "other")
    packager = str(Path(app.__file__).parents[2])
    monkeypatch.setenv("PYTHONPATH", f":{other}")
    for first in ("", str(tmp_path)):
        monkeypatch.setattr(sys, "path", [first, other, "relative", packager, library])
        leave_current_folder()
        assert sys.path == [other, packager, library]


def test_packager_itself_stays_on_the_path_where_it_is_run_from_its_own_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    packager = str(Path(app.__file__).parents[2])
    monkeypatch.chdir(packager)
    monkeypatch.delenv("PYTHONPATH", raising=False)
    monkeypatch.setattr(sys, "path", [packager, os.path.dirname(os.__file__)])
    leave_current_folder()
    assert sys.path == [os.path.dirname(os.__file__), packager]  # last: the library's own modules come first
