"""The built-in client: fetch the chosen shards, check them with libtorrent, keep and share them until stopped.

It can be killed at any time. A partial tar has another name; the next run reads it again and keeps every
piece that is right.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec

from packager.core.releases import documents
from packager.core.reports.mirror_reports import FetchedShard, FetchReport
from packager.engine.files.shard_torrent import open_shard_torrent
from packager.engine.network.libtorrent_session import TorrentSession, TorrentStatus
from packager.engine.network.session_watch import SessionWatch
from packager.mirror import local_shards
from packager.mirror.context import RunContext
from packager.mirror.local_shards import is_proved, proof_of
from packager.mirror.mirror_options import RunOptions, reach_of
from packager.mirror.mirror_settings import Settings
from packager.mirror.state import LIVE_SECONDS, MirrorFolder, RunState, VerifiedTar
from packager.model import ReleaseShard, ShardName

ACTIVE = 8  # shards that are fetched at once; stalled ones do not count
STILL_SECONDS = 60.0  # without a byte, after which a shard is stalled


def fetch_shards(
    folder: MirrorFolder,
    shards: Sequence[ReleaseShard],
    settings: Settings,
    run: RunOptions,
    around: RunContext,
    *,
    share: bool,
    changed: Callable[[], bool] = lambda: False,
) -> FetchReport:
    """Fetch and share shards, best first, until `around.stop` says so or the time is up; return how it ended.

    share: continue when all are complete. changed: returns whether there is a new release, which also ends it.

    Every complete shard is saved in verified.json, after its tar is durable. Raises IncompleteError
    if the disk fails.
    """
    with TorrentSession(reach_of(settings), run.find_peers(), may_write=True) as session:
        downloads = _Downloads(folder, shards, session, _Rules(run, settings.web_seeds, share), around)
        try:
            downloads.run(lambda: around.stop() or changed())
            return downloads.report()
        finally:
            downloads.save(live=False)


@dataclass(frozen=True)
class _Rules:
    """How shards are fetched, and whether to continue when all are complete."""

    run: RunOptions
    web_seeds: bool
    share: bool


class _Downloads:
    """The state of the shards during the download."""

    def __init__(
        self,
        folder: MirrorFolder,
        shards: Sequence[ReleaseShard],
        session: TorrentSession,
        rules: "_Rules",
        around: RunContext,
    ) -> None:
        self._folder, self._session, self._rules = folder, session, rules
        self._clocks, self._progress = around.clocks, around.progress
        self._watch = SessionWatch(
            session, seconds=rules.run.stop_after, clock=around.clocks.steady, progress=around.progress
        )
        self._shards = {shard.name: shard for shard in shards}
        self._proofs = folder.proofs()
        self._base = {name: proof.uploaded for name, proof in self._proofs.items()}
        here = {shard.name: local_shards.look_at(folder, shard) for shard in shards}
        self._proved = {name for name, each in here.items() if is_proved(self._proofs.get(name), each)}
        order = {"complete": 1, "partial": 2}
        self._waiting = sorted(
            shards, key=lambda each: 0 if each.name in self._proved else order.get(here[each.name].state, 3)
        )
        self._saved_at = self._clocks.steady()
        self._moved: dict[ShardName, tuple[float, float]] = {}  # share of the bytes, and since when
        self._best: dict[ShardName, int] = {}  # highest count of right bytes of each, for progress

    def run(self, stop: Callable[[], bool]) -> None:
        """Run until `stop` returns true."""
        total = sum(shard.size for shard in self._shards.values() if shard.name not in self._proved)
        self._progress.begin("Fetching", total)
        self._watch.run(self._step, stop)
        self._progress.end()

    def _step(self) -> bool:
        """Check all torrents, keep complete ones and start the next; return whether to continue."""
        self._refresh()
        self._begin()
        self._watch.report(len(self._waiting))
        if self._clocks.steady() - self._saved_at >= LIVE_SECONDS:
            self.save(live=True)
        ended = sum(each.state in ("seeding", "failed") for each in self._watch.status)
        return self._rules.share or ended < len(self._shards)  # all were checked since they were added

    def _refresh(self) -> None:
        """Read the status of all torrents. Complete ones get their proof before any other code sees the status."""
        self._watch.look()
        for each in self._watch.status:
            self._follow(ShardName(each.name), each)

    def _follow(self, name: ShardName, each: TorrentStatus) -> None:
        """Update the progress of one shard, and keep its proof when it is complete."""
        progress, _ = self._moved.get(name, (-1.0, 0.0))
        if each.progress != progress:
            self._moved[name] = (each.progress, self._clocks.steady())
        if name in self._proved:
            return
        shard = self._shards[name]
        done = shard.size if each.state == "seeding" else round(each.progress * shard.size)
        if done > self._best.get(name, 0):
            self._progress.advance(done - self._best.get(name, 0))
            self._best[name] = done
        if each.state == "seeding":
            self._keep(shard)

    def _keep(self, shard: ReleaseShard) -> None:
        """Make a verified tar durable, and save the proof."""
        local_shards.sync_file(self._folder.tar(shard.name))
        lying = local_shards.look_at(self._folder, shard)
        self._proofs[shard.name] = proof_of(lying, self._clocks.now(), self._uploaded(shard.name))
        self._proved.add(shard.name)
        self._folder.save_proofs(self._proofs)
        self._progress.detail(f"{shard.name}: complete, every piece checked")

    def _begin(self) -> None:
        """Start more shards: all proved ones; of the others, check one at a time and fetch up to ACTIVE."""
        while self._waiting:
            shard = self._waiting[0]
            if shard.name not in self._proved and not self._has_room():
                return
            self._waiting.pop(0)
            if shard.name not in self._proofs:  # from now on the file with that name belongs to this mirror
                self._proofs[shard.name] = VerifiedTar()
                self._folder.save_proofs(self._proofs)
            file = open_shard_torrent(self._folder.document(shard.torrent))
            self._session.add(
                shard.name,
                file.torrent,
                self._folder.tar(shard.name),
                web_seeds=file.metainfo.web_seeds if self._rules.web_seeds else (),
                trackers=self._rules.run.trackers,
                verified=shard.name in self._proved,
            )
            if shard.name not in self._proved:
                self._refresh()

    def _has_room(self) -> bool:
        """Return whether another shard may start."""
        if self._watch.is_checking:
            return False
        now = self._clocks.steady()
        coming = [ShardName(each.name) for each in self._watch.status if each.state == "incomplete"]
        moving = [name for name in coming if now - self._moved.get(name, (0.0, now))[1] < STILL_SECONDS]
        return len(moving) < ACTIVE

    def _uploaded(self, name: ShardName) -> int:
        """Return the bytes of a shard that were sent in all runs."""
        now = next((each.uploaded for each in self._watch.status if each.name == name), 0)
        return self._base.get(name, 0) + now

    def save(self, *, live: bool) -> None:
        """Save the sent bytes, and the status for `mirror status`. live: the client continues to run."""
        self._saved_at = self._clocks.steady()
        names = [ShardName(each.name) for each in self._watch.status]
        for name in names:
            proof = self._proofs.get(name, VerifiedTar())
            self._proofs[name] = msgspec.structs.replace(proof, uploaded=self._uploaded(name))
        self._folder.save_proofs(self._proofs)
        now = RunState(
            format=documents.FORMAT,
            type="live",
            at=self._clocks.unix(),
            shards={
                name: (each.progress, each.state == "seeding", each.peers)
                for name, each in zip(names, self._watch.status, strict=True)
            },
        )
        self._folder.save_live(now if live else None)

    def report(self) -> FetchReport:
        """Return the report."""
        self._refresh()
        shards = [
            FetchedShard(
                name=each.name,
                state="downloading" if each.state == "incomplete" else each.state,
                progress=each.progress,
                uploaded=each.uploaded,
                error=each.error,
            )
            for each in self._watch.status
        ]
        shards += [
            FetchedShard(name=shard.name, state="waiting", progress=0.0, uploaded=0, error="")
            for shard in self._waiting
        ]
        return FetchReport(
            seconds=self._watch.seconds,
            port=self._session.port(),
            downloaded=self._watch.downloaded,
            uploaded=self._watch.uploaded,
            peers=self._watch.max_peers,
            complete=sum(each.state == "seeding" for each in shards),
            shards=tuple(sorted(shards, key=lambda each: each.name)),
        )
