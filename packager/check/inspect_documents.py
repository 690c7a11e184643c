"""A manifest, release document, minisign signature or public key -> what it says, and whether it agrees with itself."""

from pathlib import Path

from packager import documents
from packager import signature as signatures
from packager.document_checks import check_manifest, check_release
from packager.engine.limited import read_limited
from packager.inspection import LISTED, FaultList, KeyFacts, ManifestFacts, ReleaseFacts, SignatureFacts
from packager.key_pair import KEY_LIMIT, PublicKey
from packager.model import Manifest, Release
from packager.paths import shown


def manifest(path: Path, faults: FaultList) -> ManifestFacts:
    """Return what a shard's manifest says. Raises InputError where documents.from_bytes does."""
    found = documents.from_bytes(read_limited(path, documents.LIMIT), Manifest, shown(str(path)))
    check_manifest(found, faults)
    return ManifestFacts(manifest=found)


def release(path: Path, faults: FaultList) -> ReleaseFacts:
    """Return what a release document says. Raises InputError where documents.from_bytes does."""
    data = read_limited(path, documents.LIMIT)
    found, digest = documents.from_bytes(data, Release, shown(str(path))), documents.digest(data)
    del data  # up to 64 MiB
    check_release(found, faults)
    return ReleaseFacts(
        sha256=digest,
        serial=found.serial,
        date=found.date,
        previous=found.previous,
        collection=found.collection,
        base_url=found.base_url,
        catalogue_records=found.catalogue_records,
        phases=found.phases[:LISTED],
        shards=len(found.shards),
        members=sum(shard.members for shard in found.shards),
        payload=sum(shard.payload for shard in found.shards),
        size=sum(shard.size for shard in found.shards),
        withdrawal_count=len(found.withdrawals),
        withdrawals=found.withdrawals[:LISTED],
    )


def signature(path: Path, faults: FaultList) -> SignatureFacts:  # noqa: ARG001 - every inspector takes the list
    """Return what a minisign signature says. Raises TrustError where it is malformed."""
    found = signatures.describe(read_limited(path, signatures.LIMIT), where=shown(str(path)))
    return SignatureFacts(key=found.key, prehashed=found.prehashed, trusted_comment=found.comment)


def public_key(path: Path, faults: FaultList) -> KeyFacts:  # noqa: ARG001 - every inspector takes the list
    """Return a minisign public key. Raises InputError where it is none."""
    text = read_limited(path, KEY_LIMIT).decode("utf-8", "replace")
    found = PublicKey.parse(text, shown(str(path)))
    return KeyFacts(key=found.name, line=found.line)
