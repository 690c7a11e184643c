"""The index for finding one member of a release: lookup.json, and buckets of keys by their hash. Pure.

A key is a record's id, a member's path, its source path (then or now), or an ISRC. The position of its bucket follows
from its hash, so nothing else has to be read first. FORMAT.md describes the bytes.
"""

import hashlib
import re
from dataclasses import dataclass
from typing import Literal

import msgspec
import numpy as np
import numpy.typing as npt

from packager.core.releases import documents
from packager.core.shards.cut_shards import shard_name
from packager.errors import InputError
from packager.model import Extensions, FrozenStruct, PublishedFile, ShardName, Uint63
from packager.paths import display_text, is_safe_path
from packager.slug import is_slug

LOOKUP = "lookup.json"
LIMIT = 1 << 20  # maximum bytes of lookup.json
SLOT = np.dtype([("mark", "<u4"), ("shard", "<u4"), ("row", "<u4")])  # one key of one member: 12 bytes
EMPTY = 0xFFFFFFFF  # the shard number of an empty slot
BUCKET_KEYS = 2000  # keys of a bucket on average: 26 KB, of which a tenth is empty slots
BUCKET_MOST = 1 << 20  # maximum bytes of a bucket
SAME_KEY = 64  # newest members per key; no recording has more, but a wrong ISRC may have thousands
PART_BYTES = 256 << 20  # of one file; small enough for any server, file system or upload
NUMBERS = 100_000  # a slot's shard is its phase, counted from 0, times this, and its number in the phase
_ISRC = re.compile(r"[A-Za-z]{2}[A-Za-z0-9]{3}[0-9]{7}")
_PARTS_MOST = 4096  # each uses about 150 bytes of lookup.json


class Lookup(FrozenStruct, frozen=True, kw_only=True, omit_defaults=True):
    """lookup.json: the shape of the index of one release, and what its shards have in common."""

    format: Uint63
    type: Literal["lookup"]
    collection: str
    serial: Uint63  # of the release that it belongs to
    keys: Uint63
    buckets: Uint63
    slots: Uint63  # of a bucket
    part_buckets: Uint63  # of each part but the last
    parts: tuple[PublishedFile, ...]
    phases: tuple[str, ...]
    trackers: tuple[str, ...]
    web_seeds: tuple[str, ...]
    extensions: Extensions = msgspec.field(default_factory=dict)

    @property
    def bucket_bytes(self) -> int:
        """The bytes of a bucket."""
        return self.slots * SLOT.itemsize


@dataclass(frozen=True)
class BucketRange:
    """The position of a key's bucket: bytes [start, stop) of a part. mark: the first field of the key's slots."""

    part: PublishedFile
    start: int
    stop: int
    mark: int


@dataclass(frozen=True)
class LookupHit:
    """A member that may have the key: its shard, and its row in the members table, from 0."""

    shard: ShardName
    row: int


def parse_lookup(data: bytes, where: object) -> Lookup:
    """Return a lookup.json. Raises InputError if it is invalid or inconsistent."""
    lookup = documents.from_bytes(data, Lookup, where)
    sizes = _part_sizes(lookup.buckets, lookup.part_buckets, lookup.bucket_bytes)
    if not 0 < lookup.buckets < EMPTY or not 0 < lookup.bucket_bytes <= BUCKET_MOST or not lookup.part_buckets:
        raise InputError(where, f"{lookup.buckets} buckets of {lookup.slots} slots cannot be looked up")
    if [part.size for part in lookup.parts] != sizes or not all(is_safe_path(part.path) for part in lookup.parts):
        raise InputError(where, "its parts are not those of its buckets")
    if not is_slug(lookup.collection) or not all(is_slug(phase) for phase in lookup.phases):
        raise InputError(where, "the name of its collection or of a phase is invalid")
    return lookup


def _part_sizes(buckets: int, part_buckets: int, bucket_bytes: int) -> list[int]:
    """Return the bytes of each part; empty if the numbers are wrong."""
    if not 0 < buckets < EMPTY or not part_buckets or buckets // part_buckets > _PARTS_MOST:
        return []
    whole, rest = divmod(buckets, part_buckets)
    return [part_buckets * bucket_bytes] * whole + ([rest * bucket_bytes] if rest else [])


def normal(key: str) -> str:
    """Return the form of a key that is hashed: an ISRC in capitals without hyphens and spaces, others unchanged."""
    return isrc(key) or key


def isrc(text: str) -> str | None:
    """Return a text as an ISRC (ISO 3901) of 12 characters; None if it is not one."""
    bare = text.replace("-", "").replace(" ", "")
    return bare.upper() if _ISRC.fullmatch(bare) else None


def key_hash(key: str) -> int:
    """Return the 64-bit hash of a key: the first 8 bytes of the SHA-256 of its normal form, big-endian."""
    return int.from_bytes(hashlib.sha256(normal(key).encode("utf-8", "replace")).digest()[:8], "big")


def bucket_range(lookup: Lookup, key: str) -> BucketRange:
    """Return the position of a key's bucket."""
    hashed = key_hash(key)
    part, at = divmod(hashed * lookup.buckets >> 64, lookup.part_buckets)
    start = at * lookup.bucket_bytes
    return BucketRange(lookup.parts[part], start, start + lookup.bucket_bytes, hashed & 0xFFFFFFFF)


def parse_bucket(lookup: Lookup, bucket: bytes, mark: int, where: object = LOOKUP) -> list[LookupHit]:
    """Return the members of a mark in a bucket, newest first. Raises InputError if one is invalid."""
    slots = np.frombuffer(bucket, SLOT)
    found = slots[(slots["mark"] == mark) & (slots["shard"] != EMPTY)][: 2 * SAME_KEY]
    named = []
    for shard, row in zip(found["shard"].tolist(), found["row"].tolist(), strict=True):
        phase, number = divmod(shard, NUMBERS)
        if phase >= len(lookup.phases) or not number:
            raise InputError(
                where, f"a bucket names shard {display_text(str(shard))}, which does not exist", "try again later"
            )
        named.append(LookupHit(shard_name(lookup.collection, lookup.phases[phase], number), row))
    return named


def bucket_numbers(hashes: npt.NDArray[np.uint64], buckets: int) -> npt.NDArray[np.int64]:
    """Return the bucket of each hash: hash × buckets / 2^64, in integers. buckets: below 2^32."""
    count, half = np.uint64(buckets), np.uint64(32)
    low = (hashes & np.uint64(0xFFFFFFFF)) * count >> half
    return (((hashes >> half) * count + low) >> half).astype(np.int64)
