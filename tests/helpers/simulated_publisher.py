"""A publisher in memory: signs chains of releases with real keys, so that an attack is a few lines."""

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import msgspec

from packager.core.bittorrent.magnet import format_magnet
from packager.core.releases import documents
from packager.core.releases.minisign_key import SecretKey
from packager.core.releases.minisign_signature import sign
from packager.core.shards.cut_shards import shard_name
from packager.model import CollectionFacts, Infohash, PublishedFile, Release, ReleasePhase, ReleaseShard, Withdrawal

SIZE = 1 << 20  # bytes of a shard's tar
PAYLOAD = SIZE - 10240

Change = Callable[[Release], Release]


def secret_key(name: str) -> SecretKey:
    """A key pair that is the same for the same name."""
    digest = hashlib.sha512(name.encode()).digest()
    return SecretKey(digest[:8], digest[8:40])


def hex_of(text: str, digits: int = 64) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:digits]


def make_shard(collection: str, phase: str, number: int, date: str, *, size: int = SIZE) -> ReleaseShard:
    """A shard whose every fact follows from its name."""
    name = shard_name(collection, phase, number)
    v1, v2 = Infohash(hex_of(f"v1 {name}", 40)), Infohash(hex_of(f"v2 {name}"))

    def file(path: str) -> PublishedFile:
        return PublishedFile(path=path, size=1000, sha256=hex_of(path))

    return ReleaseShard(
        name=name,
        phase=phase,
        number=number,
        file=f"{name}.tar",
        size=size,
        payload=size - 10240,
        members=10,
        added=date,
        piece_length=1 << 18,
        pieces_root=hex_of(f"root {name}"),
        infohash_v1=v1,
        infohash_v2=v2,
        magnet=format_magnet(infohash_v1=v1, infohash_v2=v2, name=f"{name}.tar", size=size, trackers=(), web_seeds=()),
        torrent=file(f"torrents/{name}.torrent"),
        manifest=file(f"manifests/{name}.manifest.json"),
        members_table=file(f"manifests/{name}.members.parquet"),
        members_tsv=file(f"manifests/{name}.members.tsv.zst"),
    )


@dataclass(frozen=True)
class Signed:
    """A release as it lies on a server."""

    body: bytes
    minisig: bytes
    release: Release


@dataclass
class Publisher:
    """Publishes releases of one collection, one after another; `signed` holds them all."""

    collection: str = "demo"
    phase: str = "audio"
    key: SecretKey = field(default_factory=lambda: secret_key("publisher"))
    signed: list[Signed] = field(default_factory=list)

    @property
    def head(self) -> Signed:
        return self.signed[-1]

    def publish(
        self,
        add: int = 1,
        *,
        withdraw: Iterable[str] = (),
        obsolete: Iterable[str] = (),
        next_key: SecretKey | None = None,
        change: Change = lambda release: release,
    ) -> Signed:
        """Sign the next release: `add` more shards, records withdrawn, shards obsolete, then whatever `change` does.

        Where it names `next_key`, what follows is signed with that.
        """
        self.signed.append(self.forge(self.next(add, withdraw, obsolete, next_key), change=change))
        self.key = next_key or self.key
        return self.head

    def forge(self, release: Release, *, key: SecretKey | None = None, change: Change = lambda r: r) -> Signed:
        """Sign a release without publishing it."""
        release = change(release)
        body = documents.to_bytes(release)
        return Signed(body, sign(body, key or self.key, f"release {release.serial} of {self.collection}"), release)

    def next(
        self,
        add: int = 1,
        withdraw: Iterable[str] = (),
        obsolete: Iterable[str] = (),
        next_key: SecretKey | None = None,
    ) -> Release:
        """The release that would follow."""
        last = self.head if self.signed else None
        serial = len(self.signed) + 1
        date = f"2026-{1 + serial // 28 % 12:02d}-{1 + serial % 28:02d}T00:00:00Z"
        gone = set(obsolete)
        old = [
            msgspec.structs.replace(shard, obsolete=True, obsolete_since=serial, reason="wrong")
            if shard.name in gone and not shard.obsolete
            else shard
            for shard in (last.release.shards if last else ())
        ]
        made = (make_shard(self.collection, self.phase, len(old) + n, date) for n in range(1, add + 1))
        new = [msgspec.structs.replace(shard, since=serial) for shard in made]
        withdrawn = [Withdrawal(id=record, reason="asked for", date=date, since=serial) for record in withdraw]
        return Release(
            format=1,
            type="release",
            serial=serial,
            date=date,
            previous=documents.digest(last.body) if last else None,
            collection=CollectionFacts(
                name=self.collection, title="Demo", description="", licence="CC0-1.0", contact="", homepage=""
            ),
            base_url="",
            catalogue_records=10 * (len(old) + add),
            phases=(phase_of(self.phase, [*old, *new]),),
            shards=(*old, *new),
            withdrawals=(*(last.release.withdrawals if last else ()), *withdrawn),
            next_key=next_key.public.line if next_key else None,
        )

    def files(self) -> dict[str, bytes]:
        """Every release document and signature, by its path in the release's folder."""
        found = {"release.json": self.head.body, "release.json.minisig": self.head.minisig}
        for signed in self.signed:
            path = f"releases/{signed.release.serial}.json"
            found |= {path: signed.body, f"{path}.minisig": signed.minisig}
        return found


def phase_of(name: str, shards: list[ReleaseShard]) -> ReleasePhase:
    """A published phase with the totals of its shards that are not obsolete."""
    shards = [shard for shard in shards if not shard.obsolete]
    return ReleasePhase(
        name=name,
        title=name.title(),
        state="published",
        content="files",
        records=sum(shard.members for shard in shards),
        files=sum(shard.members for shard in shards),
        payload=sum(shard.payload for shard in shards),
        size=sum(shard.size for shard in shards),
        shards=len(shards),
    )


def with_shards(change: Callable[[list[ReleaseShard]], list[ReleaseShard]]) -> Change:
    """A change of the listed shards that keeps the totals right."""

    def changed(release: Release) -> Release:
        shards = change(list(release.shards))
        return msgspec.structs.replace(
            release, shards=tuple(shards), phases=(phase_of(release.phases[0].name, shards),)
        )

    return changed


def with_shard(at: int, **values: object) -> Change:
    """A change of one shard's fields; its magnet goes with its infohashes, name and size."""

    def changed(shards: list[ReleaseShard]) -> list[ReleaseShard]:
        shard = msgspec.structs.replace(shards[at], **values)
        magnet = format_magnet(
            infohash_v1=shard.infohash_v1,
            infohash_v2=shard.infohash_v2,
            name=shard.file,
            size=shard.size,
            trackers=(),
            web_seeds=(),
        )
        shards[at] = msgspec.structs.replace(shard, magnet=values.get("magnet", magnet))
        return shards

    return with_shards(changed)


def with_values(**values: object) -> Change:
    """A change of the release's own fields."""
    return lambda release: msgspec.structs.replace(release, **values)
