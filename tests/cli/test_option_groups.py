"""option_groups.py: options that several commands share stand in the place of one parameter."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from packager.cli.option_groups import with_options
from packager.errors import InputError
from packager.option_fields import option
from packager.units import parse_size


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


@dataclass(frozen=True)
class Corner:
    """A group in a group."""

    round: bool = option("Round it.", False)


@dataclass(frozen=True)
class Box:
    """What a box is."""

    width: int = option("Its width.", "2 B", metavar="SIZE", parse=parse_size)
    corner: Corner = Corner()
    labels: tuple[str, ...] = option("A label; repeatable.", (), "--label", "-l")
    at: Path | str | None = option("Where it is.")


def box_of(arguments: list[str]) -> Box:
    app, found = typer.Typer(), []

    @app.command()
    @with_options(box=Box)
    def draw(*, box: Box) -> None:
        """Draw it."""
        found.append(box)

    result = CliRunner().invoke(app, arguments)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return found[0]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], Box()),
        (["--width", "1 KiB", "--round"], Box(width=1024, corner=Corner(round=True))),
        (["-l", "a", "--label", "b", "--at", "s3://x"], Box(labels=("a", "b"), at="s3://x")),
    ],
)
def test_a_dataclass_is_a_group_and_has_what_was_given(arguments: list[str], expected: Box) -> None:
    assert Box().width == 2
    assert box_of(arguments) == expected


def test_a_text_that_an_option_refuses_is_named_by_its_flag() -> None:
    with pytest.raises(InputError, match=r"^--width: "):
        box_of(["--width", "much"])
