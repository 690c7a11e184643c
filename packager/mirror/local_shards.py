"""The tars in a mirror's folder: which are here, verified or removable. Only `remove` and `verify_tars` write."""

import errno
import os
import stat
from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from packager.core.bittorrent.parse_torrent import parse_torrent
from packager.core.bittorrent.piece_hashes import PieceHashes
from packager.core.releases.withheld_shards import SharingRule
from packager.core.reports.mirror_reports import OnDisk, Removable
from packager.engine.files import atomic_files
from packager.engine.files.file_stamp import FileStamp
from packager.engine.files.shard_torrent import ShardTorrent, open_shard_torrent
from packager.errors import from_os_error
from packager.mirror.state import MirrorFolder, MirrorState, VerifiedTar
from packager.model import Release, ReleaseShard, ShardName
from packager.paths import display_text


@dataclass(frozen=True)
class LocalShard:
    """A shard's complete or partial tar on the disk. allocated: bytes of disk space that it uses."""

    state: OnDisk
    size: int
    allocated: int
    mtime_ns: int


NOTHING = LocalShard("missing", 0, 0, 0)


def find_local_shards(
    folder: MirrorFolder,
    release: Release,
    proofs: Mapping[ShardName, VerifiedTar],
    read_torrent: Callable[[ReleaseShard], bytes | None],
    *,
    may_write: bool,
) -> dict[ShardName, LocalShard]:
    """Return the state of each shard's tar on the disk. Shards without any file are left out.

    A tar without a proof is compared with its torrent until the first right piece. If no piece is right, a file of this
    mirror (it is in `proofs`) is partial, and any other file is blocked. read_torrent: returns a shard's .torrent, or
    None; without it, a tar of the right size is unchecked. A tar that cannot be read is unchecked too, but with
    may_write it raises OSError, because it may be another program's file.
    """
    found = {}
    for shard in release.shards:
        here = look_at(folder, shard)
        tar = folder.tar(shard.name)
        if here.state in ("complete", "partial") and tar.is_file() and not is_proved(proofs.get(shard.name), here):
            unchecked = replace(here, state="unchecked" if here.state == "complete" else "partial")
            torrent = read_torrent(shard)
            try:
                if torrent is None:
                    here = unchecked
                elif is_unrelated(tar, ShardTorrent(torrent, parse_torrent(torrent, shard.torrent.path)).pieces):
                    here = replace(here, state="partial" if shard.name in proofs else "blocked")
            except OSError:
                if may_write:
                    raise
                here = unchecked
        if here.state != "missing":
            found[shard.name] = here
    return found


def look_at(folder: MirrorFolder, shard: ReleaseShard) -> LocalShard:
    """Return the state of one shard's tar by its size only."""
    tar = folder.tar(shard.name)
    found = _stat(tar)
    if found is not None:
        size = found.st_size if stat.S_ISREG(found.st_mode) else shard.size + 1
        state: OnDisk = "complete" if size == shard.size else "partial" if size < shard.size else "blocked"
        return LocalShard(state, *_facts(found))
    for path in _parts(tar):
        part = _stat(path)
        if part is not None and stat.S_ISREG(part.st_mode):
            return LocalShard("partial", *_facts(part))
        if (
            part is not None and stat.S_ISDIR(part.st_mode) and path == atomic_files.partial_path(tar)
        ):  # nothing can be written there
            return LocalShard("blocked", *_facts(part))
    return NOTHING


def is_unrelated(tar: Path, hashes: PieceHashes) -> bool:
    """Return whether a file is another one under a shard's name: it has bytes, but no piece is right.

    Zeros do not count, because torrent clients allocate a file before they write it. Reads until the first right piece,
    and skips holes.
    """
    used = False
    with open(tar, "rb", buffering=0) as file:
        for piece in range(hashes.count):
            start, stop = hashes.span(piece)
            if _data_from(file.fileno(), start) >= stop:
                continue
            data = os.pread(file.fileno(), stop - start, start)
            if not data:
                break
            if hashes.is_right(piece, data):
                return False
            used = used or any(data)
    return used


def _data_from(file: int, start: int) -> int:
    """Return the position of the first byte at or after `start` that is in no hole; the file's end if there is none."""
    try:
        return os.lseek(file, start, os.SEEK_DATA)
    except OSError as error:
        if error.errno != errno.ENXIO:
            raise
        return os.fstat(file).st_size


def _parts(tar: Path) -> tuple[Path, ...]:
    """Return the possible paths of a partial tar: of this mirror, Transmission and qBittorrent."""
    return atomic_files.partial_path(tar), tar.with_name(f"{tar.name}.part"), tar.with_name(f"{tar.name}.!qB")


