"""What tests have done on a cluster's workers."""

import errno
import os
import tempfile
from pathlib import Path

from packager.engine.processes.worker_pool import Job
from packager.errors import InputError, from_os_error
from packager.progress import Advance


def job(there) -> Job[int, int, int, int]:
    return Job(prepare=lambda number: number, run=there, finish=lambda number, made: number + made, name=str)


def double(number: int, advance: Advance) -> int:
    Path(tempfile.gettempdir(), "own").write_bytes(b"")
    advance(number)
    return 2 * number


def double_but_not_on_the_first_worker(number: int, advance: Advance) -> int:
    scratch = Path(tempfile.gettempdir())
    if "worker-1" in scratch.parts:
        error = OSError(errno.EIO, os.strerror(errno.EIO))
        raise from_os_error(error, scratch) from error
    return double(number, advance)


def fail_with_the_disk(number: int, advance: Advance) -> int:
    raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(number))


def refuse(number: int, advance: Advance) -> int:
    raise InputError(number, "is refused")


def stumble(number: int, advance: Advance) -> int:
    return number // 0


def end_the_worker(number: int, advance: Advance) -> int:
    os._exit(1)
