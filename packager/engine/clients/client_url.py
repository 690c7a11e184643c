"""Where a client is: "qbittorrent:http://user@127.0.0.1:8080" -> checked. Its password never stands there.

A password or token comes from the environment (PACKAGER_CLIENT_PASSWORD) or from netrc, and goes nowhere
but to the client: no message, log or document holds it.
"""

import netrc
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

from packager.core.config.option_values import nearest
from packager.core.config.url_values import WEB, url
from packager.errors import InputError
from packager.paths import display_text

VARIABLE = "PACKAGER_CLIENT_PASSWORD"
FOLDERS = ("watch", "watch-v1")
EXAMPLES = {
    "qbittorrent": "qbittorrent:http://127.0.0.1:8080",
    "transmission": "transmission:http://127.0.0.1:9091/transmission/rpc",
    "aria2": "aria2:http://127.0.0.1:6800/jsonrpc",
    "watch": "watch:/path/of/folder",
    "watch-v1": "watch-v1:/path/of/folder",
}
PATHS = {"qbittorrent": "", "transmission": "/transmission/rpc", "aria2": "/jsonrpc"}
_OPTION = "--client"
_SCHEME = re.compile(r"https?://", re.IGNORECASE)


@dataclass(frozen=True)
class ClientUrl:
    """A client's address, checked.

    spec: as it was given; it holds no password, so a message may. target: the URL without a user, or the
    folder's path.
    """

    kind: str
    spec: str
    target: str
    user: str | None = None
    password: str | None = field(default=None, repr=False)


def parse_client_url(spec: str) -> ClientUrl:
    """Return the address that `spec` says, without its password.

    Raises InputError for a client that is not known, an address that is none, and for one that holds a
    password, which is not repeated.
    """
    kind, colon, rest = spec.partition(":")
    if kind not in EXAMPLES:
        close = nearest(kind, EXAMPLES)
        example = f'did you mean "{EXAMPLES[close]}"?' if close else f"they are {', '.join(EXAMPLES)}"
        raise InputError(_OPTION, f'"{display_text(kind, 40)}" is no client that is known here', example)
    if not colon or not rest:
        raise InputError(_OPTION, f'"{kind}" lacks its address', f'write it as "{EXAMPLES[kind]}"')
    if kind in FOLDERS:
        return ClientUrl(kind, display_text(spec), rest)
    _refuse_secret(kind, rest)
    scheme, separator, place = rest.partition("://")
    user, _, plain = place.rpartition("@")
    parts = urlsplit(url(f"{scheme}{separator}{plain}", f"{_OPTION} {kind}", WEB))
    path = parts.path if parts.path.strip("/") else PATHS[kind]
    return ClientUrl(kind, display_text(spec), f"{parts.scheme}://{parts.netloc}{path}", unquote(user) or None)


def _refuse_secret(kind: str, rest: str) -> None:
    """Raise InputError, repeating nothing, where a URL holds a password or token."""
    people = _SCHEME.sub("", rest, count=1).rpartition("@")[0]
    if ":" in people or (people and kind == "aria2"):  # which knows no users
        what = "the address holds a password, which others can read in the list of processes"
    elif "?" in rest or "#" in rest:
        what = 'the address holds "?" or "#"'
    else:
        return
    raise InputError(f"{_OPTION} {kind}", what, f'put it into {VARIABLE} or netrc, and write "{EXAMPLES[kind]}"')


def with_password(address: ClientUrl, environ: Mapping[str, str]) -> ClientUrl:
    """Return the address with its password: the environment's, else that which netrc has for its host.

    netrc: the file that NETRC names, else ~/.netrc; its `default` is for no client. Raises InputError for one
    that cannot be read.
    """
    if address.kind in FOLDERS:
        return address
    if (given := environ.get(VARIABLE)) is not None:
        return ClientUrl(address.kind, address.spec, address.target, address.user, given)
    listed = _netrc(environ).get(urlsplit(address.target).hostname or "")
    if listed is None or (address.user is not None and listed[0] != address.user):
        return address
    return ClientUrl(address.kind, address.spec, address.target, address.user or listed[0] or None, listed[2])


def _netrc(environ: Mapping[str, str]) -> dict[str, tuple[str, str | None, str | None]]:
    """Return (user, account, password) by host."""
    path = Path(environ["NETRC"]) if environ.get("NETRC") else Path(environ.get("HOME", "/"), ".netrc")
    try:
        return dict(netrc.netrc(str(path)).hosts)
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, netrc.NetrcParseError) as error:
        # What the parser says may hold a word of the file: a password.
        line = f"line {error.lineno} is wrong" if isinstance(error, netrc.NetrcParseError) else "it cannot be read"
        raise InputError(path, f"passwords of clients are looked up here, and {line}", f"or set {VARIABLE}") from None
