"""What the system refused is told with the file that it refused."""

import errno
import os

import pytest

from packager.engine.files.write_errors import system_error


@pytest.mark.parametrize("name", ["/a/b", b"/a/b"])
def test_what_nothing_foresaw_names_its_file_whatever_form_the_name_has(name: str | bytes) -> None:
    error = system_error(OSError(errno.EIO, os.strerror(errno.EIO), name))
    assert str(error) == "/a/b: Input/output error; run the command again"
