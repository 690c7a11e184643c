"""What `inspect` found in a file, as frozen facts: the screen prints them, `--json` writes them.

Sizes are bytes, dates RFC 3339, digests lower-case hex. Lists of files, entries, links and faults hold
the first LISTED; the count beside each tells all. Fields are only ever added.
"""

from typing import Literal

from packager.core.reports.issues import Issue
from packager.core.reports.withheld import Withheld
from packager.model import CollectionFacts, FrozenStruct, Infohash, Manifest, ReleasePhase, TorrentVersion, Withdrawal

FileKind = Literal[
    "torrent",
    "magnet links",
    "tar",
    "manifest",
    "release",
    "members table",
    "catalogue",
    "signature",
    "public key",
]


class ClientTrouble(FrozenStruct, frozen=True, kw_only=True):
    """A client that refuses a torrent or reads it wrong. tried: seen by us in that version."""

    client: str
    version: str
    refuses: bool
    reason: str
    tried: bool


class NamedFile(FrozenStruct, frozen=True, kw_only=True, omit_defaults=True):
    """A file of a torrent. path_b64 (base64) is exact where the name is not UTF-8 and `path` is near it."""

    path: str
    size: int
    path_b64: str | None = None


class TorrentFacts(FrozenStruct, frozen=True, kw_only=True, tag="torrent"):
    """What a .torrent says. `size` is of the files; `padding` of the pad files between them."""

    name: str
    version: TorrentVersion
    infohash_v1: Infohash | None
    infohash_v2: Infohash | None
    size: int
    padding: int
    piece_length: int
    pieces: int
    file_count: int
    files: tuple[NamedFile, ...]
    trackers: tuple[tuple[str, ...], ...]  # by tier
    web_seeds: tuple[str, ...]
    private: bool
    created: str | None
    comment: str | None
    clients: tuple[ClientTrouble, ...]


class MagnetFacts(FrozenStruct, frozen=True, kw_only=True):
    """What a magnet link says. chosen: ranges of file numbers as BEP 53 writes them, "4-6"; empty for all."""

    version: TorrentVersion
    infohash_v1: Infohash | None
    infohash_v2: Infohash | None
    name: str | None
    size: int | None
    trackers: tuple[str, ...]
    web_seeds: tuple[str, ...]
    peers: tuple[str, ...]
    selected: tuple[str, ...]
    clients: tuple[ClientTrouble, ...]


class MagnetsFacts(FrozenStruct, frozen=True, kw_only=True, tag="magnet links"):
    """The links of a list, one a line, or the one that was given."""

    count: int
    magnets: tuple[MagnetFacts, ...]


class TarEntry(FrozenStruct, frozen=True, kw_only=True, omit_defaults=True):
    """An entry of a tar. offset: where its data begin. bag: what it is in a bag, if it is in one."""

    path: str
    type: str
    offset: int
    size: int
    bag: Literal["tag file", "payload"] | None = None
    link: str | None = None
    path_b64: str | None = None


class BagFacts(FrozenStruct, frozen=True, kw_only=True):
    """The bag that a tar holds (RFC 8493): payload files and their bytes, and its tag files."""

    name: str
    payload_files: int
    payload: int
    tag_files: tuple[str, ...]


class TarFacts(FrozenStruct, frozen=True, kw_only=True, tag="tar"):
    """A tar, entry by entry. `payload` is the bytes of all files' data.

    deterministic: every byte but the files' own is what a shard would have. departures: why not, the first few.
    """

    entry_count: int
    payload: int
    bag: BagFacts | None
    deterministic: bool
    departures: tuple[str, ...]
    entries: tuple[TarEntry, ...]


class ManifestFacts(FrozenStruct, frozen=True, kw_only=True, tag="manifest"):
    """A shard's manifest, as it stands."""

    manifest: Manifest


class ObsoleteFacts(FrozenStruct, frozen=True, kw_only=True):
    """A shard that nobody need hold any more: since which serial, what took its place, and why."""

    name: str
    since: int
    by: tuple[str, ...]
    reason: str


class ReleaseFacts(FrozenStruct, frozen=True, kw_only=True, tag="release"):
    """A release document. sha256: of its bytes, which the next release's `previous` names.

    chain: releases before it that lie in releases/ and follow from one another, back from it without a gap.
    shards, members, payload and size are summed over the shards that are not obsolete.
    """

    sha256: str
    serial: int
    date: str
    previous: str | None
    collection: CollectionFacts
    base_url: str
    catalogue_records: int
    phases: tuple[ReleasePhase, ...]
    chain: int
    obsolete_count: int
    obsolete: tuple[ObsoleteFacts, ...]
    shards: int
    members: int
    payload: int
    size: int
    withdrawal_count: int
    withdrawals: tuple[Withdrawal, ...]
    withheld_count: int
    withheld: tuple[Withheld, ...]


class MembersFacts(FrozenStruct, frozen=True, kw_only=True, tag="members table"):
    """A members table: its rows, their bytes, and how many there are of each kind. row_groups: 0 of one as lines."""

    rows: int
    row_groups: int
    payload: int
    kinds: dict[str, int]
    columns: tuple[str, ...]


class CatalogueFacts(FrozenStruct, frozen=True, kw_only=True, omit_defaults=True, tag="catalogue"):
    """A catalogue: as seekable JSONL.zst frames, unpacked into so many bytes of lines; or as Parquet row groups."""

    records: int
    frames: int | None = None
    unpacked: int | None = None
    row_groups: int | None = None


class SignatureFacts(FrozenStruct, frozen=True, kw_only=True, tag="signature"):
    """A minisign signature; whether it holds is for who has the file and the key."""

    key: str
    prehashed: bool
    trusted_comment: str


class KeyFacts(FrozenStruct, frozen=True, kw_only=True, tag="public key"):
    """A minisign public key; `line` is it for `minisign -P`."""

    key: str
    line: str


Facts = (
    TorrentFacts
    | MagnetsFacts
    | TarFacts
    | ManifestFacts
    | ReleaseFacts
    | MembersFacts
    | CatalogueFacts
    | SignatureFacts
    | KeyFacts
)


class Inspection(FrozenStruct, frozen=True, kw_only=True):
    """What a file is and says, and every fault found. facts is null where a fault left none to read."""

    file: str
    kind: FileKind
    size: int  # of the file, or of the link that was given
    facts: Facts | None
    fault_count: int
    faults: tuple[Issue, ...]
    remarks: tuple[Issue, ...]  # wrong, but ignored by readers; the exit code does not count them

    @property
    def ok(self) -> bool:
        """Whether no fault was found."""
        return not self.fault_count
