"""Small real disks and a user without rights, for what happens when the system refuses."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

Mount = Callable[[str], Path]
AsNobody = Callable[[str, str], list[str]]


@pytest.fixture
def mount(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mount]:
    """Return a function that mounts an empty disk of 2 MiB, "tmpfs" or "ext2", and returns its folder."""
    with ExitStack() as undo:

        def mounted(kind: str) -> Path:
            folder = tmp_path_factory.mktemp(kind)
            if kind == "tmpfs":
                run("mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", folder)
            else:
                image = folder.with_suffix(".image")
                image.write_bytes(bytes(2 << 20))
                run("mkfs.ext2", "-q", "-F", "-m", "0", "-b", "1024", image)
                run("mount", "-o", "loop", image, folder)
            undo.callback(subprocess.run, ["umount", "--lazy", folder], check=True)
            return folder

        yield mounted


def run(*command: str | Path) -> None:
    """Run a command that needs the right to mount, or skip."""
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no small disk can be mounted here ({command[0]}: {error})")


@pytest.fixture
def as_nobody(tmp_path: Path) -> AsNobody:
    """Return a function that runs Python (imports, body) in tmp_path without root's rights: the lines it prints."""
    drop = "import os\nif os.getuid() == 0: os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"

    def run_code(imports: str, body: str) -> list[str]:
        command = [sys.executable, "-c", f"{imports}\n{drop}{body}"]
        return subprocess.run(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()

    return run_code
