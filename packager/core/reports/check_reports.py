"""What checking, repairing and taking out found or did, as frozen facts: the screen prints them, `--json` writes them.

Sizes are bytes, durations seconds. Names are fit to be shown. Fields are only ever added.
"""

from typing import Literal, TypeAlias

from packager.core.reports.evidence import Evidence
from packager.core.reports.faults import Fault
from packager.core.reports.withheld import Withheld
from packager.model import FrozenStruct


class MemberIssue(FrozenStruct, frozen=True, kw_only=True):
    """A member that could not be had as it was published, and why."""

    id: str
    path: str
    reason: str


class ExtractedFile(FrozenStruct, frozen=True, kw_only=True):
    """A member and the file it becomes, relative to the folder it goes to; path_b64 where that is not UTF-8."""

    id: str
    member: str
    path: str
    path_b64: str | None
    size: int


class ExtractReport(FrozenStruct, frozen=True, kw_only=True):
    """What `extract` took out of a shard."""

    shard: str
    to: str
    dry_run: bool
    selected: int  # members that were asked for
    bytes: int  # of them
    written: int
    unchanged: int  # stood there, whole
    bad_members: tuple[MemberIssue, ...]  # not what was published; nothing of them was written
    blocked: tuple[MemberIssue, ...]  # another file has the name, and overwriting was not allowed
    renamed: tuple[MemberIssue, ...]  # could not have the name that was asked for
    has_documents: bool  # False: nothing published was found, the tar was held against its own manifest
    files: tuple[ExtractedFile, ...]  # of a dry run: what would be written
    unreachable: bool = False  # a store did not answer: the same command may do more later
    evidence: Evidence | None  # what says how the members should be; null: the tar's own manifest


class MissingMember(FrozenStruct, frozen=True, kw_only=True):
    """A member that was not found: what to look for, and what was found in its place."""

    id: str
    path: str
    size: int
    sha256: str
    reason: str


class RebuildReport(FrozenStruct, frozen=True, kw_only=True):
    """How `rebuild` made a shard's tar, or what it lacks."""

    shard: str
    to: str
    size: int  # of the tar
    members: int
    complete: bool  # every published piece hash holds; False: nothing was written
    unchanged: bool  # it stood there, whole
    found_by_path: int  # members found where their path says
    found_by_content: int  # found by size and SHA-256
    fetched: int  # members that no folder has, had from elsewhere
    fetched_bytes: int
    seconds: float
    missing: tuple[MissingMember, ...]
    evidence: Evidence  # what says how the shard should be
    dry_run: bool = False  # nothing was written; complete: every member is found


class UnrepairedPieces(FrozenStruct, frozen=True, kw_only=True):
    """Adjacent pieces that stay bad: their bytes [start, stop) of the tar, and why no source repaired them."""

    first: int  # piece, counted from 0
    last: int
    start: int
    stop: int
    reasons: tuple[str, ...]  # a sentence for each source that was asked
    members: tuple[str, ...]  # that they touch, by path in the payload; empty where only the .torrent is known
    tag_files: tuple[str, ...]  # of the bag itself


class DataSourceUse(FrozenStruct, frozen=True, kw_only=True):
    """What one source gave to `repair`."""

    name: str
    pieces: int  # repaired from it
    bytes: int  # read from it, right or not


class RepairReport(FrozenStruct, frozen=True, kw_only=True):
    """What `repair` found bad in a shard's tar, repaired and left."""

    shard: str  # the tar's path
    size: int  # of the shard as published
    piece_length: int
    pieces: int  # of the shard
    checked: int  # pieces read and checked before repairing
    bad_pieces: int  # pieces found bad
    bad_bytes: int
    repaired: int  # pieces now right, read back from the disk
    repaired_bytes: int
    excess_bytes: int  # bytes that stood past the shard's end
    truncated: bool  # they were cut off
    missing_files: tuple[str, ...]  # without bytes, so that no piece tells of them: the first thousand
    missing_file_count: int
    created_files: int  # of those
    extra_files: tuple[str, ...]  # not in the shard; none is ever deleted: the first thousand
    extra_file_count: int
    complete: bool  # nothing is left to fix; where only some pieces were checked, of those
    unreachable: bool  # a source did not answer and something is left: the same command may do more later
    dry_run: bool
    seconds: float
    data_sources: tuple[DataSourceUse, ...]
    unrepaired_pieces: int
    unrepaired: tuple[UnrepairedPieces, ...]  # the first thousand
    evidence: Evidence  # what says how the shard should be


SubjectKind: TypeAlias = Literal["tar", "bag", "loose files", "torrent", "sums"]
VerifyMode: TypeAlias = Literal["full", "quick", "sample"]


class VerifiedTarget(FrozenStruct, frozen=True, kw_only=True):
    """One tar, bag, torrent, sums file or shard's loose files as `verify` found it.

    size, pieces and files are those it should have.
    """

    path: str
    kind: SubjectKind
    checked_against: str  # what says how it should be
    size: int
    pieces: int
    files: int  # that are checked whole
    faults: int
    complete: bool  # all that was to be read of it was read
    error: str  # why its documents could not be used; "" where they could
    evidence: Evidence | None  # how far `against` vouches; null: nothing does


class Sample(FrozenStruct, frozen=True, kw_only=True):
    """Which part of all pieces and files was read, and what that proves."""

    random_seed: int
    sampled: int
    total: int
    unit: str  # "piece" or "file"
    confidence: float
    fewer_bad_than: int | None  # with that confidence fewer are bad; None where a fault was found
    conclusion: str


class VerifyReport(FrozenStruct, frozen=True, kw_only=True):
    """What `verify` proved, and every fault that it found."""

    mode: VerifyMode
    ok: bool  # no fault was found, and nothing was refused
    complete: bool  # all that was to be read was read
    targets: tuple[VerifiedTarget, ...]
    faults: tuple[Fault, ...]
    size: int  # of all subjects as published
    read_bytes: int  # bytes
    verified_earlier_bytes: int  # bytes that the state file says were proved, and that were not read again
    seconds: float
    sample: Sample | None
    retried_tasks: int = 0  # on a cluster: tasks begun again, because a worker died, hung or could not


class ShardTransfer(FrozenStruct, frozen=True, kw_only=True):
    """A shard that members were had of, what it weighs, and how little of it was transferred."""

    name: str
    size: int
    members: int  # that were asked for
    bytes: int  # of those members
    transferred_bytes: int


class GetReport(FrozenStruct, frozen=True, kw_only=True):
    """What `get` took out of a release, or, of a dry run or of --magnet, would take."""

    release: str  # its address or folder; "" for a magnet link
    to: str
    dry_run: bool
    evidence: Evidence
    selected: int  # members that were asked for
    bytes: int  # of them
    written: int
    unchanged: int  # stood there, whole
    bad_members: tuple[MemberIssue, ...]  # not what was published, or no source has it; nothing of them was written
    blocked: tuple[MemberIssue, ...]  # another file has the name, and overwriting was not allowed
    renamed: tuple[MemberIssue, ...]  # could not have the name that was asked for
    files: tuple[ExtractedFile, ...]  # the file that each becomes
    shards: tuple[ShardTransfer, ...]
    lookup_requests: int  # to find the members: of index, tables and documents
    lookup_bytes: int
    transferred_bytes: int  # bytes of members and of pieces that hold them
    shards_size: int  # what those shards weigh
    unreachable: bool  # a source did not answer: the same command may do more later
    magnets: tuple[str, ...]  # that name each member
    withheld: tuple[Withheld, ...]  # shards to which no link is handed out, and why
