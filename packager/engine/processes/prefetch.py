"""An iterator that works ahead of who takes from it, in a thread: two steps that both let go of the interpreter."""

import threading
from collections.abc import Iterator
from queue import Empty, Full, Queue
from typing import TypeVar

T = TypeVar("T")
_END = object()
_POLL_SECONDS = 0.1


def prefetch(items: Iterator[T], count: int = 2) -> Iterator[T]:
    """Yield what `items` yields, made in a thread of its own, at most `count` before they are taken.

    Raises what `items` raises, in its place. The thread ends with this iterator.
    """
    made: Queue[object] = Queue(count)
    stopped = threading.Event()
    failed: list[BaseException] = []

    def hand_over(item: object) -> bool:
        while not stopped.is_set():
            try:
                made.put(item, timeout=_POLL_SECONDS)
            except Full:
                continue
            return True
        return False

    def work() -> None:
        try:
            for item in items:
                if not hand_over(item):
                    return
        except BaseException as error:  # noqa: BLE001 (raised again by who takes)
            failed.append(error)
        hand_over(_END)

    thread = threading.Thread(target=work, name="ahead", daemon=True)
    thread.start()
    try:
        while (item := made.get()) is not _END:
            yield item  # type: ignore[misc]  # all but _END come from `items`
        if failed:
            raise failed[0]
    finally:
        stopped.set()
        _drain(made)
        thread.join()


def _drain(queue: "Queue[object]") -> None:
    """Empty a queue, so that who waits for room wakes up."""
    try:
        while True:
            queue.get_nowait()
    except Empty:
        return
