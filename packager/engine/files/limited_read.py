"""Files that anyone may have made, opened and read within limits."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from packager.engine.files.regular_file import READ, NotRegularError, RegularFile
from packager.errors import InputError, from_os_error
from packager.paths import display_text

CHECK = "check the path"  # what to do about a path that is not there, unless the caller knows better


def open_regular(path: Path) -> BinaryIO:
    """Open a regular file to read. Raises InputError if there is none, IncompleteError if it cannot be read."""
    where = display_text(str(path))
    try:
        file = RegularFile(os.fsencode(path), follow_links=True)
    except FileNotFoundError:
        raise InputError(where, "not found", CHECK) from None
    except NotRegularError as error:
        raise InputError(where, str(error.strerror)) from error
    except ValueError as error:  # a NUL in the path
        raise InputError(where, "is not a path") from error
    except OSError as error:
        raise from_os_error(error, where) from error
    return os.fdopen(file.descriptor, "rb")


def read_limited(path: Path, limit: int) -> bytes:
    """Return a file's bytes. Raises as `open_regular`, and InputError where it has more than `limit`."""
    try:
        with open_regular(path) as file:
            data = file.read(limit + 1) if os.fstat(file.fileno()).st_size <= limit else None
    except OSError as error:
        raise from_os_error(error, display_text(str(path))) from error
    if data is None or len(data) > limit:
        raise InputError(display_text(str(path)), f"larger than the {limit} bytes that are read of it")
    return data


def read_chunks(path: Path, limit: int) -> Iterator[bytes]:
    """Yield a file's bytes, some at a time. Raises as `read_limited`."""
    left = limit
    try:
        with open_regular(path) as file:
            while data := file.read(min(READ, left + 1)):
                left -= len(data)
                if left < 0:
                    raise InputError(display_text(str(path)), f"larger than the {limit} bytes that are read of it")
                yield data
    except OSError as error:
        raise from_os_error(error, display_text(str(path))) from error
