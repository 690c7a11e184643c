"""hatch_build.py with compilers that know fewer flags, fail, hang or write garbage: a library that works, or none."""

import hashlib
import importlib.util
import shutil
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "packager/native/hashes.c"


@pytest.fixture
def build(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """hatch_build.py as a module."""
    spec = importlib.util.spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(module.platform, "machine", lambda: "x86_64")
    return module


def fake(folder: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a shell script the C compiler. It appends its arguments to `calls` beside it, a line a call."""
    compiler = folder / "fake cc"
    compiler.write_text(f'#!/bin/sh\necho "$@" >> "{folder}/calls"\n{script}\n')
    compiler.chmod(0o755)
    monkeypatch.setenv("CC", f"'{compiler}' -DANYTHING")
    return folder / "calls"


def made(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


UNKNOWN = """
for flag; do
  case "$flag" in
    {flags}) echo "fake: error: unknown argument: '$flag'" >&2; unknown=1 ;;
  esac
done
[ -z "$unknown" ] && exec {cc} "$@"
exit 1
"""


@pytest.mark.interop
@pytest.mark.parametrize("flags", ["-fno-tree-reassoc", "-fno-tree-reassoc|-std=gnu11", "-O2|-fvisibility=hidden"])
def test_flags_that_a_compiler_does_not_know_are_left_out(
    flags: str, build: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cc = shutil.which("cc")
    if cc is None:
        pytest.skip("cc is not installed")
    folder = tmp_path / "made"
    folder.mkdir()
    calls = fake(tmp_path, UNKNOWN.format(flags=flags, cc=cc), monkeypatch)
    assert build.compiled(SOURCE, folder) == ""
    first, last = calls.read_text().splitlines()
    assert [flag for flag in flags.split("|") if flag in first] == flags.split("|")
    assert [flag for flag in build.WANTED if flag in last] == [each for each in build.WANTED if each not in flags]
    assert made(folder) == ["libhashes.so", "libhashes.so.sha256"]
    sums = dict(reversed(line.split()) for line in (folder / "libhashes.so.sha256").read_text().splitlines())
    assert sums == {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in (folder / "libhashes.so", SOURCE)
    }


@pytest.mark.interop
def test_a_compiler_that_names_no_flag_is_asked_without_any(
    build: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cc = shutil.which("cc")
    if cc is None:
        pytest.skip("cc is not installed")
    folder = tmp_path / "made"
    folder.mkdir()
    script = f'case "$*" in *-O2*) echo usage >&2; exit 2 ;; esac; exec {cc} "$@"'
    calls = fake(tmp_path, script, monkeypatch)
    assert build.compiled(SOURCE, folder) == ""
    assert len(calls.read_text().splitlines()) == 2


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("echo 'hashes.c:1: no such header' >&2; exit 1", "ended with 1: hashes.c:1: no such header"),
        ("yes words | head -c 100000; exit 3", "ended with 3: words"),
        ("kill -9 $$", "ended with -9"),
        ("exit 0", "wrote cannot be loaded"),
        ('for out; do :; done; for a; do [ "$b" = -o ] && echo garbage > "$a"; b="$a"; done', "wrote cannot be loaded"),
        ('for a; do [ "$b" = -o ] && mkdir "$a"; b="$a"; done', "wrote cannot be loaded"),
        ("printf 'caf\\351 \\377' >&2; exit 1", "ended with 1: caf\ufffd \ufffd"),
    ],
)
def test_why_nothing_was_compiled_is_said_in_the_compilers_words(
    script: str, said: str, build: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "made"
    folder.mkdir()
    (folder / "libhashes.so").write_bytes(b"an old one")
    (folder / "libhashes.so.sha256").write_bytes(b"its sums")
    fake(tmp_path, script, monkeypatch)
    why = build.compiled(SOURCE, folder)
    assert said in why
    assert len(why) < 3000
    assert made(folder) == []


def test_a_compiler_that_hangs_is_ended_with_all_that_it_started(
    build: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake(tmp_path, "sleep 1000 & sleep 1000", monkeypatch)
    monkeypatch.setattr(build, "SECONDS", 0.2)
    assert "took more than 0.2 seconds" in build.compiled(SOURCE, tmp_path)


@pytest.mark.parametrize(
    ("compiler", "said"), [("no-compiler", "no C compiler (no-compiler)"), ("'cc", "quotation"), ("/", "denied")]
)
def test_a_compiler_that_cannot_be_run_is_named(
    compiler: str, said: str, build: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CC", compiler)
    assert said in build.compiled(SOURCE, tmp_path)
    assert made(tmp_path) == []


@pytest.mark.parametrize(("platform", "machine"), [("darwin", "x86_64"), ("linux", "aarch64")])
def test_elsewhere_nothing_is_compiled(
    platform: str, machine: str, build: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(build.platform, "machine", lambda: machine)
    assert build.compiled(SOURCE, tmp_path) == "it is for Linux on x86-64"
