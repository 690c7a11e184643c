"""How the network is used: where peers meet us, and where bytes of a shard may come from. Nothing is contacted here."""

from dataclasses import dataclass, field, replace

from packager.core.http.allowed_hosts import NO_HOSTS, AllowedHosts


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
class SwarmOptions:
    """How the swarm is met: peers as "host:port", trackers beside the torrent's own, if those are told at all."""

    reach: PeerOptions = field(default_factory=PeerOptions)
    peers: tuple[str, ...] = ()
    trackers: tuple[str, ...] = ()
    torrent_trackers: bool = False


@dataclass(frozen=True)
class NetworkOptions:
    """Where bytes may be fetched from.

    web_seeds: beside those of the torrent, and before them. allowed: hosts that the user allows. swarm: None for no
    swarm. seconds: that a server or the swarm may stay silent.
    """

    web_seeds: tuple[str, ...] = ()
    torrent_web_seeds: bool = True
    allowed: AllowedHosts = NO_HOSTS
    swarm: SwarmOptions | None = None
    seconds: float = 60

    @property
    def hosts(self) -> AllowedHosts:
        """The hosts that may be contacted although they are not on the public Internet: allowed, or in an address."""
        return self.allowed.with_addresses((*self.web_seeds, *(self.swarm.trackers if self.swarm else ())))

    def trusting(self, origin: object) -> "NetworkOptions":
        """Return this for documents that come from the address `origin`, which may name their own host."""
        return replace(self, allowed=self.allowed.with_origin(str(origin)))
