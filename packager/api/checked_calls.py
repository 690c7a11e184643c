"""Check the types of arguments against a function's signature, before the function does anything."""

import functools
import inspect
import os
import types
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any, Literal, ParamSpec, TypeVar, Union, get_args, get_origin, get_type_hints

from packager.api.arguments import AnyPath
from packager.engine.files.write_errors import system_error
from packager.errors import InputError
from packager.option_fields import option_texts
from packager.paths import display_text

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")

_WORDS = {str: "a str", int: "a whole number", float: "a number", bool: "True or False", type(None): "None"}


@functools.cache
def checked(function: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Return the function with a check of its arguments.

    The result raises InputError for a value of a wrong type and for a path that contains NUL. It raises a PackagerError
    in place of an OSError.
    """
    signature = inspect.signature(function)

    @functools.wraps(function)
    def call(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        bound = signature.bind(*args, **kwargs)
        for name, value in bound.arguments.items():
            bound.arguments[name] = _checked(name, value, signature.parameters[name].annotation)
        try:
            return function(*bound.args, **bound.kwargs)
        except BrokenPipeError:
            raise
        except OSError as error:
            if error.errno is None:  # raised by a library and not by the system: a bug
                raise
            raise system_error(error) from error

    return call


def _checked(name: str, value: Any, annotation: Any) -> Any:
    """Return a checked argument; an iterable that is not a sequence becomes a list."""
    kinds = _kinds(annotation)
    listed = any(get_origin(kind) is Sequence for kind in kinds)
    if listed and isinstance(value, Iterable) and not isinstance(value, (Sequence, Mapping, bytearray, os.PathLike)):
        value = list(value)
    if not any(_is(value, kind) for kind in kinds):
        wanted = " or ".join(dict.fromkeys(_words(kind) for kind in kinds))
        raise InputError(name, f"{display_text(repr(value), 60)} is a {type(value).__name__}, not {wanted}")
    if is_dataclass(value) and option_texts(type(value)):
        return _checked_options(value)
    if os.PathLike[str] in kinds or any(os.PathLike[str] in _kinds(each) for kind in kinds for each in get_args(kind)):
        for each in [value] if isinstance(value, (str, os.PathLike)) or value is None else value:
            if each is not None and "\0" in os.fspath(each):
                raise InputError(name, f'"{display_text(os.fspath(each), 60)}" contains NUL, so it is not a path')
    return value


def _checked_options(options: Any) -> Any:
    """Return checked options with their paths and tuples converted."""
    hints = get_type_hints(type(options))
    names = [each.name for each in fields(options)]
    return replace(options, **{name: _checked_option(name, getattr(options, name), hints[name]) for name in names})


def _checked_option(name: str, value: Any, annotation: Any) -> Any:
    """Return a checked option: a str or os.PathLike becomes a Path, and a single value or a list becomes a tuple."""
    kinds = _kinds(annotation)
    listed = next((get_args(kind)[0] for kind in kinds if get_origin(kind) is tuple), None)
    if listed is not None:
        value = [value] if isinstance(value, (str, os.PathLike)) else value
        value = _checked(name, value, Sequence[object] | None if type(None) in kinds else Sequence[object])
        return None if value is None else tuple(_checked_option(name, each, listed) for each in value)
    if Path in kinds:
        value = _checked(name, value, AnyPath | None if type(None) in kinds else AnyPath)
        is_text = value is None or (str in kinds and isinstance(value, str))
        return value if is_text else Path(value)
    return _checked(name, value, annotation)


def _kinds(annotation: Any) -> tuple[Any, ...]:
    """Return the types that an annotation allows."""
    return get_args(annotation) if get_origin(annotation) in (Union, types.UnionType) else (annotation,)


def _is(value: Any, kind: Any) -> bool:
    """Return whether a value is of a type. Protocols and callables are not checked."""
    origin, inner = get_origin(kind), get_args(kind)
    if origin is Literal:
        return value in inner
    if origin is os.PathLike:
        return isinstance(value, os.PathLike) and isinstance(os.fspath(value), str)
    if origin is Sequence:
        sequence = isinstance(value, Sequence) and not isinstance(value, (str, bytes, bytearray))
        return sequence and all(any(_is(each, one) for one in _kinds(inner[0])) for each in value)
    if origin is tuple and Ellipsis not in inner:
        return isinstance(value, tuple) and len(value) == len(inner) and all(map(_is, value, inner))
    if kind in (int, bool, float):
        return hasattr(value, "__index__") or (kind is float and hasattr(value, "__float__"))
    kind = type(None) if kind is None else kind
    return isinstance(value, kind) if isinstance(kind, type) and not getattr(kind, "_is_protocol", False) else True


def _words(kind: Any) -> str:
    """Return the name of a type for messages."""
    if get_origin(kind) is os.PathLike:
        return "a path"
    if get_origin(kind) is Literal:
        return " or ".join(f'"{each}"' for each in get_args(kind))
    if get_origin(kind) is Sequence:
        return "a list of them"
    return _WORDS.get(kind) or str(getattr(kind, "__name__", kind))
