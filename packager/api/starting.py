"""A new project: packager.toml for a folder of files."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from packager.api.arguments import AnyPath, as_path
from packager.catalogue.first_look import FoundFiles, FoundRecords, look_at_folder, no_match
from packager.core.config import option_values, url_values
from packager.core.config.starter_config import Starter, starter_title
from packager.engine.project.new_project import check_new_config, write_new_config, written_path
from packager.errors import InputError
from packager.option_fields import option
from packager.paths import display_text
from packager.slug import slug
from packager.units import GIB

KEY_FILE = "release.key"


def _shard_size(text: str, where: str) -> str:
    """Return a shard size unchanged. Raises InputError if it is not valid."""
    option_values.shard_size(text, where)
    return text


@dataclass(frozen=True)
class InitOptions:
    """Values for a new packager.toml. None: what `packager init` finds or chooses."""

    name: str | None = option(
        "Short name in file names. Default: from the title.", None, metavar="NAME", parse=option_values.name
    )
    title: str | None = option(
        "Title of the pages. Default: the folder's name.", None, metavar="TEXT", parse=option_values.title
    )
    licence: str | None = option("Terms for sharing.", None, metavar="TEXT", parse=option_values.line)
    contact: str | None = option("How to reach you.", None, metavar="TEXT", parse=option_values.line)
    records: str | None = option('Records file. Default: the one beside the folder; "" for none.', None, metavar="FILE")
    url: str | None = option("Web address of the release.", None, metavar="URL", parse=url_values.base_url)
    trackers: tuple[tuple[str, ...], ...] = option(
        "Tracker, or several separated by commas for one tier. Repeatable.",
        (),
        "--tracker",
        metavar="URL",
        parse=url_values.tracker_tier,
    )
    shard_size: str | None = option(
        "Maximum size of a tar. Default: 64 GiB; 1 GiB if the folder is smaller.",
        None,
        metavar="SIZE",
        parse=_shard_size,
    )
    secret_key: str | None = option(
        'Secret key that signs the release. Default: release.key, if it exists; "" for none.', None, metavar="FILE"
    )


@dataclass(frozen=True)
class NewProject:
    """What `init` wrote. found: what is in the folder. records: the records file that packager.toml names."""

    config: Path
    found: FoundFiles
    records: FoundRecords | None


Ask: TypeAlias = Callable[[FoundFiles, InitOptions], InitOptions]


def keep_answers(_found: FoundFiles, options: InitOptions) -> InitOptions:
    """Return the options unchanged, without questions."""
    return options


def init(
    folder: AnyPath,
    options: InitOptions | None = None,
    *,
    config: AnyPath = Path("packager.toml"),
    overwrite: bool = False,
    ask: Ask = keep_answers,
) -> NewProject:
    """Create packager.toml for a folder of files, and return what was found and written.

    ask: called with what is in the folder; returns the options. Raises InputError if `folder` is not a folder, the
    config exists and `overwrite` is not set, or no record of options.records describes a file.
    """
    options = options or InitOptions()
    config_path, found = as_path(config), look_at_folder(as_path(folder))
    check_new_config(config_path, _starter(options, found, config_path, found.records), overwrite=overwrite)
    options = ask(found, options)
    records = _records(options.records, found)
    write_new_config(config_path, _starter(options, found, config_path, records), overwrite=overwrite)
    return NewProject(config_path, found, records)


def title_of(options: InitOptions, found: FoundFiles) -> str:
    """Return options.title, or a title from the folder's name."""
    folder = found.source.parent if found.is_bag else found.source
    return options.title or starter_title(folder.name)


def shard_size_of(options: InitOptions, found: FoundFiles) -> str:
    """Return options.shard_size, or a size that fits the folder."""
    return options.shard_size or ("64 GiB" if found.size >= 64 * GIB else "1 GiB")


def _records(written: str | None, found: FoundFiles) -> FoundRecords | None:
    """Return the records file to use. Raises InputError if none of its records describes a file."""
    if written is None or not written:
        return found.records if written is None else None
    records = found.look_at_records(Path(written))
    if records.matched == 0:
        raise InputError(display_text(written), no_match(records), "name the records of these files, or none")
    return records


def _starter(options: InitOptions, found: FoundFiles, config_path: Path, records: FoundRecords | None) -> Starter:
    """Return the values of the new packager.toml."""
    root = Path(os.path.realpath(config_path.parent))
    title = title_of(options, found)
    key = options.secret_key
    if key is None and (root / KEY_FILE).is_file():
        key = os.fspath(root / KEY_FILE)
    return Starter(
        name=options.name or slug(title),
        title=title,
        source=written_path(found.source, root),
        records=written_path(records.path, root) if records else None,
        licence=options.licence or "",
        contact=options.contact or "",
        url=options.url or "",
        trackers=options.trackers,
        shard_size=shard_size_of(options, found),
        secret_key=written_path(Path(key), root) if key else None,
        popularity=records is not None and records.popularity,
    )
