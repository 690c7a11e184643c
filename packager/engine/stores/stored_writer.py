"""A Sink whose stream becomes a file of a store: its parts are sent while the next ones are made."""

import queue
from contextlib import ExitStack
from types import TracebackType

from packager.core.config.store_url import StoreUrl
from packager.engine.files.direct_writer import new_buffers
from packager.engine.stores import store_at


class StoreWriter:
    """A Sink that writes a file of known size to a store; it is there when the block has ended well, or not at all."""

    def __init__(self, address: StoreUrl, path: str, size: int) -> None:
        """Set out to write `size` bytes to a path below the store's address."""
        self._writing = store_at(address).writer(path, size)
        self._free: queue.SimpleQueue[memoryview] = new_buffers()
        self._open = ExitStack()

    def __enter__(self) -> "StoreWriter":
        """Begin. Raises IncompleteError and InputError as the store does."""
        self._to = self._open.enter_context(self._writing)
        return self

    def buffer(self) -> memoryview:
        """Return an empty buffer, when one is free."""
        return self._free.get()

    def put(self, buffer: memoryview, length: int) -> None:
        """Hand the bytes on; they are copied. Raises IncompleteError once a part could not be sent."""
        try:
            self._to.write(buffer[:length])
        finally:
            self._free.put(buffer)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Make it a file of the store, or leave nothing of it."""
        self._open.__exit__(kind, error, trace)
