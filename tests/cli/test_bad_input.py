"""Bad config and bad input at the command line: exit code 2, an error with its fix on stderr, nothing on stdout."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from packager.cli.app import main
from tests.helpers.error_lines import printed_forms
from tests.helpers.projects import Project, make_project

Capture = pytest.CaptureFixture[str]
BROKEN = Path(__file__).parents[1] / "core/config/bad_configs"
SENTENCES: dict[str, str] = json.loads((BROKEN / "sentences.json").read_text())


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return make_project(tmp_path, files=2)


@pytest.mark.parametrize("fault", SENTENCES)
def test_a_broken_config_is_one_sentence_and_exit_code_2(
    fault: str, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(BROKEN / f"{fault}.toml", "packager.toml")
    assert main(["release"]) == 2
    printed = capsys.readouterr()
    assert printed.err in printed_forms(SENTENCES[fault])
    assert printed.out == ""


def replace_in_config(project: Project, old: str, new: str) -> None:
    path = project.root / "packager.toml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def write_records(project: Project, text: str) -> None:
    (project.root / "records.csv").write_text(text)
    replace_in_config(project, "[shards]", '[records]\nfiles = ["records.csv"]\n[shards]')


def empty_source(project: Project) -> None:
    shutil.rmtree(project.source)
    project.source.mkdir()


def source_is_a_file(project: Project) -> None:
    shutil.rmtree(project.source)
    project.source.write_text("not a folder")


def strangers_in_output(project: Project) -> None:
    (project.root / "site").mkdir()
    (project.root / "site" / "thesis.txt").write_text("the only copy")


def newer_state(project: Project) -> None:
    folder = project.root / ".packager" / "releases"
    folder.mkdir(parents=True)
    (folder / "1.json").write_text('{"format": 99, "type": "release"}')


BAD: dict[str, tuple[Callable[[Project], object], str]] = {
    "no config": (lambda p: (p.root / "packager.toml").unlink(), "make one with: packager init DIR"),
    "no source": (lambda p: shutil.rmtree(p.source), 'collection.source: "source": not found'),
    "empty source": (empty_source, "contains no file"),
    "source is a file": (source_is_a_file, '"source" is not a folder'),
    "records not there": (
        lambda p: replace_in_config(p, "[shards]", '[records]\nfiles = ["gone.csv"]\n[shards]'),
        'records.files[0]: "gone.csv": not found',
    ),
    "records of no known kind": (
        lambda p: (
            (p.root / "records.xls").write_text("x"),
            replace_in_config(p, "[shards]", '[records]\nfiles = ["records.xls"]\n[shards]'),
        ),
        "records.xls",
    ),
    "records with a bad number": (lambda p: write_records(p, "id,popularity\na,many\n"), "records.csv:2"),
    "records with an id twice": (lambda p: write_records(p, "id\na\na\n"), "records.csv:3"),
    "records that leave the folder": (lambda p: write_records(p, "id,path\na,../x\n"), "records.csv:2"),
    "records with a bad digest": (lambda p: write_records(p, "id,sha256\na,abc\n"), "records.csv:2"),
    "unknown column": (
        lambda p: replace_in_config(p, "kind = 'audio'", "popularty > 3"),
        'unknown column "popularty"; did you mean "popularity"?',
    ),
    "several statements": (lambda p: replace_in_config(p, "kind = 'audio'", "true; drop table x"), "phases[1].where"),
    "a file by SQL": (
        lambda p: replace_in_config(p, "kind = 'audio'", "id in (select 'x' from read_csv('/etc/passwd'))"),
        "phases[1].where",
    ),
    "a function of chance": (lambda p: replace_in_config(p, "kind = 'audio'", "random() > 0.5"), "random"),
    "an order by nothing": (lambda p: replace_in_config(p, "size DESC", "sise DESC"), 'did you mean "size"?'),
    "no phase takes a file": (
        lambda p: p.write_config(phases='[[phases]]\nname = "a"\ntitle = "A"\nwhere = "year = 1234"\n'),
        "no phase selects any file",
    ),
    "output inside the source": (
        lambda p: replace_in_config(p, "[release]", '[site]\nfolder = "source/site"\n[release]'),
        "use separate folders",
    ),
    "output holds other files": (strangers_in_output, "contains files that packager did not write"),
    "a key that is not there": (
        lambda p: replace_in_config(p, "[release]", '[release]\nsecret_key = "gone.key"'),
        'release.secret_key: "gone.key": not found',
    ),
    "a key that is none": (
        lambda p: (
            (p.root / "my.key").write_text("secret"),
            (p.root / "my.key").chmod(0o600),
            replace_in_config(p, "[release]", '[release]\nsecret_key = "my.key"'),
        ),
        "my.key",
    ),
    "templates that are wrong": (
        lambda p: (
            (p.root / "own").mkdir(),
            (p.root / "own" / "index.html").write_text("{% if %}"),
            replace_in_config(p, "[release]", '[site]\ntemplates = "own"\n[release]'),
        ),
        "index.html:1",
    ),
    "a template with an unknown variable": (
        lambda p: (
            (p.root / "own").mkdir(),
            (p.root / "own" / "index.html").write_text("\n{{ relase.serial }}"),
            replace_in_config(p, "[release]", '[site]\ntemplates = "own"\n[release]'),
        ),
        'did you mean "release"?',
    ),
    "state of a newer version": (newer_state, "format 99 is newer than 1"),
}


@pytest.mark.parametrize("fault", BAD)
def test_bad_input_is_one_sentence_and_exit_code_2(fault: str, project: Project, capsys: Capture) -> None:
    damage, sentence = BAD[fault]
    damage(project)
    ran = project.run(capsys, "release")
    assert ran.code == 2, ran
    lines = ran.err.splitlines()
    [first] = [number for number, line in enumerate(lines) if line.startswith("error: ")]
    assert [line.partition(":")[0] for line in lines[first:]] in (["error"], ["error", "fix"])
    assert sentence.lower() in "; ".join(lines[first:]).replace("fix:   ", "").lower()
    assert "Traceback" not in ran.err
    assert "Published" not in ran.out
    assert not (project.root / "site" / "index.html").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ["nosuch"],
        ["release", "--nosuch"],
        ["pack", "--workers", "0"],
        ["pack", "--workers", "many"],
        ["init"],
        ["init", "/nonexistent"],
    ],
)
def test_a_wrong_command_line_is_exit_code_2(
    arguments: list[str], project: Project, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project.root)
    assert main(arguments) == 2
    printed = capsys.readouterr()
    assert printed.err
    assert "Traceback" not in printed.err
