"""Every function of the API takes paths as str or any os.PathLike, and a single value for a list of one."""

import inspect
import os
import types
from collections.abc import Sequence
from dataclasses import is_dataclass
from pathlib import Path
from typing import Any, Union, get_args, get_origin, get_type_hints

import pytest

from packager import api
from packager.api import arguments
from packager.api.checked_calls import checked
from packager.errors import PackagerError
from tests.check.targets.test_bag_target import make_bag
from tests.helpers.projects import make_project

FUNCTIONS = {name: getattr(api, name) for name in dir(api) if inspect.isfunction(getattr(api, name))}


class Named:
    """A path that is neither a str nor a Path."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __fspath__(self) -> str:
        return str(self.path)


class Bytes:
    """A path of bytes."""

    def __fspath__(self) -> bytes:
        return b"x"


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
    assert api.release(config, workers=1).publish.serial == 1
    assert api.status(config)
    release = project.root / "site"
    for paths in (shards, [shards]):
        assert api.verify(paths, api.VerifyOptions(release=kind(release)), workers=1).ok
    assert api.inspect(kind(release / "release.json"))
    to = kind(tmp_path / "mirror")
    options = api.MirrorOptions(budget=1, allow_unsigned=True, client="none", reserve=0)
    assert api.mirror_follow(kind(release), to, options).applied
    assert api.mirror_status(to).serial == 1
    assert api.get("notes.txt", kind(tmp_path / "got"), api.GetOptions(release=kind(release), sources=shards))


def test_a_single_text_is_one_value_and_never_its_letters(tmp_path: Path) -> None:
    project = make_project(tmp_path / "p", files=2)
    config = str(project.root / "packager.toml")
    api.scan(config, workers=1)
    api.plan(config)
    with pytest.raises(PackagerError, match='"audios"'):
        api.pack(config, phases="audios", workers=1)
    with pytest.raises(PackagerError, match="tones-audio-9"):
        api.export(config, "tones-audio-9", workers=1)


WRONG: dict[Any, list[Any]] = {
    os.PathLike[str]: [None, b"x", 5, {}, object(), "a\0b", Bytes()],
    str: [None, b"x", 5, ["x"]],
    int: ["5", None, 1.5, [1]],
    bool: ["yes", []],
}


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_an_argument_of_a_wrong_type_is_named_before_anything_is_done(name: str) -> None:
    parameters = inspect.signature(FUNCTIONS[name]).parameters
    needed = {each.name: "x" for each in parameters.values() if each.default is each.empty}
    for parameter in parameters.values():
        union = get_origin(parameter.annotation) in (Union, types.UnionType)
        kinds = get_args(parameter.annotation) if union else (parameter.annotation,)
        first = os.PathLike[str] if os.PathLike[str] in kinds else next((each for each in kinds if each in WRONG), None)
        for value in WRONG.get(first, []):
            listed = any(get_origin(kind) is Sequence for kind in kinds)
            if (value is None and type(None) in kinds) or (isinstance(value, list) and listed):
                continue
            with pytest.raises(PackagerError) as caught:
                FUNCTIONS[name](**{**needed, parameter.name: value})
            assert str(caught.value).startswith(f"{parameter.name}: "), caught.value


OPTIONS = {
    name: getattr(api, name) for name in dir(api) if is_dataclass(getattr(api, name)) and name.endswith("Options")
}


@pytest.mark.parametrize("name", sorted(OPTIONS))
def test_an_option_of_a_wrong_type_is_named_and_what_may_stand_for_another_is_made_it(name: str) -> None:
    hints = get_type_hints(OPTIONS[name])

    @checked
    def call(options: object) -> object:
        return options

    for field, hint in hints.items():
        if not is_dataclass(hint):
            with pytest.raises(PackagerError) as caught:
                call(OPTIONS[name](**{field: object()}))
            assert str(caught.value).startswith(f"{field}: "), caught.value
        if hint == Path | None:
            assert getattr(call(OPTIONS[name](**{field: "x"})), field) == Path("x")
        if hint == tuple[str, ...]:
            assert getattr(call(OPTIONS[name](**{field: "xy"})), field) == ("xy",)
            assert getattr(call(OPTIONS[name](**{field: iter(["x", "y"])})), field) == ("x", "y")


def test_a_path_that_is_too_long_is_our_error(tmp_path: Path) -> None:
    for call in (lambda: api.mirror_status("x" * 5000), lambda: api.extract("x" * 5000, tmp_path)):
        with pytest.raises(PackagerError, match="too long"):
            call()


def test_no_path_at_all_is_said(tmp_path: Path) -> None:
    for call in (api.verify, api.seed):
        with pytest.raises(PackagerError, match="none is given"):
            call([])
        with pytest.raises(PackagerError, match="none is given"):
            call(each for each in ())


def test_the_current_folder_is_checked_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for path in ("", ".", "./"):
        with pytest.raises(PackagerError, match="contains no tar and is not a bag"):
            api.verify(path)
    make_bag(tmp_path / "b")
    monkeypatch.chdir(tmp_path / "b")
    assert api.verify(".", workers=1).ok
    assert api.verify("data/..", workers=1).ok
