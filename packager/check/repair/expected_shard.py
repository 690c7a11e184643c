"""The expected content of a shard's tar, from its published documents or only from its .torrent."""

from dataclasses import dataclass
from pathlib import Path

from packager.core.bittorrent.piece_hashes import PieceHashes
from packager.core.reports.evidence import Evidence
from packager.engine.files.shard_torrent import ShardTorrent, open_torrent
from packager.engine.published.open_release import OpenedRelease, find_documents
from packager.engine.published.published_shard import PublishedShard, WithdrawnMembersError, open_published_shard
from packager.paths import display_text


@dataclass(frozen=True)
class ExpectedShard:
    """A tar as it was published. published: None if only the .torrent is known, or members were withdrawn.

    evidence: the document that this is known from.
    """

    file: ShardTorrent
    published: PublishedShard | None
    evidence: Evidence

    @property
    def pieces(self) -> PieceHashes:
        """The tar's hashes."""
        return self.file.pieces


def open_expected_shard(
    tar: Path, *, release: OpenedRelease | None, manifest: Path | None, torrent: Path | None
) -> ExpectedShard:
    """Return the expected content of the tar at `tar`.

    torrent: a .torrent to use alone; None: the documents that find_documents finds.
    Raises InputError if documents are missing or broken, TrustError if they disagree.
    """
    if torrent is not None:
        return ExpectedShard(open_torrent(torrent), None, Evidence(kind="torrent", name=display_text(str(torrent))))
    documents = find_documents(tar, release, manifest)
    shared = open_torrent(documents.torrent)
    try:
        return ExpectedShard(shared, open_published_shard(documents), documents.evidence)
    except WithdrawnMembersError:
        return ExpectedShard(shared, None, documents.evidence)
