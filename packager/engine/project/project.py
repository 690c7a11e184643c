"""Where each file of an archivist's project lies: the state folder, the shards, the site."""

from dataclasses import dataclass
from pathlib import Path

from packager.core.config.store_url import StoreUrl
from packager.engine.stores.base import Place
from packager.errors import InputError
from packager.model import ShardName

STATE = ".packager"


@dataclass(frozen=True)
class Project:
    """The absolute paths of one project. The state folder holds all that is not published or a tar."""

    config: Path
    source_location: Place
    records: Path | None
    shards_location: Place
    site: Path
    templates: Path | None = None
    secret_key: Path | None = None
    next_public_key: Path | None = None

    @property
    def root(self) -> Path:
        """The folder of packager.toml."""
        return self.config.parent

    @property
    def source(self) -> Path:
        """The folder of the collection. Raises InputError if it is a store."""
        return _folder(self.source_location, "sources")

    @property
    def shards(self) -> Path:
        """The folder of the tars. Raises InputError if it is a store."""
        return _folder(self.shards_location, "shards.folder")

    @property
    def shards_key(self) -> str:
        """The place of the tars as the state folder writes it; a folder in the project relative to it: it may move."""
        place = self.shards_location
        if isinstance(place, Path) and place.is_relative_to(self.root):
            place = place.relative_to(self.root)
        return str(place).encode("utf-8", "backslashreplace").decode()

    @property
    def state(self) -> Path:
        """The state folder: catalogue, plan, packed documents, releases."""
        return self.root / STATE

    @property
    def withdrawals(self) -> Path:
        """What the archivist withdrew, JSON of withdrawn.Withdrawals. Beside packager.toml: it cannot be made again."""
        return self.root / "withdrawals.json"

    @property
    def catalogue(self) -> Path:
        """The catalogue, Parquet of model.CATALOGUE."""
        return self.state / "catalogue.parquet"

    @property
    def files(self) -> Path:
        """What the last scan saw of each file, so that the next rereads no unchanged one."""
        return self.state / "files.parquet"

    @property
    def plan(self) -> Path:
        """The plan's facts, JSON of model.Plan."""
        return self.state / "plan" / "plan.json"

    def planned(self, phase: str) -> Path:
        """Return the Parquet file (model.PLANNED) of a phase's members."""
        return self.state / "plan" / f"{phase}.parquet"

    @property
    def withdrawn_content(self) -> Path:
        """The Parquet file of the sizes and digests of withdrawn files, as the plan knows them."""
        return self.state / "plan" / "withdrawn.parquet"

    @property
    def withdrawn_hashes(self) -> Path:
        """The Parquet file of the digests of files whose records are withdrawn, so that they are read once."""
        return self.state / "withdrawn-hashes.parquet"

    def export(self, phase: str) -> Path:
        """Return the folder of a catalogue phase's files: the source of its members."""
        return self.state / "plan" / f"{phase}.export"

    @property
    def packed_folder(self) -> Path:
        """The folder of every packed shard's documents."""
        return self.state / "packed"

    def packed(self, name: ShardName) -> Path:
        """Return the folder of a packed shard's documents: manifest, members table, torrents."""
        return self.packed_folder / name

    def listed_table_place(self, name: ShardName, sha256: str) -> Path:
        """Return where a members table lies that is another than the one that packing made. sha256: in hex."""
        return self.packed(name) / "listed" / f"{sha256}.parquet"

    def listed_table(self, name: ShardName, sha256: str) -> Path:
        """Return where the members table lies that a release lists with this SHA-256."""
        changed = self.listed_table_place(name, sha256)
        return changed if changed.exists() else self.packed(name) / f"{name}.members.parquet"

    def listed_torrent_place(self, name: ShardName, sha256: str) -> Path:
        """Return where a .torrent is kept that a release lists, once packing has made another. sha256: in hex."""
        return self.packed(name) / "listed" / f"{sha256}.torrent"

    def source_times(self, name: ShardName) -> Path:
        """Return the Parquet file of the times that a packed shard's sources had; it is never published."""
        return self.packed(name) / "mtimes.parquet"

    def moved(self, name: ShardName) -> Path:
        """Return the Parquet file of a packed shard's members whose files moved since (published/moved_files.py)."""
        return self.packed(name) / "moved.parquet"

    def published_rows(self, name: ShardName) -> Path:
        """Return the Parquet file (model.PLANNED) of a published shard's members, as they were planned."""
        return self.packed(name) / "published.parquet"

    @property
    def replanned(self) -> Path:
        """The Parquet file of published records that the plan puts into another shard, and where they lie now."""
        return self.state / "plan" / "replanned.parquet"

    def tar(self, name: ShardName) -> Path:
        """Return where a shard's tar lies, once it is whole."""
        return self.shards / f"{name}.tar"

    def folder(self, name: ShardName) -> Path:
        """Return the folder of a shard that is kept as files; of them it holds the bag's own alone."""
        return self.shards / name

    def places(self, name: ShardName) -> Path:
        """Return the JSON list of the places where this project wrote a shard's tar."""
        return self.state / "tars" / f"{name}.json"

    def tar_note(self, name: ShardName) -> Path:
        """Return the JSON note (engine/project/tar_stamps.py) of a shard's tars as this project wrote them."""
        return self.state / "tars" / f"{name}.written.json"

    @property
    def seed_counts(self) -> Path:
        """The last seed counts that were had of each shard, JSON of seed_counts.SeedCounts."""
        return self.state / "seed-counts.json"

    @property
    def releases(self) -> Path:
        """The folder of every release document made so far, SERIAL.json."""
        return self.state / "releases"


def _folder(place: Place, key: str) -> Path:
    """Return a place that must be a folder of this machine."""
    if isinstance(place, StoreUrl):
        what = f'"{place}" is no folder of this machine, and this command reads and writes there only'
        raise InputError(f"packager.toml: {key}", what, "scan, plan, pack, status and publish work with it")
    return place
