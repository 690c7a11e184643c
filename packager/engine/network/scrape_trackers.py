"""Seed counts asked of several trackers at once: by HTTP (BEP 48) or UDP (BEP 15), each in its own thread.

Each tracker is asked for many swarms a request, one request after another; whatever one sends, or does not
send, it costs its own counts alone, a bounded time and bounded memory.
"""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import AbstractContextManager
from dataclasses import dataclass
from threading import Event
from types import TracebackType
from typing import Protocol

from packager.core.bittorrent.scrape import (
    HTTP_BATCH,
    HTTP_LIMIT,
    UDP_BATCH,
    Swarm,
    SwarmCounts,
    best_counts,
    http_answer,
    http_request,
    scrape_url,
)
from packager.core.config.url_values import without_credentials
from packager.core.http.allowed_hosts import NO_HOSTS, AllowedHosts
from packager.core.releases.seed_counts import Questions
from packager.core.reports.reports import TrackerAnswer
from packager.engine.network.http_client import HttpClient
from packager.engine.network.udp_tracker import UdpTracker
from packager.errors import IncompleteError, InputError, PackagerError
from packager.paths import display_text
from packager.progress import SILENT, Progress

SECONDS = 120.0  # that all trackers together may take
SILENT_SECONDS = 10.0  # that one may stay silent
_TRIES = 2  # of a request by HTTP
_NOT_KNOWN_THERE = SwarmCounts(seeders=0, leechers=0)
_AT_ONCE = max(HTTP_BATCH, UDP_BATCH)
_POLL_SECONDS = 0.2


@dataclass(frozen=True)
class ScrapeResult:
    """The best counts of each swarm that any tracker answered for, and how each tracker did."""

    counts: dict[Swarm, SwarmCounts]
    trackers: tuple[TrackerAnswer, ...]


class _Tracker(Protocol):
    """A tracker that can be asked."""

    def first(self, swarms: Sequence[Swarm]) -> dict[Swarm, SwarmCounts]:
        """Return the counts of the first of `swarms`, one at least."""


def scrape_trackers(
    questions: Questions,
    *,
    allowed: AllowedHosts = NO_HOSTS,
    seconds: float = SECONDS,
    silent: float = SILENT_SECONDS,
    stop: Callable[[], bool] = lambda: False,
    progress: Progress = SILENT,
) -> ScrapeResult:
    """Ask every tracker for its swarms, and return what they said.

    allowed: hosts that may be contacted although they are not on the public Internet. seconds: that it may take in
    all, beside the request that is under way then. silent: seconds until a tracker that does not answer is given up.
    stop: whether to end now. A tracker that fails is no error: what it said before counts.
    """
    end, over = time.monotonic() + seconds, Event()
    asking = [_Asking(tracker, swarms, silent, allowed) for tracker, swarms in questions.items()]
    progress.begin("Counting", sum(len(swarms) for swarms in questions.values()), "swarm")
    told = 0
    with ThreadPoolExecutor(max(1, len(asking))) as pool:
        waiting = {pool.submit(each.run, end, over) for each in asking}
        try:
            while waiting:
                ended, waiting = wait(waiting, _POLL_SECONDS)
                for future in ended:
                    future.result()
                answered = sum(len(each.counts) for each in asking)
                progress.advance(answered - told)
                told = answered
                if stop():
                    over.set()
        finally:
            over.set()
    progress.end()
    return ScrapeResult(_merged(asking), tuple(each.report() for each in asking))


class _Asking:
    """One tracker, and what it has said so far."""

    def __init__(self, tracker: str, swarms: Sequence[Swarm], silent: float, allowed: AllowedHosts) -> None:
        self._tracker, self._swarms, self._silent, self._allowed = tracker, swarms, silent, allowed
        self.counts: dict[Swarm, SwarmCounts] = {}
        self._what, self._seconds = "", 0.0

    def run(self, end: float, over: Event) -> None:
        """Ask until all is said, the time is up, or it fails."""
        began = time.monotonic()
        try:
            with _open(self._tracker, self._silent, self._allowed) as tracker:
                at = 0
                while at < len(self._swarms):
                    if over.is_set() or time.monotonic() > end:
                        raise IncompleteError(self._tracker, "was stopped" if over.is_set() else "the time was up")
                    found = tracker.first(self._swarms[at : at + _AT_ONCE])
                    self.counts.update(found)
                    at += len(found)
        except PackagerError as error:
            self._what = error.advice if isinstance(error, InputError) else error.what
        self._seconds = time.monotonic() - began

    def report(self) -> TrackerAnswer:
        """Return how it did."""
        return TrackerAnswer(
            tracker=display_text(without_credentials(self._tracker), 200),
            asked=len(self._swarms),
            answered=len(self.counts),
            seconds=round(self._seconds, 3),
            error=self._what,
        )


def _merged(asking: Sequence[_Asking]) -> dict[Swarm, SwarmCounts]:
    """Return the best of what several trackers say."""
    merged: dict[Swarm, SwarmCounts] = {}
    for each in asking:
        for swarm, counts in each.counts.items():
            merged[swarm] = best_counts((merged[swarm], counts)) if swarm in merged else counts
    return merged


def _open(tracker: str, silent: float, allowed: AllowedHosts) -> AbstractContextManager[_Tracker]:
    """Return what asks a tracker. Raises InputError for one that cannot be asked, as by WebSocket."""
    scheme = tracker.partition("://")[0].lower()
    if scheme == "udp":
        return UdpTracker(tracker, seconds=silent, allowed=allowed)
    if scheme in ("http", "https"):
        return _HttpTracker(tracker, silent, allowed)
    raise InputError(display_text(tracker, 200), "cannot be asked: neither http, https nor udp")


class _HttpTracker:
    """A tracker by HTTP; a context manager. seconds: that it may take for an answer."""

    def __init__(self, announce: str, seconds: float, allowed: AllowedHosts) -> None:
        self._address, self._where = scrape_url(announce), display_text(announce, 200)
        self._seconds, self._batch = seconds, HTTP_BATCH
        self._web = HttpClient(seconds=seconds, tries=_TRIES, allowed=allowed)

    def __enter__(self) -> "_HttpTracker":
        """Open."""
        self._web.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connections."""
        self._web.__exit__(kind, error, trace)

    def first(self, swarms: Sequence[Swarm]) -> dict[Swarm, SwarmCounts]:
        """Return the counts of the first of `swarms`, fewer at once from now on where it cannot do as many.

        A tracker leaves out what it does not know. One that left out the last, and knows it when asked
        for it alone, takes fewer at once. Raises InputError, IncompleteError.
        """
        while True:
            asked = swarms[: self._batch]
            try:
                found = self._ask(asked)
            except InputError:
                if len(asked) == 1:
                    raise
                self._batch = max(1, len(asked) // 5)
                continue
            if len(asked) == 1 or asked[-1] in found or not self._knows(asked[-1]):
                return {swarm: found.get(swarm, _NOT_KNOWN_THERE) for swarm in asked}
            self._batch = max(1, len(found))

    def _knows(self, swarm: Swarm) -> bool:
        """Return whether it tells of a swarm that it is asked for alone."""
        try:
            return bool(self._ask((swarm,)))
        except InputError:
            return False

    def _ask(self, swarms: Sequence[Swarm]) -> dict[Swarm, SwarmCounts]:
        """Return what it says of swarms."""
        data = self._web.fetch(http_request(self._address, swarms), limit=HTTP_LIMIT, seconds=self._seconds)
        return http_answer(data, swarms, self._where)
