"""Reports of verify, repair, rebuild, extract and get, which the CLI prints and `--json` writes.

Sizes are bytes, durations seconds. Names are escaped for display. Fields may be added but are never removed.
"""

from typing import Literal, TypeAlias

from packager.core.reports.evidence import Evidence
from packager.core.reports.faults import Fault
from packager.core.reports.withheld import Withheld
from packager.model import FrozenStruct


class MemberIssue(FrozenStruct, frozen=True, kw_only=True):
    """A member and a reason, such as why it cannot be read as published."""

    id: str
    path: str
    reason: str


class ExtractedFile(FrozenStruct, frozen=True, kw_only=True):
    """A member and its file's path below the target folder; path_b64: exact, if the path is not UTF-8."""

    id: str
    member: str
    path: str
    path_b64: str | None
    size: int


class ExtractReport(FrozenStruct, frozen=True, kw_only=True):
    """The report of `extract`."""

    shard: str
    to: str
    dry_run: bool
    selected: int  # selected members
    bytes: int  # of them
    written: int
    unchanged: int  # were there before and are right
    bad_members: tuple[MemberIssue, ...]  # differ from the published ones; they were not written
    blocked: tuple[MemberIssue, ...]  # another file has the name, and overwriting was not allowed
    renamed: tuple[MemberIssue, ...]  # written under another name than the requested one
    has_documents: bool  # False: no documents were found; the tar's own manifest was used
    files: tuple[ExtractedFile, ...]  # in a dry run: files that would be written
    unreachable: bool = False  # a store did not answer; run the command again later
    evidence: Evidence | None  # what the members were checked against; null: the tar's own manifest


class MissingMember(FrozenStruct, frozen=True, kw_only=True):
    """A member that was not found. reason: what was found instead."""

    id: str
    path: str
    size: int
    sha256: str
    reason: str


class RebuildReport(FrozenStruct, frozen=True, kw_only=True):
    """The report of `rebuild`."""

    shard: str
    to: str
    size: int  # of the tar
    members: int
    complete: bool  # every piece is right; False: nothing was written
    unchanged: bool  # the tar was there before and is right
    found_by_path: int  # members found at their own path
    found_by_content: int  # found by size and SHA-256
    fetched: int  # members that were in no folder
    fetched_bytes: int
    seconds: float
    missing: tuple[MissingMember, ...]
    evidence: Evidence  # what the shard was checked against
    dry_run: bool = False  # nothing was written; complete: every member is found


class UnrepairedPieces(FrozenStruct, frozen=True, kw_only=True):
    """Adjacent pieces that are still bad: their bytes [start, stop) of the tar, and why no source repaired them."""

    first: int  # piece, counted from 0
    last: int
    start: int
    stop: int
    reasons: tuple[str, ...]  # a sentence for each source that was asked
    members: tuple[str, ...]  # in these pieces, by path in the payload; empty if only the .torrent is known
    tag_files: tuple[str, ...]  # of the bag itself


class DataSourceUse(FrozenStruct, frozen=True, kw_only=True):
    """What `repair` read from one source."""

    name: str
    pieces: int  # repaired from it
    bytes: int  # read from it, right or not


class RepairReport(FrozenStruct, frozen=True, kw_only=True):
    """The report of `repair`: bad, repaired and unrepaired pieces."""

    shard: str  # the tar's path
    size: int  # of the shard as published
    piece_length: int
    pieces: int  # of the shard
    checked: int  # pieces read and checked before repairing
    bad_pieces: int  # pieces found bad
    bad_bytes: int
    repaired: int  # pieces now right, read back from the disk
    repaired_bytes: int
    excess_bytes: int  # bytes after the shard's end
    truncated: bool  # they were cut off
    missing_files: tuple[str, ...]  # empty files, which are in no piece: the first thousand
    missing_file_count: int
    created_files: int  # of those
    extra_files: tuple[str, ...]  # not in the shard; none is ever deleted: the first thousand
    extra_file_count: int
    complete: bool  # nothing is left to fix in the checked pieces
    unreachable: bool  # a source did not answer and something is left; run the command again later
    dry_run: bool
    seconds: float
    data_sources: tuple[DataSourceUse, ...]
    unrepaired_pieces: int
    unrepaired: tuple[UnrepairedPieces, ...]  # the first thousand
    evidence: Evidence  # what the shard was checked against


SubjectKind: TypeAlias = Literal["tar", "bag", "loose files", "torrent", "sums"]
VerifyMode: TypeAlias = Literal["full", "quick", "sample"]


class VerifiedTarget(FrozenStruct, frozen=True, kw_only=True):
    """A target of `verify`: a tar, bag, torrent, list of digests or shard's loose files.

    size, pieces and files are the expected ones.
    """

    path: str
    kind: SubjectKind
    checked_against: str  # what it was compared with
    size: int
    pieces: int
    files: int  # that have one digest each
    faults: int
    complete: bool  # everything selected of it was read
    error: str  # why its documents cannot be used, or ""
    evidence: Evidence | None  # how far `checked_against` can be trusted; null: unknown


class Sample(FrozenStruct, frozen=True, kw_only=True):
    """The random sample that was read, and what it proves."""

    random_seed: int
    sampled: int
    total: int
    unit: str  # "piece" or "file"
    confidence: float
    fewer_bad_than: int | None  # with that confidence, fewer are bad; None if a fault was found
    conclusion: str


class VerifyReport(FrozenStruct, frozen=True, kw_only=True):
    """The report of `verify`: what was verified, and all faults."""

    mode: VerifyMode
    ok: bool  # no fault was found, and all documents could be used
    complete: bool  # everything selected was read
    targets: tuple[VerifiedTarget, ...]
    faults: tuple[Fault, ...]
    size: int  # of all targets as published
    read_bytes: int  # bytes
    verified_earlier_bytes: int  # bytes not read again, because the state file says that they were verified
    seconds: float
    sample: Sample | None
    retried_tasks: int = 0  # on a cluster: tasks repeated because a worker died, hung or failed


class ShardTransfer(FrozenStruct, frozen=True, kw_only=True):
    """A shard with selected members, its size, and how many bytes of it were transferred."""

    name: str
    size: int
    members: int  # selected members
    bytes: int  # of those members
    transferred_bytes: int


class GetReport(FrozenStruct, frozen=True, kw_only=True):
    """The report of `get`; for a dry run or --magnet, what it would write."""

    release: str  # its address or folder; "" for a magnet link
    to: str
    dry_run: bool
    evidence: Evidence
    selected: int  # selected members
    bytes: int  # of them
    written: int
    unchanged: int  # were there before and are right
    bad_members: tuple[MemberIssue, ...]  # no source has them as published; they were not written
    blocked: tuple[MemberIssue, ...]  # another file has the name, and overwriting was not allowed
    renamed: tuple[MemberIssue, ...]  # written under another name than the requested one
    files: tuple[ExtractedFile, ...]  # the file of each member
    shards: tuple[ShardTransfer, ...]
    lookup_requests: int  # to find the members in index, tables and documents
    lookup_bytes: int
    transferred_bytes: int  # bytes of members and of pieces that contain them
    shards_size: int  # bytes of those shards
    unreachable: bool  # a source did not answer; run the command again later
    magnets: tuple[str, ...]  # one for each member
    withheld: tuple[Withheld, ...]  # shards whose links are not shown, and why
