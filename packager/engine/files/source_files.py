"""A shard's members as loose files: opened read-only, and caught when they are not what the plan says."""

import errno
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType, TracebackType

import pyarrow as pa

from packager.engine.files.file_stamp import FileStamp
from packager.engine.files.regular_file import NotRegularError, RegularFile
from packager.errors import IncompleteError
from packager.paths import decode_path, display_text

_RESCAN = "fix the file, or run packager release to take it as it is now"
_UNREAD = "fix its permissions or its disk, or move it out of the collection; then run packager release"
_REPLACED = (errno.ENOENT, errno.ENOTDIR, errno.ENXIO)  # what is there now is no file, or nothing


class SourceChangedError(IncompleteError):
    """A source file is not what it was at the scan, or cannot be read."""


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One source file as the plan knows it: size in bytes; mtime and SHA-256 where they are known."""

    path: bytes  # relative to the source
    size: int
    mtime_ns: int | None
    sha256: bytes | None


def source_files(planned: pa.Table, moved: Mapping[int, bytes] = MappingProxyType({})) -> list[SourceFile]:
    """Return the members of a shard from its rows of the PLANNED table, in order. moved: paths that are others now."""
    columns = [planned[name].to_pylist() for name in ("path", "path_b64", "size", "mtime_ns", "sha256")]
    return [
        SourceFile(moved.get(row) or decode_path(path, b64), *rest)
        for row, (path, b64, *rest) in enumerate(zip(*columns, strict=True))
    ]


class OpenSourceFile(RegularFile):
    """A member that is read; a context manager: on the way in and out it must be as the plan says."""

    __slots__ = ("_member",)

    def __init__(self, source: bytes, member: SourceFile) -> None:
        """Open a member below the folder `source`.

        Raises IncompleteError naming the file where it is gone, cannot be read, is no regular file, or has another
        size or modification time than at the scan.
        """
        try:
            super().__init__(source + b"/" + member.path)
        except NotRegularError as error:
            raise changed_error(member, "is no longer a regular file") from error
        except OSError as error:
            reason = error.strerror or str(error)
            if error.errno == errno.ELOOP:  # what O_NOFOLLOW says
                reason = "is a symbolic link now"
            elif error.errno not in _REPLACED:
                raise changed_error(member, f"cannot be read ({reason})", _UNREAD) from error
            raise changed_error(member, reason) from error
        self._member = member
        try:
            check_stamp(self.stamp, member)
        except SourceChangedError:
            self.close()
            raise

    def read(self, offset: int, buffer: memoryview) -> int:
        """Read some bytes from `offset`, at least one. Raises IncompleteError if the file ends or cannot be read."""
        try:
            got = super().read(offset, buffer)
        except OSError as error:
            raise changed_error(self._member, str(error.strerror), _UNREAD) from error
        if not got:
            raise changed_error(self._member, f"ended before its {self._member.size} bytes")
        return got

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it; after no other error, look once more whether it is what the plan says."""
        try:
            if kind is None:
                check_stamp(FileStamp.of(os.fstat(self.descriptor)), self._member)
        finally:
            self.close()


def check_digest(member: SourceFile, digest: bytes) -> None:
    """Raise IncompleteError if the catalogue holds another SHA-256 for the member than was read."""
    if member.sha256 is not None and member.sha256 != digest:
        raise changed_error(member, f"its SHA-256 is {digest.hex()}, the records file says {member.sha256.hex()}")


def changed(source: Path, wanted: Sequence[SourceFile]) -> list[SourceChangedError]:
    """Return what opening each member now would raise: all that changed since the scan, nothing read."""
    faults = []
    for member in wanted:
        try:
            OpenSourceFile(os.fsencode(source), member).close()
        except SourceChangedError as error:
            faults.append(error)
    return faults


def check_stamp(now: FileStamp, member: SourceFile) -> None:
    """Compare a file's stamp now with the plan. Raises ChangedError."""
    if difference := FileStamp(member.size, member.mtime_ns).difference(now):
        raise changed_error(member, f"changed since the scan: {difference}")


def changed_error(member: SourceFile, what: str, fix: str = _RESCAN) -> SourceChangedError:
    """Return the error that names a source file."""
    return SourceChangedError(display_text(member.path), what, fix)
