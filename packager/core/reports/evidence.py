"""What data was compared with, and how far that can be trusted. Pure."""

from typing import Literal, TypeAlias

from packager.model import FrozenStruct

EvidenceKind: TypeAlias = Literal["signature", "release", "manifest", "torrent", "list", "bag", "magnet", "transport"]


class Evidence(FrozenStruct, frozen=True, kw_only=True, omit_defaults=True):
    """What data was compared with.

    signature: a release that was signed by `key`. release: one whose signature was not checked. manifest: a
    shard's documents without a release. torrent, list: a .torrent, a list of digests. bag: its manifests. magnet: link
    naming a member. transport: what came from the release's address, unchecked.
    """

    kind: EvidenceKind
    name: str  # the release, the file, or the bag's manifests; escaped for display
    serial: int | None = None  # of a release
    collection: str | None = None
    key: str | None = None  # id of the key that signed the release

    def sentence(self) -> str:
        """Return it in words, such as "release 3 of tones in site/, signed by key 0123456789ABCDEF"."""
        folder = self.name if self.name.endswith("/") else f"{self.name}/"
        release = f"release {self.serial} of {self.collection} in {folder}"
        return {
            "signature": f"{release}, signed by key {self.key}",
            "release": release,
            "manifest": f"the manifest {self.name}; no release confirms it",
            "torrent": f"the torrent {self.name}",
            "list": f"the list {self.name}",
            "bag": f"the bag's own manifests ({self.name})",
            "magnet": "the magnet link",
            "transport": f"the data from {self.name}; only the connection confirms it",
        }[self.kind]
