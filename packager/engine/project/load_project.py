"""An archivist's project on disk: packager.toml read and its paths checked. Nothing is written.

Paths are compared after their links are resolved: a folder that is in another one by a link would be released, or
replaced, with it.
"""

import errno
import os
import stat
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

import msgspec

from packager.core.config.parse_config import parse_config, phase_key
from packager.core.config.store_url import StoreUrl, is_store_url, parse_store_url
from packager.engine.project.project import STATE, Project
from packager.engine.project.state_format import check_state
from packager.engine.stores.base import Place
from packager.errors import IncompleteError, InputError
from packager.options import Config
from packager.paths import display_text

CONFIG_MAX = 1 << 20  # bytes


def load_project(path: Path, *, tars: str | None = None, inputs: bool = True) -> tuple[Config, Project]:
    """Return the project of a packager.toml: its checked config, its absolute paths.

    tars: their place, instead of shards.folder; relative to this process's folder. inputs: whether the source, the
    records file, the templates and the keys must exist. Raises InputError, with the key and the path, if packager.toml
    or a file or folder that it names is missing or of the wrong kind, if one of the folders that must be separate
    contains another, or if a newer packager wrote the state folder.
    """
    where = display_text(str(path))
    return project_of(parse_config(_read(path, where), where), path, tars=tars, inputs=inputs)


def project_of(config: Config, path: Path, *, tars: str | None = None, inputs: bool = True) -> tuple[Config, Project]:
    """Return the project of a config, as `load_project`. path: of its packager.toml."""
    where = display_text(str(path))
    if tars is not None:
        written = tars if is_store_url(tars) else os.path.abspath(tars)
        shards = msgspec.structs.replace(config.shards, folder=written)
        config = msgspec.structs.replace(config, shards=shards)
    project = _workspace(config, path, where)
    if inputs:
        _check_inputs(config, project, where)
    check_state(project.state)
    return config, project


def _read(path: Path, where: str) -> str:
    """Return the text of packager.toml."""
    try:
        with open(path, "rb") as file:
            data = file.read(CONFIG_MAX + 1)
    except FileNotFoundError:
        raise InputError(where, "not found", "make one with: packager init DIR") from None
    except OSError as error:
        raise InputError(where, f"cannot be read ({error.strerror})") from error
    if len(data) > CONFIG_MAX:
        raise InputError(where, "larger than 1 MiB", "is it the right file?")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InputError(where, f"line {line} is not UTF-8", "save the file as UTF-8") from None


def _workspace(config: Config, path: Path, where: str) -> Project:
    """Return the absolute paths of a project, each checked."""
    root = Path(os.path.realpath(path.parent))

    def absolute(written: str) -> Path:
        return Path(os.path.realpath(root / written))

    release, templates, records = config.release, config.site.templates, config.records_file
    source = _place(root, config.source, f"{where}: {config.source_key}")
    shards = _place(root, config.shards.folder, f"{where}: shards.folder")
    _check_stores(config, source, shards, where)
    _check_apart(config, root, source, shards, where)
    site = absolute(config.site.folder)
    released = [place for place in (source, shards, site) if isinstance(place, Path)]
    _check_kept(config, root, released, where)
    return Project(
        config=root / path.name,
        source_location=source,
        records=absolute(records) if records is not None else None,
        shards_location=shards,
        site=site,
        templates=absolute(templates) if templates is not None else None,
        secret_key=absolute(release.secret_key) if release.secret_key is not None else None,
        next_public_key=absolute(release.next_public_key) if release.next_public_key is not None else None,
    )


def _check_inputs(config: Config, project: Project, where: str) -> None:
    """Raise as `_check_kind` if something that is released, or that a release needs, is missing."""
    release, source = config.release, project.source_location
    inputs = (
        (config.source_key, source if isinstance(source, Path) else None, config.source, True),
        ("site.templates", project.templates, config.site.templates, True),
        ("records.files[0]", project.records, config.records_file, False),
        ("release.secret_key", project.secret_key, release.secret_key, False),
        ("release.next_public_key", project.next_public_key, release.next_public_key, False),
    )
    for key, path, written, is_folder in inputs:
        if path is not None and written is not None:
            _check_kind(path, f"{where}: {key}", written, folder=is_folder)


def _place(root: Path, written: str, key: str) -> Place:
    """Return the folder or store that a key names. Raises InputError for an address that cannot be used."""
    if not is_store_url(written):
        return Path(os.path.realpath(root / written))
    address = parse_store_url(written, key)
    return Path(os.path.realpath(address.path)) if address.scheme == "file" else address


