"""The lookup index, computed again from the members tables (section 20)."""

import hashlib
import re
import struct
from collections.abc import Iterable, Sequence
from typing import Any

from tests.second_implementation.lists import Release, Shard
from tests.second_implementation.magnet import values
from tests.second_implementation.problems import must, same

ISRC = re.compile("[A-Za-z]{2}[A-Za-z0-9]{3}[0-9]{7}")
SAME_HASH = 64
SLOT = struct.Struct("<III")
EMPTY = b"\xff" * SLOT.size
Row = dict[str, Any]


def isrc(text: str | None) -> str | None:
    """Return an ISRC in its normal form; None for a text that is none."""
    bare = (text or "").replace("-", "").replace(" ", "")
    return bare.upper() if ISRC.fullmatch(bare) else None


def normal(key: str) -> str:
    """Return a key's normal form."""
    return isrc(key) or key


def key_hash(key: str) -> int:
    """Return the 64 bits of a key."""
    return int.from_bytes(hashlib.sha256(normal(key).encode()).digest()[:8], "big")


def keys(row: Row) -> set[str]:
    """Return the normal forms of a member's keys."""
    names = (row["current_id"] or row["id"], row["path"], row["source_path"], row["current_path"])
    return {normal(name) for name in names if name is not None} | ({isrc(row["isrc"])} - {None})


def indexed(release: Release) -> list[Shard]:
    """Return the shards of the index, in the release's order."""
    return [shard for shard in release["shards"] if not shard.get("obsolete", False)]


def slots(release: Release, tables: dict[str, Sequence[Row]]) -> list[tuple[int, int, int]]:
    """Return (hash, shard, row) of every key in the order of the index, at most 64 of one hash."""
    places = {phase["name"]: at for at, phase in enumerate(release["phases"])}
    withdrawn = {each["id"] for each in release["withdrawals"] if not each.get("lifted")}
    found = []
    for at, shard in enumerate(indexed(release)):
        number = places[shard["phase"]] * 100_000 + shard["number"]
        for nth, row in enumerate(tables[shard["name"]]):
            if (row["current_id"] or row["id"]) not in withdrawn:
                found += [(key_hash(key), -shard.get("since", 1), -at, nth, number) for key in keys(row)]
    found.sort()
    kept, count, last = [], 0, None
    for hashed, _, _, nth, number in found:
        count = count + 1 if hashed == last else 1
        last = hashed
        if count <= SAME_HASH:
            kept.append((hashed, number, nth))
    return kept


def buckets(found: Iterable[tuple[int, int, int]], count: int, width: int) -> bytes:
    """Return all buckets, joined. count: buckets; width: slots of each."""
    out: list[list[bytes]] = [[] for _ in range(count)]
    for hashed, number, nth in found:
        out[hashed * count >> 64].append(SLOT.pack(hashed & 0xFFFFFFFF, number, nth))
    must(all(len(bucket) <= width for bucket in out), f"a bucket has more keys than {width}")
    return b"".join(b"".join(bucket).ljust(width * SLOT.size, b"\xff") for bucket in out)


def check(release: Release, lookup: dict[str, Any], parts: Sequence[bytes], tables: dict[str, Sequence[Row]]) -> None:
    """Check lookup.json and its parts against the members tables."""
    found = slots(release, tables)
    newest = indexed(release)[-1]
    seeds = dict.fromkeys(values(newest["magnet"], "ws"))
    file = newest["file"]
    for field, expected in (
        ("collection", release["collection"]["name"]),
        ("serial", release["serial"]),
        ("keys", len(found)),
        ("phases", [phase["name"] for phase in release["phases"]]),
        ("trackers", list(dict.fromkeys(values(newest["magnet"], "tr")))),
        ("web_seeds", [seed.removesuffix(file) if seed.endswith("/" + file) else seed for seed in seeds]),
    ):
        same(lookup[field], expected, f"lookup.json {field}")
    data = b"".join(parts)
    same(data, buckets(found, lookup["buckets"], lookup["slots"]), "the buckets")
    step = lookup["part_buckets"] * lookup["slots"] * SLOT.size
    sizes = [min(step, len(data) - at) for at in range(0, len(data), step)]
    same([part["size"] for part in lookup["parts"]], sizes, "the sizes of the parts")


def find(lookup: dict[str, Any], parts: Sequence[bytes], key: str) -> list[tuple[str, int]]:
    """Return (shard, row) of each member that may have a key, as a reader without release.json does."""
    hashed = key_hash(key)
    width = lookup["slots"] * SLOT.size
    part, at = divmod(hashed * lookup["buckets"] >> 64, lookup["part_buckets"])
    bucket = parts[part][at * width : (at + 1) * width]
    named = []
    for mark, shard, row in SLOT.iter_unpack(bucket):
        if (mark, shard) != (0xFFFFFFFF, 0xFFFFFFFF) and mark == hashed & 0xFFFFFFFF:
            phase, number = divmod(shard, 100_000)
            named.append((f"{lookup['collection']}-{lookup['phases'][phase]}-{number:05d}", row))
    return named
