"""What a shard's tar should be, by its published documents or by its .torrent alone."""

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
    """A tar as it was published. published: None where only the .torrent is known, or tells of all members.

    evidence: what says that it was published so.
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
    """Return what the tar at `tar` should be.

    torrent: a .torrent that is enough alone; otherwise the documents are found as find_documents tells.
    Raises InputError for documents that are not there or broken, TrustError where they disagree.
    """
    if torrent is not None:
        return ExpectedShard(open_torrent(torrent), None, Evidence(kind="torrent", name=display_text(str(torrent))))
    documents = find_documents(tar, release, manifest)
    shared = open_torrent(documents.torrent)
    try:
        return ExpectedShard(shared, open_published_shard(documents), documents.evidence)
    except WithdrawnMembersError:
        return ExpectedShard(shared, None, documents.evidence)
