"""A second implementation looks at a site: chain, frozen shards, superseding, withdrawals. `check_chain.py SITE`

Written from manifests/FORMAT.md alone, with the standard library and pyarrow; it shares no code with packager.
"""

import hashlib
import json
import sys
from pathlib import Path

import pyarrow.parquet as pq


class WrongError(Exception):
    """What does not hold."""


def must(holds: bool, what: str) -> None:
    if not holds:
        raise WrongError(what)


def end_of(data: bytes, at: int) -> int:
    """Where the bencoded value that begins at `at` ends (BEP 3)."""
    if data[at : at + 1] in (b"d", b"l"):
        at += 1
        while data[at : at + 1] != b"e":
            at = end_of(data, at)
        return at + 1
    if data[at : at + 1] == b"i":
        return data.index(b"e", at) + 1
    colon = data.index(b":", at)
    return colon + 1 + int(data[at:colon])


def info_of(torrent: bytes) -> bytes:
    """The bytes of the info dictionary."""
    at = 1
    while torrent[at : at + 1] != b"e":
        start, after = end_of(torrent, at), 0
        after = end_of(torrent, start)
        if torrent[at:start] == b"4:info":
            return torrent[start:after]
        at = after
    raise WrongError("a torrent has no info")


def check_step(old: dict, new: dict) -> None:
    """One release follows from the one before it (section 12, "The chain")."""
    serial, listed = new["serial"], {shard["name"]: shard for shard in new["shards"]}
    must(serial == old["serial"] + 1, f"serial {serial} follows {old['serial']}")
    must(new["collection"]["name"] == old["collection"]["name"], f"serial {serial} is of another collection")
    for shard in old["shards"]:
        name = shard["name"]
        must(name in listed, f"{name} vanished in serial {serial}")
        for field in ("phase", "number", "size", "members", "infohash_v1", "infohash_v2", "pieces_root", "added"):
            must(listed[name][field] == shard[field], f"{field} of {name} changed in serial {serial}")
        for field in ("since", "obsolete", "obsolete_since", "superseded_by", "reason"):
            must(field not in shard or listed[name].get(field) == shard[field], f"{field} of {name} changed")
    known = {shard["name"]: shard.get("obsolete", False) for shard in old["shards"]}
    for name, shard in listed.items():
        must(name in known or shard.get("since", 1) == serial, f"{name} is new in serial {serial}, and says otherwise")
        ended = shard.get("obsolete", False) and not known.get(name, False)
        must(not ended or shard["obsolete_since"] == serial, f"{name} ended in serial {serial}, and says otherwise")
    withdrawn = {each["id"] for each in old["withdrawals"]}
    must(withdrawn <= {each["id"] for each in new["withdrawals"]}, f"a withdrawal is gone in serial {serial}")
    fresh = [each for each in new["withdrawals"] if each["id"] not in withdrawn]
    must(all(each.get("since", 1) == serial for each in fresh), f"a withdrawal of serial {serial} says otherwise")


def check_head(site: Path, head: dict) -> None:
    """What the newest release names is there, and its tables hold no withdrawn record (sections 7, 9, 12, 13)."""
    listed = {shard["name"]: shard for shard in head["shards"]}
    withdrawn, ids = {each["id"] for each in head["withdrawals"]}, {}
    for name, shard in listed.items():
        for kind in ("torrent", "manifest", "members_table", "members_tsv", "twin_torrent"):
            file = shard.get(kind)
            data = (site / file["path"]).read_bytes() if file else b""
            right = not file or (len(data), hashlib.sha256(data).hexdigest()) == (file["size"], file["sha256"])
            must(right, f"{kind} of {name} is not the one listed")
            if kind == "torrent":
                found = hashlib.sha1(info_of(data)).hexdigest(), hashlib.sha256(info_of(data)).hexdigest()
                for version, told in zip(found, (shard["infohash_v1"], shard["infohash_v2"]), strict=True):
                    must(told in (None, version), f"the torrent of {name} has another infohash")
        manifest = json.loads((site / shard["manifest"]["path"]).read_bytes())
        must(manifest.get("withdrawn", 0) == shard.get("withdrawn", 0), f"manifest of {name} disagrees on withdrawals")
        ids[name] = pq.read_table(site / shard["members_table"]["path"]).to_pylist()
        must(len(ids[name]) == shard["members"] - shard.get("withdrawn", 0), f"{name} has a wrong number of rows")
        must(withdrawn.isdisjoint(row["id"] for row in ids[name]), f"{name} tells of a withdrawn record")
        must(set(shard.get("superseded_by", ())) <= set(listed), f"{name} is superseded by no shard")
        must(not shard.get("superseded_by") or shard.get("obsolete", False), f"{name} is superseded and not obsolete")
    for rows in ids.values():
        for row in rows:
            newer = row.get("superseded")
            must(newer is None or row["id"] in {each["id"] for each in ids[newer]}, f"{row['id']} is not in {newer}")
    live = [shard for shard in head["shards"] if not shard.get("obsolete", False)]
    for phase in head["phases"]:
        mine = [shard for shard in live if shard["phase"] == phase["name"]]
        sums = (len(mine), sum(s["size"] for s in mine), sum(s["members"] for s in mine))
        must(phase["state"] != "published" or sums == (phase["shards"], phase["size"], phase["files"]), phase["name"])
    magnets = (site / "magnets.txt").read_text()
    offered = [shard for shard in live if not shard.get("withdrawn", 0)]
    must(magnets == "".join(shard["magnet"] + "\n" for shard in offered), "magnets.txt has others than those offered")


def check(site: Path) -> str:
    body = (site / "release.json").read_bytes()
    head = json.loads(body)
    bodies = [(site / "releases" / f"{serial}.json").read_bytes() for serial in range(1, head["serial"] + 1)]
    must(bodies[-1] == body, "release.json is not the newest release")
    releases = [json.loads(each) for each in bodies]
    must(releases[0]["previous"] is None and releases[0]["serial"] == 1, "the first release follows another")
    for at in range(1, len(releases)):
        digest = hashlib.sha256(bodies[at - 1]).hexdigest()
        must(releases[at]["previous"] == digest, f"serial {at + 1} does not follow serial {at}")
        check_step(releases[at - 1], releases[at])
    check_head(site, head)
    obsolete = sum(shard.get("obsolete", False) for shard in head["shards"])
    counts = f"{len(head['shards'])} shards, {obsolete} of them obsolete; {len(head['withdrawals'])} withdrawals"
    return f"{len(releases)} releases, {counts}: all of it holds"


if __name__ == "__main__":
    try:
        print(check(Path(sys.argv[1])))
    except WrongError as wrong:
        sys.exit(f"{sys.argv[1]}: {wrong}")
