"""SFTP as a store, against a real server: known hosts and keys only, whole files or none, through broken lines."""

import json
import random
from pathlib import Path

import pytest

from packager.cli.app import main
from packager.core.config.store_url import parse_store_url
from packager.engine.project.owner_id import STORE_FILE
from packager.engine.stores import open_store
from packager.engine.stores.base import FileChangedError
from packager.errors import InputError
from tests.helpers.projects import Project, make_project
from tests.helpers.sftp_server import Host, address, know

pytestmark = pytest.mark.usefixtures("impatient")


def test_files_are_written_whole_listed_read_by_ranges_and_deleted(host: Host) -> None:
    store = open_store(parse_store_url(address(host), "test"))
    assert list(store.entries()) == []
    body = random.Random(1).randbytes(1 << 20)
    put = store.put("a/b c/é.bin", body)
    [entry] = store.entries()
    assert entry == ("a/b c/é.bin", put)
    assert store.read("a/b c/é.bin", 1000, 70_000, put) == (put, body[1000:70_000])
    (host.root / "site/a/b c/é.bin").write_bytes(body + b"more")
    with pytest.raises(FileChangedError, match="was written to meanwhile"):
        store.read("a/b c/é.bin", 0, 10, put)
    store.delete("a/b c/é.bin")
    assert store.stat("a/b c/é.bin") is None


def test_a_file_is_not_there_before_it_is_whole_and_lines_that_break_do_no_harm(host: Host) -> None:
    store = open_store(parse_store_url(address(host), "test"))
    body = random.Random(2).randbytes(3 << 20)
    host.break_at = {5, 12, 30, 60}
    with store.writer("t.tar", len(body)) as writer:
        writer.write(body[: 1 << 20])
        assert not (host.root / "site/t.tar").exists()
        writer.write(body[1 << 20 :])
    assert (host.root / "site/t.tar").read_bytes() == body
    assert len(host.transports) > 1  # how many more depends on what was on its way when a line broke
    host.break_at = {host.requests + 3}
    assert store.read("t.tar", 5, len(body))[1] == body[5:]
    assert sorted(path.name for path in (host.root / "site").iterdir()) == ["t.tar"]


def test_what_a_killed_writer_left_is_swept(host: Host) -> None:
    store = open_store(parse_store_url(address(host), "test"))
    (host.root / "site" / "shards").mkdir(parents=True)
    for name in (".t.tar.partial", ".others.partial"):
        (host.root / "site" / "shards" / name).write_bytes(b"half")
    assert store.sweep(lambda path: path == "shards/t.tar") == 1
    assert [path.name for path in (host.root / "site/shards").iterdir()] == [".others.partial"]


def test_a_host_that_is_not_known_or_shows_another_key_is_refused(host: Host) -> None:
    know(host, host.client_key.get_base64())
    with pytest.raises(InputError, match="shows another key than"):
        open_store(parse_store_url(address(host), "test")).stat("x")
    Path("~/.ssh/known_hosts").expanduser().unlink()
    with pytest.raises(InputError, match=r"its key is not in ~/.ssh/known_hosts; check it with: sftp"):
        open_store(parse_store_url(address(host), "test")).stat("x")


def test_keys_that_the_host_does_not_take_are_told(host: Host) -> None:
    key = Path("~/.ssh/id_ecdsa").expanduser()
    host.client_key = host.key
    with pytest.raises(InputError, match="the host takes none of our keys"):
        open_store(parse_store_url(address(host), "test")).stat("x")
    assert key.exists()


def test_a_site_is_published_by_sftp_and_a_release_is_made_from_files_there(host: Host, tmp_path: Path, capsys) -> None:
    local = make_project(tmp_path / "local", files=5)
    assert local.run(capsys, "release").code == 0
    host.break_at = {20, 50, 90}
    ran = local.run(capsys, "publish", "--to", address(host), "--with-shards")
    assert ran.code == 0, ran.err
    made = local.published()
    there = {str(p.relative_to(host.root)): p.read_bytes() for p in (host.root / "site").rglob("*") if p.is_file()}
    assert len(there.pop(f"site/{STORE_FILE}")) == 17
    tars = {path: data for path, data in made.items() if path.startswith("shards/")}
    site = {path.removeprefix("site/"): data for path, data in made.items() if path.startswith("site/")}
    assert there == {f"site/{path}": data for path, data in (site | tars).items()}

    local.source.rename(host.root / "collection")
    stored = Project(tmp_path / "stored")
    stored.root.mkdir()
    text = (local.root / "packager.toml").read_text()
    text = text.replace('source = "source"', f'source = "{address(host, "collection")}"')
    (stored.root / "packager.toml").write_text(
        text.replace("[shards]", f'[shards]\nfolder = "{address(host, "tars")}"')
    )
    ran = stored.run(capsys, "release", "--workers", "1")
    assert ran.code == 0, ran.err
    found = {f"shards/{path.name}": path.read_bytes() for path in (host.root / "tars").glob("*.tar")}
    assert found == tars


def test_a_folder_and_a_file_that_the_host_refuses_are_unread(host: Host, tmp_path: Path, capsys) -> None:
    project = make_project(tmp_path / "p", files=6)
    project.source.rename(host.root / "collection")
    config = (project.root / "packager.toml").read_text()
    source = f'source = "{address(host, "collection")}"'
    (project.root / "packager.toml").write_text(config.replace('source = "source"', source))
    host.closed = {"collection/album 1", "collection/album 2/02 tone [b].wav"}
    ran = project.run(capsys, "release", "--workers", "1")
    assert ran.code == 3
    assert "error: album 1: the folder cannot be read (the host refuses it)" in ran.err
    assert "error: album 2/02 tone [b].wav: cannot be read (the host refuses it)" in ran.err
    assert not (project.root / "site").exists()
    assert project.run(capsys, "release", "--workers", "1", "--allow-unread").code == 3
    first = json.loads((project.root / "site" / "release.json").read_bytes())
    assert first["unread"] == 2
    host.closed = set()
    assert project.run(capsys, "release", "--workers", "1").code == 0
    host.closed = {"collection/album 0"}
    second = json.loads((project.root / "site" / "release.json").read_bytes())
    assert project.run(capsys, "release", "--workers", "1", "--allow-unread").code == 3
    third = json.loads((project.root / "site" / "release.json").read_bytes())
    assert (third["unread"], third["shards"]) == (1, second["shards"])


def test_tars_and_a_release_are_read_where_they_lie_at_a_host(host: Host, tmp_path: Path, capsys) -> None:
    project = make_project(tmp_path / "p", files=3)
    assert project.run(capsys, "release", "--workers", "1").code == 0
    assert project.run(capsys, "publish", "--to", address(host), "--with-shards").code == 0
    tars = sorted((host.root / "site" / "shards").glob("*.tar"))
    data = bytearray(tars[0].read_bytes())
    data[600] ^= 1
    tars[0].write_bytes(data)
    out = tmp_path / "out"
    assert main(["get", "notes.txt", "--release", address(host), "--to", str(out)]) == 0
    assert (out / "notes.txt").read_bytes() == b"made of sines\n"
    capsys.readouterr()
    assert main(["verify", address(host, "site/shards"), "--release", address(host)]) == 1
    assert f"site/shards/{tars[0].name}: piece 0 (" in capsys.readouterr().out
