"""What lies in a mirror's folder, what there is room for, what may go. Only `remove` and `prove` change anything."""

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
    """A shard's tar, or the part of it that has come, as it lies. allocated: bytes that it takes on the disk."""

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
    """Return how the tar of each shard is on the disk; those of which nothing is there are left out.

    A tar without a proof is compared with its torrent, up to the first right piece: if there is none, a file of this
    mirror (in `proofs` from its first byte) is partial, another one is in the way. read_torrent: returns a shard's
    .torrent; None if there is none, and then a tar that has its size is unchecked. So is one that cannot be read, but
    may_write: then that raises OSError, since it may be somebody else's.
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
    """Return how one shard's tar is here by its size alone: whole is what has it."""
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
        ):  # nothing can come
            return LocalShard("blocked", *_facts(part))
    return NOTHING


def is_unrelated(tar: Path, hashes: PieceHashes) -> bool:
    """Say whether a file has bytes, and no piece of it is right: it is another file under a shard's name.

    Zeros are nobody's: a torrent client takes the space before the bytes come. Reads up to the first right piece, and
    no holes.
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
    """Return where a tar lies while it comes: ours, Transmission's, qBittorrent's."""
    return atomic_files.partial_path(tar), tar.with_name(f"{tar.name}.part"), tar.with_name(f"{tar.name}.!qB")


def _facts(found: os.stat_result) -> tuple[int, int, int]:
    stamp = FileStamp.of(found)
    return stamp.size, found.st_blocks * 512, stamp.mtime_ns or 0


def _stat(path: Path) -> os.stat_result | None:
    """Return what the system says of a path, or of a link there that leads nowhere; None where nothing is there."""
    try:
        return path.stat() if path.exists() else path.lstat()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise from_os_error(error, display_text(str(path))) from error


def is_proved(proof: VerifiedTar | None, lying: LocalShard) -> bool:
    """Say whether a tar was found right in full and did not change since."""
    return proof is not None and proof.verified is not None and is_unchanged(proof, lying) and lying.state == "complete"


def is_unchanged(proof: VerifiedTar, lying: LocalShard) -> bool:
    """Say whether a tar did not change since it was checked."""
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
    """Return the tars here that nobody should or need hold: first those to delete, then those not chosen.

    fetched: shards whose tars this mirror fetched; another file is never deleted. now: RFC 3339.
    """
    hand_out, wanted = SharingRule(release, now=now), set(chosen)
    listed = []
    for shard in release.shards:
        if shard.name not in lying:
            continue
        why = hand_out.withheld(shard.name)
        if why is None and not shard.obsolete and lying[shard.name].state == "blocked":
            continue  # somebody's own file: the plan names it
        if why is None and not shard.obsolete and shard.name in wanted:
            continue
        reason = why.reason if why else "the publisher replaced it" if shard.obsolete else "not among the chosen"
        ended = why is not None or shard.obsolete
        ours = shard.name in fetched and lying[shard.name].state != "blocked"
        size = lying[shard.name].size
        listed.append(Removable(name=shard.name, size=size, reason=reason, ended=ended, prune=ended and ours))
    return tuple(sorted(listed, key=lambda each: (not each.prune, not each.ended, each.name)))


def remove(folder: MirrorFolder, names: Iterable[ShardName]) -> None:
    """Remove the tars of shards, and what had come of them, durably. Raises IncompleteError."""
    for name in names:
        for path in (folder.tar(name), *_parts(folder.tar(name))):
            atomic_files.remove_file(path)


def sync_file(path: Path) -> None:
    """Make a tar that another library wrote, and its name, durable. Raises IncompleteError."""
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
    """Say whether a file has a right piece of a torrent; no torrent: it has not."""
    return torrent.is_file() and not is_unrelated(tar, open_shard_torrent(torrent).pieces)


def proof_of(lying: LocalShard, verified: str | None, uploaded: int) -> VerifiedTar:
    """Return what is kept of a tar that was found right, or not (None), as it lies."""
    return VerifiedTar(verified=verified, size=lying.size, mtime_ns=lying.mtime_ns, uploaded=uploaded)
