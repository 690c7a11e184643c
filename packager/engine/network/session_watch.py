"""A session while it runs: one loop, what libtorrent says shown once, and the state of all torrents when it changes."""

from collections.abc import Callable

from packager.engine.network.libtorrent_session import TorrentSession, TorrentStatus
from packager.progress import Progress
from packager.units import count_of, format_size

_POLL_SECONDS = 0.5
_STATUS_SECONDS = 60.0
_CHANGE_SECONDS = 5.0
_MAX_MESSAGES = 1000  # different lines of libtorrent's that are shown
_STATES = ("seeding", "incomplete", "checking", "failed")


class SessionWatch:
    """What is seen of a session. status: of each torrent, when it was looked at last. max_peers: at once."""

    def __init__(
        self, session: TorrentSession, *, seconds: float | None, clock: Callable[[], float], progress: Progress
    ) -> None:
        """Watch a session for this long, None for ever. clock: seconds that only go up."""
        self._session, self._limit, self._clock, self._progress = session, seconds, clock, progress
        self._began = self._reported_at = clock()
        self._shown: set[str] = set()
        self._states: list[str] = []
        self.status: list[TorrentStatus] = []
        self.max_peers = 0

    @property
    def seconds(self) -> float:
        """Since it began."""
        return self._clock() - self._began

    @property
    def uploaded(self) -> int:
        """Bytes that all torrents sent, the removed ones included."""
        return self._session.uploaded_by_removed + sum(each.uploaded for each in self.status)

    @property
    def downloaded(self) -> int:
        """Bytes that came."""
        return sum(each.downloaded for each in self.status)

    @property
    def is_checking(self) -> bool:
        """Whether libtorrent reads a file in full now. Disks like one reader, so the next one waits."""
        return any(each.state == "checking" for each in self.status)

    def run(self, step: Callable[[], bool], stop: Callable[[], bool]) -> None:
        """Take a step again and again until it says that nothing is left, `stop` says so, or the time is up."""
        while step() and not stop():
            left = _POLL_SECONDS if self._limit is None else self._limit - self.seconds
            if left <= 0:
                return
            for line in self._session.wait(min(left, _POLL_SECONDS)):
                self.show_once(line)

    def show_once(self, line: str) -> None:
        """Show a line the first time: a tracker that is away says so every time."""
        if line not in self._shown and len(self._shown) < _MAX_MESSAGES:
            self._shown.add(line)
            self._progress.note(line)

    def look(self) -> None:
        """Ask for the state of every torrent."""
        self.status = self._session.status()
        self.max_peers = max(self.max_peers, self._peers)

    @property
    def _peers(self) -> int:
        """Peers connected now."""
        return sum(each.peers for each in self.status)

    def report(self, waiting: int) -> None:
        """Show how many torrents are in which state, if that changed or a minute has gone. waiting: not added yet.

        While some are checked or wait it changes all the time, and is shown every few seconds.
        """
        states = [each.state for each in self.status]
        quiet = _STATUS_SECONDS if states == self._states else _CHANGE_SECONDS if waiting or self.is_checking else 0.0
        if self._states and self._clock() - self._reported_at < quiet:
            return
        self._states, self._reported_at = list(states), self._clock()
        words = {"incomplete": "downloading"} if self._session.may_write else {}
        counts = [f"{states.count(state)} {words.get(state, state)}" for state in _STATES if state in states]
        if checking := [each.progress for each in self.status if each.state == "checking"]:
            counts.append(f"{sum(checking) / len(checking):.0%} checked")
        if waiting:
            counts.append(f"{waiting} waiting")
        received = f"{format_size(self.downloaded)} received, " if self._session.may_write else ""
        rate = sum(each.upload_rate for each in self.status)
        torrents = ", ".join(counts) or "no torrents"
        self._progress.note(
            f"{torrents}; {count_of(self._peers, 'peer')}, {received}{format_size(self.uploaded)} sent,"
            f" {format_size(rate)}/s"
        )
