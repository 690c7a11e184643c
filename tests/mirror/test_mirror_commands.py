"""What `packager mirror` asks and prints, which folder it uses, and how mirror.toml decides what it does."""

import os
import pty
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from packager import api
from packager.cli.app import main
from packager.cli.interrupt import reload_requested
from packager.mirror.state import MirrorFolder
from packager.units import format_size
from tests.helpers.libtorrent_peer import ROOT
from tests.helpers.publisher import Archive, pack
from tests.helpers.waiting import PATIENCE
from tests.mirror.test_attacks import Mirror
from tests.share.test_seed import Notes

Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Archive:
    return pack(tmp_path_factory.mktemp("archive") / "project", shards=3)


@pytest.fixture
def mirror(packed: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mirror]:
    for name in ("http_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    archive = Archive(packed.root, packed.shards)
    archive.publish(2)
    with archive.served() as site:
        yield Mirror(archive, site, tmp_path / "mirror")


def fill(mirror: Mirror) -> None:
    """Put all tars into the mirror's folder."""
    mirror.folder.mkdir(exist_ok=True)
    for shard in mirror.archive.shards:
        (mirror.folder / shard.file).write_bytes(mirror.archive.tar(shard.name))


def last_lines(capsys: Capture, count: int = 2) -> list[str]:
    return capsys.readouterr().out.splitlines()[-count:]


def test_the_questions_show_the_key_the_plan_and_the_disk(mirror: Mirror) -> None:
    controller, terminal = pty.openpty()
    arguments = ["follow", mirror.site.address, str(mirror.folder), "--budget", "1 MB", "--reserve", "0", "--no-fetch"]
    command = [sys.executable, "-m", "packager", "mirror", *arguments]
    printed = b""
    with subprocess.Popen(command, cwd=ROOT, stdin=terminal, stdout=terminal, stderr=terminal) as process:
        os.close(terminal)
        for question in (b"Trust it? [y/N]: ", b"Fetch them? [Y/n]: "):
            while not printed.endswith(question):
                printed += os.read(controller, 1000)
            os.write(controller, b"y\n")
        while True:
            try:
                printed += os.read(controller, 1000)
            except OSError:  # the terminal is closed
                break
        assert process.wait() == 0
    os.close(controller)
    lines = [" ".join(line.split()) for line in re.sub(r"\x1b\[[0-9;]*m", "", printed.decode()).splitlines()]
    release = mirror.archive.publisher.head.release
    size = sum(shard.size for shard in release.shards)
    documents = sum(file.size for shard in release.shards for file in shard.documents)
    key = f"{release.collection.title}, release 1 of {release.date[:10]}, signed by the key"
    assert lines[lines.index(key) + 1] == mirror.archive.key
    assert "Compare it with the key that the publisher shows elsewhere. Trust it? [y/N]: y" in lines
    assert "SHARD PHASE SIZE SEEDERS STATE" in lines
    shards = [f"{each.name} audio {format_size(each.size)} unknown fetch" for each in release.shards]
    assert [line for line in shards if line not in lines] == []
    total = f"2 shards, {format_size(size)}, and the documents, {format_size(documents)}:"
    assert f"{total} {format_size(size + documents)} of 1 MB." in lines
    assert any(
        line.startswith("Disk: ") and "free; 0 B of that stays free. Fetch them? [Y/n]: y" in line for line in lines
    )
    assert lines[-2:] == [
        f"2 shards chosen, {format_size(size)}; nothing was fetched.",
        f"Next: packager mirror sync {mirror.folder}",
    ]


def test_the_last_lines_say_what_is_complete_and_what_is_next(mirror: Mirror, capsys: Capture) -> None:
    fill(mirror)
    quiet = ("--listen", "127.0.0.2:0", "--no-web-seeds")
    assert mirror.follow("--key", mirror.archive.key, "--client", "builtin", "--warn-age", "36500 d", *quiet) == 0
    size = format_size(sum(shard.size for shard in mirror.archive.shards[:2]))
    next_step = f"Next: packager mirror run {mirror.folder}"
    assert last_lines(capsys) == [f"2 of 2 shards are complete and checked, {size}.", next_step]
    assert mirror.run("sync") == 0
    assert last_lines(capsys) == ["Release 1 is still the newest; all 2 shards are complete.", next_step]
    mirror.archive.publish(3)
    assert mirror.run("sync", "--dry-run") == 0
    assert last_lines(capsys, 1) == ["Dry run: nothing was changed."]
    assert mirror.run("sync") == 0
    assert last_lines(capsys)[0].startswith("3 of 3 shards are complete and checked, ")
    assert mirror.run("run", "--for", "1 s") == 0
    assert last_lines(capsys, 1)[0].startswith("Stopped. Sent 0 B, received 0 B in ")
    assert mirror.run("status") == 0
    assert last_lines(capsys, 1)[0].startswith("Healthy: 3 of 3 shards, release 2, checked ")


def test_without_a_folder_the_nearest_mirror_is_used(
    mirror: Mirror, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: Capture
) -> None:
    follow = ["mirror", "follow", mirror.site.address, "--key", mirror.archive.key, "--budget", "1 MB", "--no-fetch"]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "other").write_text("x")
    assert main(["mirror", "status"]) == 2
    assert f"error: {tmp_path}: not a mirror\nfix:   Run: packager mirror follow URL DIR\n" in capsys.readouterr().err
    assert main(follow) == 2
    assert "this folder is not empty, and not a mirror" in capsys.readouterr().err
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    assert main([*follow, "--reserve", "0"]) == 0
    assert {path.name for path in Path().iterdir()} == {"mirror.toml", ".packager-mirror"}
    (tmp_path / "empty" / "below").mkdir()
    monkeypatch.chdir(tmp_path / "empty" / "below")
    capsys.readouterr()
    assert main(["mirror", "magnets"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 2


def test_follow_keeps_its_options_in_mirror_toml_and_sync_follows_what_is_edited(
    mirror: Mirror, capsys: Capture
) -> None:
    assert mirror.follow("--key", mirror.archive.key) == 0
    config = MirrorFolder(mirror.folder).config
    assert f'key = "{mirror.archive.key}"' in config.read_text()
    text = config.read_text().replace(
        '# where = "seeders < 3"', f"where = \"name = '{mirror.archive.shards[0].name}'\" "
    )
    config.write_text(f"# mine\n{text}")
    assert mirror.run("sync", "--dry-run") == 0
    assert f"changed: where: all -> name = '{mirror.archive.shards[0].name}'" in capsys.readouterr().out
    assert mirror.run("sync") == 0
    assert [each.name for each in MirrorFolder(mirror.folder).required().chosen] == [mirror.archive.shards[0].name]
    before = config.read_text()
    assert mirror.run("follow", mirror.site.address, "--budget", "2 MB") == 0
    assert config.read_text() == before.replace('budget = "1 MB"', 'budget = "2 MB"')
    config.write_text(before.replace('budget = "1 MB"', 'budget = "2T"'))
    for command in ("sync", "status", "run"):
        capsys.readouterr()
        assert mirror.run(command) == 2
        printed = capsys.readouterr().err
        assert printed == f'error: {config}: mirror.budget: "2T" is ambiguous\nfix:   Write "2 TB" or "2 TiB".\n'


@pytest.mark.parametrize(
    ("key", "line", "what"),
    [
        ("follow[0].where", 'where = "sedeers > 1"', 'Referenced column "sedeers" not found'),
        ("follow[0].phases", 'phases = ["adio"]', 'no phase is named "adio"'),
        ("mirror.client", 'client = "qbitorrent:http://127.0.0.1:1"', '"qbitorrent" is '),
    ],
)
def test_a_setting_that_the_release_shows_to_be_wrong_is_named_by_its_key(
    mirror: Mirror, key: str, line: str, what: str, capsys: Capture
) -> None:
    assert mirror.follow("--key", mirror.archive.key) == 0
    config = MirrorFolder(mirror.folder).config
    lines = [
        line if line.split(maxsplit=1)[0] in each.split()[:2] else each for each in config.read_text().splitlines()
    ]
    config.write_text("\n".join(lines))
    capsys.readouterr()
    assert mirror.run("sync") == 2
    assert capsys.readouterr().err.startswith(f"error: {config}: {key}: {what}")


def test_a_mirror_can_start_from_a_mirror_toml_written_by_hand_and_a_lost_one_is_written_again(
    mirror: Mirror, tmp_path: Path, packed: Archive
) -> None:
    mirror.folder.mkdir()
    (tmp_path / "release.pub").write_text(mirror.archive.publisher.key.public.text)
    config = mirror.folder / "mirror.toml"
    config.write_text(
        '[mirror]\nbudget = "1 MB"\nreserve = 0\nid = "x"\nclient = "none"\n'
        f'[[follow]]\nsource = "{mirror.site.address}"\nkey = "../release.pub"\n'
    )
    before = config.read_text()
    assert mirror.run("sync") == 0
    assert config.read_text() == before
    settings = MirrorFolder(mirror.folder).required().settings
    config.unlink()
    assert mirror.run("sync") == 0
    assert MirrorFolder(mirror.folder).settings() == settings


def test_a_run_reads_mirror_toml_again_when_it_is_told_to(mirror: Mirror) -> None:
    fill(mirror)
    assert mirror.follow("--key", mirror.archive.key, "--where", "false", "--client", "builtin", "--no-fetch") == 0
    folder, notes = MirrorFolder(mirror.folder), Notes()
    text = folder.config.read_text()
    told = []

    def reload() -> bool:
        """First a file that is damaged, then one that selects all shards."""
        wrong = any("not valid TOML" in note for note in notes.lines)
        if not told or (wrong and len(told) == 1):
            folder.config.write_text(text.replace('where = "false"', 'where = ""') if told else "[")
            told.append(1)
            return True
        return False

    def stop() -> bool:
        return sum(proof.verified is not None for proof in folder.proofs().values()) == 2

    run = api.RunOptions(listen="127.0.0.2:0", stop_after=PATIENCE)
    assert api.mirror_run(mirror.folder, run, reload=reload, stop=stop, progress=notes).complete
    assert stop()


def test_the_hangup_signal_makes_a_run_read_its_settings_once() -> None:
    before = signal.getsignal(signal.SIGHUP)
    with reload_requested() as reload:
        assert not reload()
        signal.raise_signal(signal.SIGHUP)
        assert (reload(), reload()) == (True, False)
    assert signal.getsignal(signal.SIGHUP) == before


def test_a_run_without_the_built_in_client_hands_over_what_is_published_later(mirror: Mirror, tmp_path: Path) -> None:
    watched = tmp_path / "watched"
    watched.mkdir()
    assert mirror.follow("--key", mirror.archive.key, "--client", f"watch:{watched}") == 0
    assert len(list(watched.glob("*.torrent"))) == 2

    def stop() -> bool:
        if mirror.archive.publisher.head.release.serial == 1:
            mirror.archive.publish(3)
        return len(list(watched.glob("*.torrent"))) == 3

    api.mirror_run(mirror.folder, api.RunOptions(stop_after=PATIENCE), check_every=0.01, stop=stop)
    assert stop()
