"""Estimates from the plan how many bytes packing and publishing will write."""

from collections.abc import Iterable
from dataclasses import dataclass

from packager.core.config.store_url import StoreUrl
from packager.pack.shard.pack_shard import ShardTask, shard_status

_MEMBER = 40  # minimum bytes in the members table and the table of times; 32 are a digest
_SHARD = 4096  # minimum bytes of a shard's page and its lines in the lists


@dataclass(frozen=True)
class NeededSpace:
    """Bytes of tars in the shards folder, of documents in the state folder, and of pages in the site."""

    tars: int = 0
    documents: int = 0
    pages: int = 0


def needed_space(tasks: Iterable[ShardTask]) -> NeededSpace:
    """Return the space for shards that are not yet packed. The values for documents and pages are minimums."""
    tars = documents = shards = 0
    changed = False
    for task in tasks:
        shards += 1
        status = shard_status(task)
        changed = changed or not status.is_complete
        if not status.needs_pass:
            continue
        documents += task.shard.torrent_size + _MEMBER * task.shard.rows
        if not task.is_without_tar and task.shard.container == "tar":
            tars += max(0, task.shard.size - _partial_size(task))
    return NeededSpace(tars, documents, shards * _SHARD if changed else 0)


def _partial_size(task: ShardTask) -> int:
    """Return the bytes of a partial tar from an earlier run, which are used again or freed first."""
    if isinstance(task.project.shards_location, StoreUrl):
        return task.shard.size
    try:
        return task.partial.stat().st_blocks * 512
    except OSError:
        return 0
