"""How many bytes packing and publishing will write, from the plan: known before a source byte is read."""

from collections.abc import Iterable
from dataclasses import dataclass

from packager.core.config.store_url import StoreUrl
from packager.pack.shard.pack_shard import ShardTask, shard_status

_MEMBER = 40  # bytes of a members table and the times of its files, the least: 32 of them are a digest
_SHARD = 4096  # bytes of a shard's page and its lines in the lists, the least


@dataclass(frozen=True)
class NeededSpace:
    """Bytes: of tars in the shards folder, of documents in the state folder, of pages in the site."""

    tars: int = 0
    documents: int = 0
    pages: int = 0


def needed_space(tasks: Iterable[ShardTask]) -> NeededSpace:
    """Return what the shards take that are not packed yet; the documents and pages are the least that they will be."""
    tars = documents = shards = 0
    changed = False
    for task in tasks:
        shards += 1
        stands = shard_status(task)
        changed = changed or not stands.whole
        if not stands.needs_pass:
            continue
        documents += task.shard.torrent_size + _MEMBER * task.shard.rows
        if not task.is_without_tar and task.shard.container == "tar":
            tars += max(0, task.shard.size - _begun(task))
    return NeededSpace(tars, documents, shards * _SHARD if changed else 0)


def _begun(task: ShardTask) -> int:
    """Return the bytes on the disk of a tar that an earlier run began: they are used again, or freed first."""
    if isinstance(task.project.shards_location, StoreUrl):
        return task.shard.size
    try:
        return task.partial.stat().st_blocks * 512
    except OSError:
        return 0
