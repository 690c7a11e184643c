"""Worker processes that read tags."""

import os
import signal

import pytest

from packager.catalogue.tags.tag_readers import TagReaders
from packager.errors import IncompleteError
from tests.helpers.catalogue_projects import MEDIA


def test_tags_come_in_order_and_a_dead_worker_is_told() -> None:
    files = [os.fsencode(MEDIA / name) for name in ("sine.flac", "sine.mp3") * 40]
    readers = TagReaders(2)
    assert [tags.codec for tags in readers.read([(file, 1) for file in files])] == ["flac", "mp3"] * 40
    for process in list(readers._pool._processes):
        os.kill(process, signal.SIGKILL)
    with pytest.raises(IncompleteError) as stopped:
        list(readers.read([(file, 1) for file in files]))
    readers.close()
    assert str(stopped.value) == (
        "scan: a worker process died while it read tags; "
        "run the command again, with fewer workers where memory is short"
    )


def test_few_files_are_read_without_processes() -> None:
    readers = TagReaders(4)
    assert len(list(readers.read([(os.fsencode(MEDIA / "sine.ogg"), 1)] * 63))) == 63
    assert readers._pool is None
    readers.close()
