"""Help: commands and options in groups, plain words for values, the same text from -h, --help and `packager help`."""

from pathlib import Path

import pytest

from packager.cli.app import COMMANDS, main
from packager.cli.command_groups import GROUPS
from packager.cli.docs_cmd import docs_folder, find_page
from packager.errors import InputError

Capture = pytest.CaptureFixture[str]
MIRROR = ("follow", "sync", "run", "status", "prune", "magnets")
ALL = [*COMMANDS, *(f"mirror {name}" for name in MIRROR)]


def out(capsys: Capture, *arguments: str) -> str:
    assert main(arguments) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    return printed.out


def test_every_command_is_in_one_group_and_its_line_is_short() -> None:
    assert sorted(name for group in GROUPS for name in group.names()) == sorted(COMMANDS)
    assert max(map(len, COMMANDS.values())) <= 62
    assert not any(line.endswith(".") for line in COMMANDS.values())


@pytest.mark.parametrize(
    ("file", "last"),
    [
        ("", "There is no project here. Start with: packager init DIR"),
        ("packager.toml", "Next: packager status"),
        (".packager-mirror/x", "Next: packager mirror status"),
    ],
)
def test_packager_alone_prints_a_short_list_and_the_next_step(
    file: str, last: str, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    if file:
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).touch()
    lines = out(capsys).splitlines()
    assert lines[1] == "Usage: packager COMMAND [OPTIONS]"
    assert lines[-1] == last
    assert len(lines) < 35
    assert max(map(len, lines)) <= 80
    assert f"  mirror      {', '.join(MIRROR)}" in lines
    assert out(capsys, "-q").splitlines() == lines


@pytest.mark.parametrize("columns", ["60", "80"])
@pytest.mark.parametrize("command", ALL)
def test_help_names_no_type_and_fits(
    command: str, columns: str, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    text = out(capsys, *command.split(), "-h")
    assert text == out(capsys, *command.split(), "--help") == out(capsys, "help", *command.split())
    first, *lines = text.splitlines()
    assert first.startswith(f"Usage: packager {command}")
    assert "<" not in text.replace("packager completion bash)", "").replace("<(", "")
    assert lines[-1] == "Documentation: packager docs"
    long = [line for line in lines if len(line) > int(columns) and " " in line.strip()]
    assert not long or command == "mirror"
    assert [line for line in lines if line.startswith("Global options")]


def test_options_are_in_groups_with_titles(capsys: Capture) -> None:
    titles = [line for line in out(capsys, "pack", "-h").splitlines() if line and line[0] != " "]
    assert titles[-4:] == [
        "Project",
        "Work",
        "Global options (described by: packager -h)",
        "Documentation: packager docs",
    ]


def test_help_lists_all_commands_by_role(capsys: Capture) -> None:
    text = out(capsys, "-h")
    assert text == out(capsys, "--help") == out(capsys, "help")
    places = [text.index(f"\n{group.title}\n") for group in GROUPS]
    assert places == sorted(places)
    for name, line in COMMANDS.items():
        assert f"  {name:<12}{line}\n" in text
    for option in ("-q, --quiet", "-v, --verbose", "--json", "--color", "--progress", "--log-file", "-h, --help", "-V"):
        assert f"\n  {option}" in text


@pytest.mark.parametrize("arguments", [["-V"], ["--version"], ["status", "-V"], ["mirror", "status", "-V"]])
def test_the_version_may_be_asked_anywhere(arguments: list[str], capsys: Capture) -> None:
    assert out(capsys, *arguments).startswith("archive-packager ")


@pytest.mark.parametrize("topic", ["config", "verify", "phases", "format", "exit-codes"])
def test_docs_prints_a_page_or_its_address(topic: str, capsys: Capture) -> None:
    path = Path(out(capsys, "docs", topic, "--print").rstrip("\n"))
    assert path.is_file()
    assert out(capsys, "docs", topic) == path.read_text().rstrip("\n") + "\n"


def test_docs_alone_is_the_index_and_every_link_of_it_leads_somewhere(capsys: Capture) -> None:
    text = out(capsys, "docs")
    links = [part.partition(")")[0] for part in text.split("](")[1:]]
    assert len(links) > 30
    assert all((docs_folder() / link).is_file() for link in links)


@pytest.mark.parametrize(("topic", "fix"), [("confg", 'did you mean "config"?'), ("release", "name one of: ")])
def test_a_topic_without_a_page_is_an_error(topic: str, fix: str) -> None:
    with pytest.raises(InputError) as error:
        find_page(docs_folder(), topic)
    assert error.value.fix.startswith(fix)


def test_the_commands_of_mirror_are_those_of_its_help(capsys: Capture) -> None:
    text = out(capsys, "mirror", "-h").partition("\nCommands\n")[2].partition("\n\n")[0]
    assert tuple(line.split()[0] for line in text.splitlines()) == MIRROR
    assert out(capsys, "mirror") == out(capsys, "mirror", "-h")
