"""Find, run, compare and rewrite the console sessions in our pages.

A session is all ```console blocks of one page, run in one shell from top to bottom. A line that begins with "$ " is a
command; a line that begins with "> " continues it. The other lines are its output; a line "..." matches any lines.
`python docs/console.py PAGE...` runs the sessions of pages and writes their output into the pages.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
MARK = "@@ end of command "
HOME = "/home/you"  # name in pages of the folder in which a session begins
# What differs from run to run: dates, durations, rates, keys, free disk space.
VARIABLE = (
    (re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z"), "DATE"),
    (re.compile(r"\bin \d+ s\b"), "in SECONDS"),
    (re.compile(r", [0-9.]+ ([KMG]i)?B/s"), ", RATE"),
    (re.compile(r" \([0-9.]+ ([KMG]i)?B/s\)"), ""),  # only after a second
    (re.compile(r'"\d{4}-\d{2}-\d{2}"'), '"DAY"'),
    (re.compile(r"\b\d{1,2} [A-Z][a-z]+ \d{4}\b"), "DAY"),
    (re.compile(r"\bof \d{4}-\d{2}-\d{2}\b"), "of DAY"),
    (re.compile(r"\bchecked \d{4}-\d{2}-\d{2}\b"), "checked DAY"),
    (re.compile(r"\b\d{4}-\d{2}-\d{2} \d{2}:\d{2}\b"), "MINUTE"),
    (re.compile(r"\b[0-9.]+ [KMGT]iB free\b"), "ROOM free"),
    (re.compile(r"\bkey [0-9A-F]{16}\b"), "key ID"),
    (re.compile(r"\bRW[A-Za-z0-9+/]{54}"), "KEY"),
)


@dataclass(frozen=True)
class Command:
    """A command of a page with its expected output, which is in lines [start, stop) of the page."""

    text: str
    output: tuple[str, ...]
    start: int
    stop: int


def commands(page: str) -> Iterator[Command]:
    """Yield the commands of a page's ```console blocks, in order."""
    lines = page.split("\n")
    at = 0
    while at < len(lines):
        at += 1
        if lines[at - 1].strip() != "```console":
            continue
        while lines[at].strip() != "```":
            text = lines[at].removeprefix("$ ")
            at += 1
            while lines[at].startswith("> "):
                text += "\n" + lines[at].removeprefix("> ")
                at += 1
            start = at
            while lines[at].strip() != "```" and not lines[at].startswith("$ "):
                at += 1
            yield Command(text, tuple(lines[start:at]), start, at)


def run(texts: list[str], folder: Path, programs: Path | None = None) -> list[tuple[int, list[str]]]:
    """Run commands in one shell that begins in `folder`; return each one's exit code and lines of output.

    programs: a folder of programs that is searched first.
    """
    script = "".join(f"{text}\necho; echo '{MARK}'$?\n" for text in texts)
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    if programs is not None:
        path = f"{programs}:{path}"
    environment = os.environ | {"PATH": path, "COLUMNS": "100", "NO_COLOR": "1", "TERM": "dumb", "LC_ALL": "C.UTF-8"}
    environment["XDG_CACHE_HOME"] = str(folder / ".cache")  # each run has its own cache
    done = subprocess.run(
        ["bash", "-c", script],
        check=False,  # each command has its own exit code
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    found = []
    lines: list[str] = []
    for line in done.stdout.decode("utf-8", "replace").replace(str(folder.resolve()), HOME).split("\n"):
        if line.startswith(MARK):
            found.append((int(line.removeprefix(MARK)), _trimmed(lines)))
            lines = []
        else:
            lines.append(line.rstrip())
    return found


def _trimmed(lines: list[str]) -> list[str]:
    """Return lines without empty ones at the end."""
    end = len(lines)
    while end and not lines[end - 1]:
        end -= 1
    return lines[:end]


def agree(expected: tuple[str, ...], found: list[str]) -> bool:
    """Return whether expected and printed lines are equal, except for what differs from run to run."""
    pattern = "".join("(?:.*\n)*" if line == "..." else re.escape(_plain(line)) + "\n" for line in expected)
    return re.fullmatch(pattern, "".join(f"{_plain(line)}\n" for line in found)) is not None


def _plain(line: str) -> str:
    """Return a line with placeholders for what differs from run to run."""
    for pattern, name in VARIABLE:
        line = pattern.sub(name, line)
    return line.rstrip()


def prepare(folder: Path) -> None:
    """Fill a folder in which every session can begin: it has the demo's collection, as in a checkout."""
    demo = Path("docs/demo")
    (folder / demo).mkdir(parents=True)
    shutil.copytree(ROOT / demo / "collection", folder / demo / "collection")
    shutil.copyfile(ROOT / demo / "records.csv", folder / demo / "records.csv")


def rewrite(path: Path) -> None:
    """Run the session of a page and write the output into it, except where it is equal or contains "..."."""
    page = path.read_text(encoding="utf-8")
    session = list(commands(page))
    with tempfile.TemporaryDirectory() as temporary:
        prepare(Path(temporary))
        found = run([command.text for command in session], Path(temporary))
    lines = page.split("\n")
    for command, (code, output) in reversed(list(zip(session, found, strict=True))):
        if code:
            sys.stderr.write(f"{path}: exit code {code}: {command.text}\n")
        if not agree(command.output, output) and "..." not in command.output:
            lines[command.start : command.stop] = output
    path.write_text("\n".join(lines), encoding="utf-8")


if __name__ == "__main__":
    for name in sys.argv[1:]:
        rewrite(Path(name))
