"""Options that several commands share, as one parameter of each of them."""

import inspect
from collections.abc import Callable
from functools import wraps
from typing import TypeAlias

Command: TypeAlias = Callable[..., None]


def with_options(**groups: Callable[..., object]) -> Callable[[Command], Command]:
    """Return a decorator that replaces a command's parameter by the options of a group, which has that name here.

    A group is a function: its parameters are the options, and the command gets what it returns for them.
    """

    def decorate(command: Command) -> Command:
        own = inspect.signature(command, eval_str=True)
        options = {name: inspect.signature(group, eval_str=True).parameters for name, group in groups.items()}
        parameters = [
            option for name, each in own.parameters.items() for option in options.get(name, {name: each}).values()
        ]

        @wraps(command)
        def run(**given: object) -> None:
            for name, group in groups.items():
                given[name] = group(**{option: given.pop(option) for option in options[name]})
            command(**given)

        run.__signature__ = own.replace(parameters=parameters)  # type: ignore[attr-defined]
        run.__annotations__ = {each.name: each.annotation for each in parameters}
        return run

    return decorate
