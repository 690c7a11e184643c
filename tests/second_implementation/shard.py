"""One shard of a site: its documents against each other, and its bytes against them (sections 7, 9, 10, 15, 21)."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from tests.second_implementation import bag, bencode, documents, rebuild, release, table, torrent
from tests.second_implementation.magnet import magnet
from tests.second_implementation.problems import must, same, sha256
from tests.second_implementation.stream import Segment, Slice, cut

Row = dict[str, Any]
AS_IN_MANIFEST = (
    *("name", "phase", "number", "file", "size", "payload", "members", "piece_length", "pieces_root"),
    *("infohash_v1", "infohash_v2", "twin_infohash", "sha256", "withdrawn"),
)


@dataclass
class Documents:
    """The published documents of one shard."""

    root: Path
    release: dict[str, Any]
    shard: dict[str, Any]

    @property
    def is_folder(self) -> bool:
        return bool(self.shard.get("container", "tar") == "folder")

    def read(self, kind: str) -> bytes:
        """Return a listed file, checked against the listed size and digest."""
        file = self.shard[kind]
        data = (self.root / file["path"]).read_bytes()
        same((len(data), sha256(data)), (file["size"], file["sha256"]), f"size and SHA-256 of {file['path']}")
        return data

    @cached_property
    def manifest(self) -> dict[str, Any]:
        found: dict[str, Any] = documents.parse(self.read("manifest"), documents.MANIFEST)
        return found

    @cached_property
    def lines(self) -> list[Row]:
        """The rows of members.tsv.zst: all that a rebuild needs beside the manifest and the members' bytes."""
        return table.read_tsv(self.root / self.shard["members_tsv"]["path"])

    def check(self) -> list[Row]:
        """Check manifest, torrents, magnets and both members tables; return the table's rows."""
        for kind in release.listed_files(self.shard):
            self.read(kind)
        self.check_manifest()
        self.check_torrents()
        rows = table.read(self.root / self.shard["members_table"]["path"])
        table.check_written(self.root / self.shard["members_table"]["path"])
        lines = table.unpack(self.root / self.shard["members_tsv"]["path"])
        same(lines, table.members_tsv(rows), "the lines of members.tsv.zst")
        must(b"\0" not in lines, "members.tsv.zst holds NUL")
        withdrawn = self.shard.get("withdrawn", 0)
        table.check_rows(rows, self.shard["members"] - withdrawn, 0 if self.is_folder else self.shard["size"])
        if not withdrawn:
            same(sum(row["size"] for row in rows), self.shard["payload"], "payload")
        gone = {each["id"] for each in self.release["withdrawals"] if "lifted" not in each}
        must(gone.isdisjoint(row["current_id"] or row["id"] for row in rows), "the table has a withdrawn record")
        if not self.manifest.get("mtimes"):
            must(all(row["mtime_ns"] is None for row in rows), "the table has mtime_ns, and the manifest no mtimes")
        return rows

    def check_manifest(self) -> None:
        """Check the manifest against the release document."""
        manifest, shard = self.manifest, self.shard
        same(manifest["collection"], self.release["collection"]["name"], "the manifest's collection")
        same(manifest["container"], shard.get("container", "tar"), "the manifest's container")
        for field in AS_IN_MANIFEST:
            same(manifest.get(field), shard.get(field), f"the manifest's {field}")
        lines = manifest["bag_info"].split("\n")
        same(lines.pop(), "", "the end of bag_info")
        labels = [line.partition(": ")[0] for line in lines]
        same(labels, [label for label in bag.LABELS if label in labels], "the labels of bag_info")
        values = dict(line.split(": ", 1) for line in lines)
        for value in values.values():
            same(value, bag.one_line(value), "white space in bag_info")
        same(values["External-Identifier"], shard["name"], "External-Identifier")
        same(values["Bag-Group-Identifier"], manifest["collection"], "Bag-Group-Identifier")
        same(values["Payload-Oxum"], f"{shard['payload']}.{shard['members']}", "Payload-Oxum")
        must(not manifest["oversize"] or shard["members"] == 1, "it is oversize and has several members")

    def check_torrents(self) -> None:
        """Check the torrents' infohashes and the magnets; no byte of the shard is needed."""
        shard, data = self.shard, self.read("torrent")
        torrent.check_infohashes(data, shard)
        parts = torrent.kept(data)
        same(shard["magnet"], magnet(shard["infohash_v1"], shard["infohash_v2"], shard, parts), "magnet")
        if "twin_torrent" in shard:
            twin = self.read("twin_torrent")
            same(torrent.kept(twin), parts, "trackers, web seeds and date of the twin")
            torrent.check_infohashes(twin, {"infohash_v1": shard["twin_infohash"], "infohash_v2": None})
            same(shard["twin_magnet"], magnet(shard["twin_infohash"], None, shard, parts), "twin_magnet")

    def check_bytes(self, find: rebuild.Find, path: Path | None) -> None:
        """Check the shard's bytes: members, tag files, tar, torrents. path: of the shard, if it is on disk."""
        rebuild.check_members(self.lines, find)
        if self.shard.get("withdrawn"):
            if path is not None:
                self.check_whole(path)
            return
        if self.is_folder:
            self.check_folder(find, path)
        else:
            self.check_tar(find, path)

    def check_tar(self, find: rebuild.Find, path: Path | None) -> None:
        """Write the tar again, compare it with the one on disk, and check the torrents that follow from it."""
        segments = list(rebuild.tar_segments(self.manifest, self.lines, find))
        if path is not None:
            same_stream(segments, path)
        self.check_derived(segments)

    def check_derived(self, segments: list[Segment]) -> None:
        """Check every fact that follows from a tar's bytes."""
        shard, length = self.shard, self.shard["piece_length"]
        version = torrent.version_of(shard)
        hashes = torrent.hash_file(segments, length)
        derived = torrent.of_tar(shard["file"], hashes, length, version)
        self.check_torrent("torrent", derived)
        if version != "v1":
            same(shard["pieces_root"], hashes.root.hex(), "pieces_root")
        if "twin_torrent" in shard:
            self.check_torrent("twin_torrent", torrent.of_tar(shard["file"], hashes, length, "v1"))
        if "sha256" in shard:
            digest = hashlib.sha256()
            for data in cut(segments, 1 << 20):
                digest.update(data)
            same(shard["sha256"], digest.hexdigest(), "sha256")

    def check_folder(self, find: rebuild.Find, path: Path | None) -> None:
        """Write the folder's files again, compare the tag files with those on disk, and check the torrents."""
        shard, version = self.shard, torrent.version_of(self.shard)
        files = rebuild.folder_files(self.manifest, self.lines, find, aligned=version != "v1")
        if path is not None:
            for name, data in files:
                if isinstance(data, bytes):
                    same((path / name).read_bytes(), data, name)
        make = torrent.of_folder
        length, aligned = shard["piece_length"], version != "v1"
        self.check_torrent("torrent", make(shard["name"], files, length, version, aligned=aligned))
        if "twin_torrent" in shard:
            self.check_torrent("twin_torrent", make(shard["name"], files, length, "v1", aligned=True))

    def check_torrent(self, kind: str, derived: torrent.Derived) -> None:
        """Check a complete .torrent: what is derived, around what is kept."""
        data = self.read(kind)
        same(data, torrent.written(torrent.kept(data), derived), self.shard[kind]["path"])

    def check_whole(self, path: Path) -> None:
        """Check a shard with withdrawn members, which its torrent alone can prove."""
        if not self.is_folder:
            self.check_derived([Slice(path, 0, path.stat().st_size)])
            return
        version = torrent.version_of(self.shard)
        files = [(name, Slice(path / name, 0, size)) for name, size in listed_in(self.read("torrent"))]
        length, aligned = self.shard["piece_length"], version != "v1"
        derived = torrent.of_folder(self.shard["name"], files, length, version, aligned=aligned)
        self.check_torrent("torrent", derived)


