"""Reads a published site while others take its place: opens the folder once, and begins again if it went.

This is what docs/explanation/what-a-kill-leaves.md tells readers of the folder to do.
"""

import hashlib
import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path


class BrokenSiteError(Exception):
    """A file that the site names is missing, or another."""


def read_site(site: Path) -> int:
    """Read a site whole and return its serial, 0 where there is no site. Raises BrokenSiteError."""
    while True:
        try:
            folder = os.open(site, os.O_RDONLY | os.O_DIRECTORY)
        except FileNotFoundError:
            return 0
        try:
            return _check(folder)
        except FileNotFoundError as error:
            if _is_at(folder, site):
                raise BrokenSiteError(f"{error.filename} is not there") from error
            # It was replaced while we read it, and is being removed: the new one has its name.
        finally:
            os.close(folder)


def _check(folder: int) -> int:
    """Check every file that release.json, and that SHA256SUMS, names in an open folder."""
    document = _read(folder, "release.json")
    release = json.loads(document)
    named = {
        file["path"]: file["sha256"]
        for shard in release["shards"]
        for file in (
            shard["torrent"],
            shard["manifest"],
            shard["members_table"],
            shard["members_tsv"],
            shard.get("twin_torrent"),
        )
        if file
    }
    named |= {line[66:]: line[:64] for line in _read(folder, "SHA256SUMS").decode().splitlines()}
    named |= {f"releases/{release['serial']}.json": hashlib.sha256(document).hexdigest()}
    for path, digest in named.items():
        if hashlib.sha256(_read(folder, path)).hexdigest() != digest:
            raise BrokenSiteError(f"{path} is another file than the site names")
    return int(release["serial"])


def _read(folder: int, path: str) -> bytes:
    with open(path, "rb", opener=lambda name, flags: os.open(name, flags, dir_fd=folder)) as file:
        return file.read()


def _is_at(folder: int, path: Path) -> bool:
    """Say whether an open folder is still the one at a path."""
    try:
        return os.path.samestat(os.fstat(folder), path.stat())
    except FileNotFoundError:
        return False


@dataclass
class Seen:
    """What a reader saw: the serials of whole sites, and what was broken."""

    serials: list[int] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)


@contextmanager
def reading(site: Path) -> Iterator[Seen]:
    """Read a site again and again while a block runs, in a thread of this process, which does not write it."""
    seen, stop = Seen(), threading.Event()

    def loop() -> None:
        done = False
        while not done:  # once more after the block has ended
            done = stop.wait(0.005)  # so that the writers get most of the processor
            try:
                seen.serials.append(read_site(site))
            except BrokenSiteError as error:
                seen.broken.append(str(error))

    thread = threading.Thread(target=loop)
    thread.start()
    try:
        yield seen
    finally:
        stop.set()
        thread.join()
