"""Inspect a manifest, a release document, a minisign signature or a public key, and check its consistency."""

from pathlib import Path

from packager.core.config.url_values import without_credentials
from packager.core.releases import documents
from packager.core.releases import minisign_signature as signatures
from packager.core.releases.document_checks import check_manifest, check_release
from packager.core.releases.kept_entries import broken_rules, kept_entries
from packager.core.releases.minisign_key import KEY_LIMIT, PublicKey
from packager.core.releases.withheld_shards import SharingRule
from packager.core.reports.inspection import KeyFacts, ManifestFacts, ObsoleteFacts, ReleaseFacts, SignatureFacts
from packager.core.reports.issues import LISTED, IssueList
from packager.engine.files.limited_read import read_limited
from packager.errors import InputError
from packager.model import Manifest, Release
from packager.paths import display_text


def inspect_manifest(path: Path, faults: IssueList) -> ManifestFacts:
    """Return the contents of a shard's manifest. Raises InputError as documents.from_bytes does."""
    found = documents.from_bytes(read_limited(path, documents.LIMIT), Manifest, display_text(str(path)))
    check_manifest(found, faults)
    return ManifestFacts(manifest=found)


def inspect_release(path: Path, faults: IssueList) -> ReleaseFacts:
    """Return the contents of a release document. Raises InputError as documents.from_bytes does."""
    data = read_limited(path, documents.LIMIT)
    found, digest = documents.from_bytes(data, Release, display_text(str(path))), documents.digest(data)
    del data  # up to 64 MiB
    check_release(found, faults)
    live = [shard for shard in found.shards if not shard.obsolete]
    ended = [shard for shard in found.shards if shard.obsolete]
    withheld = SharingRule(found).all_withheld()
    return ReleaseFacts(
        sha256=digest,
        serial=found.serial,
        date=found.date,
        previous=found.previous,
        collection=found.collection,
        base_url=without_credentials(found.base_url),
        catalogue_records=found.catalogue_records,
        phases=found.phases[:LISTED],
        chain=_chain(path, found, faults),
        obsolete_count=len(ended),
        obsolete=tuple(
            ObsoleteFacts(name=each.name, since=each.obsolete_since, by=each.superseded_by, reason=each.reason)
            for each in ended[:LISTED]
        ),
        shards=len(live),
        members=sum(shard.members for shard in live),
        payload=sum(shard.payload for shard in live),
        size=sum(shard.size for shard in live),
        withdrawal_count=len(found.withdrawals),
        withdrawals=found.withdrawals[:LISTED],
        withheld_count=len(withheld),
        withheld=withheld[:LISTED],
    )


def _chain(path: Path, release: Release, faults: IssueList) -> int:
    """Return how many earlier releases are beside this one in an unbroken chain, and add where the chain breaks.

    It is also a fault if a release drops what the one before it must keep. Memory: two releases.
    """
    folder = path.parent if path.name == f"{release.serial}.json" else path.parent / "releases"
    after = release
    for serial in range(release.serial - 1, 0, -1):
        older = folder / f"{serial}.json"
        if not older.is_file():
            return release.serial - 1 - serial
        data = read_limited(older, documents.LIMIT)
        where = f"releases/{serial}.json"
        if documents.digest(data) != after.previous:
            faults.add(where, f"is not the release that serial {serial + 1} follows")
            return release.serial - 1 - serial
        try:
            found = documents.from_bytes(data, Release, where)
        except InputError as error:
            faults.add(where, error.what)
            return release.serial - 1 - serial
        if found.serial != serial:
            faults.add(where, f"has the serial {found.serial}")
        else:
            faults.add_all(f"release {serial + 1}", map(str, broken_rules(kept_entries(found), after)))
        after = found
    return release.serial - 1


def inspect_signature(path: Path, faults: IssueList) -> SignatureFacts:  # noqa: ARG001 - every inspector takes the list
    """Return the contents of a minisign signature. Raises TrustError if it is malformed."""
    found = signatures.describe(read_limited(path, signatures.LIMIT), where=display_text(str(path)))
    return SignatureFacts(key=found.key, prehashed=found.prehashed, trusted_comment=found.comment)


def inspect_public_key(path: Path, faults: IssueList) -> KeyFacts:  # noqa: ARG001 - every inspector takes the list
    """Return a minisign public key. Raises InputError if it is not one."""
    text = read_limited(path, KEY_LIMIT).decode("utf-8", "replace")
    found = PublicKey.parse(text, display_text(str(path)))
    return KeyFacts(key=found.name, line=found.line)
