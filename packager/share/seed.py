"""Seeds shards with libtorrent. Their files are only read.

libtorrent verifies each tar before it shares it, and shares only complete tars. A tar that this run has already
verified is shared at once. A shard that is withheld later is no longer shared.
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

_RULE_SECONDS = 5.0  # between two checks for a changed release or withdrawal


@dataclass(frozen=True)
class SeedOptions:
    """How shards are shared, and what they are verified with. A running client uses its own settings."""

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
        "The collection's folder, with the members of shards that are folders.", None, "--from", metavar="DIR"
    )
    allow_withdrawn: bool = option("Also share shards with withdrawn records.", False)
    workers: int | None = option(WORKERS)

    @property
    def reach(self) -> PeerOptions:
        """The options for connections to peers. Raises InputError."""
        address, port = parse_listen(self.listen)
        return PeerOptions(
            address=address,
            port=port,
            dht=self.dht,
            upload_limit=self.upload_limit or 0,
            allowed=allowed_hosts(self.allow_hosts).with_origin(str(self.release)),
        )

    def check(self) -> None:
        """Raise InputError for an option that must be set in a running client itself."""
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
    """Share tars until `stop` returns True or the time is up, and return the report.

    workers: processes for options.verify. clock: monotonic, in seconds. The report also lists the tars that cannot
    be shared. Raises InputError if no tar can.
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
    _warn_if_unreachable(found, reach, progress)
    with TorrentSession(reach) as session:
        watch = SessionWatch(session, seconds=options.stop_after, clock=clock, progress=progress)
        seeds = _Seeds(session, watch, seedables, clock, progress)
        seeds.run(stop)
        return seeds.report()


class _Seeds:
    """The tars of a session. Tars that libtorrent must verify are added one by one."""

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
        self._withheld: list[Withheld] = []  # withheld since the start
        self._asked_at = clock() - _RULE_SECONDS
        self._uploaded = 0

    def run(self, stop: Callable[[], bool]) -> None:
        """Share until `stop` returns True, the time is up, or all shards are withheld."""
        self._progress.begin("Sharing", None)
        self._watch.run(self._step, stop)
        if not self._added and not self._waiting:
            self._progress.note("nothing is left to share")
        self._progress.end()

    def _step(self) -> bool:
        """Stop withheld torrents, add waiting ones, and report changes; return whether any torrent is left."""
        self._stop_withheld()
        self._add()
        self._watch.look()
        self._progress.advance(self._watch.uploaded - self._uploaded)
        self._uploaded = self._watch.uploaded
        self._watch.report(len(self._waiting))
        return bool(self._added or self._waiting)

    def _stop_withheld(self) -> None:
        """Every few seconds, stop the torrents of shards that are now withheld."""
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
        """Add all verified torrents, and one other if libtorrent is not verifying any."""
        while self._waiting and (self._waiting[0].verified or not self._watch.is_checking):
            each = self._waiting.pop(0)
            places = each.file.places if isinstance(each.file, FolderTorrent) else None
            path = each.tar if places is None else each.tar.absolute()
            self._session.add(each.tar.name, each.file.torrent, path, places=places, verified=each.verified)
            self._added.append(each)
            self._watch.look()

    def report(self) -> SeedReport:
        """Return the report."""
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


def _warn_if_unreachable(found: Sequence[Seedable], reach: PeerOptions, progress: Progress) -> None:
    """Warn if peers have no way to find this seed."""
    without_tracker = [each for each in found if not each.file.metainfo.trackers]
    if without_tracker and not reach.dht:
        name = display_text(without_tracker[0].file.name)
        progress.note(f"{name} has no tracker and the DHT is off, so peers cannot find it; use --dht")


def _seeded(seedable: Seedable, state: SeedState, uploaded: int = 0, error: str = "") -> SeededTorrent:
    """Return the report of one torrent."""
    return SeededTorrent(
        name=display_text(seedable.tar.name),
        version=seedable.file.metainfo.version,
        state=state,
        verified=seedable.verified,
        evidence=seedable.evidence,
        uploaded=uploaded,
        error=error or ("some of its pieces are bad" if state == "incomplete" else ""),
    )
