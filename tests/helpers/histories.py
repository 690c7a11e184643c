"""Random histories of a small archive, with an independent model of what may be published."""

import datetime as dt
import hashlib
import itertools
import json
import random
import shutil
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import zstandard

from packager.cli.app import main
from packager.core.releases import documents, trust, withheld_shards
from packager.core.releases.kept_entries import FollowedState
from packager.model import Release
from tests.helpers.site_contents import told

CONFIG = """
[collection]
name = "tones"
title = "Tones"
source = "source"
[shards]
size = "{size}"
[torrents]
format = "{version}"
piece_length = "16 KiB"
[[phases]]
name = "metadata"
title = "Metadata"
content = "catalogue"
[[phases]]
name = "closed"
title = "Closed"
where = "contains(path, 'closed/')"
budget = "{closed_budget}"
embargo = "2030-01-01"
[[phases]]
name = "small"
title = "Small"
where = "contains(path, 'small/')"
budget = "{small_budget}"
[[phases]]
name = "rest"
title = "The rest"
"""
OPENS = dt.datetime(2030, 1, 1, tzinfo=dt.UTC)
SIZES = (0, 5, 9000, 9000, 20_000, 20_000)  # bytes; equal sizes, so that only digests tell contents apart
FROZEN = (
    *("name", "phase", "number", "file", "size", "payload", "members", "added", "since", "piece_length"),
    *("pieces_root", "infohash_v1", "infohash_v2"),
)


