"""What tests have done on a cluster's workers."""

import errno
import os
import tempfile
from pathlib import Path

from packager.engine.processes.worker_pool import Job, Tell
from packager.errors import InputError, from_os_error


def job(there) -> Job[int, int, int, int]:
    return Job(send=lambda number: number, there=there, receive=lambda number, made: number + made, name=str)


def double(number: int, tell: Tell) -> int:
    Path(tempfile.gettempdir(), "own").write_bytes(b"")
    tell(number)
    return 2 * number


def double_but_not_on_the_first_worker(number: int, tell: Tell) -> int:
    scratch = Path(tempfile.gettempdir())
    if "worker-1" in scratch.parts:
        error = OSError(errno.EIO, os.strerror(errno.EIO))
        raise from_os_error(error, scratch) from error
    return double(number, tell)


def fail_with_the_disk(number: int, tell: Tell) -> int:
    raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(number))


def refuse(number: int, tell: Tell) -> int:
    raise InputError(number, "is refused")


def stumble(number: int, tell: Tell) -> int:
    return number // 0


def end_the_worker(number: int, tell: Tell) -> int:
    os._exit(1)
