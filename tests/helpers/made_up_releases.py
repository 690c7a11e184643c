"""Releases made up for tests: every field filled, digests and magnets well formed, nothing random."""

import hashlib
import urllib.parse
from collections.abc import Callable, Sequence

import msgspec
import pyarrow as pa

from packager.model import (
    MEMBERS,
    CollectionFacts,
    Infohash,
    PhaseContent,
    PhaseState,
    PublishedFile,
    Release,
    ReleasePhase,
    ReleaseShard,
    ShardName,
)

HOSTILE = (
    "<script>alert(1)</script>",
    "\"'><img src=x onerror=alert(1)>",
    "</title></textarea></style><svg onload=alert(1)>",
    "{{7*7}}{% raw %}{# ",
    "two\nlines\r\nmore\x85and\u2028more",
    "\u202e\u2066\u200fדוג\u05deה\u061c",
    "javascript:alert(1)",
    "data:text/html,<script>alert(1)</script>",
    'https://example.org/"onmouseover=alert(1)',
    "http://[::1",
    "e" + "\u0301" * 400,
    "\x00\x1b[31m\ufffe\ufdfa",
    "&lt;b&gt;&amp;#x3c;]]>",
    "W" * 10_000,
    "many words " * 1000,
    "﷽" * 200,
)
DATE = "2026-11-21T00:00:00Z"
GIB = 1 << 30


def hex_of(text: str, digits: int = 64) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:digits]


def published(path: str, size: int = 1000) -> PublishedFile:
    return PublishedFile(path=path, size=size, sha256=hex_of(path))


def make_shard(
    phase: str = "audio",
    number: int = 1,
    *,
    added: str = DATE,
    version: str = "hybrid",
    also_v1: bool = False,
    size: int = 64 * GIB,
    members: int = 1234,
    sha256: str | None = None,
) -> ReleaseShard:
    name = f"{phase}-{number:04d}"
    v1 = Infohash(hex_of(f"v1 {name}", 40)) if version != "v2" else None
    v2 = Infohash(hex_of(f"v2 {name}")) if version != "v1" else None
    rest = f"&dn={name}.tar&xl={size}&tr={urllib.parse.quote('udp://tracker.example.org:6969/announce', safe='')}"
    topics = [f"xt=urn:btih:{v1}"] * bool(v1) + [f"xt=urn:btmh:1220{v2}"] * bool(v2)
    return ReleaseShard(
        name=ShardName(name),
        phase=phase,
        number=number,
        file=f"{name}.tar",
        size=size,
        payload=size - 10240,
        members=members,
        added=added,
        piece_length=4 << 20,
        pieces_root=hex_of(f"root {name}") if v2 else None,
        infohash_v1=v1,
        infohash_v2=v2,
        magnet=f"magnet:?{'&'.join(topics)}{rest}",
        torrent=published(f"torrents/{name}.torrent", 345_678),
        manifest=published(f"manifests/{name}.manifest.json"),
        members_table=published(f"manifests/{name}.members.parquet", 98_765),
        members_tsv=published(f"manifests/{name}.members.tsv.zst", 87_654),
        twin_infohash=Infohash(hex_of(f"also {name}", 40)) if also_v1 else None,
        twin_magnet=f"magnet:?xt=urn:btih:{hex_of(f'also {name}', 40)}{rest}" if also_v1 else None,
        twin_torrent=published(f"torrents/{name}.v1.torrent") if also_v1 else None,
        sha256=sha256,
    )


def make_phase(
    name: str = "audio",
    shards: Sequence[ReleaseShard] = (),
    *,
    title: str = "Audio",
    state: PhaseState = "published",
    content: PhaseContent = "files",
    files: int = 1234,
    size: int | None = None,
    count: int | None = None,
) -> ReleasePhase:
    size = sum(shard.size for shard in shards) if size is None else size
    return ReleasePhase(
        name=name,
        title=title,
        state=state,
        content=content,
        records=files,
        files=files,
        payload=size,
        size=size,
        shards=len(shards) if count is None else count,
    )


def make_release(
    phases: Sequence[ReleasePhase] | None = None,
    shards: Sequence[ReleaseShard] | None = None,
    *,
    title: str = "Example archive",
    description: str = "Recordings.",
    homepage: str = "https://archive.example.org/",
    contact: str = "archivist@example.org",
    base_url: str = "https://archive.example.org/release",
    serial: int = 1,
) -> Release:
    shards = [make_shard()] if shards is None else shards
    return Release(
        format=1,
        type="release",
        serial=serial,
        date=DATE,
        previous=None if serial == 1 else hex_of(f"release {serial - 1}"),
        collection=CollectionFacts(
            name="example",
            title=title,
            description=description,
            licence="CC BY-SA 4.0",
            contact=contact,
            homepage=homepage,
        ),
        base_url=base_url,
        catalogue_records=2345,
        phases=tuple([make_phase(shards=shards)] if phases is None else phases),
        shards=tuple(shards),
        withdrawals=(),
    )


def hostile_release() -> Release:
    """Return a release whose every free text, each magnet too, is of HOSTILE; names are slugs, as config wants."""
    phases, shards = [], []
    for at, text in enumerate(HOSTILE):
        shard = make_shard(f"phase-{at}", also_v1=True, added=f"2026-11-{at + 1:02d}T00:00:00Z", sha256=hex_of("tar"))
        magnet = f"{shard.magnet}&dn={text}" if at % 2 else text
        shards.append(msgspec.structs.replace(shard, magnet=magnet, twin_magnet=magnet))
        phases.append(make_phase(f"phase-{at}", shards[-1:], title=text))
    release = make_release(phases, shards, title=" ".join(HOSTILE), description="\n\n".join(HOSTILE))
    return msgspec.structs.replace(
        release,
        collection=msgspec.structs.replace(
            release.collection, homepage="javascript:alert(1)", contact=HOSTILE[1], licence=HOSTILE[3] + HOSTILE[0]
        ),
    )


def hostile_rows() -> list[dict[str, object]]:
    """Return rows of a members table whose paths and tags are of HOSTILE, and whose durations are odd."""
    odd = (None, float("nan"), float("inf"), -1.0, 1e300)
    return [
        {"path": text, "title": text, "artist": text, "album": text, "duration": odd[at % len(odd)]}
        for at, text in enumerate(HOSTILE)
    ]


def make_members(rows: Sequence[dict[str, object]]) -> pa.Table:
    """Return a members table of rows that may lack any column; id, path, offset, size, sha256 and kind are made up."""
    made = [
        {
            "id": f"{at:08d}",
            "path": f"{at:04d}.flac",
            "offset": 512 * (2 * at + 1),
            "size": 12_345_678 + at,
            "sha256": hashlib.sha256(str(at).encode()).digest(),
            "kind": "audio",
            **row,
        }
        for at, row in enumerate(rows)
    ]
    return pa.Table.from_pylist(made, schema=MEMBERS)


def reader(rows: Sequence[dict[str, object]] = ()) -> Callable[[ReleaseShard, int], pa.Table]:
    """Return what `render` reads members by: the same rows for every shard."""
    table = make_members(rows)
    return lambda _, count: table.slice(0, count)
