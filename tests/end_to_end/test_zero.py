"""Zero is a size, a time, a count and a port wherever it makes sense; where it does not, the option says so."""

import json
from pathlib import Path

import libtorrent as lt
import pytest

from packager.cli.app import main
from packager.core.http.listen_address import parse_listen
from packager.errors import InputError
from tests.helpers.projects import PHASES, Project, make_project

Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A published project."""
    project = make_project(tmp_path_factory.mktemp("zero") / "project", files=2)
    assert main(["release", "--config", str(project.root / "packager.toml")]) == 0
    return project


@pytest.mark.parametrize("zero", ["0", "0 B", "0 GiB"])
def test_a_mirror_may_keep_nothing_free_and_take_nothing(
    released: Project, tmp_path: Path, capsys: Capture, zero: str
) -> None:
    base = ["mirror", "follow", str(released.root / "site"), str(tmp_path / "m"), "--allow-unsigned", "--dry-run"]
    base += ["--seed-counts", "list", "--client", "none", "--json"]
    assert main([*base, "--budget", "1 GiB", "--reserve", zero]) == 0
    assert json.loads(capsys.readouterr().out)["plan"]["chosen"]
    limits = ["--upload-limit", zero, "--download-limit", zero, "--listen", ":0", "--for", "0 s", "--warn-age", "0 d"]
    assert main([*base, "--budget", zero, *limits]) == 0
    assert json.loads(capsys.readouterr().out)["plan"]["chosen"] == []


OPTIONS: list[tuple[str, list[str]]] = [
    ("estimate", ["--copies", "0", "--price", "0", "--budget", "0 B"]),
    ("estimate", ["--records", "0", "--size", "0 B"]),
    ("publish", ["--delete-after", "0 s"]),
    ("publish", ["--delete-after", "0"]),
]


@pytest.mark.parametrize(("command", "options"), OPTIONS)
def test_zero_is_accepted_by_the_archivists_commands(
    released: Project, capsys: Capture, command: str, options: list[str]
) -> None:
    ran = released.run(capsys, command, *options)
    assert ran.code == 0, ran.err


def test_zero_is_accepted_by_verify_and_seed_and_get(released: Project, tmp_path: Path, capsys: Capture) -> None:
    shards, site = str(released.root / "shards"), str(released.root / "site")
    state = ["--state", str(tmp_path / "state")]
    for rate in ("0", "0 B/s"):
        assert main(["verify", shards, "--release", site, "--read-limit", rate]) == 0
    assert main(["verify", shards, "--release", site, *state]) == 0
    assert main(["verify", shards, "--release", site, *state, "--older-than", "0 d"]) == 0
    assert main(["verify", shards, "--release", site, "--for", "0 s"]) in (0, 3)
    seed = ["seed", shards, "--release", site, "--listen", "127.0.0.1:0", "--for", "0 s"]
    assert main([*seed, "--upload-limit", "0 B"]) in (0, 3)  # it ends at once, whatever it could share by then
    get = ["get", "--release", site, "--to", str(tmp_path / "got"), "--where", "true", "--dry-run"]
    assert main([*get, "--metadata-limit", "0 B"]) == 0, capsys.readouterr().err
    capsys.readouterr()


def test_zero_is_refused_where_nothing_could_be_done_with_it(released: Project, capsys: Capture) -> None:
    for command, options, what in (
        ("release", ("--worker-timeout", "0 s"), "--worker-timeout"),
        ("release", ("--workers", "0"), "--workers"),
        ("estimate", ("--upload-rate", "0"), "--upload-rate"),
        ("estimate", ("--disk-size", "0 TB"), "--disk-size"),
        ("estimate", ("--shard-size", "0 B"), "--shard-size"),
    ):
        ran = released.run(capsys, command, *options)
        assert ran.code == 2, options
        assert what in ran.err
        assert "Traceback" not in ran.err


@pytest.mark.parametrize("zero", ['"0 B"', "0", '"0 GiB"'])
def test_a_phase_with_a_budget_of_nothing_leaves_its_files_to_the_next(
    tmp_path: Path, capsys: Capture, zero: str
) -> None:
    project = make_project(tmp_path / "project", files=2)
    project.write_config(phases=PHASES.replace('title = "Audio"', f'title = "Audio"\nbudget = {zero}'))
    assert project.run(capsys, "scan").code == 0
    phases = {each["name"]: each for each in json.loads(project.run(capsys, "plan", "--json").out)["plan"]["phases"]}
    assert phases["audio"]["files"] == 0
    assert phases["audio"]["over_budget"] == 2


@pytest.mark.parametrize("key", ["size = 0", 'size = "0 B"'])
def test_a_shard_of_nothing_is_refused(tmp_path: Path, capsys: Capture, key: str) -> None:
    project = make_project(tmp_path / "project", files=1)
    path = project.root / "packager.toml"
    path.write_text(path.read_text().replace('size = "64 KiB"', key))
    assert "64 KiB" in project.run(capsys, "scan").err
    project.write_config(torrent="piece_length = 0")
    assert 'Did you mean "16 KiB"?' in project.run(capsys, "scan").err


def test_port_0_is_any_free_one_at_one_address_or_all() -> None:
    assert parse_listen("127.0.0.1:0") == ("127.0.0.1", 0)
    assert parse_listen("[::1]:0") == ("::1", 0)
    assert parse_listen(":0") == ("", 0)
    for text in ("", "0", ":", "::0", ":-1", ":65536"):
        with pytest.raises(InputError, match=r"is not \[HOST\]:PORT"):
            parse_listen(text)


def test_the_first_second_of_1970_is_a_date(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    (tmp_path / "f").write_bytes(b"x")
    out = tmp_path / "f.torrent"
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    assert main(["torrent", str(tmp_path / "f"), "--to", str(out), "--date", "1970-01-01"]) == 0
    assert lt.bdecode(out.read_bytes())[b"creation date"] == 0
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")
    assert main(["torrent", str(tmp_path / "f"), "--to", str(out), "--overwrite"]) == 0
    assert lt.bdecode(out.read_bytes())[b"creation date"] == 0
    project = make_project(tmp_path / "project", files=1)
    path = project.root / "packager.toml"
    path.write_text(path.read_text().replace("2026-11-21", "1970-01-01"))
    assert project.run(capsys, "release").code == 0
    assert json.loads((project.root / "site" / "release.json").read_text())["date"] == "1970-01-01T00:00:00Z"
