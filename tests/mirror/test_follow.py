"""A mirror follows a signed release: the key is pinned, shards are chosen within budget and disk, the state kept."""

import json
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from packager import api
from packager.cli.app import main
from packager.core.releases import documents
from packager.core.releases.minisign_key import PublicKey
from packager.core.releases.mirror_strategies import documents_of
from packager.core.releases.release_lists import ListedTorrent
from packager.engine.files import atomic_files
from packager.engine.files.write_errors import free_bytes
from packager.engine.published.release_reader import parse_release_location
from packager.errors import InputError
from packager.mirror.choose_for_disk import choose_for_disk
from packager.mirror.local_shards import find_local_shards
from packager.mirror.state import MirrorFolder, Settings
from packager.model import Release
from tests.helpers.libtorrent_peer import ROOT
from tests.helpers.publisher import Archive, lifted_again, pack, state_of, withdrawn_from
from tests.helpers.simulated_publisher import secret_key, with_values
from tests.mirror.test_attacks import Mirror

Capture = pytest.CaptureFixture[str]
NOW = "2026-11-21T00:00:00Z"


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Archive:
    return pack(tmp_path_factory.mktemp("archive") / "project", shards=6)


@pytest.fixture
def mirror(packed: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mirror]:
    for name in ("http_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    archive = Archive(packed.root, packed.shards)
    archive.publish(4)
    with archive.served() as site:
        yield Mirror(archive, site, tmp_path / "mirror")


def chosen(mirror: Mirror) -> list[str]:
    kept = MirrorFolder(mirror.folder).required()
    return [each.name for each in kept.chosen]


def test_without_a_key_and_a_terminal_nothing_is_followed(mirror: Mirror, capsys: Capture) -> None:
    assert mirror.follow() == 2
    error = capsys.readouterr().err
    assert mirror.archive.key in error
    assert "Add --key KEY with the publisher's key, or --yes to trust this one" in error
    assert mirror.state == {}


def test_yes_pins_the_key_beside_the_release_and_says_which(mirror: Mirror, capsys: Capture) -> None:
    assert mirror.follow("--yes") == 0
    assert mirror.archive.key in capsys.readouterr().err
    assert MirrorFolder(mirror.folder).required().followed.keys == (mirror.archive.key,)


def test_the_key_may_be_a_file(mirror: Mirror, tmp_path: Path) -> None:
    (tmp_path / "minisign.pub").write_text(mirror.archive.publisher.key.public.text)
    assert mirror.follow("--key", str(tmp_path / "minisign.pub")) == 0


def test_another_key_is_not_taken_where_one_is_pinned(mirror: Mirror, capsys: Capture) -> None:
    assert mirror.follow("--key", mirror.archive.key) == 0
    before = mirror.state
    assert mirror.follow("--key", secret_key("thief").public.line) == 2
    assert "is not the key pinned here" in capsys.readouterr().err
    assert mirror.follow("--allow-unsigned") == 2
    assert mirror.state == before


def test_an_unsigned_release_is_followed_only_when_asked_and_then_by_its_chain(mirror: Mirror, capsys: Capture) -> None:
    for name in ("release.json.minisig", "releases/1.json.minisig", "minisign.pub"):
        del mirror.archive.files[name]
    assert mirror.follow("--yes") == 1
    assert "add --allow-unsigned" in capsys.readouterr().err
    assert mirror.follow("--allow-unsigned") == 0
    printed = capsys.readouterr()
    assert "NOT SIGNED" in printed.out
    assert "NOT SIGNED: nothing proves who made this release" in printed.err
    mirror.archive.lay(mirror.archive.forge(6, with_values(previous="0" * 64)))
    del mirror.archive.files["release.json.minisig"]
    before = mirror.state
    assert mirror.run("sync") == 1
    assert "fork: serial 2" in capsys.readouterr().err
    assert mirror.state == before
    mirror.archive.publish(6, next_key=secret_key("second"))
    for path in [path for path in mirror.archive.files if path.endswith(".minisig")]:
        del mirror.archive.files[path]
    assert mirror.run("sync") == 0
    assert mirror.run("sync") == 0


def test_missed_releases_are_stepped_through_and_a_key_that_was_named_takes_over(mirror: Mirror) -> None:
    assert mirror.follow("--key", mirror.archive.key) == 0
    second = secret_key("second")
    mirror.archive.publish(5, next_key=second)
    mirror.archive.publish(5)
    mirror.archive.publish(6)
    asked = mirror.site.requests
    assert mirror.run("sync") == 0
    followed = MirrorFolder(mirror.folder).required().followed
    assert followed.serial == 4
    assert followed.keys[-1] == second.public.line
    assert mirror.site.requests > asked
    before = mirror.state
    assert mirror.run("sync") == 0
    assert mirror.state == before


def test_who_has_only_a_key_that_was_replaced_begins_where_it_signed(mirror: Mirror, capsys: Capture) -> None:
    old = mirror.archive.key
    mirror.archive.publish(5, next_key=secret_key("second"))
    mirror.archive.publish(6)
    assert mirror.follow("--key", old) == 1
    assert mirror.state == {}
    assert mirror.follow("--key", old, "--from-serial", "1") == 0
    followed = MirrorFolder(mirror.folder).required().followed
    assert (followed.serial, followed.keys[0]) == (3, old)


@pytest.mark.parametrize(("answers", "code"), [("n", 130), ("yn", 130), ("yy", 0), ("y!", 130)])
def test_on_a_terminal_the_key_and_the_plan_are_asked_about(mirror: Mirror, answers: str, code: int) -> None:
    controller, terminal = pty.openpty()
    arguments = ["follow", mirror.site.address, str(mirror.folder), "--budget", "1 MB", "--reserve", "0"]
    command = [sys.executable, "-m", "packager", "mirror", *arguments, "--client", "none"]
    with subprocess.Popen(command, cwd=ROOT, stdin=terminal, stdout=subprocess.DEVNULL, stderr=terminal) as process:
        os.close(terminal)
        for answer in answers:
            asked = b""
            while not asked.rstrip().endswith(b"]:"):
                asked += os.read(controller, 1000)
            if answer == "!":
                process.send_signal(signal.SIGINT)
            else:
                os.write(controller, answer.encode() + b"\n")
        assert process.wait() == code
    os.close(controller)
    assert bool(mirror.state) == (answers == "yy")


def test_what_is_kept_of_a_release_is_what_was_published(mirror: Mirror) -> None:
    assert mirror.follow("--key", mirror.archive.key) == 0
    folder = MirrorFolder(mirror.folder).release
    kept = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert len(kept) == 4 + 4 * 4
    assert kept == {path: mirror.archive.files[path] for path in kept}


def test_a_folder_is_followed_like_an_address(mirror: Mirror, packed: Archive, tmp_path: Path) -> None:
    site = tmp_path / "site"
    for path, data in mirror.archive.files.items():
        atomic_files.write_bytes(site / path, data)
    for source in (site, site / "release.json"):
        folder = tmp_path / f"to {source.name}"
        report = api.mirror_follow(
            str(source), folder, api.MirrorOptions(budget=10**6, key=packed.key, client="none", reserve=0)
        )
        assert len(report.plan.chosen) == 4


def test_addresses_that_are_none_are_refused() -> None:
    assert parse_release_location("https://a.example/x") == "https://a.example/x/"
    assert parse_release_location("https://a.example/x/release.json") == "https://a.example/x/"
    for wrong in ("ftp://a.example/", "https://a.example/?q=1", "https://"):
        with pytest.raises(InputError):
            parse_release_location(wrong)


def test_a_dry_run_writes_nothing(mirror: Mirror, capsys: Capture) -> None:
    assert mirror.follow("--key", mirror.archive.key, "--dry-run", "--mirror-id", "x") == 0
    assert not mirror.folder.exists()
    planned = capsys.readouterr().out
    assert mirror.follow("--key", mirror.archive.key, "--mirror-id", "x") == 0
    assert [line for line in planned.splitlines() if " for this mirror" in line] == [
        line for line in capsys.readouterr().out.splitlines() if " for this mirror" in line
    ]
    before = mirror.state
    mirror.archive.publish(6)
    assert mirror.run("sync", "--dry-run") == 0
    assert mirror.state == before


def test_json_is_one_document_with_the_plan(mirror: Mirror, capsys: Capture) -> None:
    assert mirror.follow("--key", mirror.archive.key, "--json") == 0
    report = json.loads(capsys.readouterr().out)
    assert report["plan"]["key"] == mirror.archive.key
    signed = {"kind": "signature", "name": mirror.site.address, "serial": 1, "collection": "tones"}
    assert report["plan"]["evidence"] == signed | {"key": PublicKey.parse(mirror.archive.key).name}
    assert json.loads(msgspec.json.encode(api.mirror_status(mirror.folder).evidence)) == report["plan"]["evidence"]
    (mirror.folder / ".packager-mirror/release/releases/1.json.minisig").unlink()
    assert api.mirror_status(mirror.folder).evidence.kind == "release"
    assert {each["on_disk"] for each in report["plan"]["chosen"]} == {"missing"}
    assert report["applied"] is True
    assert report["complete"] is False


@pytest.mark.parametrize("budget", [1, 90_000, 180_000, 250_000, 10**6])
@pytest.mark.parametrize("strategy", ["spread", "rarest", "popular", "phase", "oldest"])
def test_the_budget_is_never_exceeded(mirror: Mirror, packed: Archive, budget: int, strategy: str) -> None:
    plan = api.mirror_follow(
        mirror.site.address,
        mirror.folder,
        api.MirrorOptions(budget=budget, key=packed.key, client="none", strategy=strategy, reserve=0),
    ).plan
    assert plan.size == sum(each.size for each in plan.chosen)
    assert plan.size + plan.documents <= budget
    assert plan.chosen or budget < 90_000


def settings(**changes: object) -> Settings:
    base = Settings(source="/", budget=10**6, mirror_id="x", reserve=0, client="none", warn_age=10**6)
    return msgspec.structs.replace(base, **changes)


def release_of(archive: Archive) -> Release:
    return archive.publisher.head.release


def test_the_reserve_stays_free_and_what_has_no_room_is_named(mirror: Mirror) -> None:
    release = release_of(mirror.archive)
    room = sum(shard.size + documents_of(shard) for shard in release.shards[:2])
    found = choose_for_disk(release, settings(reserve=500), {}, lying={}, chosen_before=(), free=room + 3000, now=NOW)
    assert sum(each.size + each.documents for each in found.chosen) <= room + 2500
    assert len(found.chosen) == 2
    assert [odd.what for odd in found.left_out] == ["not enough free disk space beside the reserve"] * 2
    assert not choose_for_disk(
        release, settings(reserve=10**9), {}, lying={}, chosen_before=(), free=room, now=NOW
    ).chosen


def test_what_lies_here_counts_and_is_kept(mirror: Mirror, packed: Archive) -> None:
    mirror.folder.mkdir()
    last = packed.shards[3]
    (mirror.folder / last.file).write_bytes(packed.tar(last.name))
    (mirror.folder / f".{packed.shards[0].file}.partial").write_bytes(b"begun")
    assert mirror.follow("--key", packed.key, "--budget", "180 kB") == 0
    assert set(chosen(mirror)) == {last.name, packed.shards[0].name}
    assert free_bytes(mirror.folder) > 0


def test_a_larger_file_under_a_shards_name_is_left_alone_and_named(
    mirror: Mirror, packed: Archive, capsys: Capture
) -> None:
    mirror.folder.mkdir()
    (mirror.folder / packed.shards[3].file).write_bytes(bytes(packed.shards[3].size + 1))
    (mirror.folder / packed.shards[2].file).mkdir()
    assert mirror.follow("--key", packed.key) == 0
    assert len(chosen(mirror)) == 2
    assert capsys.readouterr().out.count(".tar: another file has this name (") == 2
    assert (mirror.folder / packed.shards[3].file).stat().st_size == packed.shards[3].size + 1


def test_where_sees_the_shards_and_their_seeds(mirror: Mirror, packed: Archive, capsys: Capture) -> None:
    listed = msgspec.json.decode(mirror.archive.files["torrents.json"], type=list[ListedTorrent])
    counted = [msgspec.structs.replace(each, seeders=at) for at, each in enumerate(listed)]
    mirror.archive.files["torrents.json"] = msgspec.json.encode(counted)
    assert mirror.follow("--key", packed.key, "--where", "seeders >= 2 AND name LIKE '%03' AND size > 0") == 0
    assert chosen(mirror) == [packed.shards[2].name]
    capsys.readouterr()
    for wrong in ("sedeers > 1", "1) UNION SELECT * FROM read_text('/etc/passwd'", "1;", "name IN (SELECT"):
        assert mirror.follow("--where", wrong) == 2
        assert "--where: " in capsys.readouterr().err


def test_a_false_list_of_seeds_changes_no_more_than_the_choice(mirror: Mirror, packed: Archive) -> None:
    for wrong in (b"\xff", b"[" * 100_000, b'[{"btih": 1}]', b'[{"btih": "x", "seeders": -5}]'):
        mirror.archive.files["torrents.json"] = wrong
        assert mirror.follow("--key", packed.key) == 0
        assert len(chosen(mirror)) == 4
    del mirror.archive.files["torrents.json"]
    assert mirror.follow("--key", packed.key) == 0


def test_phases_and_strategies_that_are_none_are_refused(mirror: Mirror, packed: Archive, capsys: Capture) -> None:
    assert mirror.follow("--key", packed.key, "--phase", "adio") == 2
    assert mirror.follow("--key", packed.key, "--strategy", "rare") == 2
    assert mirror.follow("--key", packed.key, "--client", "qbitorrent:http://127.0.0.1:1") == 2
    error = capsys.readouterr().err
    assert 'no phase is named "adio"' in error
    assert 'Did you mean "rarest"?' in error
    assert mirror.state == {}


def test_sync_takes_new_shards_and_stays_with_those_chosen_before(mirror: Mirror, packed: Archive) -> None:
    assert mirror.follow("--key", packed.key, "--budget", "400 kB") == 0
    before = chosen(mirror)
    assert len(before) == 4
    mirror.archive.publish(6)
    assert mirror.run("sync") == 0
    assert chosen(mirror)[:4] == before
    assert len(chosen(mirror)) == 5


def fetched(mirror: Mirror, packed: Archive, count: int) -> None:
    """Follow with room for the first shards, which come as another client would bring them."""
    for shard in packed.shards[:count]:
        mirror.folder.mkdir(exist_ok=True)
        (mirror.folder / shard.file).write_bytes(packed.tar(shard.name))
    assert mirror.follow("--key", packed.key, "--budget", "400 kB") == 0
    assert len(chosen(mirror)) == count


def test_shards_that_were_replaced_are_listed_and_deleted_by_prune_alone(
    mirror: Mirror, packed: Archive, capsys: Capture
) -> None:
    fetched(mirror, packed, 4)
    gone = packed.shards[1]
    mirror.archive.publish(6, obsolete=[gone.name])
    assert mirror.run("sync") == 0
    shown = capsys.readouterr().out
    assert f"should be deleted: {gone.name}.tar" in shown
    assert "the publisher replaced it" in shown
    assert "1 tar should be deleted" in shown
    assert "Run: packager mirror prune" in shown
    assert gone.name not in chosen(mirror)
    assert mirror.run("prune") == 2
    assert "Add --yes" in capsys.readouterr().err
    assert mirror.run("prune", "--dry-run") == 0
    assert "Dry run: would delete 1 tar" in capsys.readouterr().out
    assert (mirror.folder / gone.file).exists()
    assert mirror.run("prune", "--yes") == 0
    assert "Deleted 1 tar, " in capsys.readouterr().out
    assert sorted(path.name for path in mirror.folder.glob("*.tar")) == sorted(
        shard.file for shard in packed.shards[:4] if shard is not gone
    )
    assert mirror.run("prune") == 0
    assert "Nothing to delete" in capsys.readouterr().out


def test_a_shard_with_withdrawn_records_is_not_chosen_listed_or_kept(
    mirror: Mirror, packed: Archive, capsys: Capture
) -> None:
    fetched(mirror, packed, 4)
    gone = packed.shards[2]
    assert mirror.run("magnets") == 0
    assert gone.magnet in capsys.readouterr().out
    mirror.archive.publish(6, change=withdrawn_from(gone.name))
    assert mirror.run("sync") == 0
    assert "1 record in it was withdrawn by the publisher" in capsys.readouterr().out
    assert gone.name not in chosen(mirror)
    assert mirror.run("magnets") == 0
    assert gone.magnet not in capsys.readouterr().out
    report = api.mirror_status(mirror.folder)
    assert {each.name: (each.ended, each.prune) for each in report.removable} == {gone.name: (True, True)}
    held = next(each for each in report.shards if each.name == gone.name)
    assert held.withheld == "1 record in it was withdrawn by the publisher"
    (torrent,) = (mirror.folder / ".packager-mirror").rglob(f"{gone.name}.torrent")
    ran = main(["seed", str(mirror.folder / gone.file), "--torrent", str(torrent), "--for", "0.1 s", "--listen", ":0"])
    assert (ran, "1 record in it was withdrawn" in capsys.readouterr().err) == (2, True)
    pruned = api.mirror_prune(mirror.folder)
    assert [Path(each.path).name for each in pruned.files] == [gone.file]
    assert not (mirror.folder / gone.file).exists()
    mirror.archive.publish(6, change=lifted_again(mirror.archive.publisher.head))
    assert mirror.follow("--key", packed.key, "--budget", "1 MB") == 0
    assert gone.name in chosen(mirror)


def test_prune_deletes_no_file_that_the_mirror_did_not_fetch(mirror: Mirror, packed: Archive, capsys: Capture) -> None:
    mirror.folder.mkdir()
    strange, larger = packed.shards[4], packed.shards[3]
    mirror.archive.publish(6)
    mirror.archive.publish(6, obsolete=[strange.name])
    assert mirror.follow("--key", packed.key) == 0
    mirror.archive.publish(6, obsolete=[strange.name, larger.name])
    assert mirror.run("sync") == 0
    (mirror.folder / strange.file).write_bytes(packed.tar(strange.name))  # never chosen here
    (mirror.folder / larger.file).write_bytes(bytes(larger.size + 1))
    capsys.readouterr()
    assert mirror.run("prune", "--yes") == 0
    shown = capsys.readouterr().out
    assert shown.count("this mirror did not fetch it") == 2
    assert "Nothing to delete" in shown
    assert (mirror.folder / strange.file).exists()
    assert (mirror.folder / larger.file).exists()


def test_an_old_release_warns(mirror: Mirror, packed: Archive, capsys: Capture) -> None:
    assert mirror.follow("--key", packed.key, "--warn-age", "1d") == 0
    assert "old, more than 1 d" in capsys.readouterr().err
    assert mirror.follow("--key", packed.key, "--warn-age", "9000d") == 0
    assert "old, more than" not in capsys.readouterr().err


def test_only_one_writes_at_a_time_and_status_can_still_be_asked(
    mirror: Mirror, packed: Archive, capsys: Capture
) -> None:
    assert mirror.follow("--key", packed.key) == 0
    with atomic_files.lock_state_folder(MirrorFolder(mirror.folder).state, "mirror"):
        assert mirror.run("sync") == 2
        assert f"in use by packager mirror, process {os.getpid()} on" in capsys.readouterr().err
        assert mirror.run("status") == 3  # nothing is here yet
        assert mirror.run("magnets") == 0


def test_magnets_are_those_of_the_chosen_one_a_line(mirror: Mirror, packed: Archive, capsys: Capture) -> None:
    assert mirror.follow("--key", packed.key, "--budget", "180 kB") == 0
    capsys.readouterr()
    assert mirror.run("magnets") == 0
    links = {shard.name: shard.magnet for shard in packed.shards}
    assert capsys.readouterr().out.splitlines() == [links[name] for name in chosen(mirror)]
    assert len(chosen(mirror)) == 2


def test_status_proves_on_demand_and_finds_what_is_bad(mirror: Mirror, packed: Archive, capsys: Capture) -> None:
    mirror.folder.mkdir()
    for shard in packed.shards[:3]:
        (mirror.folder / shard.file).write_bytes(packed.tar(shard.name))
    assert mirror.follow("--key", packed.key) == 0
    assert mirror.verify() == 0
    bad = mirror.folder / packed.shards[1].file
    bad.write_bytes(bytes(100) + bad.read_bytes()[100:])
    capsys.readouterr()
    assert mirror.verify() == 1
    capsys.readouterr()
    assert mirror.run("status", "--json") == 1
    status = {each["name"]: each for each in json.loads(capsys.readouterr().out)["shards"]}
    assert [status[shard.name]["bad"] for shard in packed.shards[:4]] == [0, 1, 0, 0]
    assert [status[shard.name]["verified"] is not None for shard in packed.shards[:4]] == [True, False, True, False]
    (mirror.folder / packed.shards[0].file).write_bytes(packed.tar(packed.shards[0].name))
    again = {each.name: each for each in api.mirror_status(mirror.folder).shards}
    assert again[packed.shards[0].name].verified is None  # it changed since
    assert again[packed.shards[2].name].verified is not None


def test_a_watch_folder_gets_each_torrent_once(mirror: Mirror, packed: Archive, tmp_path: Path) -> None:
    watched = tmp_path / "watched"
    watched.mkdir()
    assert mirror.follow("--key", packed.key, "--client", f"watch:{watched}") == 0
    laid = {path.name: path.read_bytes() for path in watched.glob("*.torrent")}
    assert sorted(laid.values()) == sorted(mirror.archive.files[shard.torrent.path] for shard in packed.shards[:4])
    for path in watched.glob("*.torrent"):
        path.unlink()
    assert mirror.run("sync") == 0
    assert not list(watched.glob("*.torrent"))


def test_a_kill_between_the_documents_and_the_state_is_mended_by_the_next_run(mirror: Mirror, packed: Archive) -> None:
    assert mirror.follow("--key", packed.key) == 0
    folder = MirrorFolder(mirror.folder)
    mirror.archive.publish(6)
    atomic_files.write_bytes(folder.incoming / "torrents" / "half", b"left by a kill")
    atomic_files.write_bytes(folder.release / "releases" / "2.json", mirror.archive.files["release.json"])
    kept = folder.required()
    assert folder.load_release(kept).serial == 1
    assert mirror.run("sync") == 0
    assert folder.load_release(folder.required()).serial == 2
    assert not folder.incoming.exists()
    assert not find_local_shards(folder, folder.load_release(folder.required()), {}, lambda _: None, may_write=False)
    assert documents.digest((folder.release / "release.json").read_bytes()) == folder.required().followed.digest


def test_a_state_that_is_damaged_is_a_sentence(mirror: Mirror, packed: Archive, capsys: Capture) -> None:
    assert mirror.run("status") == 2
    assert "not a mirror" in capsys.readouterr().err
    assert mirror.follow("--key", packed.key) == 0
    state = MirrorFolder(mirror.folder)
    kept = state.release / "releases" / "1.json"
    kept.write_bytes(kept.read_bytes() + b" ")
    assert mirror.run("status") == 1
    assert "is not the release that was accepted" in capsys.readouterr().err
    (state.state / "mirror.json").write_bytes(b"{}")
    before = state_of(mirror.folder)
    assert mirror.run("sync") == 2
    assert "mirror.json: not a valid mirror" in capsys.readouterr().err
    assert state_of(mirror.folder) == before
