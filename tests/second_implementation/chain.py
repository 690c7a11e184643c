"""What a release must keep from the release before it (section 12, "What a release keeps")."""

from typing import Any

from tests.second_implementation.minisign import Key
from tests.second_implementation.problems import must, same

Release = dict[str, Any]
SHARD_KEPT = (
    *("name", "phase", "number", "file", "container", "size", "payload", "members", "added", "since", "piece_length"),
    *("pieces_root", "infohash_v1", "infohash_v2", "sha256"),
)
OBSOLETE_KEPT = ("obsolete", "obsolete_since", "superseded_by", "reason")
FROZEN = ("magnet", "torrent", "twin_infohash", "twin_magnet", "twin_torrent")  # of a shard that is obsolete
WITHDRAWAL_KEPT = ("id", "date", "reason", "since")


def check_step(old: Release, digest: str, new: Release) -> None:
    """Check that one release follows from the one before it. digest: SHA-256 of the old document's bytes."""
    same(new["serial"], old["serial"] + 1, "serial")
    same(new["previous"], digest, "previous")
    same(new["collection"]["name"], old["collection"]["name"], "the collection's name")
    must(new["date"] >= old["date"], f"its date {new['date']} is earlier than {old['date']} of the release before")
    check_shards(old, new)
    check_withdrawals(old, new)
    states = {phase["name"]: phase["state"] for phase in new["phases"]}
    for phase in old["phases"]:
        if phase["state"] == "published":
            same(states.get(phase["name"]), "published", f"the state of phase {phase['name']}")


def check_shards(old: Release, new: Release) -> None:
    """Check that published shards are kept, and that new ones say that they are new."""
    before = {shard["name"]: shard for shard in old["shards"]}
    missing = set(before) - {shard["name"] for shard in new["shards"]}
    must(not missing, f"the published shards {sorted(missing)} are not listed")
    for shard in new["shards"]:
        name, known = shard["name"], before.get(shard["name"])
        if known is None:
            same(shard.get("since", 1), new["serial"], f"since of the new shard {name}")
            same(shard["added"], new["date"], f"added of the new shard {name}")
        else:
            check_shard(name, known, shard, new["serial"])


def check_shard(name: str, known: dict[str, Any], shard: dict[str, Any], serial: int) -> None:
    """Check one published shard against its next listing."""
    for field in SHARD_KEPT:
        same(shard.get(field), known.get(field), f"{field} of {name}")
    twins = {known.get("twin_infohash"), shard.get("twin_infohash")} - {None}
    must(len(twins) < 2, f"twin_infohash of {name} changed")
    if shard.get("obsolete"):
        for field in FROZEN:
            same(shard.get(field), known.get(field), f"{field} of the obsolete shard {name}")
    if known.get("obsolete"):
        for field in OBSOLETE_KEPT:
            same(shard.get(field), known.get(field), f"{field} of the obsolete shard {name}")
    elif shard.get("obsolete"):
        same(shard["obsolete_since"], serial, f"obsolete_since of {name}")


def check_twins(chained: list[Release]) -> None:
    """Check that no shard ever gets another twin, also not after releases without one."""
    known: dict[str, str] = {}
    for release in chained:
        for shard in release["shards"]:
            if "twin_infohash" in shard:
                twin = known.setdefault(shard["name"], shard["twin_infohash"])
                same(shard["twin_infohash"], twin, f"twin_infohash of {shard['name']} in serial {release['serial']}")


def check_withdrawals(old: Release, new: Release) -> None:
    """Check that every withdrawal is kept, and may only become lifted, once."""
    now = {(each["id"], each.get("since", 1)): each for each in new["withdrawals"]}
    for each in old["withdrawals"]:
        found = now.pop((each["id"], each.get("since", 1)), None)
        must(found is not None, f"the withdrawal of {each['id']!r} is gone")
        for field in WITHDRAWAL_KEPT:
            same(found.get(field), each.get(field), f"{field} of the withdrawal of {each['id']!r}")
        lost = set(each.get("shards", ())) - set(found.get("shards", ()))
        must(not lost, f"the withdrawal of {each['id']!r} does not name {sorted(lost)} any more")
        if "lifted" in each:
            same(found.get("lifted"), each["lifted"], f"lifted of the withdrawal of {each['id']!r}")
        else:
            must(found.get("lifted", new["serial"]) == new["serial"], f"lifted of {each['id']!r} is not this serial")
        for field in ("title", "artist", "files"):
            must(field not in found or found[field] == each.get(field), f"{field} of {each['id']!r} changed")
    for (name, since), each in now.items():
        same(since, new["serial"], f"since of the new withdrawal of {name!r}")
        must("lifted" not in each, f"the new withdrawal of {name!r} is lifted already")


def next_keys(keys: list[Key], release: Release) -> list[Key]:
    """Return the keys after a release: those that signed, and last the one that signs next."""
    line = release.get("next_key")
    if line is None or line == keys[-1].line:
        return keys
    key = Key.parse(line)
    same(key.line, line, "next_key")
    must(all(key.key_id != old.key_id for old in keys), "next_key has the key id of another key")
    return [*keys, key]
