"""Members written as files below a folder: each compared with its SHA-256 first, and never over another's file.

What happened to each is noted, to be told in a report; where the bytes come from is the caller's.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
import pyarrow as pa

from packager.core.reports.check_reports import ExtractedFile, MemberIssue
from packager.engine.files.output_folder import BlockedError, NameRefusedError, OutputFolder
from packager.engine.files.range_readers import RangeReader, UnreadableError
from packager.paths import display_text, encode_path

Sources: TypeAlias = Iterable[tuple[str, RangeReader]]  # what a message calls each, and the source


@dataclass(frozen=True)
class MemberOutput:
    """One member to take out, and where to."""

    id: str
    path: str  # in the shard
    target: bytes  # below the folder it goes to
    offset: int
    size: int
    sha256: bytes | None
    mtime_ns: int | None


@dataclass
class WriteResult:
    """What happened so far."""

    written: int = 0
    unchanged: int = 0
    bad_members: list[MemberIssue] = field(default_factory=list)
    blocked: list[MemberIssue] = field(default_factory=list)
    renamed: list[MemberIssue] = field(default_factory=list)


def members_of(members: pa.Table, paths: Sequence[bytes]) -> Iterator[MemberOutput]:
    """Yield the rows of a members table, its last column mtime_ns, with the files they become."""
    columns = (members[name].to_pylist() for name in ("id", "path", "offset", "size", "sha256", "mtime_ns"))
    for target, id_, path, *facts in zip(paths, *columns, strict=True):
        yield MemberOutput(id_, path, target, *facts)


def total_bytes(members: pa.Table) -> int:
    """Return the bytes of members."""
    return int(np.sum(members["size"].to_numpy(), dtype=np.int64))


def write_members(
    sources: Sources, destination: OutputFolder, member: MemberOutput, *, overwrite: bool, taken: WriteResult
) -> None:
    """Write one member from the first of `sources` that has it right, or note why not.

    A source is only asked for where no right file is there already. Raises IncompleteError if a file
    cannot be written.
    """
    try:
        _put(sources, destination, member, member.target, overwrite=overwrite, taken=taken)
    except NameRefusedError as error:
        taken.renamed.append(write_results(member.id, member.path, f"{display_text(member.target)}: {error}"))
        try:
            _put(sources, destination, member, member.path.encode(), overwrite=overwrite, taken=taken)
        except NameRefusedError as refused:
            taken.blocked.append(write_results(member.id, member.path, str(refused)))


def _put(
    sources: Sources,
    destination: OutputFolder,
    member: MemberOutput,
    target: bytes,
    *,
    overwrite: bool,
    taken: WriteResult,
) -> None:
    """Write one member under a name. Raises NameRefusedError."""
    if member.sha256 is None:
        taken.bad_members.append(write_results(member.id, member.path, "the tar's manifest has no SHA-256 of it"))
        return
    try:
        there = _there(destination, target, member, overwrite=overwrite)
        if there == member.sha256:
            taken.unchanged += 1
            return
        if there is not None and not overwrite:
            raise BlockedError("a file with other contents is there")
        why = _write(sources, destination, member, member.sha256, target)
    except BlockedError as error:
        taken.blocked.append(write_results(member.id, member.path, f"{display_text(target)}: {error}"))
        return
    if why is None:
        taken.written += 1
    else:
        taken.bad_members.append(write_results(member.id, member.path, why))


def _write(
    sources: Sources, destination: OutputFolder, member: MemberOutput, digest: bytes, target: bytes
) -> str | None:
    """Write one member from the first source that has it right; None if one did, else why none did."""
    why: list[str] = []
    for name, source in sources:
        try:
            pieces = source.read(member.offset, member.offset + member.size)
            if destination.put(target, pieces, sha256_=digest, mtime_ns=member.mtime_ns):
                return None
            why.append(f"its SHA-256 is not {digest.hex()}")
        except UnreadableError as error:
            why.append(f"{name} {error.what}")
    return "; ".join(dict.fromkeys(why)) or "no source has it"


def _there(destination: OutputFolder, target: bytes, member: MemberOutput, *, overwrite: bool) -> bytes | None:
    """Return the SHA-256 of the file that has the name, None for none or one that may be overwritten."""
    try:
        return destination.digest(target, member.size)
    except BlockedError:
        if overwrite:
            return None  # what cannot be overwritten is told when it is tried
        raise


def refused(members: pa.Table, row: int) -> MemberIssue:
    """Return a member whose path at the source no folder can hold."""
    id_, path, source = (members[name][row].as_py() for name in ("id", "path", "source_path"))
    return write_results(id_, path, f'"{display_text(source)}" is no path below a folder')


def write_results(id_: str, path: str, what: str) -> MemberIssue:
    """Return a member and what is to be said of it."""
    return MemberIssue(id=display_text(id_), path=display_text(path), reason=what)


def extracted_files(member: MemberOutput) -> ExtractedFile:
    """Return a member and the file it becomes, for a report."""
    path, path_b64 = encode_path(member.target)
    return ExtractedFile(id=display_text(member.id), member=member.path, path=path, path_b64=path_b64, size=member.size)
