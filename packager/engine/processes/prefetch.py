"""An iterator that works ahead of who takes from it, in a thread: two steps that both let go of the interpreter."""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
_END = object()


def prefetch(items: Iterator[T], count: int = 2) -> Iterator[T]:
    """Yield what `items` yields, made in a thread of its own, at most `count` before they are taken.

    Raises what `items` raises, in its place. The thread ends with this iterator.
    """
    pool = ThreadPoolExecutor(1, "ahead")
    try:
        made = deque(pool.submit(next, items, _END) for _ in range(count))
        while (item := made.popleft().result()) is not _END:
            made.append(pool.submit(next, items, _END))
            yield item  # type: ignore[misc]  # all but _END come from `items`
    finally:
        pool.shutdown(cancel_futures=True)
