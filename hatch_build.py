"""Compile packager/native/hashes.c when hatchling builds a wheel or installs the project editable.

libhashes.so.sha256, beside the library, has the SHA-256 of the library and of its source in the format of sha256sum.
The library is loaded only if both are right. If it cannot be compiled, packager uses hashlib instead.
"""

import hashlib
import os
import platform
import shlex
import signal
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

NATIVE = Path("packager/native")
SOURCE, LIBRARY, SUMS = "hashes.c", "libhashes.so", "libhashes.so.sha256"
SECONDS = 120  # time limit for the compiler, which needs two or three
NEEDED = ("-shared", "-fPIC")
# SHA-1 in hashes.c adds in the order with the shortest chain; if the compiler reorders it, it is a seventh slower.
WANTED = ("-O2", "-std=gnu11", "-fno-tree-reassoc", "-fvisibility=hidden")
LOAD = "import ctypes, sys; ctypes.CDLL(sys.argv[1]).packager_ways()"
_WORDS = 2000  # characters of the compiler's message that are shown


class Compile(BuildHookInterface[Any]):
    """Adds the library to a wheel, which is then for this platform only; or writes it beside its source."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile. version: "standard", or "editable" if packager/ itself will be imported."""
        native = folder = Path(self.root, NATIVE)
        if version != "editable":
            self._folder = tempfile.TemporaryDirectory()
            folder = Path(self._folder.name)
        why = compiled(native / SOURCE, folder)
        if why:
            self.app.display_warning(f"{NATIVE / SOURCE} is not compiled, hashlib is used instead: {why}")
        elif version != "editable":
            for name in (LIBRARY, SUMS):
                build_data["force_include"][os.fspath(folder / name)] = os.fspath(NATIVE / name)
            build_data["pure_python"] = False
            platform_tag = sysconfig.get_platform().replace("-", "_").replace(".", "_")
            build_data["tag"] = f"py3-none-{platform_tag}"  # the library does not depend on the version of Python

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:  # noqa: ARG002
        """Remove the files that are now in the wheel."""
        if version != "editable":
            self._folder.cleanup()


def compiled(source: Path, folder: Path) -> str:
    """Write the library and its digests into a folder; return the reason if that failed, else ""."""
    for name in (LIBRARY, SUMS):
        (folder / name).unlink(missing_ok=True)
    if sys.platform != "linux" or platform.machine() != "x86_64":
        return "it is for Linux on x86-64"
    try:
        compiler = shlex.split(os.environ.get("CC", "")) or ["cc"]
        with tempfile.TemporaryDirectory(dir=folder, prefix=".compiling-") as beside:
            made = Path(beside, LIBRARY)
            why = _compile(compiler, source, made) or _tried(compiler, made)
            if not why:
                files = {LIBRARY: made.read_bytes(), SOURCE: source.read_bytes()}
                lines = [f"{hashlib.sha256(data).hexdigest()}  {name}\n" for name, data in files.items()]
                Path(beside, SUMS).write_text("".join(lines))
                for name in (LIBRARY, SUMS):
                    Path(beside, name).replace(folder / name)
    except (OSError, ValueError) as error:  # ValueError: CC has an unmatched quotation mark
        return str(error)
    return why


def _compile(compiler: list[str], source: Path, made: Path) -> str:
    """Compile, without flags that the compiler does not know; return the reason if that failed, else ""."""
    flags = list(WANTED)
    while True:
        why, words = _run([*compiler, *NEEDED, *flags, "-o", os.fspath(made), os.fspath(source)])
        if not why or not flags or not words:
            break
        known = [flag for flag in flags if flag not in words]
        flags = known if len(known) < len(flags) else []
    return f"{why}{': ' if words else ''}{words}" if why else ""


def _tried(compiler: list[str], made: Path) -> str:
    """Load a library in another process; return the error, or "" if there is none."""
    why, _ = _run([sys.executable, "-I", "-S", "-c", LOAD, os.fspath(made)])
    return f"what {compiler[0]} wrote cannot be loaded" if why else ""


def _run(command: list[str]) -> tuple[str, str]:
    """Run a command; return how it failed ("" if it did not) and its output."""
    with tempfile.TemporaryFile() as said:
        try:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=said, stderr=said, start_new_session=True
            )
        except FileNotFoundError:
            return f"no C compiler ({command[0]})", ""
        try:
            code = process.wait(SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)  # a compiler starts other processes
            process.wait()
            return f"{command[0]} took more than {SECONDS} seconds", ""
        said.seek(0)
        words = said.read().decode("utf-8", "replace").strip()
    return f"{command[0]} ended with {code}" if code else "", words[:_WORDS]
