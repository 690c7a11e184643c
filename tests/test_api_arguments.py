"""Every function of the API takes paths as str or any os.PathLike, and a single value for a list of one."""

import inspect
import os
import types
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Union, get_args, get_origin

import pytest

from packager import api
from packager.api import arguments
from packager.errors import PackagerError
from tests.projects import make_project

FUNCTIONS = {name: getattr(api, name) for name in dir(api) if inspect.isfunction(getattr(api, name))}


class Named:
    """A path that is neither a str nor a Path."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __fspath__(self) -> str:
        return str(self.path)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_path_of_the_api_is_a_str_or_any_pathlike_and_every_list_may_be_one_value(name: str) -> None:
    for parameter in inspect.signature(FUNCTIONS[name]).parameters.values():
        union = get_origin(parameter.annotation) in (Union, types.UnionType)
        kinds = set(get_args(parameter.annotation)) if union else {parameter.annotation}
        assert Path not in kinds, parameter
        if os.PathLike[str] in kinds:
            assert str in kinds, parameter
        for kind in kinds:
            if getattr(kind, "__origin__", None) is Sequence and get_args(kind)[0] in (str, arguments.AnyPath):
                assert str in kinds, parameter


@pytest.mark.parametrize("kind", [str, Path, Named])
def test_a_release_is_made_checked_and_read_by_paths_of_any_kind(kind: Any, tmp_path: Path) -> None:
    project = make_project(tmp_path / "p", files=2)
    config, shards = kind(project.root / "packager.toml"), kind(project.root / "shards")
    assert api.release(config, processes=1).publish.serial == 1
    assert api.status(config)
    release = project.root / "output"
    for paths in (shards, [shards]):
        assert api.verify(paths, release=kind(release), processes=1).good
    assert api.inspect(kind(release / "release.json"))
    to = kind(tmp_path / "mirror")
    how = {"budget": 1, "unsigned": True, "client": "none", "reserve": 0}
    assert api.mirror_follow(kind(release), to, **how).done
    assert api.mirror_status(to).serial == 1
    assert api.get("notes.txt", kind(tmp_path / "got"), release=kind(release), tars=shards)


def test_a_single_text_is_one_value_and_never_its_letters(tmp_path: Path) -> None:
    project = make_project(tmp_path / "p", files=2)
    config = str(project.root / "packager.toml")
    api.scan(config, processes=1)
    api.plan(config)
    with pytest.raises(PackagerError, match='"audios"'):
        api.pack(config, phases="audios", processes=1)
    with pytest.raises(PackagerError, match="tones-audio-9"):
        api.materialise(config, "tones-audio-9", processes=1)
