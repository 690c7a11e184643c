"""`packager extract`."""

from pathlib import Path
from typing import Annotated

import typer

from packager import api
from packager.check_reports import ExtractReport
from packager.cli import bars, screen
from packager.cli.options import Json, ManifestFile, PublisherKey, ReleasePlace
from packager.cli.show_members import show_files, show_members
from packager.errors import IncompleteError
from packager.units import count_of, show_size

_BAD = 1


def extract(
    shard: Annotated[
        str, typer.Argument(help="The shard's tar, or its address in a store: s3://, sftp://.", metavar="SHARD")
    ],
    *,
    to: Annotated[
        Path | None, typer.Option("--to", "-o", help="The folder to write to. Default: NAME, here.", metavar="DIR")
    ] = None,
    ids: Annotated[
        list[str] | None, typer.Option("--id", help="Only this member; may be given again.", metavar="ID")
    ] = None,
    paths: Annotated[
        list[str] | None,
        typer.Option("--path", help='Only members with this path ("*" is any text). Repeatable.', metavar="PATTERN"),
    ] = None,
    where: Annotated[
        str | None, typer.Option("--where", help="Only members for which this SQL is true.", metavar="SQL")
    ] = None,
    layout: Annotated[
        str | None,
        typer.Option("--layout", help='Name files from tags: "{artist}/{album}/{track:02} {title}".', metavar="LAYOUT"),
    ] = None,
    original_names: Annotated[
        bool, typer.Option("--original-names", help="Give back the names at the source.")
    ] = False,
    play_order: Annotated[
        bool, typer.Option("--play-order", help="Number the files by album and track, before their names.")
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Write over files with other contents.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="List what would be written, and write nothing.")] = False,
    release: ReleasePlace = None,
    key: PublisherKey = None,
    manifest: ManifestFile = None,
    json: Json = False,
) -> None:
    """Take files out of a shard, each checked as it is written.

    Example: packager extract audio-00001.tar --to music --layout "{artist}/{album}/{title}"
    """
    with bars.progress(json=json) as progress:
        report = api.extract(
            shard,
            to,
            release=release,
            key=key,
            manifest=manifest,
            ids=ids or (),
            paths=paths or (),
            where=where,
            layout=layout,
            original_names=original_names,
            play_order=play_order,
            overwrite=overwrite,
            dry_run=dry_run,
            progress=progress,
        )
    screen.show(report, show, json=json)
    if report.bad:
        raise typer.Exit(IncompleteError.exit_code if report.unreachable else _BAD)
    if report.in_the_way:
        raise typer.Exit(IncompleteError.exit_code)


def show(report: ExtractReport) -> None:
    """Print what was taken out, and what was not."""
    if report.dry_run:
        show_files(report.files)
    show_members(report.renamed, "not under the name that was asked for")
    show_members(report.in_the_way, "not written; write over them with --overwrite")
    show_members(report.bad, "bad")
    if not report.documents:
        screen.talk("packager: no published documents found: checked against the tar's own manifest only")
    if not report.dry_run:
        screen.compared_with([report.evidence])
    chosen = f"{count_of(report.chosen, 'member')}, {show_size(report.bytes)}"
    if report.dry_run:
        screen.say(f"extract: {chosen}; a dry run, nothing is written")
    elif report.already == report.chosen:
        screen.say(f"extract: nothing to do, {count_of(report.already, 'member')} in {report.to} already")
    else:
        already = f"; {report.already:,} there already" if report.already else ""
        screen.say(f"extract: {report.written:,} of {chosen} to {report.to}{already}")
