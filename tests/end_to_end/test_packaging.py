"""The project itself: the wheel works alone, imports keep their direction, nothing of one machine is in it."""

import os
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from packager import __version__

ROOT = Path(__file__).parents[2]


def tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout")
    return [ROOT / os.fsdecode(name) for name in listed.stdout.split(b"\0") if name]


def build(source: Path, folder: Path, kind: str, **environment: str) -> Path:
    """Build the wheel or sdist of `source` into a folder."""
    command = [sys.executable, "-m", "build", f"--{kind}", "--no-isolation", "--outdir", folder, source]
    subprocess.run(command, check=True, capture_output=True, env=os.environ | environment)
    [made] = folder.glob("archive_packager-*")
    return made


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel."""
    return build(ROOT, tmp_path_factory.mktemp("wheel"), "wheel")


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the wheel alone into a folder."""
    target = tmp_path_factory.mktemp("site")
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", target]
    subprocess.run([*install, wheel], check=True, capture_output=True)
    return target


def run_installed(installed: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the installed command from a folder where no checkout is; other packages come from this environment."""
    code = (
        f"import sys; sys.path[:0] = [{os.fspath(installed)!r}, {sysconfig.get_path('purelib')!r}]\n"
        "import packager; assert packager.__file__.startswith(sys.path[0]), packager.__file__\n"
        "from packager.cli.app import run; run()"
    )
    command = [sys.executable, "-I", "-S", "-c", code, *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_an_installed_wheel_makes_a_release_with_no_checkout(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.txt").write_text("a")
    said = run_installed(installed, tmp_path, "--version").stdout.splitlines()
    assert said[:2] == [f"archive-packager {__version__}", f"Python {platform.python_version()}"]
    assert run_installed(installed, tmp_path, "init", "texts").returncode == 0
    ran = run_installed(installed, tmp_path, "release", "--workers", "1")
    assert ran.returncode == 0, ran.stderr
    assert (tmp_path / "site" / "index.html").is_file()


def test_the_documentation_is_in_the_wheel(installed: Path, tmp_path: Path) -> None:
    for topic in ([], ["config"], ["format"]):
        [path] = run_installed(installed, tmp_path, "docs", *topic, "--print").stdout.splitlines()
        assert Path(path).is_relative_to(installed)
        assert run_installed(installed, tmp_path, "docs", *topic).stdout.startswith("# ")
    index = (installed / "packager/docs/index.md").read_text()
    links = re.findall(r"\]\(([^)#]+)\)", index)
    assert len(links) > 30
    assert [link for link in links if not (installed / "packager/docs" / link).is_file()] == []


LIBRARY = "packager/native/libhashes.so"


@pytest.mark.interop
def test_a_wheel_with_compiled_hashes_tells_its_platform(wheel: Path, program: Callable[[str], str]) -> None:
    program("cc")
    if platform.machine() != "x86_64":
        pytest.skip("the hashes are compiled for x86-64")
    assert {LIBRARY, f"{LIBRARY}.sha256"} <= {*zipfile.ZipFile(wheel).namelist()}
    assert wheel.name.endswith("-py3-none-linux_x86_64.whl")


@pytest.mark.parametrize("compiler", ["no compiler", "false"])
def test_where_nothing_can_be_compiled_the_wheel_is_for_all(compiler: str, tmp_path: Path) -> None:
    made = build(ROOT, tmp_path, "wheel", CC=f"'{compiler}'")
    assert made.name.endswith("-py3-none-any.whl")
    assert not [name for name in zipfile.ZipFile(made).namelist() if LIBRARY in name]


@pytest.mark.soak
def test_a_source_archive_makes_the_same_wheel(wheel: Path, tmp_path: Path) -> None:
    made = build(ROOT, tmp_path / "sdist", "sdist")
    with tarfile.open(made) as archive:
        archive.extractall(tmp_path, filter="data")
    again = build(tmp_path / made.name.removesuffix(".tar.gz"), tmp_path / "wheel", "wheel")
    assert again.name == wheel.name
    assert again.read_bytes() == wheel.read_bytes()


def test_the_wheel_carries_templates_formats_and_types(installed: Path) -> None:
    inside = {path.relative_to(installed).as_posix() for path in installed.rglob("*") if path.is_file()}
    assert {
        "packager/release_templates/index.html",
        "packager/release_templates/style.css",
        "packager/manifests/FORMAT.md",
        "packager/manifests/schema/release.schema.json",
        "packager/py.typed",
    } <= inside
    assert not [name for name in inside if name.startswith(("tests/", "bench/", "docs/"))]


@pytest.mark.parametrize(
    ("file", "line", "contract"),
    [
        ("units.py", "import os", "the core does no I/O"),
        ("catalogue/scan.py", "import packager.publish.publish", "imports point down"),
        ("pack/pack.py", "import duckdb", "one door: duckdb"),
    ],
)
def test_a_stray_import_breaks_its_contract(file: str, line: str, contract: str, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "packager", tmp_path / "packager")
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    path = tmp_path / "packager" / file
    path.write_text(path.read_text() + f"\n{line}\n")
    command = [Path(sys.executable).with_name("lint-imports"), "--no-logo", "--no-cache"]
    ran = subprocess.run(
        command,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
    )
    assert ran.returncode == 1
    assert f"{contract} BROKEN" in ran.stdout


def test_no_tracked_file_names_this_machine_or_a_package_registry() -> None:
    hosts = re.compile(rb"https?://(?:[\w.-]*\.)?(?:pypi\.org|pythonhosted\.org|deb\.debian\.org|registry\.npmjs\.org)")
    own = os.fsencode(ROOT) + b"/"
    for path in tracked():
        if path.is_file():
            data = path.read_bytes()
            assert own not in data, path
            assert not hosts.search(data), path


def test_no_tracked_file_is_large_or_a_lock_with_addresses() -> None:
    for path in tracked():
        if path.is_file():
            assert path.stat().st_size < 1_500_000, path
            assert path.name not in ("uv.lock", "poetry.lock", "package-lock.json", "Pipfile.lock")


def test_the_changelog_has_this_version() -> None:
    assert f"## [{__version__}]" in (ROOT / "CHANGELOG.md").read_text()


def test_the_demo_collection_is_at_most_two_megabytes() -> None:
    files = [path for path in (ROOT / "docs" / "demo").rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    assert sum(path.stat().st_size for path in files) <= 2_000_000
