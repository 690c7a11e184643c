"""What the owner of a mirror may ask: what mirror.toml keeps, and what one run does."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import msgspec

from packager.core.config.option_values import nearest
from packager.core.http.allowed_hosts import allowed_hosts
from packager.core.http.listen_address import parse_listen
from packager.engine.network.connection_options import (
    DHT,
    DOWNLOAD_LIMIT,
    LISTEN,
    NO_WEB_SEEDS,
    STOP_AFTER,
    UPLOAD_LIMIT,
    PeerOptions,
)
from packager.engine.network.remote_readers import endpoints
from packager.errors import InputError
from packager.mirror.mirror_settings import Settings, check_mirror_id
from packager.model import ASK_FOR, STRATEGIES, AskFor, Strategy
from packager.option_fields import ALLOW_HOSTS, OptionText, option
from packager.paths import display_text
from packager.units import parse_seconds, parse_size


def _one_of(names: tuple[str, ...], what: str) -> Callable[[str, str], str]:
    """Return what checks that a text is one of some names, and otherwise says that it is `what`."""

    def parse(text: str, where: str) -> str:
        if text in names:
            return text
        close = nearest(text, names)
        fix = f'did you mean "{close}"?' if close else f"they are {', '.join(names)}"
        raise InputError(where, f'"{display_text(text, 40)}" is {what}', fix)

    return parse


def _whole_seconds(text: str, where: str) -> int:
    """Return a time in seconds."""
    return round(parse_seconds(text, where))


@dataclass(frozen=True)
class MirrorOptions:
    """Which part of a release a mirror has, who fetches it, and how the first release is trusted.

    What is None keeps its value in mirror.toml; the first time it gets its default. Without a key the one beside the
    release is used, if you agree to it.
    """

    budget: int | None = option(
        'Maximum size of the shards and their documents, such as "2 TB". Required the first time.',
        metavar="SIZE",
        parse=parse_size,
    )
    reserve: int | None = option("Space of the disk that stays free. First: 50 GiB.", metavar="SIZE", parse=parse_size)
    key: Path | str | None = option("The publisher's public key; the release must be signed by it.", metavar="KEY|FILE")
    allow_unsigned: bool = option("Follow a release that is not signed; only its chain is checked.", False)
    from_serial: int | None = option(
        "Start the chain at this release, for a key that was replaced since.", metavar="N", least=1
    )
    strategy: Strategy | None = option(
        f"Which shards: {', '.join(STRATEGIES)}. First: spread.",
        metavar="NAME",
        parse=_one_of(STRATEGIES, "not a strategy"),
    )
    phases: tuple[str, ...] | None = option(
        'Only this phase. Repeatable. "*": all again.', None, "--phase", "-p", metavar="NAME"
    )
    where: str | None = option(
        'Only these: SQL over name, phase, size, members, added, seeders. "": all again.', metavar="SQL"
    )
    mirror_id: str | None = option(
        "Makes this mirror choose other shards than other mirrors. Default: random.",
        metavar="TEXT",
        parse=check_mirror_id,
    )
    seed_counts: AskFor | None = option(
        f"Where seed counts come from: {', '.join(ASK_FOR)}. First: auto.",
        metavar="SOURCE",
        parse=_one_of(ASK_FOR, "not a source of seed counts"),
    )
    warn_age: int | None = option(
        "Warn of a release that is older. First: 180 d.", metavar="TIME", parse=_whole_seconds
    )
    client: str | None = option(
        "Who fetches: builtin (first), none, qbittorrent:URL, transmission:URL, aria2:URL, watch:DIR.", metavar="SPEC"
    )


@dataclass(frozen=True)
class RunOptions:
    """How a mirror meets peers and servers, and when a run ends. What is not given is as in mirror.toml.

    allow_hosts: an empty one is no host, or those beside it alone. stop_after: seconds.
    """

    no_web_seeds: bool = option(NO_WEB_SEEDS, False)
    allow_hosts: tuple[str, ...] = option(ALLOW_HOSTS, ())
    timeout: float | None = option(
        OptionText(
            "Give up a server that sends nothing for this long. First: 60 s.",
            metavar="TIME",
            parse=partial(parse_seconds, least=1),
        )
    )
    peers: tuple[str, ...] = option("Fetch from this peer too. Repeatable.", (), "--peer", metavar="HOST:PORT")
    trackers: tuple[str, ...] = option("Ask this tracker too. Repeatable.", (), "--tracker", metavar="URL")
    dht: bool = option(DHT, False)
    listen: str | None = option(LISTEN)
    upload_limit: int | None = option(UPLOAD_LIMIT)
    download_limit: int | None = option(DOWNLOAD_LIMIT)
    stop_after: float | None = option(STOP_AFTER)

    def check(self) -> None:
        """Raise InputError for a host, a peer or an address that is wrong, IncompleteError for one not found."""
        allowed_hosts(self._hosts or ())
        if self.listen is not None:
            parse_listen(self.listen)
        self.find_peers()

    @property
    def _hosts(self) -> tuple[str, ...] | None:
        """The hosts that are allowed, without the empty name that only replaces those of mirror.toml."""
        return tuple(host for host in self.allow_hosts if host) if self.allow_hosts else None

    def over(self, settings: Settings) -> Settings:
        """Return settings with what this run asks."""
        given: dict[str, object] = {
            "allow_hosts": self._hosts,
            "timeout": self.timeout,
            "web_seeds": False if self.no_web_seeds else None,
            "dht": True if self.dht else None,
            "listen": self.listen,
            "upload_limit": self.upload_limit,
            "download_limit": self.download_limit,
        }
        return msgspec.structs.replace(settings, **{name: value for name, value in given.items() if value is not None})

    def find_peers(self) -> list[tuple[str, int]]:
        """Return the IP addresses and ports of peers. Raises InputError, IncompleteError where one is not found."""
        return [endpoint for peer in self.peers for endpoint in endpoints(peer)]


@dataclass(frozen=True)
class MirrorTask:
    """What one run of a mirror does.

    source: the release to follow from now on, whose options mirror.toml keeps; None: the one of mirror.toml. dry_run:
    only plan. fetch: False: only choose. share: go on until stopped; else end when all is complete. check_every:
    seconds between two looks for a new release.
    """

    source: str | None = None
    options: MirrorOptions = field(default_factory=MirrorOptions)
    run: RunOptions = field(default_factory=RunOptions)
    dry_run: bool = False
    fetch: bool = True
    share: bool = False
    check_every: float | None = None

    def settings(self, kept: Settings | None) -> tuple[Settings, Settings]:
        """Return the settings to keep, and those of this run. kept: those that hold now; None: none.

        Raises InputError if no budget is given the first time.
        """
        keep = kept if self.source is None and kept is not None else _settings_to_keep(kept, self.source or "", self)
        here = self.run.over(keep)
        if self.check_every is not None:
            here = msgspec.structs.replace(here, check_every=self.check_every)
        return keep, here


def _settings_to_keep(kept: Settings | None, source: str, task: MirrorTask) -> Settings:
    """Return the settings that were given, and for those that were not what is kept, or the default."""
    options = task.options
    names = ("budget", "strategy", "phases", "where", "mirror_id", "seed_counts", "reserve", "client", "warn_age")
    given = {name: getattr(options, name) for name in names if getattr(options, name) is not None}
    given |= {"source": source} | ({"allow_unsigned": True} if options.allow_unsigned else {})
    if kept is None:
        if "budget" not in given:
            raise InputError("", "--budget is missing", 'write the maximum size of the shards, such as --budget "2 TB"')
        kept = Settings(**{"mirror_id": secrets.token_hex(16), **given})
    settings = task.run.over(msgspec.structs.replace(kept, **given))
    phases = None if settings.phases in ((), ("*",)) else settings.phases
    return msgspec.structs.replace(settings, phases=phases, where=settings.where or None)


def reach_of(settings: Settings) -> PeerOptions:
    """Return how peers are met. Raises InputError."""
    address, port = parse_listen(settings.listen, "mirror.toml: mirror.listen")
    return PeerOptions(
        address=address,
        port=port,
        dht=settings.dht,
        upload_limit=settings.upload_limit,
        download_limit=settings.download_limit,
        allowed=settings.allowed,
    )
