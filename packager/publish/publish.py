"""`publish`: writes release.json, pages, lists and the shards' documents, then replaces the site in one step.

A release names only durable files: shards are complete before this starts. The new site is built beside the old one,
release.json is written to the state folder, and the swap comes last.
"""

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from packager import __version__
from packager.core.bittorrent import parse_torrent
from packager.core.bittorrent.parse_torrent import file_numbers
from packager.core.estimates.estimate import LISTED, PAGE
from packager.core.http.allowed_hosts import AllowedHosts
from packager.core.releases import documents, release_lists
from packager.core.releases.document_checks import check_document
from packager.core.releases.next_release import check_signer, next_release, not_before
from packager.core.releases.seed_counts import Counted
from packager.core.releases.withdrawn_records import all_withdrawals
from packager.core.releases.withheld_shards import SharingRule
from packager.core.reports.reader_needs import missing_for_readers
from packager.core.reports.reports import PublishReport
from packager.core.shards.layout import PAYLOAD
from packager.engine.files import atomic_files
from packager.engine.files.write_errors import expect_bytes
from packager.engine.project import key_files
from packager.engine.project.owner_id import project_owner
from packager.engine.project.project import Project
from packager.engine.project.state_files import check_site, read_last_release_bytes, read_withdrawals
from packager.engine.published.accept_release import MINISIG, PUBLIC_KEY
from packager.engine.published.release_reader import RELEASE
from packager.engine.tables import parquet
from packager.errors import IncompleteError, InputError
from packager.model import Plan, PublishedFile, Release, ReleaseShard, ShardName
from packager.option_fields import ALLOW_HOSTS, ALLOW_UNREAD, COUNT_SEEDS, DRY_RUN, PHASES, option
from packager.options import Config
from packager.progress import SILENT, Progress
from packager.publish import site_seed_counts, swap_folder
from packager.publish.build_lookup import publish_lookup
from packager.publish.listed_shards import find_changes, listed_shard, place_documents
from packager.publish.site import render
from packager.publish.site.pages import ReadMembers
from packager.publish.write_metalinks import write_metalinks
from packager.units import parse_seconds

SUMS = "SHA256SUMS"


@dataclass(frozen=True)
class PublishOptions:
    """Which phases are published, and where the site is uploaded afterwards."""

    phases: tuple[str, ...] | None = option(PHASES)
    count_seeds: bool = option(COUNT_SEEDS, False)
    allow_hosts: tuple[str, ...] = option(ALLOW_HOSTS, ())
    to: Path | str | None = option(
        "Also upload the site to s3://BUCKET/PREFIX, sftp://HOST/PATH or file:///PATH.",
        None,
        "--to",
        "-o",
        metavar="PLACE",
    )
    with_shards: bool = option("With --to: upload the tars too, into shards/.", False)
    delete_after: float = option(
        "With --to: delete files there that the release no longer has after this long.",
        "24 h",
        metavar="TIME",
        parse=parse_seconds,
    )
    allow_unread: bool = option(ALLOW_UNREAD, False)
    dry_run: bool = option(DRY_RUN, False)


def publish(
    project: Project,
    config: Config,
    plan: Plan,
    *,
    phases: set[str],
    closed: Mapping[str, str],
    now: str,
    unread: int = 0,
    signer: key_files.Signer | None = None,
    scrape: AllowedHosts | None = None,
    dry_run: bool = False,
    progress: Progress = SILENT,
) -> PublishReport:
    """Publish a release with `phases` of the plan, and return the report. All shards of these must be packed.

    closed: by name, the embargo dates of other phases. unread: how many files and folders the scan could not read.
    now: RFC 3339; the release's date, unless the config sets one or the last release has a later one. signer: None for
    an unsigned release; used only if something is written. scrape: hosts that may be asked besides public ones, to ask
    trackers for seed counts first; None: do not ask. dry_run: no network access, write nothing.
    If the content is the same, the release keeps its serial and date; if the seed counts are the same too, the site
    is not written. Raises InputError for a change of an unchangeable shard or a bad template, IncompleteError if a
    file cannot be read or written.
    """
    last = read_last_release_bytes(project)
    before_this = last[0] if last else None
    before = {shard.name: shard for shard in before_this.shards} if before_this else {}
    names = [shard.name for phase in plan.phases if phase.name in phases for shard in phase.shards]
    superseded = {gone.name for gone in plan.superseded}
    ended = [name for name, shard in before.items() if shard.obsolete or name in superseded]
    withdrawals = read_withdrawals(project)
    changes = find_changes(project, plan, phases, before_this, withdrawals)
    progress.begin("Writing", len(names) + len(ended), "shard")
    release = next_release(
        plan,
        config,
        [
            *(listed_shard(project, name, before.get(name), changes, progress) for name in names),
            *(listed_shard(project, name, before[name], changes, progress, obsolete=True) for name in ended),
        ],
        published=phases,
        closed=closed,
        catalogue_records=plan.records,
        withdrawals=all_withdrawals(before_this, withdrawals, changes.holding),
        last=last,
        date=config.release.date or not_before(before_this, now),
        next_key=key_files.read_public(project.next_public_key) if project.next_public_key else None,
        unread=unread,
    )
    if signer and before_this and release.serial > before_this.serial:
        check_signer(before_this, signer.public)
    progress.end()
    check_document(release, RELEASE)  # never sign a document that readers refuse
    document = documents.to_bytes(release)
    if len(document) > documents.LIMIT:
        what = f"it has {len(document)} bytes, but readers accept at most {documents.LIMIT}"
        raise InputError(RELEASE, what, "raise shards.size, so that there are fewer shards")
    counted, scraped = site_seed_counts.read_seed_counts(project), None
    if scrape is not None and not dry_run:
        counted, scraped = site_seed_counts.update_seed_counts(project, release, scrape, now=now, progress=progress)
    site_state = _site_state(document, project.templates, signer, release_lists.torrents_json(release, counted))
    changed = not _is_current(project, site_state)
    if changed and not dry_run:
        with expect_bytes(len(release.shards) * (PAGE + LISTED)):
            _publish(project, release, document, signer, counted=counted, progress=progress)
        with suppress(IncompleteError):  # only makes the next publish faster
            atomic_files.write_bytes(project.state / "shown", site_state)
    return PublishReport(
        serial=release.serial,
        changed=changed,
        date=release.date,
        index_page=str(project.site / "index.html"),
        phases=release.phases,
        shards=sum(not shard.obsolete for shard in release.shards),
        size=sum(shard.size for shard in release.shards if not shard.obsolete),
        files=0 if dry_run else _count_files(project.site),
        unread_count=release.unread,
        withheld=SharingRule(release).all_withheld(),
        seed_counts=scraped,
        missing=missing_for_readers(config),
        upload=None,
        dry_run=dry_run,
    )