@dataclass
class History:
    """A project, its release chain, and what the archivist knows: files by path, what is withdrawn, the clock."""

    root: Path
    capsys: pytest.CaptureFixture[str]
    chance: random.Random
    now: dt.datetime = dt.datetime(2026, 11, 1, tzinfo=dt.UTC)
    files: dict[str, bytes] = field(default_factory=dict)
    deleted: dict[str, bytes] = field(default_factory=dict)
    withdrawn: dict[str, set[bytes]] = field(default_factory=dict)  # in force: contents by the record's id
    redacted: set[str] = field(default_factory=set)
    twice: set[bytes] = field(default_factory=set)  # contents that had two paths, or came back to a path
    exchanged: set[bytes] = field(default_factory=set)  # contents that took one another's names since the last release
    is_stuck: bool = False  # one of those names is of a file that may not go out
    used: set[str] = field(default_factory=set)  # paths that any file ever had
    held: dict[str, set[bytes]] = field(default_factory=dict)  # all contents that a path ever had
    published: set[str] = field(default_factory=set)  # paths that any release has published
    log: list[str] = field(default_factory=list)
    followed: FollowedState | None = None
    last: dict[str, dict] = field(default_factory=dict)
    serial: int = 0
    _names: Iterator[int] = field(default_factory=itertools.count)

    def __post_init__(self) -> None:
        """Write the project's config and its first files."""
        (self.root / "source").mkdir(parents=True)
        config = CONFIG.format(
            size=self.chance.choice(["64 KiB", "1 MiB"]),
            version=self.chance.choice(["hybrid", "v1", "v2"]),
            closed_budget=self.chance.choice(["1 GB", "50 KiB"]),
            small_budget=self.chance.choice(["1 GB", "40 KiB"]),
        )
        (self.root / "packager.toml").write_text(config)
        for _ in range(self.chance.randrange(4, 8)):
            self.add()

    # what an archivist does

    def add(self) -> None:
        folder = self.chance.choice(["closed/", "small/", "", "a [b]/"])
        self.write(f"{folder}N{next(self._names):04d}n.txt", self.content())

    def content(self) -> bytes:
        return self.chance.randbytes(self.chance.choice(SIZES))

    def write(self, path: str, data: bytes) -> None:
        if data in self.files.values() or path in self.used:
            self.twice.add(data)
        self.files[path] = data
        self.used.add(path)
        self.held.setdefault(path, set()).add(data)
        self.deleted.pop(path, None)
        place = self.root / "source" / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)
        self.log.append(f"write {path} {hashlib.sha256(data).hexdigest()[:8]} {len(data)}")

    def add_twin(self) -> None:
        if self.files:
            path = self.chance.choice(sorted(self.files))
            twin = (
                path.swapcase()
                if "/" not in path
                else path.rpartition("/")[0] + "/" + path.rpartition("/")[2].swapcase()
            )
            if twin not in self.used:
                self.write(twin, self.content())

    def edit(self) -> None:
        if self.files:
            path = self.chance.choice(sorted(self.files))
            self.write(path, self.content())

    def copy(self) -> None:
        if self.files:
            data = self.files[self.chance.choice(sorted(self.files))]
            self.write(f"N{next(self._names):04d}n.txt", data)

    def rename(self) -> None:
        if self.files:
            path = self.chance.choice(sorted(self.files))
            folder = self.chance.choice([path.rpartition("/")[0], "b", ""])
            new = f"{folder}/N{next(self._names):04d}n.txt".lstrip("/")
            self.move(path, new)

    def move(self, path: str, new: str) -> None:
        place = self.root / "source" / new
        place.parent.mkdir(parents=True, exist_ok=True)
        (self.root / "source" / path).rename(place)
        self.held.setdefault(path, set()).add(self.files[path])
        self.files[new] = self.files.pop(path)
        self.held.setdefault(new, set()).add(self.files[new])
        self.used.add(new)
        self.log.append(f"move {path} {new}")

    def exchange(self) -> None:
        """Give two or three files the names of one another."""
        paths = self.chance.sample(sorted(self.files), min(len(self.files), self.chance.randrange(2, 4)))
        self.exchanged |= {self.files[path] for path in paths}
        self.is_stuck |= any(path.startswith(("closed/", "small/")) or path in self.withdrawn for path in paths)
        if self.is_stuck:  # who may not go out gives its name to nobody, and whoever waits for that name neither
            self.twice |= self.exchanged
        for number, path in enumerate(paths):
            self.move(path, f"{number}.between")
        for number in range(len(paths)):
            self.move(f"{number}.between", paths[number - 1])

    def lose_state(self) -> None:
        if self.serial and (self.root / ".packager").is_dir():
            shutil.rmtree(self.root / ".packager")
            for tar in (self.root / "shards").iterdir():
                if tar.stem not in self.last:  # packed and not published: nothing says any more that it is ours
                    tar.unlink()
            self.log.append("lose state")

    def delete(self) -> None:
        if len(self.files) > 3:
            path = self.chance.choice(sorted(self.files))
            (self.root / "source" / path).unlink()
            self.deleted[path] = self.files.pop(path)
            self.log.append(f"delete {path}")

    def withdraw(self) -> None:
        if self.files:
            path = self.chance.choice(sorted(self.files))
            options = [option for option in ("--redact", "--keep-shards") if self.chance.random() < 0.4]
            assert self.run("scan")[0] == 0  # else what a file contains now would not be known
            code, report = self.run("withdraw", "--yes", path, "--reason", "asked for", "--json", *options)
            if code == 2:  # not scanned yet: nobody can have it
                return
            assert code == 0, self.told(report)
            found = json.loads(report)
            named = {record["id"] for record in found["records"]}
            assert path in named, self.told(report)
            for record in named:
                contents = self.withdrawn.setdefault(record, set())
                if record == path and self.files[path]:
                    contents.add(self.files[path])
            if "--redact" in options:
                self.redacted |= named
            self.log.append(f"withdraw {sorted(named)} {options}")

    def redact(self) -> None:
        """Withdraw a record once more."""
        if self.withdrawn:
            path = self.chance.choice(sorted(self.withdrawn))
            assert self.run("scan")[0] == 0
            code, report = self.run("withdraw", "--yes", path, "--reason", "again", "--redact", "--json")
            assert code == 0, self.told(report)
            named = {record["id"] for record in json.loads(report)["records"]}
            for record in named:
                self.withdrawn.setdefault(record, set())
            if self.files.get(path):
                self.withdrawn[path].add(self.files[path])
            self.redacted |= named
            self.log.append(f"redact {sorted(named)}")

    def undo(self) -> None:
        if self.withdrawn:
            ids = [self.chance.choice(sorted(self.withdrawn))]
            while True:
                code, report = self.run("withdraw", "--yes", "--undo", *ids)
                if code == 0:
                    break
                assert "is withdrawn too, and has the same content" in report, self.told(report)
                more = [each for each in sorted(self.withdrawn) if each not in ids and f'"{each}"' in report]
                assert more, self.told(report)
                ids += more
            for each in ids:
                del self.withdrawn[each]
                self.redacted.discard(each)
            self.log.append(f"undo {ids}")

    def replace(self) -> None:
        names = sorted(name for name, shard in self.last.items() if not shard.get("obsolete"))
        if names:
            name = self.chance.choice(names)
            code, report = self.run("replace", "--yes", name, "--reason", "wrong tags")
            assert code == 0, self.told(report)
            self.log.append(f"replace {name}")

    def wait(self) -> None:
        self.now += dt.timedelta(days=self.chance.choice([1, 700]))
        self.log.append(f"now {self.now:%Y-%m-%d}")

    OPERATIONS: tuple[tuple[str, int], ...] = (
        *(("add", 3), ("add_twin", 1), ("edit", 2), ("copy", 1), ("rename", 3), ("delete", 1)),
        *(("withdraw", 3), ("redact", 1), ("undo", 1), ("replace", 1), ("wait", 1)),
        *(("exchange", 2), ("lose_state", 1)),
    )

    def step(self) -> None:
        names, weights = zip(*self.OPERATIONS, strict=True)
        for name in self.chance.choices(names, weights, k=self.chance.randrange(1, 5)):
            operation: Callable[[], None] = getattr(self, name)
            operation()
        self.release()

    def run(self, *arguments: str) -> tuple[int, str]:
        self.capsys.readouterr()
        code = main([*arguments, "--config", str(self.root / "packager.toml")])
        printed = self.capsys.readouterr()
        return code, printed.out + printed.err

    def release(self) -> None:
        code, text = self.run("release", "--workers", "1")
        while code == 2 and "have no file in the source" in text:
            path = next(each for each in sorted(self.held) if f'("{each}")' in text)
            self.write(path, self.deleted.get(path) or b"")  # as the message says: restore it
            code, text = self.run("release", "--workers", "1")
        assert code == 0, self.told(text)
        self.log.append("release")
        self.exchanged, self.is_stuck = set(), False
        self.check()
        code, text = self.run("plan")
        assert (code, "; unchanged." in text) == (0, True), self.told(text)

    def told(self, text: str) -> str:
        return "\n".join([*self.log, text])

    # what must hold after each release

    @property
    def is_closed(self) -> bool:
        return self.now < OPENS

    def check(self) -> None:
        site = self.root / "site"
        body = (site / "release.json").read_bytes()
        release = json.loads(body)
        assert release["serial"] == self.serial or release["date"] == f"{self.now:%Y-%m-%dT%H:%M:%SZ}", self.told("")
        shards = {shard["name"]: shard for shard in release["shards"]}
        self.check_chain(shards, body)
        barred = set().union(*self.withdrawn.values()) if self.withdrawn else set()
        new = [shard for shard in shards.values() if shard.get("since", 1) == release["serial"] > self.serial]
        for shard in new:
            self.check_members(shard, barred)
        self.check_site(site, barred)
        self.check_handed_out(site, shards, body, barred)
        self.check_complete(site, shards, barred)
        self.last, self.serial = shards, release["serial"]

    def check_chain(self, shards: dict[str, dict], body: bytes) -> None:
        for name, shard in self.last.items():
            assert name in shards, self.told(name)
            for key in FROZEN:
                assert shards[name].get(key) == shard.get(key), self.told(f"{name} {key}")
            assert shards[name].get("obsolete") or not shard.get("obsolete"), self.told(name)
        if self.followed is None:
            self.followed = trust.pin(body).followed
        else:
            self.followed = trust.accept_release(self.followed, body, b"").followed

    def check_members(self, shard: dict, barred: set[bytes]) -> None:
        for name, data in self.contents(self.root / "shards" / shard["file"]):
            assert data not in barred or not data, self.told(f"withdrawn content in {name}")
            if self.is_closed and "/data/" in name:
                assert "closed/" not in name or self.was_open(name), self.told(name)

    def was_open(self, name: str) -> bool:
        return any(path.rpartition("/")[2].casefold() in name.casefold() for path in self.published)

    def check_site(self, site: Path, barred: set[bytes]) -> None:
        """Nothing but the withdrawals themselves names what is withdrawn; nothing names what is under embargo."""
        gone = {path for path, data in self.files.items() if path in self.withdrawn or (data and data in barred)}
        # A path that had another content is the name of what was published then.
        gone = {path for path in gone if len(self.held[path]) == 1 and self.files[path] not in self.twice}
        closed = {path for path in self.files if path.startswith("closed/") and path not in self.published}
        secret = gone | closed if self.is_closed else gone
        for name, text in told(site):
            if name.startswith("releases/") or name == "release.json":
                continue
            for path in secret:
                assert path.encode() not in text, self.told(f"{name} names {path}")
        for name, text in told(site):
            if name.endswith(".html"):
                for path in {each for each in self.redacted & set(self.withdrawn) if len(self.held[each]) == 1}:
                    assert path.encode() not in text, self.told(f"{name} names the redacted {path}")

    def check_handed_out(self, site: Path, shards: dict[str, dict], body: bytes, barred: set[bytes]) -> None:
        """No shard with withdrawn content, or with the record of it, is on a list or may be handed out."""
        rule = withheld_shards.SharingRule(documents.from_bytes(body, Release, "release.json"))
        lists = b"".join(
            path.read_bytes() for path in (*site.rglob("magnets*.txt"), site / "feed.xml", site / "index.html")
        )
        for name, shard in shards.items():
            contents = dict(self.contents(self.root / "shards" / shard["file"]))
            names = {path.encode() for path in self.withdrawn}
            catalogue = b"".join(data for data in contents.values() if shard["phase"] == "metadata")
            holds = barred & set(contents.values()) - {b""} or any(each in catalogue for each in names)
            if holds:
                assert rule.withheld(name) is not None, self.told(f"{name} may be handed out")
            if holds or shard.get("obsolete"):
                assert shard["file"].encode() not in lists, self.told(f"{name} is on a list")

    @staticmethod
    def contents(tar: Path) -> Iterator[tuple[str, bytes]]:
        """The files of a tar, unpacked."""
        with tarfile.open(tar) as opened:
            for entry in opened:
                file = opened.extractfile(entry)
                data = file.read() if file else b""
                if entry.name.endswith(".zst"):
                    data = zstandard.ZstdDecompressor().stream_reader(data, read_across_frames=True).read()
                yield entry.name, data

    def check_complete(self, site: Path, shards: dict[str, dict], barred: set[bytes]) -> None:
        """Every file that may be published is, once, and nothing else is new."""
        rows = []
        for name, shard in shards.items():
            if shard["phase"] != "metadata" and not shard.get("obsolete"):
                table = pq.read_table(site / "manifests" / f"{name}.members.parquet")
                rows += [row for row in table.to_pylist() if not row["superseded"]]
        found = {(row["current_id"] or row["id"], row["sha256"]) for row in rows}
        for path, data in self.files.items():
            digest = hashlib.sha256(data).digest()
            if path in self.withdrawn or (data and data in barred):
                assert (path, digest) not in found, self.told(path)
                continue
            if (path, digest) in found:
                self.published.add(path)
                continue
            # a budget, or an embargo; also of a phase that published a file which had this path, or went to it;
            # or it is what a withdrawn path had before an exchange
            may_wait = "small/" in path or "closed/" in path or len(self.held[path]) > 1
            may_wait |= any(data in self.held[each] for each in self.withdrawn)
            assert may_wait, self.told(f"{path} is not published")
        digests = [row["sha256"] for row in rows]
        for data in self.files.values():
            if data and data not in self.twice:
                assert digests.count(hashlib.sha256(data).digest()) <= 1, self.told("published twice")
