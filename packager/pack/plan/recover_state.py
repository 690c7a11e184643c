"""Rebuilds a lost state folder from the site, so that the next release continues the published ones.

The site does not have everything: the source files' times are lost, so each file is read once and compared, and the
rows of withdrawn members are lost.
"""

import shutil
from pathlib import Path

import msgspec

from packager.core.bittorrent import bencode, parse_torrent
from packager.core.releases import documents
from packager.engine.files import atomic_files
from packager.engine.files.limited_read import read_limited
from packager.engine.project import state_files
from packager.engine.project.project import Project
from packager.engine.published.accept_release import MINISIG, read_local_release
from packager.engine.published.moved_files import MovedFile, write_moved
from packager.engine.published.open_release import check_listed
from packager.engine.published.release_reader import RELEASE
from packager.engine.tables import parquet
from packager.errors import InputError, TrustError
from packager.model import MEMBERS, Manifest, PublishedFile, Release, ReleaseShard
from packager.pack.shard.pack_shard import MARKER, PackedMarker
from packager.pack.shard.write_documents import OuterFields
from packager.paths import display_text
from packager.progress import Progress
from packager.units import date_of

_FIX = "restore the published site, or the state folder"


def recover_state(project: Project, collection: str, progress: Progress) -> None:
    """If the site has a release that is not in the state folder, copy it and all earlier releases there.

    If a run was killed, run it again. Raises InputError for the site of another project, TrustError if the site is
    incomplete.
    """
    path = project.site / RELEASE
    if not path.is_file():
        return
    shown_release, body = read_local_release(path), read_limited(path, documents.LIMIT)
    last = state_files.read_last_release_bytes(project)
    if not _continues(project, shown_release, last, collection):
        state_files.check_site(project)
        return
    progress.note(f"published release {shown_release.serial} is not in the state folder; copying it from the site")
    for shard in shown_release.shards:
        if not (project.packed(shard.name) / MARKER).exists():
            _copy_shard(project, shard)
    _copy_chain(project, body, shown_release.serial)


def _continues(project: Project, site: Release, last: tuple[Release, bytes] | None, collection: str) -> bool:
    """Return whether the site has a later release of this project, or the releases of a lost state folder."""
    if last is None:
        return site.collection.name == collection
    path = project.site / "releases" / f"{last[0].serial}.json"
    return site.serial > last[0].serial and path.is_file() and read_limited(path, documents.LIMIT) == last[1]


def _copy_chain(project: Project, body: bytes, serial: int) -> None:
    """Write the release documents, the newest last; without it, the state has none of them."""
    folder = project.site / "releases"
    found = {serial: body}
    for older in range(serial - 1, 0, -1):
        data = read_limited(folder / f"{older}.json", documents.LIMIT)
        after = msgspec.json.decode(found[older + 1], type=_Link)
        if documents.digest(data) != after.previous:
            raise TrustError(f"releases/{older}.json", f"is not the release that serial {older + 1} follows", _FIX)
        found[older] = data
    atomic_files.remove_tree(project.releases)
    for number in sorted(found):
        signature = folder / f"{number}.json{MINISIG}"
        if signature.is_file():
            atomic_files.write_bytes(project.releases / signature.name, read_limited(signature, documents.LIMIT))
        atomic_files.write_bytes(project.releases / f"{number}.json", found[number])


class _Link(msgspec.Struct):
    """The field of a release document that makes the chain."""

    previous: str | None


def _copy_shard(project: Project, shard: ReleaseShard) -> None:
    """Copy a shard's documents, its marker last. Raises TrustError if one differs from the release."""
    folder = atomic_files.make_folder(project.packed(shard.name))
    for file in shard.documents:
        _copy(project.site / file.path, folder / Path(file.path).name, file)
    write_moved(project, [(shard.name, _moved(folder / f"{shard.name}.members.parquet"))])
    path = folder / f"{shard.name}.manifest.json"
    manifest = documents.from_bytes(path.read_bytes(), Manifest, path)
    if manifest.withdrawn:
        manifest = msgspec.structs.replace(manifest, withdrawn=0)
        atomic_files.write_bytes(path, documents.to_bytes(manifest))
    torrent = folder / f"{shard.name}.torrent"
    found = parse_torrent.parse_torrent(read_limited(torrent, bencode.LIMIT), torrent)
    links = OuterFields(trackers=found.trackers, web_seeds=found.web_seeds, date=date_of(found.creation_date or 0))
    made = PackedMarker(format=documents.FORMAT, content="", links=links, size=shard.size, seconds=0.0)
    atomic_files.write_bytes(folder / MARKER, documents.to_bytes(made))


def _moved(table: Path) -> dict[int, MovedFile]:
    """Return the members that moved since packing, from a published table."""
    columns = parquet.read_rows(table, 0, parquet.count_rows(table), MEMBERS).select(["current_id", "current_path"])
    now = zip(*(column.to_pylist() for column in columns.columns), strict=True)
    return {row: MovedFile(record, path, None) for row, (record, path) in enumerate(now) if record or path}


def _copy(source: Path, to: Path, file: PublishedFile) -> None:
    """Copy one published file, and check it."""
    try:
        check_listed(source, file)
    except (InputError, TrustError) as error:
        raise TrustError(display_text(file.path), error.what, _FIX) from error
    with open(source, "rb") as original, atomic_files.replace_file(to) as copy:
        shutil.copyfileobj(original, copy)
