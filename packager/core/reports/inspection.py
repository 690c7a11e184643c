"""Reports of `inspect`, which the CLI prints and `--json` writes.

Sizes are bytes, dates RFC 3339, digests lower-case hex. Lists of files, entries, links and faults contain
the first LISTED, with the total count beside them. Fields may be added but are never removed.
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
    """A client that refuses a torrent or reads it wrong. tried: the developers of packager saw it in that version."""

    client: str
    version: str
    refuses: bool
    reason: str
    tried: bool


class NamedFile(FrozenStruct, frozen=True, kw_only=True, omit_defaults=True):
    """A file of a torrent. If the name is not UTF-8, `path` is approximate and path_b64 (base64) is exact."""

    path: str
    size: int
    path_b64: str | None = None


class TorrentFacts(FrozenStruct, frozen=True, kw_only=True, tag="torrent"):
    """The facts of a .torrent. size: of the files. padding: of the pad files between them."""

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
    """The facts of a magnet link. selected: ranges of file numbers as in BEP 53, "4-6"; empty for all."""

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
    """The links of a list with one for each line, or the link of the command line."""

    count: int
    magnets: tuple[MagnetFacts, ...]


class TarEntry(FrozenStruct, frozen=True, kw_only=True, omit_defaults=True):
    """An entry of a tar. offset: of its data. bag: its role in a bag, if it is in one."""

    path: str
    type: str
    offset: int
    size: int
    bag: Literal["tag file", "payload"] | None = None
    link: str | None = None
    path_b64: str | None = None


class BagFacts(FrozenStruct, frozen=True, kw_only=True):
    """The bag in a tar (RFC 8493): payload files and their bytes, and its tag files."""

    name: str
    payload_files: int
    payload: int
    tag_files: tuple[str, ...]


class TarFacts(FrozenStruct, frozen=True, kw_only=True, tag="tar"):
    """A tar, entry by entry. `payload` is the bytes of all files' data.

    deterministic: all bytes outside the files are the same as in a shard. departures: the first reasons why not.
    """

    entry_count: int
    payload: int
    bag: BagFacts | None
    deterministic: bool
    departures: tuple[str, ...]
    entries: tuple[TarEntry, ...]


class ManifestFacts(FrozenStruct, frozen=True, kw_only=True, tag="manifest"):
    """A shard's manifest, unchanged."""

    manifest: Manifest


class ObsoleteFacts(FrozenStruct, frozen=True, kw_only=True):
    """A shard that need not be kept any more: since which serial, its replacements, and why."""

    name: str
    since: int
    by: tuple[str, ...]
    reason: str


class ReleaseFacts(FrozenStruct, frozen=True, kw_only=True, tag="release"):
    """A release document. sha256: of its bytes, which the next release's `previous` names.

    chain: number of earlier releases in releases/ that form an unbroken chain to this one.
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
    """A members table: its rows, their bytes, and the number of each kind. row_groups: 0 for a TSV table."""

    rows: int
    row_groups: int
    payload: int
    kinds: dict[str, int]
    columns: tuple[str, ...]


class CatalogueFacts(FrozenStruct, frozen=True, kw_only=True, omit_defaults=True, tag="catalogue"):
    """A catalogue, either as seekable JSONL.zst with frames and uncompressed bytes, or as Parquet with row groups."""

    records: int
    frames: int | None = None
    unpacked: int | None = None
    row_groups: int | None = None


class SignatureFacts(FrozenStruct, frozen=True, kw_only=True, tag="signature"):
    """A minisign signature, not checked here, because that needs the file and the key."""

    key: str
    prehashed: bool
    trusted_comment: str


class KeyFacts(FrozenStruct, frozen=True, kw_only=True, tag="public key"):
    """A minisign public key; `line` is the value for `minisign -P`."""

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
    """The report of `inspect`. facts is null if a fault makes them unreadable."""

    file: str
    kind: FileKind
    size: int  # of the file or link
    facts: Facts | None
    fault_count: int
    faults: tuple[Issue, ...]
    remarks: tuple[Issue, ...]  # problems that readers ignore; they do not change the exit code

    @property
    def ok(self) -> bool:
        """Whether no fault was found."""
        return not self.fault_count
