"""The project that a folder belongs to: of the packager.toml in it, or in the nearest folder above. Reads only."""

import os
from pathlib import Path

from packager.engine.project.load_project import load_project
from packager.engine.project.project import Project
from packager.engine.project.state_files import read_last_release_bytes, signer_of
from packager.engine.stores.base import Place
from packager.errors import InputError, PackagerError

CONFIG = "packager.toml"


def nearest_config(folder: Path) -> Path | None:
    """Return the packager.toml in a folder, or in the nearest folder above it; None if there is none."""
    absolute = folder.absolute()
    return next((place / CONFIG for place in (absolute, *absolute.parents) if (place / CONFIG).is_file()), None)


def project_of_tars(folder: Path) -> Project | None:
    """Return the project that a folder of tars belongs to; None if there is none.

    It is the project around the folder, or the one of the current folder if its tars are there. A packager.toml that
    is not valid names no project: files can be checked that have nothing to do with it.
    """
    absolute = Path(os.path.realpath(folder))
    for start in (folder, Path()):
        config = nearest_config(start)
        try:
            project = None if config is None else load_project(config, inputs=False)[1]
        except PackagerError:
            continue
        if project is not None and (start == folder or project.shards_location == absolute):
            return project
    return None


def own_signer(site: Path, body: bytes) -> str | None:
    """Return the id of the key with which a project signed the release in its site; None if no project here did.

    body: the bytes of the site's release.json. They count only if they are those that the project keeps in its state
    folder, beside its signature.
    """
    for start in (site, Path()):
        config = nearest_config(start)
        try:
            project = None if config is None else load_project(config, inputs=False)[1]
        except PackagerError:
            continue
        if project is not None and os.path.realpath(project.site) == os.path.realpath(site):
            last = read_last_release_bytes(project)
            return signer_of(project, last[0].serial) if last and last[1] == body else None
    return None


def own_folder(command: str, mirrored: str) -> Path:
    """Return the folder of `own_tars`. Raises InputError, also if the tars are in a store."""
    tars = own_tars(command, mirrored)
    if not isinstance(tars, Path):
        raise InputError(command, f"the tars of this project are in {tars}, not in a folder", "name tars or folders")
    return tars


def own_tars(command: str, mirrored: str) -> Place:
    """Return the folder of the tars of the project or mirror in the current folder.

    mirrored: the name of a mirror's state folder. Raises InputError if there is neither.
    """
    if Path(mirrored).is_dir():
        return Path()
    config = nearest_config(Path())
    if config is None:
        raise InputError(command, "no tar is named, and there is no project or mirror here", "name tars or folders")
    tars = load_project(config, inputs=False)[1].shards_location
    return Path(os.path.relpath(tars)) if isinstance(tars, Path) else tars
