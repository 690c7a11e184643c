"""The types of a checked packager.toml, which `config.parse_config` returns.

Sizes are in bytes, paths are as written (relative to packager.toml), dates are RFC 3339.
"""

from typing import Literal

from packager.model import Container, FrozenStruct, PhaseContent, TorrentVersion


class CollectionOptions(FrozenStruct, frozen=True, kw_only=True):
    """[collection]: what is released. source: the short form of one [[sources]] table."""

    name: str
    title: str
    source: str | None = None
    description: str = ""
    licence: str = ""
    contact: str = ""
    homepage: str = ""


class SourceOptions(FrozenStruct, frozen=True, kw_only=True):
    """One [[sources]]: a folder or store of files to release."""

    path: str


class RecordsOptions(FrozenStruct, frozen=True, kw_only=True):
    """[records]: the tables that describe the files, and whether file times are published."""

    files: tuple[str, ...] = ()
    file_times: bool = False


class ShardOptions(FrozenStruct, frozen=True, kw_only=True):
    """[shards]: the maximum size of a tar, and where tars are written."""

    size: int = 64 << 30
    folder: str = "shards"
    large_files: Literal["own-shard", "refuse"] = "own-shard"
    write_tars: bool = True
    tar_sha256: bool = False


class TorrentOptions(FrozenStruct, frozen=True, kw_only=True):
    """[torrents]: metainfo version, piece length in bytes (None: chosen), tracker tiers, web seeds."""

    format: TorrentVersion = "hybrid"
    also_v1: bool = False
    piece_length: int | None = None
    trackers: tuple[tuple[str, ...], ...] = ()
    web_seeds: tuple[str, ...] = ()


class PhaseOptions(FrozenStruct, frozen=True, kw_only=True):
    """One [[phases]]: `where` and `order` are SQL over the catalogue; budget: maximum bytes of its shards.

    embargo: RFC 3339; the phase is not published before that date.
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
    """[release]: the web address and the date of a release, and the keys that sign it."""

    url: str = ""
    date: str | None = None
    secret_key: str | None = None
    next_public_key: str | None = None


class SiteOptions(FrozenStruct, frozen=True, kw_only=True):
    """[site]: the folder of the site, and own page templates."""

    folder: str = "site"
    templates: str | None = None


class Config(FrozenStruct, frozen=True, kw_only=True):
    """packager.toml, checked. There is one source: either collection.source or one [[sources]] table."""

    collection: CollectionOptions
    sources: tuple[SourceOptions, ...] = ()
    records: RecordsOptions = RecordsOptions()
    shards: ShardOptions = ShardOptions()
    torrents: TorrentOptions = TorrentOptions()
    phases: tuple[PhaseOptions, ...]
    release: ReleaseOptions = ReleaseOptions()
    site: SiteOptions = SiteOptions()

    @property
    def source(self) -> str:
        """The folder or address of the files, as written."""
        return self.sources[0].path if self.collection.source is None else self.collection.source

    @property
    def source_key(self) -> str:
        """The key in packager.toml that names the files."""
        return "sources[0].path" if self.collection.source is None else "collection.source"

    @property
    def records_file(self) -> str | None:
        """The records file, as written."""
        return next(iter(self.records.files), None)
