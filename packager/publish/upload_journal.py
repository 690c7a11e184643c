"""What a publisher knows of the files that it uploaded to a store: a line a change, the last line of a path counts.

It says which files are ours, so that no other is ever deleted. What is in the store decides all the same: a file
that is not there as it was left is uploaded again. A line that a kill cut is not read.
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
    """A file as it was uploaded.

    digest: what tells its content. tag: the store's. unused: unix seconds since when no release has it, 0: one has.
    """

    path: str
    size: int = 0
    digest: str = ""
    tag: str = ""
    unused: float = 0.0
    gone: bool = False


def journal_path(state: Path, address: StoreUrl) -> Path:
    """Return where the journal of a store lies in the state folder."""
    return state / "uploads" / f"{hashlib.sha256(str(address).encode()).hexdigest()[:16]}.jsonl"


class UploadJournal:
    """The journal of one store, open to be added to. Threads may write to it at once."""

    def __init__(self, path: Path) -> None:
        """Read it, and write it anew with one line a file."""
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
                self._take(decoder.decode(line))
            except msgspec.DecodeError:  # cut by a power failure: that file is uploaded again
                continue
        atomic_files.write_bytes(path, b"".join(msgspec.json.encode(each) + b"\n" for each in self.files.values()))

    def __enter__(self) -> "UploadJournal":
        """Open it to be added to."""
        self._file = open(self._path, "ab", buffering=0)
        return self

    def has(self, path: str, digest: str, found: StoreStat | None) -> bool:
        """Say whether a file of this content was uploaded, and is in the store as it was left."""
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
        """Write one line; it need not be durable, since what it lacks is done again."""
        with self._lock:
            self._take(line)
            try:
                os.write(self._file.fileno(), msgspec.json.encode(line) + b"\n")
            except OSError as error:
                raise write_error(error, self._path) from error

    def _take(self, line: UploadedFile) -> None:
        """Know what a line says."""
        if line.gone:
            self.files.pop(line.path, None)
        else:
            self.files[line.path] = line

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        self._file.close()
