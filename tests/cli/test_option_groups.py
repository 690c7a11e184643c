"""option_groups.py: options that several commands share stand in the place of one parameter."""

from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from packager.cli.option_groups import with_options
from packager.errors import InputError


def size(*, wide: Annotated[int, typer.Option(help="The width.")] = 2, high: int = 3) -> tuple[int, int]:
    """Return a size."""
    if wide < 0:
        raise InputError("--wide", "is below 0")
    return wide, high


def app_of(found: list[object]) -> typer.Typer:
    app = typer.Typer()

    @app.command()
    @with_options(box=size)
    def draw(name: str, *, before: int = 0, box: tuple[int, int], after: bool = False) -> None:
        """Draw it."""
        found.extend((name, before, box, after))

    return app


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["x"], ["x", 0, (2, 3), False]),
        (["--high", "7", "x", "--after"], ["x", 0, (2, 7), True]),
        (["x", "--wide=5", "--before", "1", "--high=1"], ["x", 1, (5, 1), False]),
    ],
)
def test_a_command_gets_what_its_group_makes_of_the_options(arguments: list[str], expected: list[object]) -> None:
    found: list[object] = []
    assert CliRunner().invoke(app_of(found), arguments).exit_code == 0
    assert found == expected


def test_an_error_of_a_group_is_that_of_the_command() -> None:
    assert isinstance(CliRunner().invoke(app_of([]), ["x", "--wide", "-1"]).exception, InputError)


def test_the_options_stand_in_the_place_of_the_parameter() -> None:
    shown = CliRunner().invoke(app_of([]), ["--help"]).output
    places = [shown.index(option) for option in ("--before", "--wide", "--high", "--after")]
    assert places == sorted(places)
    assert "The width." in shown
    assert "--box" not in shown
    assert "Draw it." in shown
