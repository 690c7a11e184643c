"""Ctrl-C and SIGTERM end commands that run until you stop them; questions in such commands."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

import typer


@contextmanager
def stop_requested() -> Iterator[threading.Event]:
    """Yield an event that Ctrl-C and SIGTERM set. A second signal interrupts the command."""
    stop = threading.Event()

    def end(_number: int, _frame: FrameType | None) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    old = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)


@contextmanager
def reload_requested() -> Iterator[Callable[[], bool]]:
    """Yield a function that returns True once for each SIGHUP: read mirror.toml again."""
    asked = threading.Event()

    def reload() -> bool:
        was_asked = asked.is_set()
        asked.clear()
        return was_asked

    old = signal.signal(signal.SIGHUP, lambda _number, _frame: asked.set())
    try:
        yield reload
    finally:
        signal.signal(signal.SIGHUP, old)


@contextmanager
def answer_now() -> Iterator[None]:
    """Let Ctrl-C interrupt a question on the terminal immediately."""
    old = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    except (typer.Abort, EOFError):
        raise KeyboardInterrupt from None
    finally:
        signal.signal(signal.SIGINT, old)


def confirm(question: str, *, default: bool) -> bool:
    """Return the answer to a question on the terminal."""
    with answer_now():
        return typer.confirm(question, default=default, err=True)
