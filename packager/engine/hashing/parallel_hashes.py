"""The hashes of one stream taken side by side, a thread each: hashlib lets go of the interpreter while it hashes."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from queue import SimpleQueue
from typing import TypeAlias

from packager.engine.files.direct_writer import Sink

Update: TypeAlias = Callable[[memoryview], None]


@dataclass
class _Job:
    """A full buffer on its way, and how many hashes have yet to take it."""

    buffer: memoryview
    length: int
    left: int


class ParallelHashes:
    """Shows each buffer to every hash, in order, and hands it to a sink when all have taken it."""

    def __init__(self, updates: Sequence[Update], sink: Sink) -> None:
        """Start a thread for each of `updates`, one at least."""
        self._sink = sink
        self._error: BaseException | None = None
        self._lock = threading.Lock()
        self._queues: list[SimpleQueue[_Job | threading.Barrier | None]] = [SimpleQueue() for _ in updates]
        self._threads = [
            threading.Thread(target=self._run, args=pair, name="hashes", daemon=True)
            for pair in zip(updates, self._queues, strict=True)
        ]
        for thread in self._threads:
            thread.start()

    def put(self, buffer: memoryview, length: int) -> None:
        """Take the first `length` bytes of a buffer. Raises what a hash or the sink raised for one before."""
        self.check()
        job = _Job(buffer, length, len(self._queues))
        for queue in self._queues:
            queue.put(job)

    def _run(self, update: Update, queue: "SimpleQueue[_Job | threading.Barrier | None]") -> None:
        """Take what comes, in order; after an error only pass buffers on."""
        while (job := queue.get()) is not None:
            if isinstance(job, threading.Barrier):
                job.wait()
                continue
            try:
                if not self._error:
                    update(job.buffer[: job.length])
                self._taken(job)
            except BaseException as error:  # noqa: BLE001 (check raises it again)
                self._error = error

    def _taken(self, job: _Job) -> None:
        """Note that one more hash took a buffer; the last of them gives it to the sink.

        Buffers reach the sink in order: who is last with one has not yet taken the next, so no one is last with that.
        """
        with self._lock:
            job.left -= 1
            if job.left:
                return
        self._sink.put(job.buffer, job.length)

    def wait(self) -> None:
        """Wait until all that was put is hashed. Raises what a hash or the sink raised."""
        here = threading.Barrier(len(self._queues) + 1)
        for queue in self._queues:
            queue.put(here)
        here.wait()
        self.check()

    def stop(self) -> None:
        """Wait until all that was put is hashed and handed on, and end the threads."""
        for queue in self._queues:
            queue.put(None)
        for thread in self._threads:
            thread.join()

    def check(self) -> None:
        """Raise what a hash or the sink raised."""
        if self._error:
            raise self._error
