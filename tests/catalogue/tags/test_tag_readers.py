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
    for process in readers.pool._processes.values():
        os.kill(process.pid, signal.SIGKILL)
    with pytest.raises(IncompleteError) as stopped:
        list(readers.read([(file, 1) for file in files]))
    readers.close()
    assert str(stopped.value) == "worker: a worker process was killed; run the command again"


def test_few_files_are_read_without_processes() -> None:
    readers = TagReaders(4)
    assert len(list(readers.read([(os.fsencode(MEDIA / "sine.ogg"), 1)] * 63))) == 63
    assert readers.pool._processes == {}
    readers.close()
