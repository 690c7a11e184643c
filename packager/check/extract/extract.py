"""Extract members of a shard's tar: each is checked while it is written, and nothing is written outside the folder.

Members are compared with the published documents if these are found; then the good members of a damaged tar
can still be extracted. Otherwise they are compared with the tar's own manifest.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from packager.check.extract.bag_in_tar import TarContents, read_tar_contents
from packager.core.config.store_url import StoreUrl
from packager.core.releases.members_table import with_current_ids
from packager.core.reports.check_reports import ExtractedFile, ExtractReport
from packager.core.shards import path_formats
from packager.core.shards.extract_paths import NamingOptions, output_paths, parse_naming
from packager.core.shards.layout import PAYLOAD
from packager.engine.files.member_writer import (
    WriteResult,
    extracted_files,
    members_of,
    refused,
    total_bytes,
    write_members,
)
from packager.engine.files.output_folder import OutputFolder
from packager.engine.files.range_readers import (
    LooseFileReader,
    RangeReader,
    ReportingReader,
    TarRangeReader,
    UnreachableError,
    UnreadableError,
)
from packager.engine.files.unfinished_files import check_finished
from packager.engine.published.open_release import OpenedRelease, documents_around, find_documents
from packager.engine.published.published_shard import PublishedShard, open_published_shard, shard_name
from packager.engine.published.release_reader import RELEASE
from packager.engine.published.shareable_files import ShareableFiles
from packager.engine.stores.base import Place
from packager.engine.stores.read_ahead import StoreRangeReader
from packager.engine.tables.filter_members import filter_members
from packager.errors import InputError
from packager.option_fields import (
    DRY_RUN,
    KEY,
    MANIFEST,
    NUMBER,
    OVERWRITE,
    PATHS,
    RECORDS,
    RELEASE_OPTION,
    RENAME,
    SOURCE_NAMES,
    WHERE,
    option,
)
from packager.paths import display_text
from packager.progress import Progress


@dataclass(frozen=True)
class ExtractOptions:
    """Which members to extract (default: all), how to name them, and what to compare them with."""

    records: tuple[str, ...] = option(RECORDS, ())
    paths: tuple[str, ...] = option(PATHS, ())
    where: str | None = option(WHERE)
    rename: str | None = option(RENAME)
    source_names: bool = option(SOURCE_NAMES, False)
    number: bool = option(NUMBER, False)
    overwrite: bool = option(OVERWRITE, False)
    dry_run: bool = option(DRY_RUN, False)
    release: Path | str | None = option(RELEASE_OPTION)
    key: Path | str | None = option(KEY)
    manifest: Path | None = option(MANIFEST)


def extract(
    tar: Place,
    to: Path | None,
    hand_outs: ShareableFiles,
    options: ExtractOptions,
    *,
    release: OpenedRelease | None,
    progress: Progress,
) -> ExtractReport:
    """Write the selected members below `to` (None: a folder with the shard's name in the current folder).

    The report lists members that differ from what was published or that would overwrite another file; all others
    are written. A withdrawn shard (`hand_outs`) is refused. Raises InputError if the tar or a document cannot be
    used or nothing is selected, IncompleteError if a file cannot be written.
    """
    naming = parse_naming(options.rename, original=options.source_names, number=options.number)
    contents, source = open_contents(tar, release, options.manifest, hand_outs)
    rows = filter_members(contents.members, records=options.records, paths=options.paths, where=options.where)
    to = Path(contents.name) if to is None else to
    members = contents.members.take(pa.array(rows, pa.int64()))
    found = WriteResult(bad_members=list(contents.faults) if len(rows) == contents.members.num_rows else [])
    asked = output_paths(members, naming)
    found.renamed += [refused(members, row) for row in asked.refused]
    files: tuple[ExtractedFile, ...] = ()
    unreachable = False
    if options.dry_run:
        files = tuple(
            extracted_files(member)
            for member in members_of(members, path_formats.make_distinct(asked.paths, path_formats.exact_path))
        )
    else:
        unreachable = _write(
            source, to, members, asked.paths, naming=naming, overwrite=options.overwrite, found=found, progress=progress
        )
    return ExtractReport(
        shard=contents.name,
        to=display_text(str(to)),
        dry_run=options.dry_run,
        selected=len(rows),
        bytes=total_bytes(members),
        written=found.written,
        unchanged=found.unchanged,
        bad_members=tuple(found.bad_members),
        blocked=tuple(found.blocked),
        renamed=tuple(found.renamed),
        has_documents=contents.evidence is not None,
        evidence=contents.evidence,
        files=files,
        unreachable=unreachable,
    )


def open_contents(
    tar: Place, release: OpenedRelease | None, manifest: Path | None, hand_outs: ShareableFiles
) -> tuple[TarContents, RangeReader]:
    """Return the members that a tar or a shard's folder should contain, and a reader of its bytes.

    They come from its documents, or from the tar itself if there are no documents and the tar is on this machine.
    """
    places = [tar] if isinstance(tar, Path) else []
    withheld = hand_outs.withheld([*places, *([release.folder / RELEASE] if release else [])], shard_name(tar))
    if withheld is not None and withheld.cause == "withdrawn":  # unpublished shards stay on this machine
        raise InputError(withheld.name, f"is not extracted: {withheld.reason}", withheld.fix)
    if isinstance(tar, StoreUrl):
        files = find_documents(tar, release, manifest)
        published = open_published_shard(files)
        return _contents(published), StoreRangeReader.at(tar, published.manifest.size)
    check_finished(tar)
    folder = tar.is_dir()
    if not folder and not tar.is_file():
        raise InputError(
            display_text(str(tar)), "not found" if not tar.exists() else "is not a file", "name a shard's tar"
        )
    is_named = release is not None or manifest is not None
    near = find_documents(tar, release, manifest) if is_named else documents_around(tar)
    if near is None and not folder:
        return read_tar_contents(tar), TarRangeReader(tar)
    if near is None:
        fix = "name the release with --release, or the manifest with --manifest"
        raise InputError(display_text(str(tar)), "is a folder, and no shard that is stored as files has its name", fix)
    published = open_published_shard(near)
    return _contents(published), _folder_ranges(tar, published) if folder else TarRangeReader(tar)


def _contents(published: PublishedShard) -> TarContents:
    """Return the members that a shard's documents list."""
    return TarContents(published.manifest.name, with_current_ids(published.members), (), published.evidence)


def _folder_ranges(folder: Path, published: PublishedShard) -> RangeReader:
    """Return a reader of a shard that is stored as files. Raises InputError if it is a tar."""
    if published.manifest.container != "folder":
        raise InputError(display_text(str(folder)), "is a folder, and the shard is a tar", "name the shard's tar")
    if not (folder / PAYLOAD).is_dir():
        what = "contains only the bag's own files; its members are still in the source"
        raise InputError(display_text(str(folder)), what, "name the folder that a torrent client downloaded")
    inside = os.fsencode(folder)
    places = [os.path.join(inside, PAYLOAD.encode() + path.encode()) for path in published.members["path"].to_pylist()]
    return LooseFileReader(published.layout, published.digests, places)


def _write(
    source: RangeReader,
    to: Path,
    members: pa.Table,
    asked: Sequence[bytes],
    *,
    naming: NamingOptions,
    overwrite: bool,
    found: WriteResult,
    progress: Progress,
) -> bool:
    """Write every good member, and return whether a store was unreachable."""
    with OutputFolder(to, avoid={path.partition(b"/")[0] for path in asked}) as destination:
        # Only names from the source may differ by case alone.
        exact = naming.original and not destination.folds_case()
        paths = path_formats.make_distinct(asked, path_formats.exact_path if exact else path_formats.folded_path)
        called = "the folder" if isinstance(source, LooseFileReader) else "the tar"
        unreachable = False

        def advance(start: int, stop: int, error: UnreadableError | None) -> None:  # noqa: ARG001 (a callback)
            nonlocal unreachable
            unreachable = unreachable or isinstance(error, UnreachableError)

        progress.begin("Extracting", total_bytes(members))
        for member in members_of(members, paths):
            write_members(
                [(called, ReportingReader(source, advance))], destination, member, overwrite=overwrite, taken=found
            )
            progress.advance(member.size)
        progress.end()
    return unreachable
