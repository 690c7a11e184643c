"""Decide which network addresses a document may name, for web seeds, trackers and redirects. No I/O.

Torrents, magnet links, Metalinks and releases are untrusted documents. They may name hosts on the public Internet,
but not this machine or its network, because services there often trust all local clients.
"""

import ipaddress
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias
from urllib.parse import urljoin, urlsplit

from packager.core.config.url_values import WEB, url, without_credentials
from packager.errors import InputError
from packager.paths import display_text

OPTION = "--allow-host"
IP: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network
_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}
_SHAPE = re.compile(r"(?:\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<host>[A-Za-z0-9*._\-]+))(?::(?P<port>[0-9]{1,5}))?", re.ASCII)
_EXAMPLE = 'write it as "nas.example", "nas.example:8080", "192.168.1.5" or "192.168.1.0/24"'

# IANA's registries of special-purpose addresses, and multicast. The first match decides.
SPECIAL: tuple[tuple[str, tuple[Network, ...]], ...] = tuple(
    (kind, tuple(ipaddress.ip_network(each) for each in networks.split()))
    for kind, networks in (
        ("an unspecified", "0.0.0.0/8 ::/128"),
        ("a loopback", "127.0.0.0/8 ::1/128"),
        ("a link-local", "169.254.0.0/16 fe80::/10"),
        ("a private", "10.0.0.0/8 172.16.0.0/12 192.168.0.0/16 fc00::/7 fec0::/10"),
        ("a carrier's private", "100.64.0.0/10"),
        ("a multicast", "224.0.0.0/4 ff00::/8"),
        (
            "a reserved",
            "192.0.0.0/24 192.0.2.0/24 192.88.99.0/24 198.18.0.0/15 198.51.100.0/24 203.0.113.0/24 240.0.0.0/4 "
            "::/3 2001::/23 2001:db8::/32 3fff::/20 4000::/2 8000::/1",
        ),
    )
)
# IPv6 addresses that lead to the IPv4 address inside: (network, bits to the right of it).
_EMBEDDED = tuple(
    (ipaddress.IPv6Network(network), shift)
    for network, shift in (
        ("::ffff:0:0/96", 0),  # IPv4-mapped
        ("::ffff:0:0:0/96", 0),  # IPv4-translated (RFC 2765)
        ("::/96", 0),  # IPv4-compatible
        ("64:ff9b::/96", 0),  # NAT64
        ("64:ff9b:1::/48", 0),  # local NAT64
        ("2002::/16", 80),  # 6to4
    )
)


def special_kind(address: str) -> str:
    """Return the kind of an IP address, such as "a loopback"; "" for one on the public Internet."""
    found = _unwrapped(ipaddress.ip_address(address.partition("%")[0]))
    for kind, networks in SPECIAL:
        if any(found in network for network in networks):
            return kind
    return ""


def _unwrapped(address: IP) -> IP:
    """Return the IPv4 address that an IPv6 address leads to, or the address itself."""
    if isinstance(address, ipaddress.IPv6Address) and int(address) > 1:
        for network, shift in _EMBEDDED:
            if address in network:
                return ipaddress.IPv4Address(int(address) >> shift & 0xFFFFFFFF)
    return address


@dataclass(frozen=True)
class _Allowed:
    """A host that may be contacted. port: None for any. network: of IP addresses. typed: from a URL."""

    host: str
    port: int | None
    network: Network | None = None
    typed: bool = False

    def is_host(self, host: str, port: int) -> bool:
        """Return whether a host name, or an IP address as written, is this host."""
        if self.port not in (None, port):
            return False
        if "*" in self.host:
            return re.fullmatch(".*".join(map(re.escape, self.host.split("*"))), host) is not None
        return self.host == host or (self.network is not None and _is_in(host, self.network))

    def is_address(self, address: str, port: int) -> bool:
        """Return whether an IP address is this host."""
        return self.port in (None, port) and self.network is not None and _is_in(address, self.network)


@dataclass(frozen=True)
class AllowedHosts:
    """Hosts that may be contacted at any address, because the user named them or a document came from there."""

    hosts: tuple[_Allowed, ...] = ()

    def with_addresses(self, addresses: Iterable[str]) -> "AllowedHosts":
        """Return these hosts and those of URLs that the user wrote; other texts are ignored."""
        found = (host_and_port(address) for address in addresses)
        return self._with(_entry(host, port, typed=True) for host, port in found if host)

    def with_origin(self, address: str) -> "AllowedHosts":
        """Return these hosts and the one that a document is read from, at any port. A folder's path adds none."""
        host, _ = host_and_port(address)
        return self._with([_entry(host, None, typed=True)] if host else ())

    def _with(self, more: Iterable[_Allowed]) -> "AllowedHosts":
        return replace(self, hosts=tuple(dict.fromkeys((*self.hosts, *more))))

    @property
    def networks(self) -> tuple[Network, ...]:
        """The IP addresses among the hosts."""
        return tuple(each.network for each in self.hosts if each.network is not None)

    @property
    def names(self) -> tuple[tuple[str, int], ...]:
        """The host names, each with its port; 0 means any."""
        return tuple((each.host, each.port or 0) for each in self.hosts if not each.network and "*" not in each.host)


