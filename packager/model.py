"""Arrow schemas of the tables, and the frozen structs that packages exchange.

Rows in bulk are Arrow; facts of a phase, shard or release are a struct.
"""

from typing import Annotated, Any, Literal, NewType, TypeAlias, get_args

import msgspec
import pyarrow as pa

ShardName = NewType("ShardName", str)
Infohash = NewType("Infohash", str)  # lower-case hex: 40 digits v1 (BEP 3), 64 digits v2 (BEP 52)

# Numbers of documents: from 0, and of 63 bits, so that every language reads them.
Uint63: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=(1 << 63) - 1)]

Kind = Literal["audio", "artwork", "metadata", "other"]
PhaseContent = Literal["files", "catalogue"]
Container = Literal["tar", "folder"]  # one tar, or a folder in a multi-file torrent
PhaseState = Literal["published", "next", "planned"]
TorrentVersion = Literal["hybrid", "v1", "v2"]

KINDS: tuple[Kind, ...] = ("audio", "artwork", "metadata", "other")

# What is known of a record beside its file. Strings are UTF-8; duration is in seconds, rounded to
# milliseconds; popularity is any number, larger is more popular; extra is a JSON object.
TAGS = pa.schema(
    [
        ("title", pa.string()),
        ("artist", pa.string()),
        ("album", pa.string()),
        ("track", pa.int32()),
        ("date", pa.string()),
        ("year", pa.int32()),
        ("isrc", pa.string()),
        ("duration", pa.float64()),
        ("codec", pa.string()),
        ("licence", pa.string()),
        ("popularity", pa.float64()),
        ("extra", pa.string()),
    ]
)

# The catalogue: one row a record. `path` is relative to its source, "/"-separated; where the
# name is not UTF-8 it is approximate and `path_b64` (standard base64) is exact. `member` is the path
# inside a bag's payload by the rule of paths.py. All of path, path_b64, member, size and mtime_ns are
# null for a record with no file. sha256 is what the records file claims, 32 bytes; fault says what
# is wrong with the file or its tags. unread: the file could not be read; the row is that of the scan before. Null for a
# record with no file.
CATALOGUE = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        ("path", pa.string()),
        ("path_b64", pa.string()),
        ("member", pa.string()),
        pa.field("kind", pa.string(), nullable=False),
        ("size", pa.int64()),
        ("mtime_ns", pa.int64()),
        ("sha256", pa.binary(32)),
        *TAGS,
        ("fault", pa.string()),
        ("unread", pa.bool_()),
    ]
)

# One phase's plan: its members in tar order, shard after shard. `shard` counts from 0 in the phase.
PLANNED = pa.schema(
    [
        pa.field("shard", pa.int32(), nullable=False),
        pa.field("id", pa.string(), nullable=False),
        pa.field("path", pa.string(), nullable=False),
        ("path_b64", pa.string()),
        pa.field("member", pa.string(), nullable=False),
        pa.field("kind", pa.string(), nullable=False),
        pa.field("size", pa.int64(), nullable=False),
        ("mtime_ns", pa.int64()),
        ("sha256", pa.binary(32)),
        *TAGS,
    ]
)

# A published members table: with the manifest, all that is needed to write the shard again. Every table has all of
# these columns. `path` is inside the payload (below data/); `offset` is where its first byte is in the tar.
# source_path and source_path_b64 are null unless the member's name differs from the source's. What the tar itself
# says (all up to extra) never changes; the last three columns say what happened since: the id and the source path
# that the record has now, where they changed, and the shard that contains the newer version of the file.
MEMBERS = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("path", pa.string(), nullable=False),
        ("source_path", pa.string()),
        ("source_path_b64", pa.string()),
        pa.field("offset", pa.int64(), nullable=False),
        pa.field("size", pa.int64(), nullable=False),
        pa.field("sha256", pa.binary(32), nullable=False),
        pa.field("kind", pa.string(), nullable=False),
        *TAGS,
        ("mtime_ns", pa.int64()),  # null unless records.file_times is set
        ("current_id", pa.string()),
        ("current_path", pa.string()),
        ("superseded", pa.string()),
    ]
)
MTIME = MEMBERS.field("mtime_ns")
SUPERSEDED = MEMBERS.field("superseded")
LATER = ("current_id", "current_path", "superseded")  # columns that say what happened after packing
Strategy: TypeAlias = Literal["spread", "rarest", "popular", "phase", "oldest"]
STRATEGIES: tuple[Strategy, ...] = get_args(Strategy)
CountSource: TypeAlias = Literal["list", "trackers", "dht", "nobody"]
AskFor: TypeAlias = Literal["auto", "list", "trackers", "dht"]
ASK_FOR: tuple[AskFor, ...] = get_args(AskFor)


