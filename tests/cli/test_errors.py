"""Errors have two lines and an exit code; with --json they are one line of JSON."""

import io
import json
import os
import sys
from pathlib import Path

import jsonschema
import pytest

from packager.cli import app
from packager.cli.app import main
from packager.cli.error_text import sentence
from packager.core.reports.reports import PruneReport
from packager.errors import IncompleteError, InputError, Stopped, TrustError

Capture = pytest.CaptureFixture[str]
SCHEMA = json.loads((Path(__file__).parents[2] / "manifests/schema/reports/error.schema.json").read_text())

WRONG_LINES = {
    "verfy": 'error: unknown command "verfy"\nfix:   Did you mean "verify"?\n',
    "nosuchthing": 'error: unknown command "nosuchthing"\nfix:   Run: packager help\n',
    "mirror folow": 'error: unknown command "folow"\nfix:   Did you mean "follow"?\n',
    "pack --phse x": 'error: unknown option "--phse"\nfix:   Did you mean "--phase"?\n',
    "pack -z": 'error: unknown option "-z"\nfix:   Run: packager help pack\n',
    "pack --workers": "error: --workers: needs a value\nfix:   Run: packager help pack\n",
    "pack --json=1": "error: --json: takes no value\nfix:   Run: packager help pack\n",
    "plan x": 'error: unexpected argument "x"\nfix:   Run: packager help plan\n',
    "inspect": "error: inspect: FILE is missing\nfix:   Run: packager help inspect\n",
    "--color red plan": 'error: --color: "red" is not auto, always or never\n'
    "fix:   Write one of: auto, always or never.\n",
    "plan --progress x": 'error: --progress: "x" is not auto, bar, lines or none\n'
    "fix:   Write one of: auto, bar, lines or none.\n",
    "help verfy": 'error: unknown command "verfy"\nfix:   Did you mean "verify"?\n',
}


@pytest.mark.parametrize("line", WRONG_LINES)
def test_a_wrong_command_line_is_an_error_with_its_fix(line: str, capsys: Capture) -> None:
    assert main(line.split()) == 2
    printed = capsys.readouterr()
    assert (printed.out, printed.err) == ("", WRONG_LINES[line])


@pytest.mark.parametrize("line", ["verfy --json", "--json verfy", "--json mirror folow"])
def test_a_wrong_command_line_is_json_if_asked(line: str, capsys: Capture) -> None:
    assert main(line.split()) == 2
    error = json.loads(capsys.readouterr().err)
    jsonschema.validate(error, SCHEMA)
    assert error["kind"] == "input"
    assert error["what"].startswith("unknown command")


ADVICE = {
    "": "",
    "write it again": "Write it again.",
    'did you mean "year"?': 'Did you mean "year"?',
    "run: packager release": "Run: packager release",
    "publish without it: --allow-unread": "Publish without it: --allow-unread",
    "replace it with --overwrite": "Replace it with --overwrite.",
    "packager.toml needs a name": "packager.toml needs a name.",
    "a[0] must be empty": "a[0] must be empty.",
}


@pytest.mark.parametrize("advice", ADVICE)
def test_advice_is_a_sentence(advice: str) -> None:
    assert sentence(advice) == ADVICE[advice]


ENDS = {
    "input": (
        InputError("packager.toml: phases[1].where", 'unknown column "popularty"', 'did you mean "popularity"?'),
        2,
        'error: packager.toml: phases[1].where: unknown column "popularty"\nfix:   Did you mean "popularity"?\n',
    ),
    "refused": (TrustError("release.json", "not signed"), 1, "refused: release.json: not signed\n"),
    "incomplete": (
        IncompleteError("a.flac", "changed while it was read", "run the command again"),
        3,
        "error: a.flac: changed while it was read\nfix:   Run the command again.\n",
    ),
    "interrupted": (
        Stopped("12 of 40 shards are complete; one unfinished tar will be written again."),
        130,
        "Stopped. 12 of 40 shards are complete; one unfinished tar will be written again.\n"
        "Resume: packager status --config 'my project/packager.toml'\n",
    ),
    "bug": (ValueError("of ours"), 70, "error: a bug in packager: ValueError: of ours\nfix:   Report it, "),
}


@pytest.mark.parametrize("json_too", [False, True])
@pytest.mark.parametrize("kind", ENDS)
def test_each_kind_of_end_has_its_text_and_exit_code(
    kind: str, json_too: bool, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    raised, code, text = ENDS[kind]

    def end(*_: object, **__: object) -> None:
        raise raised

    monkeypatch.setattr("packager.api.status", end)
    assert main(["status", "--config", "my project/packager.toml", *["--json"] * json_too]) == code
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "Traceback" not in printed.err
    if json_too:
        error = json.loads(printed.err)
        jsonschema.validate(error, SCHEMA)
        assert (error["level"], error["code"], error["kind"]) == ("error", code, kind)
    else:
        assert printed.err.startswith(text)


def test_a_bug_shows_its_traceback_with_v_and_in_the_log(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("packager.api.status", lambda _: 1 // 0)
    log = tmp_path / "packager.log"
    assert main(["--log-file", str(log), "status"]) == 70
    printed = capsys.readouterr().err
    assert "Traceback" not in printed
    assert "https://" in printed
    assert "ZeroDivisionError" in log.read_text()
    assert log.read_text().splitlines()[-1].endswith("Z exit code 70")
    assert main(["status", "-v"]) == 70
    assert "Traceback" in capsys.readouterr().err


def test_a_log_file_that_cannot_be_opened_is_an_error(tmp_path: Path, capsys: Capture) -> None:
    assert main(["--log-file", str(tmp_path / "no" / "log"), "status"]) in (2, 3)
    assert capsys.readouterr().err.startswith("error: ")


def test_the_answer_no_changes_nothing(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    monkeypatch.setattr("packager.cli.confirm_change.confirm", lambda *_, **__: False)
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    nothing = PruneReport(files=(), size=0, deleted=False, kept=())
    monkeypatch.setattr("packager.api.prune", lambda _, *, ask, **__: ask(nothing))
    assert main(["prune"]) == 130
    assert capsys.readouterr().err == "Stopped. Nothing was changed.\n"


def test_a_closed_pipe_ends_with_141(monkeypatch: pytest.MonkeyPatch) -> None:
    read, write = os.pipe()
    os.close(read)
    with io.TextIOWrapper(os.fdopen(write, "wb")) as closed:
        monkeypatch.setattr(sys, "stdout", closed)
        assert app.main(["--version"]) == 141
