"""Compiles packager/native/hashes.c while a wheel is built, or while the project is installed editable.

Where that cannot be done all else is the same, and hashlib is used instead. hatchling runs this file.
"""

import os
import platform
import shlex
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

SOURCE = "packager/native/hashes.c"
LIBRARY = "packager/native/libhashes.so"
SECONDS = 120  # that a compiler may take; it takes two or three
# Sums are written in the order that makes the longest chain of SHA-1 short: joined anew, they cost it a seventh.
FLAGS = ("-O2", "-std=gnu11", "-fno-tree-reassoc", "-fPIC", "-shared", "-fvisibility=hidden")


class Compile(BuildHookInterface[Any]):
    """Adds the library to a wheel, which is one of this platform then; or lays it beside its source."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile. version: "standard", or "editable" where packager/ itself is what will be imported."""
        source, library = Path(self.root, SOURCE), Path(self.root, LIBRARY)
        if version != "editable":
            self._folder = tempfile.TemporaryDirectory()
            library = Path(self._folder.name, library.name)
        why = compiled(source, library)
        if why:
            self.app.display_warning(f"{SOURCE} is left out, hashlib is used instead: {why}")
        elif version != "editable":
            build_data["force_include"][os.fspath(library)] = LIBRARY
            build_data["pure_python"] = False
            platform_tag = sysconfig.get_platform().replace("-", "_").replace(".", "_")
            build_data["tag"] = f"py3-none-{platform_tag}"  # the library knows nothing of Python

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:  # noqa: ARG002
        """Remove what is in the wheel now."""
        if version != "editable":
            self._folder.cleanup()


def compiled(source: Path, library: Path) -> str:
    """Compile the library; return in a few words why that could not be done, nothing where it was."""
    library.unlink(missing_ok=True)
    if sys.platform != "linux" or platform.machine() != "x86_64":
        return "it is for Linux on x86-64"
    new = library.with_suffix(".new")
    command = [*shlex.split(os.environ.get("CC", "cc")), *FLAGS, "-o", os.fspath(new), os.fspath(source)]
    try:
        subprocess.run(command, check=True, capture_output=True, timeout=SECONDS)
        new.replace(library)
    except FileNotFoundError:
        return "no C compiler"
    except subprocess.CalledProcessError as error:
        return f"{command[0]} ended with {error.returncode}"
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return ""
