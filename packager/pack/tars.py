"""The tars that lie where they go, in a folder or in a store, and what killed runs left there."""

import shutil
from collections.abc import Collection, Iterable
from pathlib import Path

from packager.engine import durable
from packager.engine.stores import open_store
from packager.engine.stores.base import Place
from packager.engine.workspace import Workspace
from packager.pack import on_cluster
from packager.store_address import StoreAddress


def stored_tars(workspace: Workspace) -> dict[str, int]:
    """Return the tars in the store that tars go to, and the bytes of each; none where they go to a folder."""
    if not isinstance(workspace.shards_place, StoreAddress):
        return {}
    entries = open_store(workspace.shards_place).entries()
    return {entry.path: entry.stat.size for entry in entries if entry.path.endswith(".tar") and "/" not in entry.path}


def tar_names(workspace: Workspace) -> list[str]:
    """Return the names of the tars that lie where they go, sorted."""
    if isinstance(workspace.shards_place, StoreAddress):
        return sorted(stored_tars(workspace))
    return sorted(path.name for path in workspace.shards.glob("*.tar"))


def remove_leftovers(place: Place, names: Iterable[str], kept: Collection[str] = ()) -> None:
    """Remove what a killed run left of the tars with these names, or of any in a folder of ours but those `kept`."""
    if isinstance(place, StoreAddress):
        open_store(place).sweep(frozenset(names).__contains__)
    else:
        _remove_partials(place, {durable.partial(place / name) for name in kept})


def _remove_partials(shards: Path, kept: Collection[Path]) -> None:
    """Remove what a killed run left beside the tars' places."""
    durable.make_folder(shards)
    for beside in shards.glob(".*.tar.partial"):
        if beside not in kept:
            beside.unlink(missing_ok=True)
    for folder in shards.glob(f"{on_cluster.ARRIVING}*"):
        shutil.rmtree(folder, ignore_errors=True)  # a worker that nobody hears any more may still write there