def _check_stores(config: Config, source: Place, shards: Place, where: str) -> None:
    """Raise InputError if a key that must be a path is an address, or cannot be combined with one."""
    for key, written in (
        ("records.files[0]", config.records_file),
        ("site.folder", config.site.folder),
        ("site.templates", config.site.templates),
        ("release.secret_key", config.release.secret_key),
        ("release.next_public_key", config.release.next_public_key),
    ):
        if written is not None and is_store_url(written):
            parse_store_url(written, f"{where}: {key}")
            fix = "packager publish --to uploads the site" if key == "site.folder" else "copy it here"
            raise InputError(f"{where}: {key}", f'"{display_text(written)}" must be a path on this machine', fix)
    stores = [place for place in (source, shards) if isinstance(place, StoreUrl)]
    if len(stores) == 2 and (stores[0].holds(stores[1]) or stores[1].holds(stores[0])):
        what = f'"{shards}" and {config.source_key}, "{source}": one contains the other'
        raise InputError(f"{where}: shards.folder", what, "use separate prefixes")
    if isinstance(source, StoreUrl) and config.records.file_times:
        what = "true cannot be used with a store, which knows only when a file was uploaded"
        raise InputError(f"{where}: records.file_times", what, "remove the line")
    for index, phase in enumerate(config.phases):
        if phase.container == "folder" and (isinstance(source, StoreUrl) or isinstance(shards, StoreUrl)):
            what = '"folder" needs files that stay in a folder on this machine'
            raise InputError(phase_key(where, index, "container"), what, "remove the line")


def _check_kind(path: Path, key: str, written: str, *, folder: bool) -> None:
    """Raise InputError if a path is missing or no folder (no regular file), IncompleteError if it cannot be read."""
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        raise InputError(
            key, f'"{display_text(written)}": not found ({display_text(str(path))})', "fix the path"
        ) from None
    except OSError as error:
        what = f'"{display_text(written)}": cannot be read ({error.strerror})'
        if error.errno in (errno.ELOOP, errno.ENAMETOOLONG):
            raise InputError(key, what, "fix the path") from None
        raise IncompleteError(key, what, "fix its permissions or its disk") from error
    if not (stat.S_ISDIR(mode) if folder else stat.S_ISREG(mode)):
        raise InputError(key, f'"{display_text(written)}" is not a {"folder" if folder else "file"}', "fix the path")


def _check_apart(config: Config, root: Path, source: Place, shards: Place, where: str) -> None:
    """Raise InputError if one of the four folders is in another, or packager.toml is in the source."""
    if isinstance(source, Path) and root.is_relative_to(source):
        raise InputError(
            f"{where}: {config.source_key}",
            f'"{display_text(config.source)}" contains the folder of packager.toml itself',
            f"run packager init in the folder above: cd .. && packager init {display_text(source.name) or 'DIR'}",
        )
    places: tuple[tuple[str, Place], ...] = (
        (config.source_key, source),
        ("the state folder", Path(os.path.realpath(root / STATE))),
        ("shards.folder", shards),
        ("site.folder", Path(os.path.realpath(root / config.site.folder))),
    )
    folders = [(key, place) for key, place in places if isinstance(place, Path)]
    for (first, one), (second, other) in combinations(folders, 2):
        if one == other:
            relation = "is the same folder as"
        elif other.is_relative_to(one):
            relation = "is inside"
        elif one.is_relative_to(other):
            relation = "contains"
        else:
            continue
        what = f'"{display_text(str(other))}" {relation} {first}, "{display_text(str(one))}"'
        raise InputError(f"{where}: {second}", what, "use separate folders")


def _check_kept(config: Config, root: Path, released: Sequence[Path], where: str) -> None:
    """Raise InputError if the key is in a folder that is published, or a file in the folder that is replaced."""
    site = released[-1]
    for key, written, forbidden in (
        ("release.secret_key", config.release.secret_key, released),
        ("site.templates", config.site.templates, (site,)),
        ("records.files[0]", config.records_file, (site,)),
    ):
        path = Path(os.path.realpath(root / written)) if written is not None else None
        for folder in forbidden:
            if path and path.is_relative_to(folder):
                what = (
                    f'"{display_text(str(path))}" is in "{display_text(str(folder))}", which is published or replaced'
                )
                raise InputError(f"{where}: {key}", what, "move it to the folder of packager.toml")
