"""Groups of options, from a dataclass or a function, as one parameter of a command."""

import inspect
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from functools import wraps
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, TypeAlias, TypeVar, Union, get_args, get_origin, get_type_hints

import typer

from packager.cli.complete_names import complete_phases
from packager.option_fields import OptionText, option_texts

Command: TypeAlias = Callable[..., None]
Declared = TypeVar("Declared")


def with_options(**groups: Callable[..., object]) -> Callable[[Command], Command]:
    """Return a decorator that replaces parameters of a command by the options of groups with the same names.

    A group is a dataclass of options, or a function: its parameters are the options, and the command gets its return
    value.
    """
    functions = {name: _group_of(group) if isinstance(group, type) else group for name, group in groups.items()}

    def decorate(command: Command) -> Command:
        own = inspect.signature(command, eval_str=True)
        options = {name: inspect.signature(group, eval_str=True).parameters for name, group in functions.items()}
        parameters = [
            option for name, each in own.parameters.items() for option in options.get(name, {name: each}).values()
        ]

        @wraps(command)
        def run(**given: object) -> None:
            for name, group in functions.items():
                given[name] = group(**{option: given.pop(option) for option in options[name]})
            command(**given)

        run.__signature__ = own.replace(parameters=parameters)  # type: ignore[attr-defined]
        run.__annotations__ = {each.name: each.annotation for each in parameters}
        return run

    return decorate


def _group_of(declared: type[Declared]) -> Callable[..., Declared]:
    """Return a function that makes a dataclass from the given options; others have their defaults."""

    def build(**given: object) -> Declared:
        return _built(declared, given)

    build.__signature__ = inspect.Signature(_parameters(declared))  # type: ignore[attr-defined]
    return build


def _parameters(declared: type) -> list[inspect.Parameter]:
    """Return the options of a dataclass, and of dataclasses in it, as parameters of a command."""
    hints, texts, found = get_type_hints(declared), option_texts(declared), []
    for each in fields(declared):
        if is_dataclass(hints[each.name]):
            found += _parameters(hints[each.name])
        elif (text := texts.get(each.name)) is not None and text.flags != ("",):
            found.append(_parameter(each.name, hints[each.name], each.default, text))
    return found


def _parameter(name: str, hint: Any, default: object, text: OptionText) -> inspect.Parameter:
    """Return one option as a parameter."""
    if (listed := next((kind for kind in _kinds(hint) if get_origin(kind) is tuple), None)) is not None:
        items = _kinds(get_args(listed)[0])
        hint, default = list[str if text.parse or str in items else items[0]] | None, None  # type: ignore[misc]
    elif text.parse is not None:
        hint, default = (str, text.written) if text.written is not None else (str | None, None)
    elif {str, Path} <= set(_kinds(hint)):  # a location
        hint = str | None
    flags, complete = text.flags_of(name), complete_phases if "--phase" in text.flags else None
    shown = typer.Option(
        *flags, help=text.help, metavar=text.metavar, min=text.least, max=text.most, autocompletion=complete
    )
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[hint, shown])


def _kinds(hint: Any) -> tuple[Any, ...]:
    """Return the types that an annotation allows."""
    return get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)


def _built(declared: type[Declared], given: dict[str, object]) -> Declared:
    """Return a dataclass with the given options."""
    hints, texts, values = get_type_hints(declared), option_texts(declared), {}
    for each in fields(declared):  # type: ignore[arg-type]
        if is_dataclass(hints[each.name]):
            values[each.name] = _built(hints[each.name], given)
        elif (value := given.get(each.name)) is not None:
            values[each.name] = _parsed(value, texts[each.name], each.name)
    return declared(**values)


def _parsed(value: object, text: OptionText, name: str) -> object:
    """Return a given value, parsed for its field; a list becomes a tuple of parsed items."""
    if isinstance(value, list):
        return tuple(_parsed(each, text, name) for each in value)
    if text.parse is None:
        return value
    return text.parse(str(value), next(flag for flag in text.flags_of(name) if flag[:2] == "--"))
