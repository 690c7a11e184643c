"""Publish: the release document, the pages and lists, the shards' documents; then one swap.

Order of writes: a release names only what is durable. Shards are whole before this begins; the site
is built beside its place, the release document goes to the state folder, and the swap comes last.
"""

import hashlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from packager import __version__, documents, lists
from packager.engine import durable, keys, tables
from packager.engine.workspace import Workspace
from packager.errors import InputError, from_os_error
from packager.model import Infohash, Manifest, Plan, PublishedFile, Release, ReleaseShard, ShardName
from packager.options import Config
from packager.progress import SILENT, Progress
from packager.publish import site, swap
from packager.publish.pages import ReadMembers
from packager.releasing import PackedShard, check_signer, next_release
from packager.reports import PublishReport

RELEASE, SUMS, PUBLIC_KEY, MINISIG = "release.json", "SHA256SUMS", "minisign.pub", ".minisig"


def last_release(workspace: Workspace) -> tuple[Release, bytes] | None:
    """Return the last release made here and its bytes, or None."""
    serials = sorted(int(path.stem) for path in workspace.releases.glob("*.json") if path.stem.isdigit())
    if not serials:
        return None
    path = workspace.releases / f"{serials[-1]}.json"
    data = path.read_bytes()
    return documents.from_bytes(data, Release, path), data


def published_phases(workspace: Workspace) -> set[str]:
    """Return the names of the phases that the last release has published."""
    last = last_release(workspace)
    return {phase.name for phase in last[0].phases if phase.state == "published"} if last else set()


def published_shards(workspace: Workspace) -> dict[ShardName, tuple[Infohash | None, Infohash | None]]:
    """Return the infohashes, v1 and v2, of the shards that the last release lists."""
    last = last_release(workspace)
    return {shard.name: (shard.infohash_v1, shard.infohash_v2) for shard in last[0].shards} if last else {}


def publish(
    workspace: Workspace,
    config: Config,
    plan: Plan,
    *,
    phases: set[str],
    now: str,
    signer: keys.Signer | None = None,
    progress: Progress = SILENT,
) -> PublishReport:
    """Publish `phases` of the plan, every shard of which must be packed, and what the site shows of the others.

    now: RFC 3339, the release's date where the config gives none. signer: None for a release that is
    not signed; it is only asked where something is written. A release of the same content keeps
    its serial and date, and a site that shows it already is left alone. Raises InputError for a shard
    that cannot change any more or a wrong template, IncompleteError where the system refuses.
    """
    last = last_release(workspace)
    names = [shard.name for phase in plan.phases if phase.name in phases for shard in phase.shards]
    progress.begin("documents", len(names), "shard")
    release = next_release(
        plan,
        config,
        [_packed(workspace, name, progress) for name in names],
        published=phases,
        catalogue_records=tables.count_rows(workspace.catalogue),
        last=last,
        date=config.release.date or now,
        next_key=keys.read_public(workspace.next_key) if workspace.next_key else None,
    )
    if signer and last and release.serial > last[0].serial:
        check_signer(last[0], signer.public)
    progress.end()
    document = documents.to_bytes(release)
    if len(document) > documents.LIMIT:
        what = f"its {len(document)} bytes are more than the {documents.LIMIT} that readers take"
        raise InputError(RELEASE, what, "raise shards.size, so that there are fewer shards")
    shown = _shown(document, workspace.templates, signer)
    changed = not _is_shown(workspace, shown)
    if changed:
        _publish(workspace, release, document, signer, progress)
        durable.write_bytes(workspace.state / "shown", shown)
    return PublishReport(
        serial=release.serial,
        changed=changed,
        date=release.date,
        index=str(workspace.output / "index.html"),
        phases=release.phases,
        shards=len(release.shards),
        size=sum(shard.size for shard in release.shards),
        files=_count_files(workspace.output),
    )


def _count_files(output: Path) -> int:
    """Return how many files the site has: those its sums list, the sums and their signature."""
    with open(output / SUMS, "rb") as file:
        return sum(1 for _ in file) + 1 + (output / (SUMS + MINISIG)).exists()


def _shown(document: bytes, templates: Path | None, signer: keys.Signer | None) -> bytes:
    """Return what tells one state of the site from another: the release, the templates, the key, this tool."""
    digest = hashlib.sha256(document)
    digest.update((signer.mark if signer else "").encode())
    for folder in (site.default_templates(), *([templates] if templates else [])):
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            digest.update(path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes())
    return f"{__version__} {digest.hexdigest()}\n".encode()


