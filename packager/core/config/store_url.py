"""The address of a store of files: s3://BUCKET/PREFIX, sftp://USER@HOST:PORT/PATH, file:///PATH. No I/O.

An address never holds a password: it stands in packager.toml, in logs and in messages.
"""

import re
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from packager.core.config.option_values import nearest, type_error
from packager.errors import InputError
from packager.paths import display_text

SCHEMES = ("s3", "sftp", "file")
_ADDRESS = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]*)://")
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9.\-_]{1,254}")
_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-]{0,63}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


@dataclass(frozen=True)
class StoreUrl:
    """Where a store's files lie. host: the bucket of s3. path: without a "/" at its end; of s3 none before it."""

    scheme: str
    host: str
    path: str
    user: str | None = None
    port: int | None = None

    def __str__(self) -> str:
        """Return the address as it is written."""
        user = f"{self.user}@" if self.user else ""
        port = f":{self.port}" if self.port else ""
        slash = "/" if self.scheme == "s3" and self.path else ""
        return f"{self.scheme}://{user}{self.host}{port}{slash}{self.path}"

    def below(self, path: str) -> str:
        """Return a file's place in the store: its key in the bucket, or its absolute path."""
        return f"{self.path}/{path}" if self.path or self.scheme != "s3" else path

    def __bytes__(self) -> bytes:
        """Return the address as bytes, as a path does."""
        return str(self).encode()

    def parted(self) -> tuple["StoreUrl", str]:
        """Return the folder or prefix that a file's address lies in, and its name there."""
        folder, _, name = self.path.rpartition("/")
        return replace(self, path=folder), name

    def holds(self, other: "StoreUrl") -> bool:
        """Say whether `other` is this place, or lies below it."""
        same = (self.scheme, self.host, self.user, self.port) == (other.scheme, other.host, other.user, other.port)
        return same and f"{other.path}/".startswith(f"{self.path}/" if self.path else "")


def is_store_url(written: str) -> bool:
    """Say whether a text begins as an address does, and is no path."""
    return bool(_ADDRESS.match(written))


def is_store_location(written: str) -> bool:
    """Say whether a text begins as the address of a store does."""
    match = _ADDRESS.match(written)
    return match is not None and match[1].lower() in SCHEMES


def parse_store_url(written: str, where: str) -> StoreUrl:
    """Return a checked address. Raises InputError, whose text never holds what stands before an "@"."""
    match = _ADDRESS.match(written)
    if match is None:
        raise InputError(where, f"{type_error(written)} is not an address", 'write it as "s3://BUCKET/PREFIX"')
    scheme = match[1].lower()
    account, at, host = written[match.end() :].partition("/")[0].rpartition("@")
    port = host.partition("]")[2] or host  # of an IPv6 address
    is_secret = ":" in port and not port.rpartition(":")[2].isdigit()  # a "/" may stand in a password
    if is_secret or (at and (":" in account or scheme == "s3" or not _USER.fullmatch(account))):
        fix = "take it out: keys come from the environment, ~/.aws, ~/.ssh or the machine's role"
        raise InputError(where, f"the {display_text(scheme, 20)}:// address holds a name or a password", fix)
    if scheme not in SCHEMES:
        close = nearest(scheme, SCHEMES)
        listed = ", ".join(f"{each}://" for each in SCHEMES)
        fix = f'did you mean "{close}://"?' if close else "mirror it into a folder, or to S3, first"
        raise InputError(where, f"{type_error(written)} does not begin with one of {listed}", fix)
    return _parsed(scheme, written, where)


def _parsed(scheme: str, written: str, where: str) -> StoreUrl:
    """Return the address of a scheme that is known."""
    if "?" in written or "#" in written or _CONTROL.search(written):
        # What follows them may be a signature, which is a key: it is not shown.
        raise InputError(where, f'the {scheme}:// address holds "?", "#" or a control character', "write it without")
    try:
        parts = urlsplit(written)
        host, port = parts.netloc.rpartition("@")[2], parts.port
    except ValueError as error:
        raise InputError(where, f"{type_error(written)} is not an address ({error})") from None
    path = parts.path.rstrip("/")
    if any(part in ("", ".", "..") for part in path.split("/")[1:]):
        raise InputError(where, f'{type_error(written)} holds "//", "." or ".." in its path', "write the plain path")
    if scheme == "s3":
        if not _BUCKET.fullmatch(host):
            raise InputError(where, f"{type_error(written)} does not name a bucket", 'write it as "s3://BUCKET/PREFIX"')
        return StoreUrl("s3", host, path.removeprefix("/"))
    if scheme == "file":
        if host not in ("", "localhost") or not path:
            raise InputError(where, f"{type_error(written)} is not a folder", 'write it as "file:///FOLDER"')
        return StoreUrl("file", "", path)
    if not parts.hostname or not path:
        raise InputError(
            where, f"{type_error(written)} lacks its host or path", 'write it as "sftp://USER@HOST/FOLDER"'
        )
    return StoreUrl("sftp", parts.hostname, path, parts.username, port)
