"""Lists existing tars in a folder or a store, and removes partial files of killed runs."""

import os
import shutil
from collections.abc import Collection, Iterable

from packager.core.config.store_url import StoreUrl
from packager.engine.files import atomic_files
from packager.engine.files.locked_file import remove_unlocked
from packager.engine.project.owner_id import claim_store
from packager.engine.project.project import Project
from packager.engine.stores import open_store
from packager.engine.stores.base import Place
from packager.pack.shard import pack_on_cluster


def stored_tars(project: Project) -> dict[str, int]:
    """Return the tars in the store for tars, with their sizes in bytes; nothing if tars go to a folder."""
    if not isinstance(project.shards_location, StoreUrl):
        return {}
    entries = open_store(project.shards_location).entries()
    return {entry.path: entry.stat.size for entry in entries if entry.path.endswith(".tar") and "/" not in entry.path}


def tar_names(project: Project) -> list[str]:
    """Return the names of existing tars, sorted."""
    if isinstance(project.shards_location, StoreUrl):
        return sorted(stored_tars(project))
    return sorted(path.name for path in project.shards.glob("*.tar"))


def remove_leftovers(place: Place, owner: str, names: Iterable[str], kept: Collection[str] | None = None) -> None:
    """Remove partial files of tars from killed runs of this project. The caller must have locked the project.

    owner: the project's id; files of other projects stay. names: the tars. kept: tars that keep their partial files; if
    given, the partial files of all other tars are removed.
    """
    if isinstance(place, StoreUrl):
        store = open_store(place)
        claim_store(store, owner)
        store.sweep(frozenset(names).__contains__)
        return
    atomic_files.make_folder(place)
    partials = {atomic_files.partial_path(place / name, owner) for name in names}
    if kept is not None:
        partials = {*place.glob(f".*.tar.{owner}.partial")} - {
            atomic_files.partial_path(place / name, owner) for name in kept
        }
    for beside in partials:
        if os.path.lexists(beside):
            remove_unlocked(beside)
    for folder in place.glob(f"{pack_on_cluster.ARRIVING}{owner}-*"):
        shutil.rmtree(folder, ignore_errors=True)  # a lost worker may still write there
