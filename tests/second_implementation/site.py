"""A complete site: the release, the chain before it, every file that it lists, every shard that is there."""

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.second_implementation import catalogue, chain, documents, lists, lookup, metalink, minisign, rebuild, release
from tests.second_implementation.problems import Findings, must, same, sha256
from tests.second_implementation.shard import Documents, check_records, check_superseded, is_there

KEPT_FOLDERS = ("torrents", "manifests", "metalinks", "lookup", "releases")


@dataclass
class Site:
    """What is checked. shards: the folder of tars and folders, if any. source: the collection's folder, if any."""

    root: Path
    shards: Path | None = None
    source: Path | None = None
    key: minisign.Key | None = None
    findings: Findings = field(default_factory=Findings)

    def check(self) -> Findings:
        """Check everything, and return what was found."""
        run = self.findings.run
        head = run("release", "release.json", self.head)
        if head is None:
            return self.findings
        run("chain", "releases/", self.chain, head)
        tables: dict[str, list[dict[str, Any]]] = {}
        catalogues = {phase["name"] for phase in head["phases"] if phase["content"] == "catalogue"}
        for each in head["shards"]:
            checked = Documents(self.root, head, each)
            tables[each["name"]] = run("documents", each["name"], checked.check) or []
            for where, find, path in run("places", each["name"], self.places, checked) or ():
                run("shard bytes", f"{each['name']} in {where}", checked.check_bytes, find, path)
                if each["phase"] in catalogues:
                    run("catalogue", f"{each['name']} in {where}", self.catalogue, checked, find)
        run("superseded", "members tables", check_superseded, head, tables)
        run("records", "release.json", check_records, head, tables)
        for path, data in self.derived(head).items():
            run("list", path, self.same_file, path, data)
        run("list", "torrents.json", self.torrents_json, head)
        run("metalinks", "metalinks/", self.metalinks, head)
        run("lookup", "lookup.json", self.lookup, head, tables)
        run("list", "SHA256SUMS", self.sums)
        run("files", str(self.root), self.files, head)
        return self.findings

    def read(self, path: str) -> bytes:
        return (self.root / path).read_bytes()

    def head(self) -> dict[str, Any]:
        """Return release.json, checked by itself and against its copy and signature."""
        data = self.read("release.json")
        head: dict[str, Any] = documents.parse(data, documents.RELEASE)
        release.check(head)
        same(self.read(f"releases/{head['serial']}.json"), data, f"releases/{head['serial']}.json")
        return head

    def chain(self, head: dict[str, Any]) -> None:
        """Check every release from serial 1 on, each against the one before, with its signature."""
        bodies = [self.read(f"releases/{serial}.json") for serial in range(1, head["serial"] + 1)]
        chained = [documents.parse(body, documents.RELEASE) for body in bodies]
        for one in chained:
            release.check(one)
        for at in range(1, len(chained)):
            chain.check_step(chained[at - 1], sha256(bodies[at - 1]), chained[at])
        chain.check_twins(chained)
        signed = (self.root / "release.json.minisig").exists()
        must(signed or not self.key, "a key was given, and the release is not signed")
        if signed:
            self.signatures(chained, bodies)

    def signatures(self, chained: list[dict[str, Any]], bodies: list[bytes]) -> None:
        """Check the signature of every release that has one, and of SHA256SUMS.

        Without a key it is minisign.pub's, which signs what follows the release that named it as the next.
        """
        published = minisign.Key.parse(self.read("minisign.pub").decode())
        keys = [self.key or published]
        before = keys
        named = [at for at, one in enumerate(chained, 1) if one.get("next_key") == published.line]
        first = named[-1] if named and not self.key else 0
        for one, body in zip(chained[first:], bodies[first:], strict=True):
            name, path = one["collection"]["name"], f"releases/{one['serial']}.json.minisig"
            comment = f"release {one['serial']} of {name}, {one['date']}"
            if (self.root / path).exists():
                self.signed_by(body, path, keys[-1:], comment)
            before, keys = keys, chain.next_keys(keys, one)
        last = chained[-1]
        tail = f"release {last['serial']} of {last['collection']['name']}, {last['date']}"
        self.signed_by(bodies[-1], "release.json.minisig", [before[-1], keys[-1]], tail)
        self.signed_by(self.read("SHA256SUMS"), "SHA256SUMS.minisig", [before[-1], keys[-1]], f"SHA256SUMS of {tail}")

    def signed_by(self, body: bytes, path: str, keys: list[minisign.Key], comment: str) -> None:
        """Check a signature of one of these keys."""
        data = self.read(path)
        named = [key for key in keys if minisign.key_id(data) == key.key_id]
        must(bool(named), f"{path} is of another key")
        minisign.check(body, data, named[-1], comment)

    def places(self, checked: Documents) -> list[tuple[str, rebuild.Find, Path | None]]:
        """Return where a shard's bytes are: the place's name, where its members are, and the shard on disk."""
        found: list[tuple[str, rebuild.Find, Path | None]] = []
        path = self.shards / checked.shard["file"] if self.shards else None
        if path is not None and (path / "data" if checked.is_folder else path).exists():
            found.append((str(path), rebuild.in_folder(path) if checked.is_folder else rebuild.in_tar(path), path))
        if self.source is not None:
            find = rebuild.in_source(self.source)
            if all(is_there(find(row), row) for row in checked.lines):
                tag_files = path is not None and path.is_dir() and not checked.shard.get("withdrawn")
                found.append((str(self.source), find, path if tag_files else None))
        return found

    def catalogue(self, checked: Documents, find: rebuild.Find) -> None:
        """Check the files in a shard of a catalogue phase."""
        withdrawn = {each["id"] for each in checked.release["withdrawals"] if "lifted" not in each}
        old = checked.shard.get("obsolete", False)
        mtimes = checked.manifest.get("mtimes", False)
        catalogue.check(checked.lines, find, set() if old else withdrawn, mtimes=mtimes)

    def derived(self, head: dict[str, Any]) -> dict[str, bytes]:
        """Return the lists that follow from release.json alone."""
        found = {"magnets.txt": lists.magnets(head), "feed.xml": lists.feed(head)}
        if twins := lists.magnets_v1(head):
            found["magnets-v1.txt"] = twins
        for phase in head["phases"]:
            if phase["state"] == "published" and phase["shards"]:
                found[f"phases/{phase['name']}/magnets.txt"] = lists.magnets(head, phase["name"])
                if twins := lists.magnets_v1(head, phase["name"]):
                    found[f"phases/{phase['name']}/magnets-v1.txt"] = twins
        return found

    def same_file(self, path: str, data: bytes) -> None:
        """Check that a file has these bytes."""
        same(self.read(path), data, path)

    def torrents_json(self, head: dict[str, Any]) -> None:
        """Check torrents.json; the seed counts are kept."""
        data = self.read("torrents.json")
        listed = json.loads(data)
        counts = {each["display_name"]: {name: each[name] for name in lists.UNKNOWN} for each in listed}
        same(data, lists.torrents_json(head, counts), "torrents.json")

    def metalinks(self, head: dict[str, Any]) -> None:
        """Check that exactly the Metalinks of section 13 are there, byte for byte."""
        expected = {}
        for each in metalink.metalinks(head):
            file = metalink.v1_torrent(each)
            torrent = self.read(file["path"]) if file else None
            expected[f"{each['name']}.meta4"] = metalink.metalink(head, each, torrent)
        found = sorted(path.name for path in (self.root / "metalinks").glob("*"))
        same(found, sorted(expected), "the Metalinks")
        for name, data in expected.items():
            self.same_file(f"metalinks/{name}", data)

    def lookup(self, head: dict[str, Any], tables: dict[str, list[dict[str, Any]]]) -> None:
        """Check the lookup index. A release may have none."""
        if not (self.root / "lookup.json").exists():
            return
        found = documents.parse(self.read("lookup.json"), documents.LOOKUP)
        parts = [self.read(part["path"]) for part in found["parts"]]
        for part, data in zip(found["parts"], parts, strict=True):
            same((part["size"], part["sha256"]), (len(data), sha256(data)), part["path"])
        lookup.check(head, found, parts, tables)

    def sums(self) -> None:
        """Check SHA256SUMS against every file of the site."""
        digests = {}
        for path in sorted(self.root.rglob("*")):
            name = path.relative_to(self.root).as_posix()
            if path.is_file() and name not in ("SHA256SUMS", "SHA256SUMS.minisig"):
                with path.open("rb") as file:
                    digests[name] = hashlib.file_digest(file, "sha256").hexdigest()
        same(self.read("SHA256SUMS"), lists.sums(digests), "SHA256SUMS")

    def files(self, head: dict[str, Any]) -> None:
        """Check that no document is there that the release does not list."""
        listed = {file["path"] for each in head["shards"] for file in release.listed_files(each).values()}
        listed |= {f"metalinks/{each['name']}.meta4" for each in head["shards"]}
        for serial in range(1, head["serial"] + 1):
            listed |= {f"releases/{serial}{end}" for end in (".json", ".json.minisig", ".html")}
        if (self.root / "lookup.json").exists():
            listed |= {part["path"] for part in json.loads(self.read("lookup.json"))["parts"]}
        for folder in KEPT_FOLDERS:
            there = {path.relative_to(self.root).as_posix() for path in (self.root / folder).glob("*")}
            same(sorted(there - listed), [], f"files of {folder}/ that no list names")
