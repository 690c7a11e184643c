"""How the network is used: where peers meet us, and where bytes of a shard may come from. Nothing is contacted here."""

from dataclasses import dataclass, replace
from functools import partial

from packager.core.http.allowed_hosts import NO_HOSTS, AllowedHosts, allowed_hosts
from packager.core.http.listen_address import parse_listen
from packager.option_fields import ALLOW_HOSTS, OptionText, option
from packager.units import parse_rate, parse_seconds

NO_WEB_SEEDS = OptionText("Do not use the web seeds that the torrent names.")
DHT = OptionText("Find peers through the DHT.", ("--dht",))
DEFAULT_LISTEN = ":6881"
LISTEN = OptionText(
    "Address for connections of peers (TCP and UDP); without HOST all addresses, :0 any free port.",
    metavar="[HOST]:PORT",
)
STOP_AFTER = OptionText('End after this time, such as "8 h".', ("--for",), metavar="TIME", parse=parse_seconds)
TIMEOUT = OptionText(
    "Give up a server or a swarm that sends nothing for this long.",
    metavar="TIME",
    written="60 s",
    parse=partial(parse_seconds, least=1),
)
UPLOAD_LIMIT = OptionText('Send at most this much, such as "5 MiB/s"; 0: no limit.', metavar="RATE", parse=parse_rate)
DOWNLOAD_LIMIT = OptionText("Receive at most this much; 0: no limit.", metavar="RATE", parse=parse_rate)


@dataclass(frozen=True)
class PeerOptions:
    """How a session meets peers.

    address: the IP address of ours to listen at, "" for all. port: TCP and UDP, 0 for any free one. incoming:
    let peers connect to us. Limits are bytes a second, 0 for none. allowed: hosts that may be contacted although they
    are not on the public Internet.
    """

    address: str = ""
    port: int = 0
    incoming: bool = True
    dht: bool = False
    upload_limit: int = 0
    download_limit: int = 0
    allowed: AllowedHosts = NO_HOSTS


@dataclass(frozen=True)
class NetworkOptions:
    """How bytes of a shard may be fetched: from web seeds, and from its swarm if a source, a peer or a tracker asks so.

    The commands set the other fields. web_seeds: addresses that the user named; they come before those of the torrent.
    swarm: the swarm is a source. origin: the address that documents come from; they may name its host.
    """

    no_web_seeds: bool = option(NO_WEB_SEEDS, False)
    allow_hosts: tuple[str, ...] = option(ALLOW_HOSTS, ())
    peers: tuple[str, ...] = option(
        "Fetch from this peer; implies --from swarm. Repeatable.", (), "--peer", metavar="HOST:PORT"
    )
    trackers: tuple[str, ...] = option(
        "Ask this tracker too; implies --from swarm. Repeatable.", (), "--tracker", metavar="URL"
    )
    dht: bool = option(DHT, False)
    listen: str = option(LISTEN, ":0")
    upload_limit: int = option(UPLOAD_LIMIT, 0)
    download_limit: int = option(DOWNLOAD_LIMIT, 0)
    timeout: float = option(TIMEOUT)
    web_seeds: tuple[str, ...] = ()
    swarm: bool = False
    origin: str = ""

    @property
    def is_swarm_asked(self) -> bool:
        """Whether peers may be met."""
        return self.swarm or self.dht or bool(self.trackers or self.peers)

    @property
    def reach(self) -> PeerOptions:
        """How peers are found. With --peer only, no other peer can connect. Raises InputError."""
        incoming = self.swarm or self.dht or bool(self.trackers)
        address, port = parse_listen(self.listen)
        return PeerOptions(
            address=address,
            port=port,
            incoming=incoming,
            dht=self.dht,
            upload_limit=self.upload_limit,
            download_limit=self.download_limit,
            allowed=self.hosts,
        )

    @property
    def allowed(self) -> AllowedHosts:
        """The hosts that documents may name although they are not on the public Internet. Raises InputError."""
        return allowed_hosts(self.allow_hosts).with_origin(self.origin)

    @property
    def hosts(self) -> AllowedHosts:
        """Those, and the hosts of the addresses that the user wrote."""
        return self.allowed.with_addresses((*self.web_seeds, *self.trackers))

    def trusting(self, origin: object) -> "NetworkOptions":
        """Return this for documents that come from the address `origin`, which may name their own host."""
        return replace(self, origin=str(origin))

    def without_swarm(self) -> "NetworkOptions":
        """Return this for web seeds alone."""
        return replace(self, swarm=False, dht=False, trackers=(), peers=())
