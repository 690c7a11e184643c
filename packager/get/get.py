"""Write members of a release below a folder, from any source that has them; each is checked before it gets its name."""

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
    """Which release to read, where members may be fetched from, and what is written.

    Without a key, the release is only as trustworthy as its address, or as the mirror that accepted it.
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
        """How members are named. Raises InputError for a wrong template."""
        return parse_naming(self.rename, original=self.source_names, number=self.number)


def get_members(
    found: MemberSelection, to: Path, options: GetOptions, *, folders: Sequence[Path], progress: Progress
) -> GetReport:
    """Write the selected members below the folder `to`, and return what was written and fetched.

    The report lists members that no source has intact, and names that another file has; all others are written.
    folders: where shards may be. Raises InputError for a wrong address, IncompleteError if a file cannot be written.
    """
    selected = found.members
    withheld = tuple(each.withheld for each in selected if each.withheld is not None) if options.links else ()
    if options.links:
        selected = [each for each in selected if each.withheld is None]
    if not selected:
        raise InputError(withheld[0].name, f"no link to it is handed out: {withheld[0].reason}")
    members = pa.concat_tables([each.members for each in selected])
    naming, dry_run = options.naming, options.dry_run or options.links
    asked = output_paths(members, naming)
    taken = WriteResult(renamed=[refused(members, row) for row in asked.refused])
    if dry_run:
        fetched = _Fetched(path_formats.make_distinct(asked.paths, path_formats.exact_path), [0] * len(selected))
    else:
        fetched = _write(selected, asked.paths, to, options, folders=folders, taken=taken, progress=progress)
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
        shards=tuple(_got(each, bytes_) for each, bytes_ in zip(selected, fetched.transferred_bytes, strict=True)),
        lookup_requests=found.cost.requests,
        lookup_bytes=found.cost.received,
        transferred_bytes=sum(fetched.transferred_bytes),
        shards_size=sum(each.shared.size for each in selected),
        unreachable=fetched.unreachable,
        magnets=tuple(link for each in selected for link in links_of(each)) if options.links else (),
        withheld=withheld,
    )


def _got(selected: SelectedMembers, transferred: int) -> ShardTransfer:
    """Return what was fetched from a shard."""
    return ShardTransfer(
        name=display_text(selected.shared.name),
        size=selected.shared.size,
        members=selected.members.num_rows,
        bytes=total_bytes(selected.members),
        transferred_bytes=transferred,
    )


@dataclass
class _Fetched:
    """The paths of the written files, the bytes transferred for each shard, and whether a source did not answer."""

    paths: list[bytes]
    transferred_bytes: list[int] = field(default_factory=list)
    unreachable: bool = False


def _write(
    selected: Sequence[SelectedMembers],
    asked: Sequence[bytes],
    to: Path,
    options: GetOptions,
    *,
    folders: Sequence[Path],
    taken: WriteResult,
    progress: Progress,
) -> _Fetched:
    """Write every member that a source has intact."""
    tops = {path.partition(b"/")[0] for path in asked}
    scratch = to / _unused(".packager-swarm", tops)
    atomic_files.remove_tree(scratch)  # what a killed run left
    with OutputFolder(to, avoid=tops) as destination:
        # Source names may differ only by case; names in the shard and from a template must not.
        exact = options.source_names and not destination.folds_case()
        fetched = _Fetched(
            path_formats.make_distinct(asked, path_formats.exact_path if exact else path_formats.folded_path)
        )
        progress.begin("Fetching", sum(total_bytes(each.members) for each in selected))
        first = 0
        for each in selected:
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
    """Return a name that is not the first folder of any file to write."""
    taken = {path_formats.folded_path(top) for top in tops}
    while path_formats.folded_path(name.encode()) in taken:
        name += "~"
    return name
