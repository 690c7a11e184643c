"""Accepts a published release, or refuses it by the name of the attack: all that calls core/releases/trust.py.

What vouches for it is one of three: nothing but its own sums (no key), the key that signed it, or that it follows,
step by step, from the release that was accepted before. Nothing is written.
"""

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from packager.core.releases import documents, minisign_signature, trust
from packager.core.releases.kept_entries import FollowedState
from packager.core.releases.minisign_key import KEY_LIMIT, PublicKey
from packager.core.reports.evidence import Evidence
from packager.engine.files.limited_read import read_limited
from packager.engine.published.release_reader import ASK, RELEASE, ReleaseReader
from packager.errors import InputError, TrustError
from packager.model import Release
from packager.paths import display_text

MINISIG, PUBLIC_KEY = ".minisig", "minisign.pub"
_UNSIGNED = "ask the publisher for a key, or add --allow-unsigned"


@dataclass(frozen=True)
class AcceptedRelease:
    """A release that was accepted: its bytes, its signature where one is asked for, the state after it."""

    followed: FollowedState
    release: Release
    body: bytes
    minisig: bytes | None

    @property
    def signer(self) -> str | None:
        """The id of the key that signed it; None if no signature is asked for."""
        return minisign_signature.describe(self.minisig).key if self.minisig else None

    def evidence(self, where: str) -> Evidence:
        """Return what vouches for data that it lists. where: it is, fit to be shown."""
        return release_evidence(self.release, where, self.signer)


def release_evidence(release: Release, where: str, signer: str | None) -> Evidence:
    """Return what a release is as evidence. signer: the id of the key that it was found to be signed by."""
    return Evidence(
        kind="release" if signer is None else "signature",
        name=where,
        serial=release.serial,
        collection=release.collection.name,
        key=signer,
    )


def read_local_release(path: Path) -> Release:
    """Return the release in a file, which has no fault by itself; nothing says who made it.

    Raises InputError if it cannot be read, TrustError if it is refused.
    """
    return trust.checked_release(read_limited(path, documents.LIMIT), display_text(str(path)))


def accept_release(
    reader: ReleaseReader,
    key: PublicKey | None,
    *,
    confirm: Callable[[PublicKey], bool] | None = None,
    path: str = RELEASE,
    where: str = "",
    fix: str = _UNSIGNED,
) -> AcceptedRelease:
    """Return the release at `path`, signed by `key`, or by the key beside it if `confirm` agrees to that.

    No key and no `confirm`: no signature is asked for. where: what messages call the document. fix: what the user can
    do if there is no signature. Raises InputError if there is none or the user does not agree, TrustError if the
    release is refused.
    """
    body = _read_document(reader, path)
    if key is None and confirm is not None:
        _read_signature(reader, path, body, [], fix)  # if there is none, the user is not asked
        key = _offered_key(reader, confirm)
    minisig = b"" if key is None else _read_signature(reader, path, body, [key], fix)
    accepted = trust.pin(body, minisig, key, where=where or path)
    return AcceptedRelease(accepted.followed, accepted.release, body, minisig or None)


def accept_next(reader: ReleaseReader, followed: FollowedState) -> AcceptedRelease:
    """Return the newest release after the one held, stepping through those that were missed. Raises TrustError."""
    body = _read_document(reader, RELEASE)
    for serial in trust.missed_serials(followed, body):
        path = f"releases/{serial}.json"
        step = _read_document(reader, path)
        followed = _next(reader, path, step, followed).followed
        if followed.serial != serial:
            raise TrustError(path, f"gap: holds serial {followed.serial}", "do not use it; ask the publisher")
    return _next(reader, RELEASE, body, followed)


def _next(reader: ReleaseReader, path: str, body: bytes, followed: FollowedState) -> AcceptedRelease:
    """Return a release document that is the one held or the next one."""
    keys = [PublicKey.parse(line, "pinned key") for line in followed.keys]
    minisig = _read_signature(reader, path, body, keys, _UNSIGNED) if keys else b""
    accepted = trust.accept_release(followed, body, minisig, where=path)
    return AcceptedRelease(accepted.followed, accepted.release, body, minisig or None)


def _offered_key(reader: ReleaseReader, confirm: Callable[[PublicKey], bool]) -> PublicKey:
    """Return the key that is beside the release, if the user agrees to it."""
    fix = "get the key from its publisher and give it with --key"
    try:
        text = reader.read(PUBLIC_KEY, KEY_LIMIT)
    except InputError as error:
        raise InputError(error.where, f"no public key is there: {error.what}", fix) from error
    key = PublicKey.parse(text.decode("utf-8", "replace"), PUBLIC_KEY)
    if not confirm(key):
        raise InputError("--key", f"the key {key.name} ({key.line}) was not agreed to", fix)
    return key


def _read_document(reader: ReleaseReader, path: str) -> bytes:
    """Return the bytes of a release document."""
    try:
        return reader.read(path, documents.LIMIT)
    except InputError as error:
        raise InputError(error.where, error.what, error.fix or ASK) from error


def _read_signature(reader: ReleaseReader, path: str, body: bytes, keys: Iterable[PublicKey], fix: str) -> bytes:
    """Return the signature of `body`, the bytes of the release document at `path`, which are not checked yet.

    releases/SERIAL.json.minisig never changes; release.json.minisig does, so a cache may have an old one beside a new
    release.json, or the reverse. The one beside `path` is used if the first is not there, or no key of `keys` made it
    for these bytes. Raises InputError.
    """
    serial = documents.claimed_serial(body)
    lasting = None
    if serial is not None and serial > 0:
        with suppress(InputError):
            lasting = reader.read(f"releases/{serial}.json{MINISIG}", minisign_signature.LIMIT)
    if lasting is not None and any(minisign_signature.is_right(body, lasting, key) for key in keys):
        return lasting
    try:
        return reader.read(path + MINISIG, minisign_signature.LIMIT)
    except InputError as error:
        if lasting is not None:
            return lasting
        raise TrustError(path, f"not signed: {error.where}: {error.what}", fix) from error
