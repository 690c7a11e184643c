"""A publisher with real shards, torrents and signatures, whose releases a test serves over HTTP and forges."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from packager.cli.app import main
from packager.core.releases import documents
from packager.core.releases.kept_entries import ENDED
from packager.core.releases.minisign_signature import sign
from packager.core.releases.release_lists import torrents_json
from packager.model import Release, ReleaseShard, ShardName, Withdrawal
from tests.helpers.http_server import Site, serving
from tests.helpers.projects import Project
from tests.helpers.simulated_publisher import Change, Publisher, Signed, with_shards

COLLECTION, PHASE = "tones", "audio"
PHASES = f"""
[[phases]]
name = "{PHASE}"
title = "Audio"
"""
TRACKER = 'trackers = [["udp://tracker.example.org:6969/announce"]]'


@dataclass
class Archive:
    """A project that was packed, and the publisher who signs releases of its shards.

    `files` is what a server holds; each `publish` changes it.
    """

    root: Path
    shards: tuple[ReleaseShard, ...]
    publisher: Publisher = field(default_factory=lambda: Publisher(collection=COLLECTION, phase=PHASE))
    files: dict[str, bytes] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """The line of the key that signs."""
        return self.publisher.key.public.line

    def tar(self, name: str) -> bytes:
        return (self.root / "shards" / f"{name}.tar").read_bytes()

    def publish(self, count: int, change: Change = lambda release: release, **more: object) -> Signed:
        """Sign and lay out the next release: the first `count` shards, then whatever `change` does."""
        signed = self.publisher.publish(add=0, change=self._listing(count, change), **more)  # type: ignore[arg-type]
        self.lay(signed)
        return signed

    def forge(self, count: int, change: Change = lambda release: release, **more: object) -> Signed:
        """Sign what would be the next release, without its being published."""
        release = self.publisher.next(add=0)
        return self.publisher.forge(release, change=self._listing(count, change), **more)  # type: ignore[arg-type]

    def _listing(self, count: int, change: Change) -> Change:
        first = self.publisher.signed[0].release.date if self.publisher.signed else None
        before = {shard.name: shard for shard in (self.publisher.head.release.shards if first else ())}

        def listed(release: Release) -> Release:
            shards = [
                before.get(shard.name) or msgspec.structs.replace(shard, added=release.date, since=release.serial)
                for shard in self.shards[:count]
            ]
            for at, shard in enumerate(release.shards):  # what the simulator made obsolete
                ended = {field: getattr(shard, field) for field in ENDED}
                shards[at] = msgspec.structs.replace(shards[at], **ended)
            return change(with_shards(lambda _: shards)(release))

        return listed

    def lay(self, signed: Signed) -> None:
        """Lay a release out as its publisher would."""
        self.files |= self.publisher.files()
        self.files |= {"release.json": signed.body, "release.json.minisig": signed.minisig}
        self.files["minisign.pub"] = self.publisher.key.public.text.encode()
        self.files["torrents.json"] = torrents_json(signed.release)
        for shard in signed.release.shards:
            for file in shard.documents:
                if (self.root / "site" / file.path).is_file():
                    self.files.setdefault(file.path, (self.root / "site" / file.path).read_bytes())

    def sign_again(self, body: bytes) -> None:
        """Lay out some bytes as release.json, rightly signed."""
        self.files |= {"release.json": body, "release.json.minisig": sign(body, self.publisher.key, "again")}

    @contextmanager
    def served(self) -> Iterator[Site]:
        """Serve what is laid out, and the tars as web seeds."""
        with serving(self.files) as site:
            yield site


def withdrawn_from(name: ShardName) -> Change:
    """A change by which a record of one shard is withdrawn, and the shard kept."""

    def changed(release: Release) -> Release:
        shards = [
            msgspec.structs.replace(shard, withdrawn=1) if shard.name == name else shard for shard in release.shards
        ]
        told = Withdrawal(id="r", reason="x", date=release.date, since=release.serial, shards=(name,))
        return msgspec.structs.replace(release, shards=tuple(shards), withdrawals=(told,))

    return changed


def lifted_again(before: Signed) -> Change:
    """A change by which the withdrawals of a release, and the counts of its shards, are lifted."""

    def changed(release: Release) -> Release:
        told = (msgspec.structs.replace(each, lifted=release.serial) for each in before.release.withdrawals)
        shards = (msgspec.structs.replace(shard, withdrawn=0) for shard in release.shards)
        return msgspec.structs.replace(release, shards=tuple(shards), withdrawals=tuple(told))

    return changed


def pack(root: Path, *, shards: int, size: int = 60_000, torrent: str = "") -> Archive:
    """Pack a project of `shards` files of random bytes, one a shard, and return its archive; nothing is published."""
    chance = random.Random(7)
    project = Project(root)
    project.source.mkdir(parents=True)
    for number in range(shards):
        (project.source / f"{number:03d}.bin").write_bytes(chance.randbytes(size + 512 * (number % 5)))
    project.write_config(size=f"{size + 40_000} B", phases=PHASES, torrent=torrent)
    config = root / "packager.toml"
    config.write_text(config.read_text().replace(TRACKER, ""))
    assert main(["release", "--json", "--config", str(config), "--workers", "1"]) == 0
    release = documents.from_bytes((root / "site/release.json").read_bytes(), Release, "release.json")
    assert len(release.shards) == shards
    return Archive(root, release.shards)


def state_of(folder: Path) -> dict[str, bytes]:
    """Every file of a mirror's state but its lock, which holds a process's number."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name != "lock":
            found[str(path.relative_to(folder))] = path.read_bytes()
    return found