def _count_files(site: Path) -> int:
    """Return how many files the site has: those in the sums, the sums and their signature."""
    with open(site / SUMS, "rb") as file:
        return sum(1 for _ in file) + 1 + (site / (SUMS + MINISIG)).exists()


def _site_state(document: bytes, templates: Path | None, signer: key_files.Signer | None, torrents: bytes) -> bytes:
    """Return a digest of everything that the site depends on: release, templates, key, seed counts, version."""
    digest = hashlib.sha256(document + torrents)
    digest.update((signer.mark if signer else "").encode())
    for folder in (render.default_templates(), *([templates] if templates else [])):
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            digest.update(path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes())
    return f"{__version__} {digest.hexdigest()}\n".encode()


def _is_current(project: Project, site_state: bytes) -> bool:
    """Return whether the present site has this state."""
    try:
        saved = (project.state / "shown").read_bytes()
        return saved == site_state and (project.site / SUMS).is_file() and (project.site / RELEASE).is_file()
    except FileNotFoundError:
        return False


def _publish(
    project: Project,
    release: Release,
    document: bytes,
    signer: key_files.Signer | None,
    *,
    counted: Mapping[ShardName, Counted],
    progress: Progress,
) -> None:
    """Build the new site beside the old one, and replace the old one."""
    check_site(project)
    built = swap_folder.new_site_folder(project.site, project_owner(project.state))
    files = list(place_documents(project, release, built))
    if signer:
        signature = signer.sign(document, f"release {release.serial} of {release.collection.name}, {release.date}")
        atomic_files.write_bytes(project.releases / f"{release.serial}.json{MINISIG}", signature)
        files.append(_write(built, RELEASE + MINISIG, signature))
        files.append(_write(built, PUBLIC_KEY, signer.public.text.encode()))
    atomic_files.write_bytes(project.releases / f"{release.serial}.json", document)
    files += _place_releases(project, release.serial, built)
    metalinks = list(write_metalinks(release, built))
    reader = _member_reader(project)
    files += metalinks
    files += publish_lookup(project, release, built, progress)
    files += render.render_site(
        release,
        site=built,
        read_members=reader,
        signed=signer is not None,
        metalinks=frozenset(file.path for file in metalinks),
        counted=counted,
        templates=project.templates,
        progress=progress,
    )
    files.append(_write(built, RELEASE, document))
    sums = release_lists.sha256sums(files).encode()
    if signer:
        comment = f"{SUMS} of release {release.serial} of {release.collection.name}, {release.date}"
        atomic_files.write_bytes(built / (SUMS + MINISIG), signer.sign(sums, comment))
    atomic_files.write_bytes(built / SUMS, sums)
    swap_folder.swap_site(built, project.site, lambda: check_site(project))


def _place_releases(project: Project, last: int, built: Path) -> Iterator[PublishedFile]:
    """Put all release documents and their signatures into the site, and yield their facts."""
    for serial in range(1, last + 1):
        yield _write(built, f"releases/{serial}.json", _read_release(project, serial))
        signature = project.releases / f"{serial}.json{MINISIG}"
        if signature.exists():
            yield _write(built, f"releases/{signature.name}", signature.read_bytes())


def _read_release(project: Project, serial: int) -> bytes:
    """Return the bytes of an earlier release document."""
    path = project.releases / f"{serial}.json"
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(path, "an earlier release is missing", "copy it back from the site's releases/") from error


def _write(built: Path, path: str, data: bytes) -> PublishedFile:
    """Write one file of the site, and return its facts."""
    atomic_files.write_bytes(built / path, data)
    return PublishedFile(path=path, size=len(data), sha256=documents.digest(data))


def _member_reader(project: Project) -> ReadMembers:
    """Return a function that reads the first rows of a shard's members table for the pages.

    For a shard that is kept as files, the rows also have `file_number`, the file's number in the torrent (BEP 53).
    """

    def read(shard: ReleaseShard, count: int) -> pa.Table:
        path = project.listed_table(shard.name, shard.members_table.sha256)
        rows = parquet.read_rows(path, 0, min(count, shard.members - shard.withdrawn))
        if shard.container == "tar":
            return rows
        torrent = project.packed(shard.name) / f"{shard.name}.torrent"
        known = file_numbers(parse_torrent.parse_torrent(torrent.read_bytes(), torrent))
        paths = [(shard.file, *f"{PAYLOAD}{path}".split("/")) for path in rows["path"].to_pylist()]
        return rows.append_column("file_number", pa.array([known[path] for path in paths], pa.int64()))

    return read