class FrozenStruct(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of the documents and facts: immutable, by keyword, no unknown fields read."""


class PlannedShard(FrozenStruct, frozen=True, kw_only=True):
    """A shard as the plan fixes it, before a source byte is read. Byte counts unless said otherwise."""

    name: ShardName
    phase: str
    number: Uint63  # from 1 in its phase
    first_row: Uint63  # of the phase's PLANNED table
    rows: Uint63
    payload: Uint63  # sum of the members' sizes
    size: Uint63  # of the tar
    piece_length: Uint63
    oversize: bool  # one member larger than shards.size allows
    bag_info: str  # the text of bag-info.txt
    torrent_size: Uint63  # of its .torrent
    fingerprint: str  # SHA-256 in hex over the members as the catalogue knows them, times included
    published: bool = False  # published before the plan was made: its rows lie beside its documents
    container: Container = "tar"


class WithdrawnFile(FrozenStruct, frozen=True, kw_only=True):
    """A file of the collection that is left out, and the withdrawn record that has its content or its id."""

    path: str  # fit to be shown
    record: str


class OtherContent(FrozenStruct, frozen=True, kw_only=True):
    """Files that are left out since their records are withdrawn, although their content is not the withdrawn one."""

    files: Uint63
    named: tuple[WithdrawnFile, ...]  # the first of them


class TakenBefore(FrozenStruct, frozen=True, kw_only=True):
    """Records that a phase under embargo selects and that an earlier phase publishes before the embargo ends."""

    phase: str
    by: str  # the earlier phase
    records: Uint63
    opens: str | None  # RFC 3339, when the earlier phase opens; None: it is open


class OverBudget(FrozenStruct, frozen=True, kw_only=True):
    """Files that exceed a phase's budget, and where they go. payload: bytes of the files."""

    phase: str | None  # the later phase that has them; None: they wait
    files: Uint63
    payload: Uint63
    opens: str | None  # RFC 3339, where that phase is closed until then


class PlannedPhase(FrozenStruct, frozen=True, kw_only=True):
    """One phase of the plan: its published shards that stay, then the new ones.

    over_budget: files that its budget did not take. records: that it holds, each counted once.
    """

    name: str
    title: str
    content: PhaseContent
    records: Uint63
    files: Uint63
    payload: Uint63
    over_budget: Uint63
    shards: tuple[PlannedShard, ...]
    overflow: tuple[OverBudget, ...] = ()


class Superseded(FrozenStruct, frozen=True, kw_only=True):
    """A published shard that becomes obsolete when the plan is published: its replacements, and why."""

    name: ShardName
    by: tuple[ShardName, ...]
    reason: str


class Plan(FrozenStruct, frozen=True, kw_only=True):
    """The plan's facts; the members of its new shards are in one PLANNED Parquet file per phase."""

    format: Uint63
    collection: str
    date: str  # RFC 3339; a torrent's creation date
    catalogue: str  # SHA-256 of the catalogue's bytes, hex
    options: str  # SHA-256 of the config that decides the plan, hex
    without_phase: Uint63  # files that no phase took
    records: Uint63 = 0  # of the catalogue, without those that are withdrawn
    phases: tuple[PlannedPhase, ...]
    superseded: tuple[Superseded, ...] = ()
    kept: Uint63 = 0  # published records that stay where they are
    changed: Uint63 = 0  # published records whose file is another now
    sources_gone: tuple[ShardName, ...] = ()  # published shards without a tar, of which a file is gone or another now
    removed: Uint63 = 0  # of those kept: not in the catalogue any more, or without their file
    moved: Uint63 = 0  # of those kept: their files moved since the plan before
    withdrawals: str = ""  # SHA-256 of what is withdrawn, hex
    withdrawn_files: Uint63 = 0  # files that are left out, since they have the content of a withdrawn record
    withdrawn_named: tuple[WithdrawnFile, ...] = ()  # the first of them
    closed: dict[str, str] = {}  # the phases under embargo, and when they open, RFC 3339
    other_content: OtherContent | msgspec.UnsetType = msgspec.UNSET  # unset: there are no such files
    taken_before: tuple[TakenBefore, ...] | msgspec.UnsetType = msgspec.UNSET  # unset: there are no such records
    selected: dict[str, int] | msgspec.UnsetType = msgspec.UNSET  # by phases without shards: what their where selects


class PublishedFile(FrozenStruct, frozen=True, kw_only=True):
    """A file of the release: path relative to release.json, its size in bytes, SHA-256 in hex."""

    path: str
    size: Uint63
    sha256: str


# What other programs add to a document. Its content is ignored; we write none.
Extensions: TypeAlias = dict[str, Any]


class FileDigest(FrozenStruct, frozen=True, kw_only=True):
    """A file by its content: bytes, and SHA-256 in hex."""

    size: Uint63
    sha256: str


class Manifest(FrozenStruct, frozen=True, kw_only=True, omit_defaults=True):
    """NAME.manifest.json: a shard's facts. FORMAT.md describes each field."""

    format: Uint63
    type: Literal["manifest"]
    tool: str
    collection: str
    name: ShardName
    phase: str
    number: Uint63
    container: Container
    file: str
    size: Uint63
    payload: Uint63
    members: Uint63
    oversize: bool
    piece_length: Uint63
    pieces_root: str | None
    infohash_v1: Infohash | None
    infohash_v2: Infohash | None
    twin_infohash: Infohash | None = None
    sha256: str | None = None
    bag_info: str
    mtimes: bool = False
    withdrawn: Uint63 = 0  # members that are withdrawn: the table has no row of them
    extensions: Extensions = msgspec.field(default_factory=dict)


class CollectionFacts(FrozenStruct, frozen=True, kw_only=True):
    """Who and what a release is of, as the config says it."""

    name: str
    title: str
    description: str
    licence: str
    contact: str
    homepage: str


class ReleasePhase(FrozenStruct, frozen=True, kw_only=True, omit_defaults=True):
    """A phase in the timeline, its obsolete shards not counted. `payload` and `size` are bytes, of files and of tars.

    embargo: RFC 3339, where it stays closed until then.
    """

    name: str
    title: str
    state: PhaseState
    content: PhaseContent
    records: Uint63
    files: Uint63
    payload: Uint63
    size: Uint63
    shards: Uint63
    embargo: str | None = None


class ReleaseShard(FrozenStruct, frozen=True, kw_only=True, omit_defaults=True):
    """A published shard, with all that a mirror needs to choose, fetch and check it."""

    name: ShardName
    phase: str
    number: Uint63
    file: str
    size: Uint63
    payload: Uint63
    members: Uint63
    added: str  # RFC 3339: the date of the release that first listed it
    piece_length: Uint63
    pieces_root: str | None
    infohash_v1: Infohash | None
    infohash_v2: Infohash | None
    magnet: str
    torrent: PublishedFile
    manifest: PublishedFile
    members_table: PublishedFile
    members_tsv: PublishedFile  # the same rows as lines
    twin_infohash: Infohash | None = None
    twin_magnet: str | None = None
    twin_torrent: PublishedFile | None = None
    sha256: str | None = None
    container: Container = "tar"
    since: Uint63 = 1  # serial of the release that first listed it
    obsolete: bool = False  # it need not be kept; it stays listed and is never live again
    obsolete_since: Uint63 = 0  # serial of the release that said so
    superseded_by: tuple[ShardName, ...] = ()  # the shards that took its place
    reason: str = ""  # why it is obsolete
    withdrawn: Uint63 = 0  # its members that were withdrawn since

    @property
    def documents(self) -> tuple[PublishedFile, ...]:
        """All published files of the shard, without the tar itself."""
        twin = () if self.twin_torrent is None else (self.twin_torrent,)
        return self.torrent, *twin, self.manifest, self.members_table, self.members_tsv

    @property
    def infohashes(self) -> tuple[Infohash, ...]:
        """All infohashes of its torrents, of its twin too."""
        found = (self.infohash_v1, self.infohash_v2, self.twin_infohash)
        return tuple(each for each in found if each is not None)


class Withdrawal(FrozenStruct, frozen=True, kw_only=True, omit_defaults=True):
    """A withdrawn record: its id, why, since when, which shards contain a file of it, and the contents of these files.

    files: left out if the archivist redacts them. lifted: serial of the release that lifted the withdrawal.
    """

    id: str
    reason: str
    date: str
    since: Uint63 = 1  # serial of the release that first said so
    shards: tuple[ShardName, ...] = ()
    title: str = ""
    artist: str = ""
    files: tuple[FileDigest, ...] = ()
    lifted: Uint63 = 0

    @property
    def in_force(self) -> bool:
        """Whether it was not lifted."""
        return not self.lifted


class Release(FrozenStruct, frozen=True, kw_only=True, omit_defaults=True):
    """release.json: the signed head of an append-only chain. FORMAT.md describes each field."""

    format: Uint63
    type: Literal["release"]
    serial: Uint63
    date: str
    previous: str | None  # SHA-256 of the release.json before, hex
    collection: CollectionFacts
    base_url: str
    catalogue_records: Uint63
    phases: tuple[ReleasePhase, ...]
    shards: tuple[ReleaseShard, ...]
    withdrawals: tuple[Withdrawal, ...]
    next_key: str | None = None  # line of the minisign key that alone signs the releases after this one
    unread: Uint63 = 0  # files and folders of the collection that could not be read
    extensions: Extensions = msgspec.field(default_factory=dict)

    @property
    def catalogue_phases(self) -> frozenset[str]:
        """The names of the phases whose shards contain the catalogue itself."""
        return frozenset(phase.name for phase in self.phases if phase.content == "catalogue")

    @property
    def in_force(self) -> tuple[Withdrawal, ...]:
        """The withdrawals that were not lifted."""
        return tuple(each for each in self.withdrawals if each.in_force)
