"""Working ahead yields the same, raises the same, and leaves no thread."""

import threading
from collections.abc import Iterator

import pytest

from packager.engine.processes.prefetch import prefetch


@pytest.fixture(autouse=True)
def no_thread_stays() -> Iterator[None]:
    before = threading.active_count()
    yield
    assert threading.active_count() == before


def counted(count: int, made: list[int]) -> Iterator[int]:
    for number in range(count):
        made.append(number)
        yield number


def test_all_is_yielded_in_order_by_another_thread() -> None:
    threads = set()

    def noting() -> Iterator[int]:
        for number in range(100):
            threads.add(threading.get_ident())
            yield number

    assert list(prefetch(noting())) == list(range(100))
    assert threads
    assert threading.get_ident() not in threads


def test_no_more_is_made_than_was_allowed() -> None:
    made: list[int] = []
    taken = prefetch(counted(100, made), 3)
    assert next(taken) == 0
    assert len(made) <= 5  # one taken, three held, one in hand
    taken.close()  # type: ignore[attr-defined]
    assert len(made) <= 6


def test_an_error_comes_after_all_that_was_made_before_it() -> None:
    def failing() -> Iterator[int]:
        yield from range(5)
        raise ZeroDivisionError

    taken = prefetch(failing())
    assert [next(taken) for _ in range(5)] == [0, 1, 2, 3, 4]
    with pytest.raises(ZeroDivisionError):
        next(taken)


def test_who_takes_may_fail_and_no_thread_stays() -> None:
    with pytest.raises(KeyError):
        _take_and_fail()


def _take_and_fail() -> None:
    for _ in prefetch(iter(range(1000))):
        raise KeyError
