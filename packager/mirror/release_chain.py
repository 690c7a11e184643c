"""The newest release, reached from the one held step by step, each checked (core/releases/trust.py). Writes nothing."""

from collections.abc import Callable
from dataclasses import dataclass

from packager.core.releases import documents, trust
from packager.core.releases.minisign_key import KEY_LIMIT, PublicKey
from packager.core.releases.minisign_signature import describe
from packager.core.releases.trust import FollowedState
from packager.engine.files.key_files import read_public
from packager.engine.published.release_reader import RELEASE, ReleaseReader, read_signature
from packager.errors import InputError, TrustError
from packager.model import Release

PUBLIC_KEY = "minisign.pub"
_UNSIGNED = "nothing was changed here; a release that is not signed is followed with --unsigned alone"


@dataclass(frozen=True)
class AcceptedRelease:
    """A release that was accepted: its bytes, its signature where one is asked for, the state after it."""

    followed: FollowedState
    release: Release
    body: bytes
    minisig: bytes | None

    @property
    def signer(self) -> str | None:
        """The id of the key that signed it; None where no signature is asked for."""
        return describe(self.minisig).key if self.minisig else None


def first_release(
    source: ReleaseReader,
    *,
    key: PublicKey | None,
    unsigned: bool,
    start: int | None,
    confirm: Callable[[PublicKey], bool],
) -> AcceptedRelease:
    """Return the newest release, from the one on that a mirror begins with, whose key is pinned.

    key: None for the one that stands beside the release, which `confirm` is asked about. unsigned: no
    signature is asked for. start: the serial to begin with, None for the newest. Raises InputError where no
    key was agreed to, TrustError where it is not right.
    """
    path = RELEASE if start is None else f"releases/{start}.json"
    body = source.read(path, documents.LIMIT)
    if unsigned:
        accepted, minisig = trust.pin_unsigned(body, where=path), None
    else:
        if key is None:
            read_signature(source, path, body, [], _UNSIGNED)  # if there is none, no key is asked about
            key = _offered(source, confirm)
        minisig = read_signature(source, path, body, [key], _UNSIGNED)
        accepted = trust.pin(body, minisig, key, where=path)
    if start is not None:
        return next_releases(source, accepted.followed)
    return AcceptedRelease(accepted.followed, accepted.release, body, minisig)


def next_releases(source: ReleaseReader, followed: FollowedState) -> AcceptedRelease:
    """Return the newest release after the one held, stepping through those that were missed. Raises TrustError."""
    body = source.read(RELEASE, documents.LIMIT)
    for serial in trust.missed_serials(followed, body):
        path = f"releases/{serial}.json"
        step = source.read(path, documents.LIMIT)
        followed = trust.accept_release(followed, step, _signature(source, path, step, followed), where=path).followed
        if followed.serial != serial:
            raise TrustError(path, f"gap: holds serial {followed.serial}", "do not use it; ask the publisher")
    minisig = _signature(source, RELEASE, body, followed)
    accepted = trust.accept_release(followed, body, minisig)
    return AcceptedRelease(accepted.followed, accepted.release, body, minisig or None)


def _signature(source: ReleaseReader, path: str, body: bytes, followed: FollowedState) -> bytes:
    """Return the signature of a release document; none if no key is pinned."""
    keys = [PublicKey.parse(line, "pinned key") for line in followed.keys]
    return read_signature(source, path, body, keys, _UNSIGNED) if keys else b""


def _offered(source: ReleaseReader, confirm: Callable[[PublicKey], bool]) -> PublicKey:
    """Return the key that stands beside the release, if it is agreed to."""
    mend = "get the key from its publisher and give it with --key"
    try:
        text = source.read(PUBLIC_KEY, KEY_LIMIT)
    except InputError as error:
        raise InputError(error.where, f"no public key is there: {error.what}", mend) from error
    key = PublicKey.parse(text.decode("utf-8", "replace"), PUBLIC_KEY)
    if not confirm(key):
        raise InputError("--key", f"the key {key.name} ({key.line}) was not agreed to", mend)
    return key


def given_release(key: str | None) -> PublicKey | None:
    """Return the key that --key names: a file, or a line that begins with RW. Raises InputError."""
    return None if key is None else read_public(key)
