"""What the owner of a mirror may ask: what is kept in its folder until it is asked otherwise, and what one run does."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from packager.core.config.option_values import nearest
from packager.core.http.allowed_hosts import AllowedHosts
from packager.core.http.listen_address import parse_listen
from packager.engine.network.connection_options import (
    DEFAULT_LISTEN,
    DHT,
    DOWNLOAD_LIMIT,
    LISTEN,
    NO_WEB_SEEDS,
    STOP_AFTER,
    TIMEOUT,
    UPLOAD_LIMIT,
    PeerOptions,
)
from packager.engine.network.remote_readers import endpoints
from packager.errors import InputError
from packager.mirror.state import Settings
from packager.model import ASK_FOR, STRATEGIES, AskFor, Strategy
from packager.option_fields import ALLOW_HOSTS, DRY_RUN, option
from packager.paths import display_text
from packager.units import GIB, parse_seconds, parse_size

_FIRST: dict[str, object] = {"reserve": 50 * GIB, "client": "builtin", "max_age": 180 * 86_400}


def _one_of(names: tuple[str, ...], what: str) -> Callable[[str, str], str]:
    """Return what checks that a text is one of some names, and otherwise says that it is `what`."""

    def parse(text: str, where: str) -> str:
        if text in names:
            return text
        close = nearest(text, names)
        fix = f'did you mean "{close}"?' if close else f"they are {', '.join(names)}"
        raise InputError(where, f'"{display_text(text, 40)}" is {what}', fix)

    return parse


def _mirror_id(text: str, where: str) -> str:
    """Return a mirror's id. Raises InputError where it is empty, too long or not UTF-8."""
    if not 1 <= len(text) <= 200 or not text.isprintable():
        raise InputError(where, f'"{display_text(text, 40)}" is not 1 to 200 printable characters')
    return text


def _whole_seconds(text: str, where: str) -> int:
    """Return a time in seconds."""
    return round(parse_seconds(text, where))


@dataclass(frozen=True)
class MirrorOptions:
    """Which part of a release a mirror has, who fetches it, and how the first release is trusted.

    What is None stays as the mirror's folder keeps it. The first time a budget is needed, and others have the default
    after "First". Without a key the one beside the release is pinned, if you agree to it.
    """

    budget: int | None = option(
        'What the shards may take, as "2 TB". Needed the first time.', metavar="SIZE", parse=parse_size
    )
    key: Path | str | None = option("The publisher's public key: its .pub file, or its line.", metavar="FILE|RW...")
    unsigned: bool = option("Follow a release that nobody signed; only its chain is checked.", False)
    start_serial: int | None = option(
        "Begin the chain at this release; for a key that was replaced.", None, "--start", metavar="SERIAL", least=1
    )
    strategy: Strategy | None = option(
        f"Which shards: {', '.join(STRATEGIES)}. First: spread.",
        metavar="NAME",
        parse=_one_of(STRATEGIES, "no strategy"),
    )
    phases: tuple[str, ...] | None = option(
        'Only this phase; repeatable. "*": all again.', None, "--phase", "-p", metavar="NAME"
    )
    where: str | None = option(
        'Only these: SQL over name, phase, size, members, added, seeders. "": all.', metavar="SQL"
    )
    mirror_id: str | None = option(
        "What sets this mirror's choice apart. Default: made once.", metavar="TEXT", parse=_mirror_id
    )
    counts: AskFor | None = option(
        f"Where seed counts come from: {', '.join(ASK_FOR)}. First: auto.",
        metavar="NAME",
        parse=_one_of(ASK_FOR, "not where seed counts come from"),
    )
    reserve: int | None = option("Bytes of the disk to leave free. First: 50 GiB.", metavar="SIZE", parse=parse_size)
    client: str | None = option(
        "Who fetches: builtin (first), none, qbittorrent:URL, transmission:URL, aria2:URL, watch:DIR.", metavar="SPEC"
    )
    max_age: int | None = option(
        "Warn of a release older than this. First: 180 d.", metavar="TIME", parse=_whole_seconds
    )


@dataclass(frozen=True)
class RunOptions:
    """How a run of a mirror meets peers and servers, and when it ends. Most is for the built-in client.

    allow_hosts: none: those that are kept; an empty one: no host, or those beside it alone. timeout: seconds.
    """

    listen: str = option(LISTEN, DEFAULT_LISTEN)
    dht: bool = option(DHT, False)
    peers: tuple[str, ...] = option("Fetch from this peer too. Repeatable.", (), "--peer", metavar="HOST:PORT")
    no_web_seeds: bool = option(NO_WEB_SEEDS, False)
    upload_limit: int = option(UPLOAD_LIMIT, 0)
    download_limit: int = option(DOWNLOAD_LIMIT, 0)
    stop_after: float | None = option(STOP_AFTER)
    until_done: bool = option("End when every chosen shard is whole; share no longer.", False)
    check_every: float = option("Look for a new release at this interval.", "6 h", metavar="TIME", parse=parse_seconds)
    allow_hosts: tuple[str, ...] = option(replace(ALLOW_HOSTS, help=f'{ALLOW_HOSTS.help} Kept. "": none again.'), ())
    timeout: float = option(TIMEOUT)
    dry_run: bool = option(replace(DRY_RUN, help="Show the plan, and change nothing."), False)

    @property
    def named_hosts(self) -> tuple[str, ...]:
        """The hosts that are allowed, without the empty name that only replaces those that are kept."""
        return tuple(host for host in self.allow_hosts if host)

    def reach(self, allowed: AllowedHosts) -> PeerOptions:
        """Return how peers are met. Raises InputError."""
        address, port = parse_listen(self.listen)
        return PeerOptions(
            address=address,
            port=port,
            dht=self.dht,
            upload_limit=self.upload_limit,
            download_limit=self.download_limit,
            allowed=allowed,
        )

    def find_peers(self) -> list[tuple[str, int]]:
        """Return the IP addresses and ports of peers. Raises InputError, IncompleteError where one is not found."""
        return [endpoint for peer in self.peers for endpoint in endpoints(peer)]


def settings_of(kept: Settings | None, source: str, options: MirrorOptions, run: RunOptions) -> Settings:
    """Return the settings that were given, and for those that were not what is kept, or the default.

    Raises InputError if no budget is given the first time.
    """
    given = {name: getattr(options, name, None) for name in Settings.__struct_fields__}
    given |= {"source": source, "allow_hosts": run.named_hosts if run.allow_hosts else None}
    wishes = {name: value for name, value in given.items() if value is not None}
    if kept is None:
        if "budget" not in wishes:
            raise InputError("--budget", "is needed the first time", 'say what the shards may take, as "2 TB"')
        wishes = {**_FIRST, "mirror_id": secrets.token_hex(16), **wishes}
        settings = Settings(**wishes)
    else:
        settings = msgspec.structs.replace(kept, **wishes)
    phases = None if settings.phases in ((), ("*",)) else settings.phases
    return msgspec.structs.replace(settings, phases=phases, where=settings.where or None)
