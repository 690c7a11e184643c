"""The hostile corpus: each file ends in an exit code and a sentence, soon and in little memory, never in a traceback.

cases.toml tells for each command what every file must end in.
"""

import functools
import json
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hostile_large
import make_cases
import pytest

from tests.helpers.error_lines import as_sentence

HERE = Path(__file__).parent
CASES: dict[str, dict[str, tuple[int, str]]] = tomllib.loads((HERE / "cases.toml").read_text(encoding="utf-8"))
GROWTH_MIB, CPU_SECONDS = 300, 10  # what takes longer than it may grows with the square of the size, to minutes
FILE_MOST, TOTAL_MOST = 20_000, 600_000  # bytes that are committed
NAME = "example-texts-00001"
GOLDEN = HERE.parents[1] / "manifests/vectors/shard/expected"
SOURCE = GOLDEN.parent / "source"
CONFIG = (
    '[collection]\nname = "x"\ntitle = "X"\nsource = "source"\n[records]\nfiles = ["{}"]\n[[phases]]\nname = "all"\n'
)


def inspect(file: Path, scratch: Path) -> list[str]:
    return ["inspect", str(file)]


def open_documents(file: Path, scratch: Path) -> list[str]:
    return ["open-documents", str(file / f"{NAME}.manifest.json")]


def scan(file: Path, scratch: Path) -> list[str]:
    """Put the records file beside a folder of two files and scan it."""
    project = scratch / f"{file.name}.project"
    (project / "source").mkdir(parents=True)
    for name in ("a.txt", "b.txt"):
        (project / "source" / name).write_text(name)
    (project / file.name).symlink_to(file)
    (project / "packager.toml").write_text(CONFIG.format(file.name))
    return ["scan", "--workers", "1", "--config", str(project / "packager.toml")]


def verify(file: Path, scratch: Path) -> list[str]:
    """Hold the golden shard against what a stranger's documents or .torrent say."""
    if file.suffix == ".torrent":
        return ["verify", "--workers", "1", "--torrent", str(file), str(GOLDEN)]
    return ["verify", "--workers", "1", "--manifest", str(_manifest(file)), str(GOLDEN / f"{NAME}.tar")]


def verify_release(file: Path, scratch: Path) -> list[str]:
    """Hold the golden shard against a release of a stranger's."""
    folder = scratch / file.name
    shutil.copytree(GOLDEN, folder / "manifests")
    shutil.copytree(GOLDEN, folder / "torrents")
    shutil.copyfile(file, folder / "release.json")
    return ["verify", "--workers", "1", "--release", str(folder), str(GOLDEN / f"{NAME}.tar")]


def extract(file: Path, scratch: Path) -> list[str]:
    """Take all out of a stranger's tar, or out of the golden one by a stranger's documents."""
    if file.suffix == ".tar":
        return ["extract", str(file), "--to", str(scratch / "to" / file.name)]
    told = ["--manifest", str(_manifest(file)), "--to", str(scratch / "to" / file.name)]
    return ["extract", str(GOLDEN / f"{NAME}.tar"), *told]


def rebuild(file: Path, scratch: Path) -> list[str]:
    """Write a shard by a stranger's documents from the golden one's sources."""
    to = ["--to", str(scratch / "to" / f"{file.name}.tar"), "--index", str(scratch / "to" / "index")]
    return ["rebuild", NAME, "--no-web-seeds", "--manifest", str(_manifest(file)), "--from", str(SOURCE), *to]


def repair(file: Path, scratch: Path) -> list[str]:
    """Repair a copy of the golden tar by a stranger's documents."""
    tar = scratch / "to" / file.name / f"{NAME}.tar"
    tar.parent.mkdir(parents=True)
    tar.write_bytes((GOLDEN / tar.name).read_bytes()[:-1])
    return ["repair", str(tar), "--no-web-seeds", "--manifest", str(_manifest(file)), "--from", str(SOURCE)]


def _manifest(file: Path) -> Path:
    return file / f"{NAME}.manifest.json" if file.is_dir() else file


COMMANDS: dict[str, Callable[[Path, Path], list[str]]] = {
    "inspect": inspect,
    "inspect-large": inspect,
    "open-documents": open_documents,
    "scan": scan,
    "scan-large": scan,
    "verify": verify,
    "verify-release": verify_release,
    "extract": extract,
    "rebuild": rebuild,
    "repair": repair,
}


@pytest.mark.parametrize("group", COMMANDS)
def test_every_file_ends_as_its_case_says(group: str, tmp_path: Path) -> None:
    cases = CASES[group]
    files = {name: make_cases.FILES / name for name in cases}
    if group.endswith("-large"):
        files = {name: tmp_path / name for name in cases}
        for name, path in files.items():
            hostile_large.MADE[name](path)
    around = sorted(tmp_path.parent.iterdir())
    ran = run([COMMANDS[group](file, tmp_path) for file in files.values()])
    wrong = [
        f"{name}: {fault}"
        for (name, case), result in zip(cases.items(), ran, strict=True)
        for fault in faults(result, *case)
    ]
    assert wrong == []
    assert sorted(tmp_path.parent.iterdir()) == around  # nothing climbed out


def run(command_lines: list[list[str]]) -> list[dict[str, Any]]:
    """What became of each command line, all run by one process that forks for each."""
    done = subprocess.run(
        [sys.executable, HERE / "run_cases.py"],
        input=json.dumps(command_lines),
        capture_output=True,
        text=True,
        check=True,
    )
    results: list[dict[str, Any]] = json.loads(done.stdout)
    return results


def faults(result: dict[str, Any], code: int, sentence: str) -> list[str]:
    """What is not as it should be."""
    errors = as_sentence(result["err"])
    said = result["out"] + errors
    found = []
    if result["code"] != code:
        found.append(f"exit code {result['code']}, not {code}: {said[-300:]}")
    if sentence not in said:
        found.append(f"does not say {sentence!r}: {said[-300:]}")
    if "Traceback" in said:
        found.append(f"a traceback: {said[-1000:]}")
    if code == 2 and (result["out"] or errors.count("\n") != 1):
        found.append(f"not one sentence on stderr alone: {said!r}")
    if result["growth_mib"] > GROWTH_MIB or result["cpu_seconds"] > CPU_SECONDS:
        found.append(f"took {result['growth_mib']:.0f} MiB and {result['cpu_seconds']:.1f} s")
    return found


@functools.cache
def made() -> dict[str, bytes]:
    return make_cases.made()


def test_every_file_of_the_corpus_has_a_case() -> None:
    tested = {name for group, cases in CASES.items() if not group.endswith("-large") for name in cases}
    assert tested == {name.partition("/")[0] for name in made()}
    assert {*CASES["inspect-large"], *CASES["scan-large"]} == set(hostile_large.MADE)


def test_the_corpus_is_what_its_script_makes() -> None:
    kept = {
        path.relative_to(make_cases.FILES).as_posix(): path.read_bytes()
        for path in make_cases.FILES.rglob("*")
        if path.is_file()
    }
    assert set(kept) == set(made())
    same = {name for name, data in made().items() if kept[name] == data}
    assert [name for name in made() if name not in same and not name.endswith(".members.parquet")] == []


def test_the_corpus_is_small() -> None:
    sizes = [path.stat().st_size for path in make_cases.FILES.rglob("*") if path.is_file()]
    assert max(sizes) < FILE_MOST
    assert sum(sizes) < TOTAL_MOST
