"""The file of --log-file: all output of -vv, each line with the time in UTC."""

import datetime as dt
from pathlib import Path
from typing import TextIO

from packager.engine.files.write_errors import system_error

_open: list[TextIO] = []


def open_log(path: Path) -> None:
    """Append to a file from now on. Raises PackagerError if it cannot be opened."""
    close_log()
    try:
        _open.append(path.open("a", encoding="utf-8", errors="backslashreplace"))
    except OSError as error:
        raise system_error(error) from error


def write(text: str) -> None:
    """Append text with the time before each line. Do nothing if there is no log file."""
    for file in _open:
        now = dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        file.writelines(f"{now} {line}\n" for line in text.splitlines())
        file.flush()


def close_log() -> None:
    """Close the file."""
    while _open:
        _open.pop().close()
