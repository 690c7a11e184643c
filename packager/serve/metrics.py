"""Counters and gauges of the server, in memory that its processes share, and as text for Prometheus."""

from collections.abc import Iterator
from typing import Protocol

from packager.engine.processes.child_processes import spawn_context

CODES = (200, 206, 301, 304, 400, 404, 405, 412, 416, 451, 500, 503, 505)
# Name, kind, help, the label's name and its values. Each process has one number for each value.
_FAMILIES = (
    ("packager_requests_total", "counter", "Requests answered, by status.", "code", tuple(map(str, CODES))),
    ("packager_sent_bytes_total", "counter", "Bytes of bodies sent.", "what", ("shard", "site")),
    ("packager_ranges_total", "counter", "Byte ranges sent.", "", ("",)),
    (
        "packager_errors_total",
        "counter",
        "Answers that failed: a source file cannot be read or changed, a client stalled, a client left.",
        "kind",
        ("source", "stalled", "left"),
    ),
    ("packager_shards_opened_total", "counter", "Layouts of shards read into memory.", "", ("",)),
    ("packager_connections", "gauge", "Open connections.", "", ("",)),
    ("packager_answers", "gauge", "Answers being sent.", "", ("",)),
    ("packager_open_files", "gauge", "Open file descriptors.", "", ("",)),
)
_SLOTS = {
    (name, value): slot
    for slot, (name, value) in enumerate((family[0], value) for family in _FAMILIES for value in family[4])
}


class SharedNumbers(Protocol):
    """An array of integers that processes share."""

    def __getitem__(self, index: int, /) -> int:
        """Return a number."""

    def __setitem__(self, index: int, value: int, /) -> None:
        """Set a number."""


def shared_numbers(processes: int) -> SharedNumbers:
    """Return zeros for the counts of `processes` processes; spawned processes can share them."""
    numbers: SharedNumbers = spawn_context().RawArray("q", len(_SLOTS) * processes)
    return numbers


class Metrics:
    """The counts of all processes. Each process writes only its own counts, so that no lock is needed."""

    def __init__(self, numbers: SharedNumbers, process: int, processes: int) -> None:
        """Write as process number `process`, counted from 0."""
        self._numbers, self._first, self._processes = numbers, process * len(_SLOTS), processes

    def add(self, name: str, value: str = "", amount: int = 1) -> None:
        """Add to a counter."""
        self._numbers[self._first + _SLOTS[name, value]] += amount

    def put(self, name: str, amount: int) -> None:
        """Set a gauge."""
        self._numbers[self._first + _SLOTS[name, ""]] = amount

    def total(self, name: str, value: str = "") -> int:
        """Return a count over all processes."""
        slot = _SLOTS[name, value]
        return sum(self._numbers[process * len(_SLOTS) + slot] for process in range(self._processes))

    def sum(self, name: str) -> int:
        """Return a count over all processes and values of its label."""
        return sum(self.total(*key) for key in _SLOTS if key[0] == name)

    def text(self) -> str:
        """Return all counts in Prometheus' text format, version 0.0.4."""
        return "".join(f"{line}\n" for line in self._lines())

    def _lines(self) -> Iterator[str]:
        """Yield the lines of the text format."""
        for name, kind, help_text, label, values in _FAMILIES:
            yield f"# HELP {name} {help_text}"
            yield f"# TYPE {name} {kind}"
            for value in values:
                labels = f'{{{label}="{value}"}}' if label else ""
                yield f"{name}{labels} {self.total(name, value)}"
