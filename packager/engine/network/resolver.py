"""Host names -> the IP addresses that may be contacted. Connections use these, without another look-up."""

import socket
from collections.abc import Sequence

from packager.core.config.url_values import refuse_credentials
from packager.core.http import allowed_hosts
from packager.core.http.allowed_hosts import AllowedHosts
from packager.errors import InputError
from packager.paths import display_text

_first_public: dict[str, bool] = {}  # host name -> whether its first answer in this process had a public address


def look_up(host: str, port: int) -> list[str]:
    """Return the IP addresses of a host, each once. Raises OSError or UnicodeError if there are none."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


def permitted(host: str, port: int, allowed: AllowedHosts) -> list[str]:
    """Look a host up, and return those of its IP addresses that may be contacted.

    Raises InputError if none may, OSError or UnicodeError if it is not found.
    """
    found = look_up(host, port)
    is_public = any(not allowed_hosts.special_kind(each) for each in found)
    was_public = _first_public.setdefault(host.lower().rstrip("."), is_public)
    return allowed_hosts.is_permitted(host, port, found, allowed, was_public=was_public)


def permitted_urls(urls: Sequence[str], allowed: AllowedHosts, refused: list[InputError] | None = None) -> list[str]:
    """Return those URLs of a document whose host may be contacted, for a library that connects by itself.

    refused: gets the reason for each that may not. A host that is not found now is kept: the library
    has a filter of its own.
    """
    kept: list[str] = []
    why = [] if refused is None else refused
    seen: dict[tuple[str, int], InputError | None] = {}
    for url in urls:
        try:
            refuse_credentials(url, "tracker or web seed")
        except InputError as error:
            why.append(error)
            continue
        place = allowed_hosts.host_and_port(url)
        if not place[0]:
            why.append(InputError(display_text(url, 200), "not contacted: not an address of http, https, udp or ws"))
            continue
        if place not in seen:
            seen[place] = _refused(*place, allowed)
        if (found := seen[place]) is None:
            kept.append(url)
        else:
            why.append(found)
    return kept


def _refused(host: str, port: int, allowed: AllowedHosts) -> InputError | None:
    """Return why a host may not be contacted; None if it may, or is not found."""
    try:
        permitted(host, port, allowed)
    except InputError as error:
        return error
    except (OSError, UnicodeError):
        return None
    return None
