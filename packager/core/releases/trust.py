"""Decide which releases a mirror accepts, one signed release after another. Pure: no clock, no network.

`accept_release` checks in this order, and each refusal is a TrustError that names the attack:

    signature     made with the pinned key, over exactly these bytes; not by a key that was replaced
    document      within limits, well formed, consistent, no dangerous name or path
    collection    the one that is followed
    rollback      an older serial than the last accepted one
    equivocation  the same serial with other bytes
    gap           serials in between were not accepted (`missed_serials` returns them)
    fork          not made from the last accepted release
    kept          an entry changed that must be kept (the list is in kept_entries.py)
    rotation      the key for the next release is invalid

States are values: a refusal does not change the current one.
"""

from dataclasses import dataclass

from packager.core.releases import documents, minisign_signature
from packager.core.releases.document_checks import check_document
from packager.core.releases.kept_entries import FollowedState, KeptEntries, broken_rules, kept_entries
from packager.core.releases.minisign_key import PublicKey
from packager.errors import InputError, TrustError
from packager.model import Release
from packager.paths import display_text

MISSED = 1000  # maximum releases to catch up with: twenty years of weekly ones
_DO_NOT = "do not use it; ask the publisher through another channel what is right"
_OTHER_ADDRESS = "do not use this address; ask the publisher"


@dataclass(frozen=True)
class AcceptedDocument:
    """The state after a release was accepted, to be stored, and the release."""

    followed: FollowedState
    release: Release


def checked_release(body: bytes, where: str) -> Release:
    """Return a release that is consistent in itself. Raises TrustError."""
    release = _document(body, where)
    check_document(release, where)
    return release


def pin(
    body: bytes, minisig: bytes = b"", key: PublicKey | None = None, *, where: str = "release.json"
) -> AcceptedDocument:
    """Return the state after the first accepted release, with any serial; `key` is pinned.

    body, minisig: the bytes of a release.json and of its signature. If you have only a key that was replaced since,
    pin it at an older releases/SERIAL.json, and accept the next ones. Without a key nothing proves who made it, and
    `accept_release` then checks only the chain. Raises TrustError.
    """
    if key is not None:
        _check_signature(body, minisig, (key.line,), (), where)
    release = checked_release(body, where)
    keys = () if key is None else (key.line,)
    return AcceptedDocument(_state(release, documents.digest(body), keys, None, where), release)


def accept_release(
    followed: FollowedState, body: bytes, minisig: bytes, *, where: str = "release.json"
) -> AcceptedDocument:
    """Return the state after one release: the next one, or the last accepted one again.

    A mirror that missed releases calls it for each of `missed_serials`. `minisig` is ignored if
    no key was pinned. Raises TrustError by the checks above, in their order; the given state stays valid.
    """
    digest = documents.digest(body)
    if followed.keys:
        # the old key signed the release that named a new key; the new key may sign it again
        allowed = followed.keys[-2:] if digest == followed.digest else followed.keys[-1:]
        _check_signature(body, minisig, allowed, followed.keys, where)
    release = _document(body, where)
    _check_chain(followed, release, digest, where)
    if digest == followed.digest:
        return AcceptedDocument(followed, release)
    check_document(release, where)
    for broken in broken_rules(followed, release):
        raise TrustError(where, str(broken), _DO_NOT)
    return AcceptedDocument(_state(release, digest, followed.keys, followed, where), release)


def missed_serials(followed: FollowedState, body: bytes, *, where: str = "release.json") -> range:
    """Return the serials between the last accepted one and that of `body`, an unchecked release.json.

    Its signature cannot be checked yet, because a missed release may have named a new key. Raises TrustError if
    it has no serial, or one more than MISSED ahead, because a false one would make a mirror fetch forever.
    """
    serial = documents.claimed_serial(body)
    if serial is None:
        raise TrustError(where, "malformed: not a release document with a serial", "fetch it again")
    if serial - followed.serial > MISSED:
        raise TrustError(
            where,
            f"fast-forward: serial {serial} is more than {MISSED} ahead of {followed.serial}, the last accepted one",
            "if the publisher says that this is right, follow the release again with the publisher's key",
        )
    return range(followed.serial + 1, serial)


def _check_signature(body: bytes, minisig: bytes, allowed: tuple[str, ...], known: tuple[str, ...], where: str) -> None:
    """Check that one of the allowed keys signed `body`. The other known keys have been replaced."""
    file = f"{where}.minisig"
    made_with = minisign_signature.describe(minisig, where=file).key
    keys = [PublicKey.parse(line, "pinned key") for line in allowed]
    replaced = {PublicKey.parse(line, "pinned key").name for line in known} - {key.name for key in keys}
    if made_with in replaced:
        raise TrustError(
            file, f"replaced key: made with key {made_with}, which was replaced by {keys[-1].name}", _DO_NOT
        )
    key = next((key for key in keys if key.name == made_with), keys[-1])
    minisign_signature.check(body, minisig, key, where=file)


def _document(body: bytes, where: str) -> Release:
    """Return a signed release document."""
    try:
        return documents.from_bytes(body, Release, where)
    except InputError as error:
        raise TrustError(where, error.what, error.fix) from error


def _check_chain(followed: FollowedState, release: Release, digest: str, where: str) -> None:
    """Check that a release is of this collection, and is the last accepted one or the next."""
    serial, held = release.serial, followed.serial
    if release.collection.name != followed.collection:
        name = display_text(release.collection.name, 80)
        what = f'another collection: it is of "{name}", not of "{followed.collection}"'
        raise TrustError(where, what, "check the address; each collection is followed separately")
    if serial < held:
        raise TrustError(
            where, f"rollback: release {serial} is older than release {held}, accepted earlier", _OTHER_ADDRESS
        )
    if serial == held:
        if digest != followed.digest:
            raise TrustError(where, f"equivocation: serial {serial} was signed twice with different contents", _DO_NOT)
        return
    if serial > held + 1:
        what = f"gap: serial {serial} does not follow {held}, the last accepted one"
        raise TrustError(where, what, f"first accept releases/{held + 1}.json and those after it")
    if release.previous != followed.digest:
        raise TrustError(where, f"fork: serial {serial} was not made from the serial {held} accepted here", _DO_NOT)


def _state(
    release: Release, digest: str, keys: tuple[str, ...], before: KeptEntries | None, where: str
) -> FollowedState:
    """Return the state after a valid release."""
    kept = kept_entries(release, before)
    return FollowedState(
        **{name: getattr(kept, name) for name in KeptEntries.__struct_fields__},
        format=documents.FORMAT,
        type="followed",
        digest=digest,
        keys=_rotated(keys, release.next_key, where),
    )


def _rotated(keys: tuple[str, ...], line: str | None, where: str) -> tuple[str, ...]:
    """Return the keys after a release that names `line` (None: nothing) as the next key; empty if none is pinned."""
    if line is None or not keys or line == keys[-1]:
        return keys
    key = PublicKey.parse(line, where)  # the document was checked
    if any(PublicKey.parse(old).name == key.name and old != line for old in keys):
        raise TrustError(where, f"key rotation: next_key {key.name} has the id of another key", _DO_NOT)
    return (*keys, line)
