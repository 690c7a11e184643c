"""What says how data should be, and how far that can be trusted: every "good" names it. Pure."""

from typing import Literal, TypeAlias

from packager.model import FrozenStruct

EvidenceKind: TypeAlias = Literal["signature", "release", "manifest", "torrent", "list", "bag"]


class Evidence(FrozenStruct, frozen=True, kw_only=True, omit_defaults=True):
    """What data was compared with.

    signature: a release that was signed by `key`. release: one whose signature was not checked. manifest: a
    shard's documents alone. torrent, list: a .torrent, a list of digests. bag: a bag's own manifests.
    """

    kind: EvidenceKind
    name: str  # the release, the file, or the bag's manifests; fit to be shown
    serial: int | None = None  # of a release
    collection: str | None = None
    key: str | None = None  # id of the key that signed the release

    def sentence(self) -> str:
        """Return it in words, such as "release 3 of tones in output, signed by key 0123456789ABCDEF"."""
        if self.kind == "signature":
            return f"{self._release()}, signed by key {self.key}"
        if self.kind == "release":
            return self._release()
        if self.kind == "manifest":
            return f"the manifest {self.name}; no release vouches for it"
        if self.kind == "bag":
            return f"the bag's own manifests ({self.name})"
        return f"the {'torrent' if self.kind == 'torrent' else 'list'} {self.name}"

    def _release(self) -> str:
        return f"release {self.serial} of {self.collection} in {self.name}"
