"""Print the HTTP requests of a command with times: with -vv, and always to the log file."""

import logging
import time
from urllib.parse import urlsplit

from packager.cli import log_file
from packager.cli.global_options import given
from packager.cli.output import stderr_console
from packager.paths import display_text


class _Requests(logging.Handler):
    """Prints each answer that httpx logs: seconds since the start, method, address and status."""

    def __init__(self) -> None:
        """Start the clock."""
        super().__init__(logging.INFO)
        self._began = time.monotonic()

    def emit(self, record: logging.LogRecord) -> None:
        """Print one answer. User, password and query of the address may be secret, so they are not printed."""
        if not isinstance(record.args, tuple) or len(record.args) < 4:
            return
        method, url, _, status = record.args[:4]
        parts = urlsplit(str(url))
        address = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
        line = f"{time.monotonic() - self._began:8.3f} s  {method} {display_text(address)}: {status}"
        if given.verbose >= 2:
            stderr_console(line)
        else:
            log_file.write(line)


_active: list[_Requests] = []


def follow() -> None:
    """Print requests from now on."""
    if not _active:
        _active.append(_Requests())
        logger = logging.getLogger("httpx")
        logger.addHandler(_active[0])
        logger.setLevel(logging.INFO)
        logger.propagate = False


def leave() -> None:
    """Print no more requests."""
    while _active:
        logger = logging.getLogger("httpx")
        logger.removeHandler(_active.pop())
        logger.setLevel(logging.NOTSET)
        logger.propagate = True