def _facts(found: os.stat_result) -> tuple[int, int, int]:
    stamp = FileStamp.of(found)
    return stamp.size, found.st_blocks * 512, stamp.mtime_ns or 0


def _stat(path: Path) -> os.stat_result | None:
    """Return the status of a path, or of a dangling link; None if there is nothing."""
    try:
        return path.stat() if path.exists() else path.lstat()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise from_os_error(error, display_text(str(path))) from error


def is_proved(proof: VerifiedTar | None, lying: LocalShard) -> bool:
    """Return whether a tar was found right in full and did not change since."""
    return proof is not None and proof.verified is not None and is_unchanged(proof, lying) and lying.state == "complete"


def is_unchanged(proof: VerifiedTar, lying: LocalShard) -> bool:
    """Return whether a tar did not change since it was checked."""
    return not FileStamp(proof.size, proof.mtime_ns).difference(FileStamp(lying.size, lying.mtime_ns))


def fetched_here(mirror: MirrorState | None, proofs: Iterable[ShardName]) -> set[ShardName]:
    """Return the shards whose tars this mirror fetched or checked: chosen now, chosen once, or proved."""
    chosen = (*(each.name for each in mirror.chosen), *mirror.dropped) if mirror else ()
    return {*chosen, *proofs}


def removable(
    release: Release,
    lying: Mapping[ShardName, LocalShard],
    chosen: Iterable[ShardName],
    fetched: Container[str],
    *,
    now: str,
) -> tuple[Removable, ...]:
    """Return the tars here that need not be kept: first those that should be deleted, then those not chosen.

    fetched: shards whose tars this mirror fetched; other files are never deleted. now: RFC 3339.
    """
    hand_out, wanted = SharingRule(release, now=now), set(chosen)
    listed = []
    for shard in release.shards:
        if shard.name not in lying:
            continue
        why = hand_out.withheld(shard.name)
        if why is None and not shard.obsolete and lying[shard.name].state == "blocked":
            continue  # the user's own file, which the plan names
        if why is None and not shard.obsolete and shard.name in wanted:
            continue
        reason = why.reason if why else "the publisher replaced it" if shard.obsolete else "not chosen"
        ended = why is not None or shard.obsolete
        ours = shard.name in fetched and lying[shard.name].state != "blocked"
        size = lying[shard.name].size
        listed.append(Removable(name=shard.name, size=size, reason=reason, ended=ended, prune=ended and ours))
    return tuple(sorted(listed, key=lambda each: (not each.prune, not each.ended, each.name)))


def remove(folder: MirrorFolder, names: Iterable[ShardName]) -> None:
    """Remove complete and partial tars of shards, durably. Raises IncompleteError."""
    for name in names:
        for path in (folder.tar(name), *_parts(folder.tar(name))):
            atomic_files.remove_file(path)


def sync_file(path: Path) -> None:
    """Make a tar that another library wrote durable, with its name. Raises IncompleteError."""
    try:
        atomic_files.fsync_path(path)
        atomic_files.fsync_folder(path.parent)
    except OSError as error:
        raise from_os_error(error, display_text(str(path))) from error


def keep_checks(folder: MirrorFolder, checked: Mapping[str, int], release: Release, *, now: str) -> None:
    """Keep what a full check found. checked: the number of faults of each tar, by the name of its shard.

    now: RFC 3339. The caller holds the state's lock.
    """
    proofs = folder.proofs()
    for shard in release.shards:
        if shard.name in checked and (here := look_at(folder, shard)).state in ("complete", "partial"):
            bad, torrent = checked[shard.name], folder.document(shard.torrent)
            if bad and shard.name not in proofs and not _is_begun(folder.tar(shard.name), torrent):
                continue  # a file of the user's, which from now on must not count as this mirror's
            kept = proof_of(here, None if bad else now, proofs.get(shard.name, VerifiedTar()).uploaded)
            proofs[shard.name] = msgspec.structs.replace(kept, bad=bad)
    folder.save_proofs(proofs)


def _is_begun(tar: Path, torrent: Path) -> bool:
    """Return whether a file has a right piece of a torrent; no torrent: it has not."""
    return torrent.is_file() and not is_unrelated(tar, open_shard_torrent(torrent).pieces)


def proof_of(lying: LocalShard, verified: str | None, uploaded: int) -> VerifiedTar:
    """Return the proof to save for a tar. verified: RFC 3339, or None if it was not found right."""
    return VerifiedTar(verified=verified, size=lying.size, mtime_ns=lying.mtime_ns, uploaded=uploaded)
