"""One URL or list of URLs of packager.toml -> checked (RFC 3986): trackers, web seeds, pages.

The readers are option_values.Reader: value and where in, InputError with the nearest right spelling.
"""

import re
from urllib.parse import urlsplit

from packager.core.config.option_values import nearest, parse_string, type_error
from packager.errors import InputError
from packager.paths import display_text

TRACKERS = ("udp", "http", "https", "ws", "wss")
WEB = ("https", "http")
_LABEL = 63  # characters of one part of a host name (RFC 1035)
_NOT_IN_URL = re.compile(r"[^!-~]|[\"<>\\^`{|}]")
_CREDENTIALS = "the address holds a user name or a password, which everybody who reads it would see"


def without_credentials(written: str) -> str:
    """Return an address fit to be shown: "..." in the place of a user name and password."""
    scheme, separator, rest = written.partition("://")
    if not separator:
        scheme, rest = "", written
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    user, at, host = authority.rpartition("@")
    port = (host.partition("]")[2] or host).partition(":")[2]
    if port and not port.isdecimal() and "@" in rest:  # a "/" in a password seems to end the host
        user, at, _ = rest.rpartition("@")
    return f"{scheme}{separator}...@{rest[len(user) + 1 :]}" if at else written


def refuse_credentials(written: str, where: object) -> None:
    """Raise InputError, which repeats nothing of it, for an address with a user name or a password."""
    if without_credentials(written) != written:
        raise InputError(where, _CREDENTIALS, "write it without")


def url(value: object, where: str, schemes: tuple[str, ...]) -> str:
    """Return an absolute URL of one of `schemes`, ASCII only, without a user name or password (RFC 3986)."""
    written = parse_string(value, where)
    refuse_credentials(written, where)
    scheme, separator, rest = written.partition("://")
    if not separator:
        raise InputError(
            where, f"{type_error(written)} is not a URL", f'did you mean "{schemes[0]}://{display_text(written, 60)}"?'
        )
    if scheme.lower() not in schemes:
        close = nearest(scheme, schemes) or schemes[0]
        listed = ", ".join(f"{each}://" for each in schemes)
        fix = f'did you mean "{close}://{display_text(rest, 60)}"?'
        raise InputError(where, f"{type_error(written)} does not begin with one of {listed}", fix)
    if odd := _NOT_IN_URL.search(written):
        raise InputError(where, f'{type_error(written)} contains "{display_text(odd[0])}"', "percent-encode it")
    try:
        parts = urlsplit(written)
        complete = bool(parts.hostname) and (parts.port is not None or scheme.lower() != "udp")
        if parts.port == 0:
            raise InputError(
                where, f"{type_error(written)} has the port 0", "write the port that the server listens on"
            )
        if any(not label or len(label) > _LABEL for label in (parts.hostname or "x").rstrip(".").split(".")):
            raise InputError(where, f"{type_error(written)} has no valid host name", "correct it")
    except ValueError as error:
        raise InputError(where, f"{type_error(written)} is not a URL ({error})") from None
    if not complete:
        raise InputError(where, f"{type_error(written)} has no {'port' if parts.hostname else 'host'}")
    return written


def web_page(value: object, where: str) -> str:
    """Return an http(s) URL, or nothing."""
    return "" if value == "" else url(value, where, WEB)


def base_url(value: object, where: str) -> str:
    """Return the http(s) URL that the site's files lie below, or nothing."""
    written = web_page(value, where)
    if "?" in written or "#" in written:
        raise InputError(where, f'{type_error(written)} contains "?" or "#"', "write only the address of the folder")
    return written


def _list(value: object, where: str, fix: str) -> list[object]:
    """Return a list."""
    if not isinstance(value, list):
        raise InputError(where, f"{type_error(value)} is not a list", fix)
    return value


def trackers(value: object, where: str) -> tuple[tuple[str, ...], ...]:
    """Return the tracker tiers (BEP 12), each of at least one URL."""
    fix = 'write [["udp://tracker.example:1337/announce"]]: a list of tiers, each a list of URLs'
    tiers = []
    for at, tier in enumerate(_list(value, where, fix)):
        if isinstance(tier, str):
            raise InputError(
                f"{where}[{at}]", f"{type_error(tier)} is not a tier", f'write [["{display_text(tier, 80)}"]]'
            )
        urls = _list(tier, f"{where}[{at}]", fix)
        if not urls:
            raise InputError(f"{where}[{at}]", "a tier has no tracker", "remove it")
        tiers.append(tuple(url(each, f"{where}[{at}][{place}]", TRACKERS) for place, each in enumerate(urls)))
    return tuple(tiers)


def tracker_tier(text: str, where: str) -> tuple[str, ...]:
    """Return a tier of trackers from its URLs, separated by commas."""
    return tuple(url(each, where, TRACKERS) for each in text.split(","))


def web_seeds(value: object, where: str) -> tuple[str, ...]:
    """Return the web seeds (BEP 19): folders that hold the tars, so every one ends in "/"."""
    seeds = []
    for at, each in enumerate(_list(value, where, 'write ["https://files.example/shards/"]')):
        seed = base_url(url(each, f"{where}[{at}]", WEB), f"{where}[{at}]")
        if not seed.endswith("/"):
            raise InputError(
                f"{where}[{at}]",
                f'{type_error(seed)} is not a folder: it does not end in "/"',
                f'did you mean "{display_text(seed)}/"?',
            )
        seeds.append(seed)
    return tuple(seeds)
