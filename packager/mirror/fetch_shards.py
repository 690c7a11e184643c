"""The built-in client: the chosen shards fetched, checked by libtorrent, kept and shared until told to stop.

It can be killed at any instant: what was fetched of a tar lies under its partial name and is read again by
the next run, which keeps every piece that is right.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec

from packager.core.releases import documents
from packager.core.reports.mirror_reports import FetchedShard, FetchReport
from packager.engine.files.shard_torrent import open_shard_torrent
from packager.engine.network.downloads import DownloadSession, DownloadStatus
from packager.engine.network.libtorrent_session import PeerOptions
from packager.mirror import local_shards
from packager.mirror.context import RunContext
from packager.mirror.local_shards import is_proved, proof_of
from packager.mirror.state import LIVE_SECONDS, MirrorFolder, RunState, VerifiedTar
from packager.model import ReleaseShard, ShardName
from packager.units import count_of, format_size

ACTIVE = 8  # shards that come at once; one that stands still does not count
STILL_SECONDS = 60.0  # without a byte: it stands still
_POLL_SECONDS = 0.5
_STATUS_SECONDS = 60.0
_TOLD = 1000  # different lines of libtorrent's that are shown


@dataclass(frozen=True)
class FetchOptions:
    """How the built-in client works, and when it ends by itself.

    peers: (IP address, port). until_done: end when every shard is whole. seconds: end after so long. check_every:
    seconds between two looks for a new release.
    """

    reach: PeerOptions
    peers: tuple[tuple[str, int], ...] = ()
    web_seeds: bool = True
    until_done: bool = False
    seconds: float | None = None
    check_every: float = 6 * 3600


def fetch_shards(
    folder: MirrorFolder,
    shards: Sequence[ReleaseShard],
    how: FetchOptions,
    around: RunContext,
    changed: Callable[[], bool] = lambda: False,
) -> FetchReport:
    """Fetch and share shards, best first, until `around.stop` says so or `how` does; return how it ended.

    changed: says whether there is something new, which ends it, too.

    Every shard that becomes whole is noted in verified.json, once its tar is durable. Raises IncompleteError
    where the disk fails.
    """
    with DownloadSession(how.reach, how.peers) as downloads:
        session = _Session(folder, shards, downloads, how, around)
        try:
            session.run(lambda: around.stop() or changed())
            return session.report()
        finally:
            session.save(live=False)


class _Session:
    """What is seen of the shards while they come."""

    def __init__(
        self,
        folder: MirrorFolder,
        shards: Sequence[ReleaseShard],
        downloads: DownloadSession,
        how: FetchOptions,
        around: RunContext,
    ) -> None:
        self._folder, self._downloads, self._how = folder, downloads, how
        self._clocks, self._progress = around.clocks, around.progress
        self._shards = {shard.name: shard for shard in shards}
        self._proofs = folder.proofs()
        self._base = {name: proof.uploaded for name, proof in self._proofs.items()}
        here = {shard.name: local_shards.look_at(folder, shard) for shard in shards}
        self._proved = {name for name, each in here.items() if is_proved(self._proofs.get(name), each)}
        order = {"whole": 1, "partial": 2}
        self._waiting = sorted(
            shards, key=lambda each: 0 if each.name in self._proved else order.get(here[each.name].state, 3)
        )
        self._began = self._said_at = self._saved_at = self._clocks.steady()
        self._moved: dict[ShardName, tuple[float, float]] = {}  # share, and since when
        self._best: dict[ShardName, int] = {}  # the most that was right of each, for progress
        self._told: set[str] = set()
        self._states: list[str] = []
        self._status: list[DownloadStatus] = []
        self._peers = 0

    @property
    def _seconds(self) -> float:
        """Since it began."""
        return self._clocks.steady() - self._began

    def run(self, stop: Callable[[], bool]) -> None:
        """Go on until told to stop."""
        total = sum(shard.size for shard in self._shards.values() if shard.name not in self._proved)
        self._progress.begin("fetch", total)
        self._look()
        while not stop() and not self._is_over():
            left = _POLL_SECONDS if self._how.seconds is None else self._how.seconds - self._seconds
            for line in self._downloads.wait(min(max(left, 0), _POLL_SECONDS)):
                if line not in self._told and len(self._told) < _TOLD:
                    self._told.add(line)
                    self._progress.note(line)
            self._look()
        self._progress.end()

    def _is_over(self) -> bool:
        """Say whether it ends by itself: the time is up, or nothing is left to wait for."""
        if self._how.seconds is not None and self._seconds >= self._how.seconds:
            return True
        ended = sum(each.state in ("seeding", "failed") for each in self._status)
        return self._how.until_done and ended == len(self._shards)  # each of them was looked at since it was added

    def _look(self) -> None:
        """See how every torrent stands, keep what became whole, begin with the next."""
        self._refresh()
        self._peers = max(self._peers, sum(each.peers for each in self._status))
        self._begin()
        self._tell()
        if self._clocks.steady() - self._saved_at >= LIVE_SECONDS:
            self.save(live=True)

    def _refresh(self) -> None:
        """Ask how every torrent stands; what is complete has its proof before anything else sees that it is."""
        self._status = self._downloads.status()
        for each in self._status:
            self._follow(each)

    def _follow(self, each: DownloadStatus) -> None:
        """Count what came of one shard, and keep its proof when it is whole."""
        share, _ = self._moved.get(each.name, (-1.0, 0.0))
        if each.share != share:
            self._moved[each.name] = (each.share, self._clocks.steady())
        if each.name in self._proved:
            return
        shard = self._shards[each.name]
        done = shard.size if each.state == "seeding" else round(each.share * shard.size)
        if done > self._best.get(each.name, 0):
            self._progress.advance(done - self._best.get(each.name, 0))
            self._best[each.name] = done
        if each.state == "seeding":
            self._keep(shard)

    def _keep(self, shard: ReleaseShard) -> None:
        """Make a tar durable that was found right in full, and note that it was."""
        local_shards.sync_file(self._folder.tar(shard.name))
        lying = local_shards.look_at(self._folder, shard)
        self._proofs[shard.name] = proof_of(lying, self._clocks.now(), self._uploaded(shard.name))
        self._proved.add(shard.name)
        self._folder.save_proofs(self._proofs)
        self._progress.note(f"{shard.name}: whole, every piece checked")

    def _begin(self) -> None:
        """Begin with the next: all that are proved; of the others one is read at a time, some come at once."""
        while self._waiting:
            shard = self._waiting[0]
            if shard.name not in self._proved and not self._has_room():
                return
            self._waiting.pop(0)
            if shard.name not in self._proofs:  # from now on the file of that name is this mirror's
                self._proofs[shard.name] = VerifiedTar()
                self._folder.save_proofs(self._proofs)
            file = open_shard_torrent(self._folder.document(shard.torrent))
            self._downloads.add(
                shard.name,
                file.torrent,
                self._folder.tar(shard.name),
                web_seeds=file.metainfo.web_seeds if self._how.web_seeds else (),
                proved=shard.name in self._proved,
            )
            if shard.name not in self._proved:
                self._refresh()

    def _has_room(self) -> bool:
        """Say whether another shard may begin."""
        if any(each.state == "checking" for each in self._status):
            return False
        now = self._clocks.steady()
        coming = [each.name for each in self._status if each.state == "downloading"]
        moving = [name for name in coming if now - self._moved.get(name, (0.0, now))[1] < STILL_SECONDS]
        return len(moving) < ACTIVE

    def _tell(self) -> None:
        """Tell how all stand, when that changed or a minute has gone."""
        states = [each.state for each in self._status]
        if states == self._states and self._clocks.steady() - self._said_at < _STATUS_SECONDS:
            return
        self._states, self._said_at = list(states), self._clocks.steady()
        kinds = ("seeding", "downloading", "checking", "failed")
        counts = [f"{states.count(kind)} {kind}" for kind in kinds if kind in states]
        if self._waiting:
            counts.append(f"{len(self._waiting)} waiting")
        down, up = (sum(getattr(each, what) for each in self._status) for what in ("downloaded", "uploaded"))
        peers = count_of(sum(each.peers for each in self._status), "peer")
        told = f"{', '.join(counts)}; {peers}, {format_size(down)} received, {format_size(up)} sent"
        self._progress.note(told)

    def _uploaded(self, name: ShardName) -> int:
        """Return the bytes of a shard that were ever sent."""
        now = next((each.uploaded for each in self._status if each.name == name), 0)
        return self._base.get(name, 0) + now

    def save(self, *, live: bool) -> None:
        """Keep what was sent, and tell `mirror status` how all stand; live: this goes on."""
        self._saved_at = self._clocks.steady()
        for each in self._status:
            proof = self._proofs.get(each.name, VerifiedTar())
            self._proofs[each.name] = msgspec.structs.replace(proof, uploaded=self._uploaded(each.name))
        self._folder.save_proofs(self._proofs)
        now = RunState(
            format=documents.FORMAT,
            type="live",
            at=self._clocks.unix(),
            shards={each.name: (each.share, each.state == "seeding", each.peers) for each in self._status},
        )
        self._folder.save_live(now if live else None)

    def report(self) -> FetchReport:
        """Return how it ended."""
        self._refresh()
        shards = [
            FetchedShard(name=each.name, state=each.state, share=each.share, uploaded=each.uploaded, what=each.error)
            for each in self._status
        ]
        shards += [
            FetchedShard(name=shard.name, state="waiting", share=0.0, uploaded=0, what="") for shard in self._waiting
        ]
        return FetchReport(
            seconds=self._seconds,
            port=self._downloads.port(),
            downloaded=sum(each.downloaded for each in self._status),
            uploaded=sum(each.uploaded for each in self._status),
            peers=self._peers,
            whole=sum(each.state == "seeding" for each in shards),
            shards=tuple(sorted(shards, key=lambda each: each.name)),
        )
