"""What a shard's tar should be, by its published documents or by its .torrent alone."""

from dataclasses import dataclass
from pathlib import Path

from packager.engine.opened_release import OpenedRelease, find_documents
from packager.engine.published import Published, WithdrawnMembersError, open_published
from packager.engine.shared_file import SharedFile, open_torrent
from packager.evidence import Evidence
from packager.paths import shown
from packager.piece_hashes import PieceHashes


@dataclass(frozen=True)
class Target:
    """A tar as it was published. published: None where only the .torrent is known, or tells of all members.

    evidence: what says that it was published so.
    """

    file: SharedFile
    published: Published | None
    evidence: Evidence

    @property
    def pieces(self) -> PieceHashes:
        """The tar's hashes."""
        return self.file.pieces


def open_target(tar: Path, *, release: OpenedRelease | None, manifest: Path | None, torrent: Path | None) -> Target:
    """Return what the tar at `tar` should be.

    torrent: a .torrent that is enough alone; otherwise the documents are found as find_documents tells.
    Raises InputError for documents that are not there or broken, TrustError where they disagree.
    """
    if torrent is not None:
        return Target(open_torrent(torrent), None, Evidence(kind="torrent", name=shown(str(torrent))))
    documents = find_documents(tar, release, manifest)
    shared = open_torrent(documents.torrent)
    try:
        return Target(shared, open_published(documents), documents.evidence)
    except WithdrawnMembersError:
        return Target(shared, None, documents.evidence)
