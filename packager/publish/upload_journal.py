"""The journal of uploads to a store: one line for each change. The last line of a path is valid.

It lists the files that we uploaded, so that no other file is ever deleted. A file that is missing in the store or has
changed there is uploaded again. An incomplete line is ignored.
"""

import hashlib
import os
from pathlib import Path
from threading import Lock
from types import TracebackType

import msgspec

from packager.core.config.store_url import StoreUrl
from packager.engine.files import atomic_files
from packager.engine.files.write_errors import write_error
from packager.engine.stores.base import StoreStat
from packager.errors import from_os_error


class UploadedFile(msgspec.Struct, frozen=True, omit_defaults=True):
    """An uploaded file.

    digest: of its content. tag: from the store. unused: Unix seconds since when it is in no release; 0: it is in use.
    """

    path: str
    size: int = 0
    digest: str = ""
    tag: str = ""
    unused: float = 0.0
    gone: bool = False


def journal_path(state: Path, address: StoreUrl) -> Path:
    """Return the path of a store's journal in the state folder."""
    return state / "uploads" / f"{hashlib.sha256(str(address).encode()).hexdigest()[:16]}.jsonl"


class UploadJournal:
    """The journal of one store, open for appending by several threads."""

    def __init__(self, path: Path) -> None:
        """Read the journal, and rewrite it with one line for each file."""
        self.files: dict[str, UploadedFile] = {}
        self._path, self._lock = path, Lock()
        decoder = msgspec.json.Decoder(UploadedFile)
        try:
            lines = path.read_bytes().split(b"\n")[:-1]
        except FileNotFoundError:
            lines = []
        except OSError as error:
            raise from_os_error(error, path) from error
        for line in lines:
            try:
                self._apply(decoder.decode(line))
            except msgspec.DecodeError:  # cut by a power failure: that file is uploaded again
                continue
        atomic_files.write_bytes(path, b"".join(msgspec.json.encode(each) + b"\n" for each in self.files.values()))

    def __enter__(self) -> "UploadJournal":
        """Open the journal for appending."""
        self._file = open(self._path, "ab", buffering=0)
        return self

    def has(self, path: str, digest: str, found: StoreStat | None) -> bool:
        """Return whether a file with this content was uploaded and is unchanged in the store."""
        known = self.files.get(path)
        return (
            known is not None
            and found is not None
            and (known.digest, known.size, known.tag)
            == (
                digest,
                found.size,
                found.tag,
            )
        )

    def add(self, line: UploadedFile) -> None:
        """Append a line. It need not be durable, because a lost line only repeats an upload."""
        with self._lock:
            self._apply(line)
            try:
                os.write(self._file.fileno(), msgspec.json.encode(line) + b"\n")
            except OSError as error:
                raise write_error(error, self._path) from error

    def _apply(self, line: UploadedFile) -> None:
        """Apply a line."""
        if line.gone:
            self.files.pop(line.path, None)
        else:
            self.files[line.path] = line

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        self._file.close()
