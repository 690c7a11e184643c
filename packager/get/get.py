"""Members had, one after another, from wherever they are: each compared before it gets its name below a folder."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from packager.core.reports.check_reports import GetReport, ShardTransfer
from packager.core.shards import path_formats
from packager.core.shards.extract_paths import NamingOptions, output_paths, parse_naming
from packager.engine.files import atomic_files
from packager.engine.files.member_writer import (
    WriteResult,
    extracted_files,
    members_of,
    refused,
    total_bytes,
    write_members,
)
from packager.engine.files.output_folder import OutputFolder
from packager.engine.network.connection_options import NetworkOptions
from packager.errors import InputError
from packager.get.find_by_sql import SearchOptions
from packager.get.member_links import links_of
from packager.get.member_readers import MemberReaders, MemberSelection, SelectedMembers
from packager.option_fields import DRY_RUN, KEY, NUMBER, OVERWRITE, RENAME, SOURCE_NAMES, SOURCES, option
from packager.paths import display_text
from packager.progress import Progress


@dataclass(frozen=True)
class GetOptions:
    """Which release members are taken out of, where they may be fetched from, and what is written.

    Without a key what is published is only as good as the way it comes, or as the mirror that accepted it.
    """

    release: Path | str | None = option(
        "The release: its folder or its address; or a mirror's folder. Default: the one here.", metavar="PLACE"
    )
    key: Path | str | None = option(KEY)
    search: SearchOptions = SearchOptions()
    sources: tuple[Path | str, ...] = option(SOURCES, ())
    network: NetworkOptions = NetworkOptions()
    rename: str | None = option(RENAME)
    source_names: bool = option(SOURCE_NAMES, False)
    number: bool = option(NUMBER, False)
    overwrite: bool = option(OVERWRITE, False)
    links: bool = option("Print a magnet link for each file, and download nothing.", False, "--magnet")
    dry_run: bool = option(DRY_RUN, False)

    @property
    def naming(self) -> NamingOptions:
        """How members are named. Raises InputError for a layout that is none."""
        return parse_naming(self.rename, original=self.source_names, number=self.number)


def get_members(
    found: MemberSelection, to: Path, options: GetOptions, *, folders: Sequence[Path], progress: Progress
) -> GetReport:
    """Write the members that were found below a folder, and return what that cost.

    One that no source has right, or whose name another file has, is in the report; the others are written.
    folders: where shards may lie. Raises InputError for an address that is none, IncompleteError where a file cannot be
    written.
    """
    meant = found.members
    withheld = tuple(each.withheld for each in meant if each.withheld is not None) if options.links else ()
    if options.links:
        meant = [each for each in meant if each.withheld is None]
    if not meant:
        raise InputError(withheld[0].name, f"no link to it is handed out: {withheld[0].reason}")
    members = pa.concat_tables([each.members for each in meant])
    naming, dry_run = options.naming, options.dry_run or options.links
    asked = output_paths(members, naming)
    taken = WriteResult(renamed=[refused(members, row) for row in asked.refused])
    if dry_run:
        fetched = _Fetched(path_formats.make_distinct(asked.paths, path_formats.exact_path), [0] * len(meant))
    else:
        fetched = _write(meant, asked.paths, to, options, folders=folders, taken=taken, progress=progress)
    return GetReport(
        release=found.release,
        to=display_text(str(to)),
        dry_run=dry_run,
        evidence=found.evidence,
        selected=members.num_rows,
        bytes=total_bytes(members),
        written=taken.written,
        unchanged=taken.unchanged,
        bad_members=tuple(taken.bad_members),
        blocked=tuple(taken.blocked),
        renamed=tuple(taken.renamed),
        files=tuple(extracted_files(member) for member in members_of(members, fetched.paths)),
        shards=tuple(_got(each, bytes_) for each, bytes_ in zip(meant, fetched.transferred_bytes, strict=True)),
        lookup_requests=found.cost.requests,
        lookup_bytes=found.cost.received,
        transferred_bytes=sum(fetched.transferred_bytes),
        shards_size=sum(each.shared.size for each in meant),
        unreachable=fetched.unreachable,
        magnets=tuple(link for each in meant for link in links_of(each)) if options.links else (),
        withheld=withheld,
    )


def _got(meant: SelectedMembers, transferred: int) -> ShardTransfer:
    """Return what was had of a shard."""
    return ShardTransfer(
        name=display_text(meant.shared.name),
        size=meant.shared.size,
        members=meant.members.num_rows,
        bytes=total_bytes(meant.members),
        transferred_bytes=transferred,
    )


@dataclass
class _Fetched:
    """The files that members became, the bytes transferred for each shard, and whether a source failed for now."""

    paths: list[bytes]
    transferred_bytes: list[int] = field(default_factory=list)
    unreachable: bool = False


def _write(
    meant: Sequence[SelectedMembers],
    asked: Sequence[bytes],
    to: Path,
    options: GetOptions,
    *,
    folders: Sequence[Path],
    taken: WriteResult,
    progress: Progress,
) -> _Fetched:
    """Write every member that a source has right."""
    tops = {path.partition(b"/")[0] for path in asked}
    scratch = to / _unused(".packager-swarm", tops)
    atomic_files.remove_tree(scratch)  # what a killed run left
    with OutputFolder(to, avoid=tops) as destination:
        # Names as at the source may differ only by case; the shard's own and a layout's never should.
        exact = options.source_names and not destination.folds_case()
        fetched = _Fetched(
            path_formats.make_distinct(asked, path_formats.exact_path if exact else path_formats.folded_path)
        )
        progress.begin("Fetching", sum(total_bytes(each.members) for each in meant))
        first = 0
        for each in meant:
            stop = first + each.members.num_rows
            rows = list(members_of(each.members, fetched.paths[first:stop]))
            with ExitStack() as opened:
                remote = options.network.without_swarm() if each.withheld else options.network
                sources = MemberReaders(each.shared, rows, folders=folders, remote=remote, opened=opened)
                for at, member in enumerate(rows):
                    write_members(
                        sources.of(at, scratch), destination, member, overwrite=options.overwrite, taken=taken
                    )
                    progress.advance(member.size)
            fetched.transferred_bytes.append(sources.transferred_bytes)
            fetched.unreachable = fetched.unreachable or sources.unreachable
            first = stop
        progress.end()
    return fetched


def _unused(name: str, tops: set[bytes]) -> str:
    """Return a name that no file to come has at its top."""
    taken = {path_formats.folded_path(top) for top in tops}
    while path_formats.folded_path(name.encode()) in taken:
        name += "~"
    return name
