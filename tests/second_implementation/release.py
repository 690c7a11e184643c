"""release.json by itself: whether it agrees with itself (section 12), without any other file."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from tests.second_implementation.names import is_safe_path, is_slug
from tests.second_implementation.problems import must, same

Release = dict[str, Any]
Shard = dict[str, Any]


def check(release: Release) -> None:
    """Check a release document that has the right fields."""
    serial, collection = release["serial"], release["collection"]["name"]
    must(serial >= 1, "serial is 0")
    must((release["previous"] is None) == (serial == 1), "previous is null in serial 1 and only there")
    must(is_slug(collection), f"{collection!r} is not the name of a collection")
    check_phases(release)
    names = [shard["name"] for shard in release["shards"]]
    once(names, "shard")
    once([shard["infohash_v1"] for shard in release["shards"] if shard["infohash_v1"]], "infohash_v1")
    once([shard["infohash_v2"] for shard in release["shards"] if shard["infohash_v2"]], "infohash_v2")
    once([file["path"] for shard in release["shards"] for file in listed_files(shard).values()], "file")
    places = {phase["name"]: at for at, phase in enumerate(release["phases"])}
    order = [(places.get(shard["phase"], -1), shard["number"]) for shard in release["shards"]]
    must(order == sorted(order), "the shards are not in the order of phases and numbers")
    for shard in release["shards"]:
        check_shard(release, shard, set(names))
    check_withdrawals(release, set(names))


def check_phases(release: Release) -> None:
    """Check the timeline: names, states, and the sums over the shards that are not obsolete."""
    once([phase["name"] for phase in release["phases"]], "phase")
    waiting = [phase for phase in release["phases"] if phase["state"] != "published"]
    following = next((phase["name"] for phase in waiting if phase["shards"]), None)
    for phase in waiting:
        same(phase["state"], "next" if phase["name"] == following else "planned", f"the state of {phase['name']}")
    for phase in release["phases"]:
        must(is_slug(phase["name"]), f"{phase['name']!r} is not the name of a phase")
        mine = [s for s in release["shards"] if s["phase"] == phase["name"] and not s.get("obsolete")]
        if phase["state"] == "published":
            for field, expected in (
                ("shards", len(mine)),
                ("files", sum(s["members"] for s in mine)),
                ("payload", sum(s["payload"] for s in mine)),
                ("size", sum(s["size"] for s in mine)),
            ):
                same(phase[field], expected, f"{field} of phase {phase['name']}")


def check_shard(release: Release, shard: Shard, names: set[str]) -> None:
    """Check one listed shard."""
    name, folder = shard["name"], shard.get("container", "tar") == "folder"
    same(name, f"{release['collection']['name']}-{shard['phase']}-{shard['number']:05d}", "the name of a shard")
    same(shard["file"], name if folder else name + ".tar", f"file of {name}")
    states = {phase["name"]: phase["state"] for phase in release["phases"]}
    same(states.get(shard["phase"]), "published", f"the state of the phase of {name}")
    for key, end in (
        ("torrent", "torrents/{}.torrent"),
        ("manifest", "manifests/{}.manifest.json"),
        ("members_table", "manifests/{}.members.parquet"),
        ("members_tsv", "manifests/{}.members.tsv.zst"),
        ("twin_torrent", "torrents/{}.v1.torrent"),
    ):
        if key in shard:
            must(is_safe_path(shard[key]["path"]), f"{shard[key]['path']!r} is not a safe path")
            same(shard[key]["path"], end.format(name), f"{key} of {name}")
    twin = {key in shard for key in ("twin_infohash", "twin_magnet", "twin_torrent")}
    must(len(twin) == 1, f"{name} has some of twin_infohash, twin_magnet, twin_torrent and not all")
    same(shard["pieces_root"] is None, folder or shard["infohash_v2"] is None, f"pieces_root of {name} is null")
    must(1 <= shard["number"] <= 99_999, f"the number of {name}")
    must(shard["piece_length"] & (shard["piece_length"] - 1) == 0, f"piece_length of {name}")
    must(1 <= shard.get("since", 1) <= release["serial"], f"since of {name}")
    ended = {shard.get("obsolete", False), "obsolete_since" in shard, "reason" in shard}
    must(len(ended) == 1, f"{name} has some of obsolete, obsolete_since, reason and not all")
    if shard.get("obsolete"):
        must(shard.get("since", 1) <= shard["obsolete_since"] <= release["serial"], f"obsolete_since of {name}")
    by = shard.get("superseded_by", [])
    must(not by or (shard.get("obsolete", False) and set(by) <= names - {name}), f"superseded_by of {name}")


def check_withdrawals(release: Release, names: set[str]) -> None:
    """Check the withdrawals, and what the shards say of them."""
    in_force = [each for each in release["withdrawals"] if "lifted" not in each]
    once([each["id"] for each in in_force], "withdrawal in force of")
    once([(each["id"], each.get("since", 1)) for each in release["withdrawals"]], "withdrawal")
    for each in release["withdrawals"]:
        must(each["id"] != "" and set(each.get("shards", [])) <= names, f"shards of the withdrawal of {each['id']!r}")
        since = each.get("since", 1)
        must(1 <= since <= release["serial"], f"since of the withdrawal of {each['id']!r}")
        if "lifted" in each:
            must(since < each["lifted"] <= release["serial"], f"lifted of {each['id']!r}")
        must(all(file["size"] for file in each.get("files", [])), f"an empty file in files of {each['id']!r}")
    contents = {phase["name"]: phase["content"] for phase in release["phases"]}
    for shard in release["shards"]:
        if contents[shard["phase"]] == "files":
            least = sum(shard["name"] in each.get("shards", []) for each in in_force)
            most = sum(shard["name"] in each.get("shards", []) for each in release["withdrawals"])
            must(least <= shard.get("withdrawn", 0) <= most, f"withdrawn of {shard['name']}")


def once(values: Sequence[Any], what: str) -> None:
    """Check that no value is there twice."""
    twice = [value for value, count in Counter(values).items() if count > 1]
    must(not twice, f"the {what} {twice[:1]} is there twice")


def listed_files(shard: Shard) -> dict[str, Any]:
    """Return the files that a shard lists, by their field."""
    kinds = ("torrent", "manifest", "members_table", "members_tsv", "twin_torrent")
    return {kind: shard[kind] for kind in kinds if kind in shard}