NO_HOSTS = AllowedHosts()


def allowed_hosts(written: Iterable[str], where: str = OPTION) -> AllowedHosts:
    """Return the hosts of the option: HOST[:PORT], an IP address or network, or a pattern with "*".

    A pattern allows redirects to those hosts, only on public addresses. Raises InputError.
    """
    return AllowedHosts(tuple(_parsed(each, where) for each in written))


def _parsed(written: str, where: str) -> _Allowed:
    """Return one host of the option."""
    try:
        network = ipaddress.ip_network(re.sub(r"^\[([^]]*)\](?=/|$)", r"\1", written), strict=False)
        return _Allowed(str(network), None, network)
    except ValueError:
        pass
    match = _SHAPE.fullmatch(written)
    if match is None or (match["port"] and not 1 <= int(match["port"]) <= 65535):
        raise InputError(where, f'"{display_text(written.rpartition("@")[2], 80)}" is not a host', _EXAMPLE)
    return _entry(match["v6"] or match["host"], int(match["port"]) if match["port"] else None)


def _entry(host: str, port: int | None, *, typed: bool = False) -> _Allowed:
    """Return a host that may be contacted."""
    name = _canonical(host)
    try:
        return _Allowed(name, port, ipaddress.ip_network(name), typed)
    except ValueError:
        return _Allowed(name, port, None, typed)


def _canonical(host: str) -> str:
    """Return the canonical form of a host name or an IP address."""
    name = host.strip("[]").partition("%")[0].lower().rstrip(".")
    try:
        return str(ipaddress.ip_address(name))
    except ValueError:
        return name


def _is_in(address: str, network: Network) -> bool:
    """Return whether an IP address, or the IPv4 address inside, is in a network."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    return found in network or _unwrapped(found) in network


def host_and_port(address: str) -> tuple[str, int]:
    """Return the host and the port of a checked URL; ("", 0) for a path."""
    try:
        parts = urlsplit(address)
        scheme = parts.scheme.lower()
        if scheme not in (*_PORTS, "udp"):
            return "", 0
        return parts.hostname or "", parts.port or _PORTS.get(scheme, 0)
    except ValueError:
        return "", 0


def is_permitted(host: str, port: int, found: Sequence[str], allowed: AllowedHosts, *, was_public: bool) -> list[str]:
    """Return the IP addresses of a host that may be contacted, in their order.

    found: what its name resolves to now. was_public: its name resolved to a public address before. A name that the
    user wrote in a URL may belong to a private host. But it is refused if it was public before or is both now, because
    then the owner of the name could switch between the two (DNS rebinding). Raises InputError if no address is left.
    """
    public = [each for each in found if not special_kind(each)]
    name = _canonical(host)
    by_name = any(
        each.is_host(name, port) and "*" not in each.host and not (each.typed and (public or was_public))
        for each in allowed.hosts
        if each.network is None
    )
    good = [
        each
        for each in found
        if each in public or by_name or any(entry.is_address(each, port) for entry in allowed.hosts)
    ]
    if found and not good:
        raise refusal(host, port, found[0])
    return good


def refusal(host: str, port: int, address: str) -> InputError:
    """Return the error for a host at an address that a document may not name."""
    written = f"[{host}]" if ":" in host else host
    at = "" if _canonical(host) == address else f" ({display_text(address)})"
    what = f"is at {special_kind(address)} address{at}, and the document that names it comes from elsewhere"
    where = display_text(f"{written}:{port}" if port else written, 200)
    return InputError(where, f"not contacted: {what}", f"to allow it: {OPTION} {where}")


def redirected(asked: str, location: str, allowed: AllowedHosts) -> str:
    """Return the target of a redirect. Its IP address is checked again when it is contacted.

    Raises InputError if it is not http(s), leads from https to http, or leads to another host that is not allowed.
    The port is part of the host, so that a server cannot redirect to another service of the same machine. From http
    to https, the standard ports may change.
    """
    where = display_text(asked)
    try:
        target = url(urljoin(asked, location), "redirect", WEB)
    except (InputError, ValueError):
        shown_location = display_text(without_credentials(location), 120)
        secret = " without a user name or a password" if without_credentials(location) != location else ""
        raise InputError(where, f'redirects to "{shown_location}", which is no web address{secret}') from None
    if asked.lower().startswith("https:") and target.lower().startswith("http:"):
        raise InputError(where, f'redirects from https to "{display_text(target, 120)}", which anyone can read')
    old, new = host_and_port(asked), host_and_port(target)
    same = old == new or (old[0] == new[0] and (old[1], new[1]) == (80, 443))
    if same or any(not each.typed and each.is_host(_canonical(new[0]), new[1]) for each in allowed.hosts):
        return target
    what = f"redirects to {display_text(target, 120)}"
    raise InputError(where, what, f"allow it with {OPTION} {display_text(new[0], 100)}")
