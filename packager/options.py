"""The config's shape: what `config.parse_config` makes of packager.toml, all values checked.

Sizes are bytes, paths are as written (relative to packager.toml), dates RFC 3339.
"""

from typing import Literal

from packager.model import Container, FrozenStruct, PhaseContent, TorrentVersion


class CollectionOptions(FrozenStruct, frozen=True, kw_only=True):
    """[collection]: what is released, and from where."""

    name: str
    title: str
    source: str
    description: str = ""
    records: str | None = None
    licence: str = ""
    contact: str = ""
    homepage: str = ""
    mtimes: bool = False


class ShardOptions(FrozenStruct, frozen=True, kw_only=True):
    """[shards]: the bound on a tar, and where tars go."""

    size: int = 64 << 30
    directory: str = "shards"
    oversize: Literal["own-shard", "refuse"] = "own-shard"
    sha256: bool = False
    materialise: bool = True


class TorrentOptions(FrozenStruct, frozen=True, kw_only=True):
    """[torrent]: metainfo version, piece length in bytes (None: chosen), tracker tiers, web seeds."""

    version: TorrentVersion = "hybrid"
    also_v1: bool = False
    piece_length: int | None = None
    trackers: tuple[tuple[str, ...], ...] = ()
    web_seeds: tuple[str, ...] = ()


class PhaseOptions(FrozenStruct, frozen=True, kw_only=True):
    """One [[phases]]: `where` and `order` are SQL over the catalogue; budget is bytes of its shards.

    embargo: RFC 3339; the phase is not published before.
    """

    name: str
    title: str
    where: str = "true"
    order: str = "id"
    budget: int | None = None
    content: PhaseContent = "files"
    container: Container = "tar"
    embargo: str | None = None


class ReleaseOptions(FrozenStruct, frozen=True, kw_only=True):
    """[release]: the site's folder and address, the release date, the signing key, own templates."""

    output: str = "output"
    base_url: str = ""
    date: str | None = None
    key: str | None = None
    next_key: str | None = None
    templates: str | None = None


class Config(FrozenStruct, frozen=True, kw_only=True):
    """packager.toml, checked."""

    collection: CollectionOptions
    shards: ShardOptions = ShardOptions()
    torrent: TorrentOptions = TorrentOptions()
    phases: tuple[PhaseOptions, ...]
    release: ReleaseOptions = ReleaseOptions()