def _is_shown(workspace: Workspace, shown: bytes) -> bool:
    """Say whether the site in its place is that state, by what was noted and what stands there."""
    try:
        noted = (workspace.state / "shown").read_bytes()
        return noted == shown and (workspace.output / SUMS).is_file() and (workspace.output / RELEASE).is_file()
    except FileNotFoundError:
        return False


def _packed(workspace: Workspace, name: ShardName, progress: Progress) -> PackedShard:
    """Return a packed shard's manifest and the facts of its files as the site has them."""
    folder = workspace.packed(name)
    manifest = folder / f"{name}.manifest.json"
    twin = folder / f"{name}.v1.torrent"
    progress.advance(1)
    return PackedShard(
        manifest=documents.from_bytes(manifest.read_bytes(), Manifest, manifest),
        torrent=_file(folder / f"{name}.torrent", "torrents"),
        document=_file(manifest, "manifests"),
        table=_file(folder / f"{name}.members.parquet", "manifests"),
        torrent_v1=_file(twin, "torrents") if twin.exists() else None,
    )


def _file(path: Path, folder: str) -> PublishedFile:
    """Return the facts of a file that is published in `folder`."""
    try:
        with open(path, "rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            return PublishedFile(path=f"{folder}/{path.name}", size=file.tell(), sha256=digest)
    except OSError as error:
        raise from_os_error(error, path, "pack the shard again: packager pack") from error


def _publish(
    workspace: Workspace, release: Release, document: bytes, signer: keys.Signer | None, progress: Progress
) -> None:
    """Build the site beside its place and swap it in."""
    built = swap.staging(workspace.output)
    files = list(_place_documents(workspace, release, built))
    if signer:
        signature = signer.sign(document, f"release {release.serial} of {release.collection.name}, {release.date}")
        durable.write_bytes(workspace.releases / f"{release.serial}.json{MINISIG}", signature)
        files.append(_write(built, RELEASE + MINISIG, signature))
        files.append(_write(built, PUBLIC_KEY, signer.public.text.encode()))
    durable.write_bytes(workspace.releases / f"{release.serial}.json", document)
    files += _place_releases(workspace, release.serial, built)
    reader = _member_reader(workspace)
    files += site.render(
        release,
        site=built,
        read_members=reader,
        signed=signer is not None,
        templates=workspace.templates,
        progress=progress,
    )
    files.append(_write(built, RELEASE, document))
    sums = lists.sha256sums(files).encode()
    if signer:
        comment = f"{SUMS} of release {release.serial} of {release.collection.name}, {release.date}"
        durable.write_bytes(built / (SUMS + MINISIG), signer.sign(sums, comment))
    durable.write_bytes(built / SUMS, sums)
    swap.swap(built, workspace.output)


def _place_releases(workspace: Workspace, last: int, built: Path) -> Iterator[PublishedFile]:
    """Put every release document so far, and its signature, into the site and yield their facts."""
    for serial in range(1, last + 1):
        yield _write(built, f"releases/{serial}.json", _read_release(workspace, serial))
        signature = workspace.releases / f"{serial}.json{MINISIG}"
        if signature.exists():
            yield _write(built, f"releases/{signature.name}", signature.read_bytes())


def _read_release(workspace: Workspace, serial: int) -> bytes:
    """Return the bytes of a release made here."""
    path = workspace.releases / f"{serial}.json"
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(path, "an earlier release is missing", "bring it back from the site's releases/") from error


def _place_documents(workspace: Workspace, release: Release, built: Path) -> Iterator[PublishedFile]:
    """Put each shard's documents into the site, linked where the file system can, and yield their facts."""
    folders = set()
    for shard in release.shards:
        for file in (shard.torrent, shard.torrent_v1, shard.manifest, shard.table):
            if file is None:
                continue
            path = built / file.path
            folders.add(durable.make_folder(path.parent))
            _link(workspace.packed(shard.name) / path.name, path)
            yield file
    for folder in folders:
        durable.fsync_folder(folder)


def _link(source: Path, path: Path) -> None:
    """Link a durable file to a second name, or copy it durably where that cannot be."""
    try:
        os.link(source, path)
    except OSError:
        with open(source, "rb") as whole, durable.replace(path) as file:
            shutil.copyfileobj(whole, file)


def _write(built: Path, path: str, data: bytes) -> PublishedFile:
    """Write one file of the site and return its facts."""
    durable.write_bytes(built / path, data)
    return PublishedFile(path=path, size=len(data), sha256=documents.digest(data))


def _member_reader(workspace: Workspace) -> ReadMembers:
    """Return the function by which pages read the first rows of a shard's members table."""

    def read(shard: ReleaseShard, count: int) -> pa.Table:
        path = workspace.packed(shard.name) / Path(shard.table.path).name
        return tables.read_rows(path, 0, min(count, shard.members))

    return read
