"""Share shards by libtorrent until told to stop. Their files are read and never written.

libtorrent reads a tar in full before it shares a byte of it, and shares none that is not whole; only a tar
that was read in full and found right in this run is shared at once. What is withheld later is shared no longer.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

from packager.core.reports.reports import SeededTorrent, SeedReport, SeedState
from packager.core.reports.withheld import Withheld
from packager.engine.files.shard_torrent import FolderTorrent
from packager.engine.network.libtorrent_session import PeerOptions, SeedSession, SeedStatus
from packager.errors import PackagerError
from packager.paths import display_text
from packager.progress import Progress
from packager.share.seedable import Seedable, Seedables, verify_tars_to_seed
from packager.units import count_of, format_size

_POLL_SECONDS = 0.5
_STATUS_SECONDS = 60.0
_RULE_SECONDS = 5.0  # between two looks whether a release or a withdrawal around changed


def seed(
    seedables: Seedables,
    reach: PeerOptions,
    *,
    verify: bool,
    workers: int,
    stop: Callable[[], bool],
    clock: Callable[[], float],
    seconds: float | None,
    progress: Progress,
) -> SeedReport:
    """Share the tars that can be shared until `stop` says so, or for `seconds`, and return what was shared.

    verify: read every tar in full first, with `workers`
    processes. clock: seconds that only go up. Tars that cannot be shared stand in the report. Raises InputError
    where none can.
    """
    found, refused = seedables.found, seedables.refused
    if verify:
        found, bad = verify_tars_to_seed(found, workers=workers, stop=stop, progress=progress)
        refused = [*refused, *bad]
        seedables = replace(seedables, found=found, refused=refused)
    for each in seedables.withheld:
        progress.note(f"not shared: {each.sentence}")
    for oddity in refused:
        progress.note(f"{oddity.where}: not shared: {oddity.what}")
    if not found:
        raise seedables.nothing()
    _warn_of_solitude(found, reach, progress)
    with SeedSession(reach) as seeds:
        watch = _Watch(seeds, seedables, clock, progress)
        watch.run(stop, seconds)
        return _report(seedables, watch)


class _Watch:
    """What is seen of the seeds while they are shared. Those that libtorrent must read are added one by one.

    withheld: the shards that were shared, or waited for it, until the rule withheld them.
    """

    def __init__(
        self, seeds: SeedSession, seedables: Seedables, clock: Callable[[], float], progress: Progress
    ) -> None:
        self._seeds, self._rule, self._clock, self._progress = seeds, seedables.rule, clock, progress
        self.added: list[Seedable] = []
        self.waiting = sorted(seedables.found, key=lambda each: not each.proved)
        self.withheld: list[Withheld] = []
        self._sent_before = 0  # bytes of torrents that are shared no longer
        self._began = clock()
        self._asked_at = self._began - _RULE_SECONDS
        self._told: set[str] = set()
        self._states: list[str] = []
        self._said_at = self._began
        self.status: list[SeedStatus] = []
        self.uploaded = self.peers = 0

    @property
    def seconds(self) -> float:
        """Since it began."""
        return self._clock() - self._began

    @property
    def port(self) -> int:
        """The port that peers reach us at."""
        return self._seeds.port()

    def run(self, stop: Callable[[], bool], seconds: float | None) -> None:
        """Watch until `stop` says so, the time is up, or all shards are withheld."""
        self._progress.begin("seed", None)
        self._stop_withheld()
        self._add()
        self._look()
        while (self.added or self.waiting) and not stop() and (seconds is None or self.seconds < seconds):
            left = _POLL_SECONDS if seconds is None else min(_POLL_SECONDS, seconds - self.seconds)
            for line in self._seeds.wait(max(left, 0)):
                self._tell(line)
            self._stop_withheld()
            self._look()
            self._add()
        if not self.added and not self.waiting:
            self._progress.note("nothing is left to share")
        self._progress.end()

    def _stop_withheld(self) -> None:
        """Stop the torrents of shards that are withheld by now, if it is time to ask."""
        if self._clock() - self._asked_at < _RULE_SECONDS:
            return
        self._asked_at = self._clock()
        try:
            found = self._rule.ask_again(each.tar for each in (*self.added, *self.waiting))
        except (PackagerError, OSError) as error:
            self._tell(f"cannot check what is withheld, and will try again: {error}")
            return
        for why in found.values():
            self._progress.note(f"no longer shared: {why.sentence}")
        self.withheld += found.values()
        self.waiting = [each for each in self.waiting if each.tar not in found]
        for number, status in reversed([*enumerate(self._seeds.status() if found else ())]):
            if self.added[number].tar in found:
                self._sent_before += status.uploaded
                self._seeds.remove(number)
                del self.added[number]

    def _add(self) -> None:
        """Share what is proved, and the next that is not, unless one is being read: disks like one reader."""
        while self.waiting and (self.waiting[0].proved or not self._is_checking()):
            each = self.waiting.pop(0)
            if isinstance(each.file, FolderTorrent):
                self._seeds.add_folder(each.file.torrent, each.tar.absolute(), each.file.places, proved=each.proved)
            else:
                self._seeds.add(each.file.torrent, each.tar, proved=each.proved)
            self.added.append(each)

    def _is_checking(self) -> bool:
        """Say whether libtorrent reads a tar now."""
        return any(each.state == "checking" for each in self._seeds.status())

    def _tell(self, line: str) -> None:
        """Show what libtorrent says, once: a tracker that is away says so every time."""
        if line not in self._told and len(self._told) < 1000:
            self._told.add(line)
            self._progress.note(line)

    def _look(self) -> None:
        """See how every torrent stands, and tell what changed."""
        self.status = self._seeds.status()
        uploaded = self._sent_before + sum(each.uploaded for each in self.status)
        self._progress.advance(uploaded - self.uploaded)
        self.uploaded = uploaded
        peers = sum(each.peers for each in self.status)
        self.peers = max(self.peers, peers)
        states = [each.state for each in self.status]
        due = self._clock() - self._said_at >= _STATUS_SECONDS
        if states != self._states or due:
            self._progress.note(_line(self.status, len(self.waiting), peers, uploaded))
            self._states, self._said_at = list(states), self._clock()


def _line(status: Sequence[SeedStatus], waiting: int, peers: int, sent: int) -> str:
    """Return one line on all torrents. sent: bytes."""
    counts = [
        f"{count} {state}"
        for state in ("seeding", "checking", "incomplete", "failed")
        if (count := sum(each.state == state for each in status))
    ]
    checking = [each.share for each in status if each.state == "checking"]
    if checking:
        counts.append(f"{sum(checking) / len(checking):.0%} checked")
    if waiting:
        counts.append(f"{waiting} waiting to be read")
    rate = sum(each.rate for each in status)
    return f"{', '.join(counts)}; {count_of(peers, 'peer')}, {format_size(sent)} sent, {format_size(rate)}/s"


def _warn_of_solitude(found: Sequence[Seedable], reach: PeerOptions, progress: Progress) -> None:
    """Say where nobody will learn of a seed."""
    alone = [each for each in found if not each.file.metainfo.trackers]
    if alone and not reach.dht:
        name = display_text(alone[0].file.name)
        progress.note(f"{name} names no tracker and the DHT is off: only peers told our address will come (--dht)")


def _report(seedables: Seedables, watch: _Watch) -> SeedReport:
    """Return what was shared."""
    torrents = [
        _seeded(seedable, each.state, each.uploaded, each.error)
        for seedable, each in zip(watch.added, watch.status, strict=False)  # one may be added and not looked at yet
    ]
    torrents += [_seeded(seedable, "waiting") for seedable in (*watch.added[len(torrents) :], *watch.waiting)]
    return SeedReport(
        seconds=watch.seconds,
        port=watch.port,
        uploaded=watch.uploaded,
        peers=watch.peers,
        torrents=tuple(sorted(torrents, key=lambda each: (each.name, each.version))),
        refused=tuple(seedables.refused),
        withheld=(*seedables.withheld, *watch.withheld),
        client=None,
        handed=(),
    )


def _seeded(seedable: Seedable, state: SeedState, uploaded: int = 0, error: str = "") -> SeededTorrent:
    """Return how one torrent was shared."""
    return SeededTorrent(
        name=display_text(seedable.tar.name),
        version=seedable.file.metainfo.version,
        state=state,
        proved=seedable.proved,
        evidence=seedable.evidence,
        uploaded=uploaded,
        what=error or ("not all its pieces are right" if state == "incomplete" else ""),
    )