def listed_in(data: bytes) -> list[tuple[str, int]]:
    """Return path and size of every file of a folder's torrent, pad files left out."""
    info = bencode.decode(data)[b"info"]
    if b"files" in info:
        return [
            ("/".join(name.decode() for name in file[b"path"]), file[b"length"])
            for file in info[b"files"]
            if file.get(b"attr") != b"p"
        ]
    found: list[tuple[str, int]] = []

    def walk(nodes: dict[bytes, Any], above: str) -> None:
        for name, node in nodes.items():
            if b"" in node:
                found.append((above + name.decode(), node[b""][b"length"]))
            else:
                walk(node, f"{above}{name.decode()}/")

    walk(info[b"file tree"], "")
    return found


def same_stream(segments: Sequence[Segment], path: Path) -> None:
    """Check that a file has exactly these bytes."""
    at = 0
    with path.open("rb") as file:
        for data in cut(segments, 1 << 20):
            same(file.read(len(data)), data, f"{path} from byte {at}")
            at += len(data)
        same(file.read(1), b"", f"the end of {path} at {at}")


def is_there(segment: Segment, row: Row) -> bool:
    """Return whether a member's bytes are where they are looked for, by size."""
    return not isinstance(segment, Slice) or (segment.path.is_file() and segment.path.stat().st_size == row["size"])


def check_superseded(head: dict[str, Any], tables: dict[str, list[Row]]) -> None:
    """Check that each superseded row names a listed shard that holds the next version of the record."""
    listed = {shard["name"]: shard for shard in head["shards"]}
    ids = {name: {row["current_id"] or row["id"] for row in rows} for name, rows in tables.items()}
    for name, rows in tables.items():
        for row in rows:
            newer = row["superseded"]
            if newer is not None:
                must(newer in listed and newer != name, f"{row['id']!r} of {name} is superseded by {newer!r}")
                there = (row["current_id"] or row["id"]) in ids[newer] or listed[newer].get("withdrawn", 0)
                must(bool(there), f"{row['id']!r} of {name} is not in {newer}")


def check_records(head: dict[str, Any], tables: dict[str, list[Row]]) -> None:
    """Check the records of each published phase of files; of those with withdrawn members it is only a lower bound."""
    for phase in head["phases"]:
        live = [s for s in head["shards"] if s["phase"] == phase["name"] and not s.get("obsolete")]
        if phase["state"] == "published" and phase["content"] == "files":
            rows = [row for shard in live for row in tables[shard["name"]] if row["superseded"] is None]
            ids = {row["current_id"] or row["id"] for row in rows}
            if any(shard.get("withdrawn") for shard in live):
                must(phase["records"] >= len(ids), f"records of phase {phase['name']} are fewer than {len(ids)}")
            else:
                same(phase["records"], len(ids), f"records of phase {phase['name']}")
