"""Share shards by libtorrent until told to stop. Their files are read and never written.

libtorrent reads a tar in full before it shares a byte of it, and shares none that is not whole; only a tar
that was read in full and found right in this run is shared at once. What is withheld later is shared no longer.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from packager.core.http.allowed_hosts import allowed_hosts
from packager.core.http.listen_address import parse_listen
from packager.core.reports.reports import SeededTorrent, SeedReport, SeedState
from packager.core.reports.withheld import Withheld
from packager.engine.files.shard_torrent import FolderTorrent
from packager.engine.network.connection_options import (
    DEFAULT_LISTEN,
    DHT,
    LISTEN,
    STOP_AFTER,
    UPLOAD_LIMIT,
    PeerOptions,
)
from packager.engine.network.libtorrent_session import TorrentSession
from packager.engine.network.session_watch import SessionWatch
from packager.errors import InputError, PackagerError
from packager.option_fields import ALLOW_HOSTS, KEY, RELEASE_OPTION, WORKERS, option
from packager.paths import display_text
from packager.progress import Progress
from packager.share.seedable import Seedable, Seedables, verify_tars_to_seed

_RULE_SECONDS = 5.0  # between two looks whether a release or a withdrawal around changed


@dataclass(frozen=True)
class SeedOptions:
    """How shards are shared, and what says that they are right. With a client that runs, its own settings hold."""

    listen: str = option(LISTEN, DEFAULT_LISTEN)
    dht: bool = option(DHT, False)
    allow_hosts: tuple[str, ...] = option(ALLOW_HOSTS, ())
    upload_limit: int | None = option(UPLOAD_LIMIT)
    verify: bool = option("Check every tar with all cores before sharing.", False)
    stop_after: float | None = option(STOP_AFTER)
    client: str | None = option(
        "Add them to a running client, and end: qbittorrent:URL, transmission:URL, aria2:URL or watch:DIR.",
        metavar="SPEC",
    )
    release: Path | str | None = option(RELEASE_OPTION)
    key: Path | str | None = option(KEY)
    torrent: Path | None = option("The .torrent of a single tar. Default: the one of the release.", metavar="FILE")
    source: Path | None = option(
        "The collection's folder, for the members of shards that are folders.", None, "--from", metavar="DIR"
    )
    allow_withdrawn: bool = option("Also share shards with withdrawn records.", False)
    workers: int | None = option(WORKERS)

    @property
    def reach(self) -> PeerOptions:
        """How peers are met. Raises InputError."""
        address, port = parse_listen(self.listen)
        return PeerOptions(
            address=address,
            port=port,
            dht=self.dht,
            upload_limit=self.upload_limit or 0,
            allowed=allowed_hosts(self.allow_hosts).with_origin(str(self.release)),
        )

    def check(self) -> None:
        """Raise InputError for an option that a running client has in its own settings."""
        own = {
            "--upload-limit": self.upload_limit,
            "--for": self.stop_after,
            "--dht": self.dht,
            "--listen": self.listen != DEFAULT_LISTEN,
        }
        for flag, value in own.items():
            if self.client is not None and value:
                raise InputError("", f"{flag} cannot be used with --client", "set it in the client")


def seed(
    seedables: Seedables,
    options: SeedOptions,
    *,
    workers: int,
    stop: Callable[[], bool],
    clock: Callable[[], float],
    progress: Progress,
) -> SeedReport:
    """Share the tars that can be shared until `stop` says so, or the time is up, and return what was shared.

    workers: processes that read first, if options.verify asks for that. clock: seconds that only go up. Tars that
    cannot be shared stand in the report. Raises InputError where none can.
    """
    found, refused = seedables.found, seedables.refused
    reach = options.reach
    if options.verify:
        found, bad = verify_tars_to_seed(found, workers=workers, stop=stop, progress=progress)
        refused = [*refused, *bad]
        seedables = replace(seedables, found=found, refused=refused)
    for each in seedables.withheld:
        progress.note(f"not shared: {each.sentence}")
    for issue in refused:
        progress.note(f"{issue.where}: not shared: {issue.what}")
    if not found:
        raise seedables.nothing()
    _warn_of_solitude(found, reach, progress)
    with TorrentSession(reach) as session:
        watch = SessionWatch(session, seconds=options.stop_after, clock=clock, progress=progress)
        seeds = _Seeds(session, watch, seedables, clock, progress)
        seeds.run(stop)
        return seeds.report()


class _Seeds:
    """The tars that are shared. Those that libtorrent must read are added one by one."""

    def __init__(
        self,
        session: TorrentSession,
        watch: SessionWatch,
        seedables: Seedables,
        clock: Callable[[], float],
        progress: Progress,
    ) -> None:
        self._session, self._watch, self._clock, self._progress = session, watch, clock, progress
        self._seedables, self._rule = seedables, seedables.rule
        self._added: list[Seedable] = []
        self._waiting = sorted(seedables.found, key=lambda each: not each.verified)
        self._withheld: list[Withheld] = []  # shards that were shared, or waited for it, until the rule withheld them
        self._asked_at = clock() - _RULE_SECONDS
        self._uploaded = 0

    def run(self, stop: Callable[[], bool]) -> None:
        """Share until `stop` says so, the time is up, or all shards are withheld."""
        self._progress.begin("Sharing", None)
        self._watch.run(self._step, stop)
        if not self._added and not self._waiting:
            self._progress.note("nothing is left to share")
        self._progress.end()

    def _step(self) -> bool:
        """Share less or more, and report what changed; return whether anything is left to share."""
        self._stop_withheld()
        self._add()
        self._watch.look()
        self._progress.advance(self._watch.uploaded - self._uploaded)
        self._uploaded = self._watch.uploaded
        self._watch.report(len(self._waiting))
        return bool(self._added or self._waiting)

    def _stop_withheld(self) -> None:
        """Stop the torrents of shards that are withheld by now, if it is time to ask."""
        if self._clock() - self._asked_at < _RULE_SECONDS:
            return
        self._asked_at = self._clock()
        try:
            found = self._rule.ask_again(each.tar for each in (*self._added, *self._waiting))
        except (PackagerError, OSError) as error:
            self._watch.show_once(f"cannot check what is withheld, and will try again: {error}")
            return
        for why in found.values():
            self._progress.note(f"no longer shared: {why.sentence}")
        self._withheld += found.values()
        self._waiting = [each for each in self._waiting if each.tar not in found]
        for number in reversed(range(len(self._added))):
            if self._added[number].tar in found:
                self._session.remove(number)
                del self._added[number]

    def _add(self) -> None:
        """Share what is proved, and the next that is not, unless one is being read."""
        while self._waiting and (self._waiting[0].verified or not self._watch.is_checking):
            each = self._waiting.pop(0)
            places = each.file.places if isinstance(each.file, FolderTorrent) else None
            path = each.tar if places is None else each.tar.absolute()
            self._session.add(each.tar.name, each.file.torrent, path, places=places, verified=each.verified)
            self._added.append(each)
            self._watch.look()

    def report(self) -> SeedReport:
        """Return what was shared."""
        torrents = [
            _seeded(seedable, each.state, each.uploaded, each.error)
            for seedable, each in zip(self._added, self._watch.status, strict=True)
        ]
        torrents += [_seeded(seedable, "waiting") for seedable in self._waiting]
        return SeedReport(
            seconds=self._watch.seconds,
            port=self._session.port(),
            uploaded=self._watch.uploaded,
            peers=self._watch.max_peers,
            torrents=tuple(sorted(torrents, key=lambda each: (each.name, each.version))),
            refused=tuple(self._seedables.refused),
            withheld=(*self._seedables.withheld, *self._withheld),
            client=None,
            added=(),
        )


def _warn_of_solitude(found: Sequence[Seedable], reach: PeerOptions, progress: Progress) -> None:
    """Say where nobody will learn of a seed."""
    alone = [each for each in found if not each.file.metainfo.trackers]
    if alone and not reach.dht:
        name = display_text(alone[0].file.name)
        progress.note(f"{name} names no tracker and the DHT is off: only peers told our address will come (--dht)")


def _seeded(seedable: Seedable, state: SeedState, uploaded: int = 0, error: str = "") -> SeededTorrent:
    """Return how one torrent was shared."""
    return SeededTorrent(
        name=display_text(seedable.tar.name),
        version=seedable.file.metainfo.version,
        state=state,
        verified=seedable.verified,
        evidence=seedable.evidence,
        uploaded=uploaded,
        error=error or ("not all its pieces are right" if state == "incomplete" else ""),
    )
