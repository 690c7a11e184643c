"""What a publisher's server may do to a mirror: each attack is refused by name, and the state is as it was."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec
import pytest

from packager import api
from packager.cli.app import main
from packager.core.releases import documents
from packager.engine.network.http_client import HttpClient
from packager.errors import IncompleteError
from packager.model import PublishedFile
from tests.helpers.error_lines import as_sentence
from tests.helpers.http_server import Fault, Site
from tests.helpers.publisher import Archive, pack, state_of
from tests.helpers.simulated_publisher import Signed, secret_key, with_shard, with_shards, with_values

Capture = pytest.CaptureFixture[str]
THIEF = secret_key("thief")
SIGNATURES = ("release.json.minisig", "releases/2.json.minisig")


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Archive:
    return pack(tmp_path_factory.mktemp("archive") / "project", shards=6)


@dataclass
class Mirror:
    """A mirror that follows release 1, of four shards; release 2 lists six."""

    archive: Archive
    site: Site
    folder: Path

    def run(self, *arguments: str) -> int:
        return main(["mirror", *arguments, str(self.folder)])

    def follow(self, *more: str) -> int:
        return self.run("follow", self.site.address, "--budget", "1 MB", "--reserve", "0", "--client", "none", *more)

    def verify(self) -> int:
        return main(["verify", str(self.folder), "--workers", "1"])

    @property
    def state(self) -> dict[str, bytes]:
        return state_of(self.folder)


@pytest.fixture(scope="module")
def followed(packed: Archive, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Site, Path]]:
    """A server, and the folder of a mirror that follows release 1 there: each test has its own copy of both."""
    folder = tmp_path_factory.mktemp("followed") / "mirror"
    archive = Archive(packed.root, packed.shards)
    archive.publish(4)
    with archive.served() as site:
        assert Mirror(archive, site, folder).follow("--key", archive.key) == 0
        yield site, folder


@pytest.fixture
def mirror(packed: Archive, followed: tuple[Site, Path], tmp_path: Path) -> Mirror:
    site, folder = followed
    archive = Archive(packed.root, packed.shards)
    archive.publish(4)
    site.files, site.fault, site.target, site.only, site.requests = archive.files, "", "", "", 0
    shutil.copytree(folder, tmp_path / "mirror")
    return Mirror(archive, site, tmp_path / "mirror")


def flip(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def tampered_body(archive: Archive) -> None:
    archive.publish(6)
    body = archive.files["release.json"]
    archive.files["release.json"] = body.replace(b'"licence": "CC0-1.0"', b'"licence": "CC9-9.9"')


def tampered_signature(archive: Archive) -> None:
    archive.publish(6)
    for name in SIGNATURES:
        archive.files[name] = flip(archive.files[name], archive.files[name].index(b"\n") + 40)


def tampered_comment(archive: Archive) -> None:
    archive.publish(6)
    for name in SIGNATURES:
        archive.files[name] = archive.files[name].replace(b"release 2 of", b"release 3 of")


def no_signature(archive: Archive) -> None:
    archive.publish(6)
    for name in SIGNATURES:
        del archive.files[name]


def other_key(archive: Archive) -> None:
    archive.lay(archive.forge(6, key=THIEF))


def fork(archive: Archive) -> None:
    archive.lay(archive.forge(6, with_values(previous="0" * 64)))


def equivocation(archive: Archive) -> None:
    body = archive.files["release.json"]
    archive.sign_again(body.replace(b'"licence": "CC0-1.0"', b'"licence": "CC9-9.9"'))


def another_collection(archive: Archive) -> None:
    release = archive.publisher.next()
    facts = msgspec.structs.replace(release.collection, name="noises")
    archive.lay(archive.publisher.forge(msgspec.structs.replace(release, collection=facts)))


def fast_forward(archive: Archive) -> None:
    archive.lay(archive.forge(6, with_values(serial=5000)))


def withheld_step(archive: Archive) -> None:
    archive.publish(5)
    archive.publish(6)
    del archive.files["releases/2.json"]


def tampered_step(archive: Archive) -> None:
    archive.publish(5)
    archive.publish(6)
    archive.files["releases/2.json"] = archive.files["releases/1.json"]
    archive.files["releases/2.json.minisig"] = archive.files["releases/1.json.minisig"]


def changed_infohash(archive: Archive) -> None:
    archive.lay(archive.forge(6, with_shard(1, infohash_v1="ab" * 20)))


def changed_size(archive: Archive) -> None:
    archive.lay(archive.forge(6, with_shard(1, size=archive.shards[1].size + 512)))


def vanished(archive: Archive) -> None:
    archive.lay(archive.forge(6, with_shards(lambda shards: shards[1:])))


def swapped_torrent(archive: Archive) -> None:
    archive.publish(6)
    archive.files[archive.shards[4].torrent.path] = archive.files[archive.shards[5].torrent.path]


def listed(path: str, data: bytes) -> PublishedFile:
    return PublishedFile(path=path, size=len(data), sha256=documents.digest(data))


def swapped_and_listed_torrent(archive: Archive) -> None:
    archive.publish(6)
    other = archive.files[archive.shards[5].torrent.path]
    archive.publisher.signed.pop()
    archive.lay(archive.forge(6, with_shard(4, torrent=listed("torrents/swapped.torrent", other))))
    archive.files["torrents/swapped.torrent"] = other


def swapped_and_listed_manifest(archive: Archive) -> None:
    archive.publish(6)
    other = archive.files[archive.shards[5].manifest.path]
    archive.publisher.signed.pop()
    archive.lay(archive.forge(6, with_shard(4, manifest=listed("manifests/swapped.json", other))))
    archive.files["manifests/swapped.json"] = other


def oversized_file(archive: Archive) -> None:
    archive.publish(6)
    archive.files[archive.shards[4].manifest.path] += bytes(100_000)


def truncated_file(archive: Archive) -> None:
    archive.publish(6)
    archive.files[archive.shards[4].members_table.path] = archive.files[archive.shards[4].members_table.path][:-1]


def oversized_listing(archive: Archive) -> None:
    torrent = msgspec.structs.replace(archive.shards[4].torrent, size=1 << 40)
    archive.lay(archive.forge(6, with_shard(4, torrent=torrent)))


def path_up(archive: Archive) -> None:
    torrent = msgspec.structs.replace(archive.shards[4].torrent, path="../../stolen.torrent")
    archive.lay(archive.forge(6, with_shard(4, torrent=torrent)))


def absolute_path(archive: Archive) -> None:
    manifest = msgspec.structs.replace(archive.shards[4].manifest, path="/etc/packager.json")
    archive.lay(archive.forge(6, with_shard(4, manifest=manifest)))


def file_name_up(archive: Archive) -> None:
    archive.lay(archive.forge(6, with_shard(4, name="../stolen", file="../stolen.tar")))


def duplicate_shard(archive: Archive) -> None:
    archive.lay(archive.forge(6, with_shards(lambda shards: [*shards, shards[-1]])))


def forged_rotation(archive: Archive) -> None:
    archive.lay(archive.forge(6, with_values(next_key=THIEF.public.line), key=THIEF))


def rotation_to_nonsense(archive: Archive) -> None:
    archive.lay(archive.forge(6, with_values(next_key="RWnonsense")))


def unnamed_new_key(archive: Archive) -> None:
    archive.publish(5)
    archive.publisher.key = THIEF
    archive.publish(6)


def key_twice(archive: Archive) -> None:
    signed = archive.forge(6)
    archive.sign_again(signed.body.replace(b'"serial": 2', b'"serial": 2, "serial": 2'))


REFUSED = [
    (tampered_body, "wrong signature: does not match its signature by key"),
    (tampered_signature, "release.json.minisig"),
    (tampered_comment, "trusted comment forged"),
    (no_signature, "release.json: not signed: "),
    (other_key, "made with key"),
    (fork, "fork: serial 2"),
    (equivocation, "equivocation: serial 1 was signed twice"),
    (another_collection, "another collection"),
    (fast_forward, "fast-forward: serial 5000"),
    (withheld_step, "releases/2.json: answers 404"),
    (tampered_step, "gap: holds serial 1"),
    (changed_infohash, "changed shard: infohash_v1 of tones-audio-00002"),
    (changed_size, "changed shard: size of tones-audio-00002"),
    (vanished, "vanished shard: tones-audio-00001"),
    (swapped_torrent, "tones-audio-00005.torrent: not the file that release.json lists"),
    (swapped_and_listed_torrent, "swapped torrent: its infohashes are not those of tones-audio-00005"),
    (swapped_and_listed_manifest, "swapped manifest: its name is not that of tones-audio-00005"),
    (oversized_file, "tones-audio-00005.manifest.json: sends more than"),
    (truncated_file, "tones-audio-00005.members.parquet: not the file that release.json lists"),
    (oversized_listing, "oversized: 1099511627776 bytes"),
    (path_up, "is outside the release"),
    (absolute_path, "is outside the release"),
    (file_name_up, "cannot be the name of a shard"),
    (duplicate_shard, "is listed twice"),
    (forged_rotation, "made with key"),
    (rotation_to_nonsense, 'next_key: "RWnonsense" is no public key'),
    (unnamed_new_key, "made with key"),
    (key_twice, 'has the key "serial" twice'),
]


@pytest.mark.parametrize(("attack", "words"), REFUSED, ids=lambda value: getattr(value, "__name__", ""))
def test_an_attack_is_refused_by_name_and_the_state_stays(
    mirror: Mirror, attack: Callable[[Archive], None], words: str, capsys: Capture
) -> None:
    before = mirror.state
    attack(mirror.archive)
    capsys.readouterr()
    code = mirror.run("sync")
    printed = capsys.readouterr()
    assert words in as_sentence(printed.err)
    labels = {line.partition(":")[0] for line in printed.err.splitlines()}
    assert (code, "refused" in labels, "error" in labels) in ((1, True, False), (2, False, True))
    assert mirror.state == before


CACHED = {
    "an old signature": lambda old, _: {"release.json.minisig": old.minisig},
    "an old release": lambda old, _: {"release.json": old.body},
    "an old release and no signature": lambda old, _: {"release.json": old.body, "release.json.minisig": b""},
    "a signature that was cut": lambda _, new: {"release.json.minisig": new.minisig[:80]},
    "a lasting signature of another release": lambda old, _: {"releases/2.json.minisig": old.minisig},
}


@pytest.mark.parametrize("cached", CACHED.values(), ids=CACHED)
def test_a_cache_that_mixes_two_releases_makes_no_forgery_of_an_honest_one(
    mirror: Mirror, cached: Callable[[Signed, Signed], dict[str, bytes]], tmp_path: Path, capsys: Capture
) -> None:
    archive = mirror.archive
    archive.publish(6)
    old, new = archive.publisher.signed
    archive.files |= cached(old, new)
    assert mirror.run("sync") == 0, capsys.readouterr().err
    assert Mirror(archive, mirror.site, tmp_path / "first").follow("--key", archive.key) == 0
    tar = archive.root / "shards" / f"{archive.shards[0].name}.tar"
    command = ["verify", str(tar), "--release", mirror.site.address, "--key", archive.key, "--workers", "1"]
    assert main(command) == 0, capsys.readouterr().err


def test_a_rollback_is_refused(mirror: Mirror, capsys: Capture) -> None:
    mirror.archive.publish(6)
    assert mirror.run("sync") == 0
    before = mirror.state
    old = mirror.archive.publisher.signed[0]
    mirror.archive.files |= {"release.json": old.body, "release.json.minisig": old.minisig}
    assert mirror.run("sync") == 1
    assert "rollback: release 1 is older than release 2, accepted earlier" in capsys.readouterr().err
    assert mirror.state == before


def test_a_withdrawn_shard_is_not_taken_back(mirror: Mirror, capsys: Capture) -> None:
    name = mirror.archive.shards[1].name
    mirror.archive.publish(6, obsolete=[name])
    assert mirror.run("sync") == 0
    before = mirror.state
    mirror.archive.lay(mirror.archive.forge(6, with_shard(1, obsolete=False, obsolete_since=0, reason="")))
    assert mirror.run("sync") == 1
    assert f"withdrawn shard offered again: {name}" in capsys.readouterr().err
    assert mirror.state == before


def test_a_replaced_key_signs_no_more(mirror: Mirror, capsys: Capture) -> None:
    old, new = mirror.archive.publisher.key, secret_key("second")
    mirror.archive.publish(5, next_key=new)
    assert mirror.run("sync") == 0
    before = mirror.state
    mirror.archive.lay(mirror.archive.forge(6, key=old))
    assert mirror.run("sync") == 1
    assert "replaced key" in capsys.readouterr().err
    assert mirror.state == before
    mirror.archive.lay(mirror.archive.forge(6, key=new))
    assert mirror.run("sync") == 0


ServerFault = tuple[Fault, Literal["", "/elsewhere", "http://localhost:9/", "file:///etc/passwd", "//[::1]/x"], str]
FAULTS: list[ServerFault] = [
    ("endless", "", "release.json: sends more than 48 MiB"),
    ("gzip", "", "sends its bytes packed"),
    ("404", "", "answers 404"),
    ("redirect", "http://localhost:9/", "redirects to http://"),
    ("redirect", "//[::1]/x", "redirects to http://"),
    ("redirect", "file:///etc/passwd", 'redirects to "file:///etc/passwd", which is no web address'),
    ("redirect loop", "", "redirects more than 5 times"),
]


@pytest.mark.parametrize(("fault", "target", "words"), FAULTS)
def test_a_server_that_misbehaves_is_refused(
    mirror: Mirror, fault: Fault, target: str, words: str, capsys: Capture
) -> None:
    before = mirror.state
    mirror.site.fault, mirror.site.target = fault, target
    assert mirror.run("sync") == 2
    assert words in capsys.readouterr().err
    assert mirror.state == before


OF_A_TORRENT: list[ServerFault] = [
    ("endless", "", "sends more than"),
    ("gzip", "", "sends its bytes packed"),
    ("404", "", "answers 404"),
    ("wrong bytes", "", "not the file that release.json lists"),
    ("redirect", "http://localhost:9/", "redirects to http://"),
    ("redirect", "file:///etc/passwd", 'redirects to "file:///etc/passwd", which is no web address'),
    ("redirect", "/elsewhere", "answers 404"),
    ("redirect loop", "", "redirects more than 5 times"),
]


@pytest.mark.parametrize(("fault", "target", "words"), OF_A_TORRENT)
def test_a_server_that_misbehaves_for_one_torrent_of_a_true_release_is_refused(
    mirror: Mirror, fault: Fault, target: str, words: str, capsys: Capture
) -> None:
    before = mirror.state
    mirror.archive.publish(6)
    torrent = mirror.archive.shards[5].torrent.path
    mirror.site.fault, mirror.site.target, mirror.site.only = fault, target, torrent
    assert mirror.run("sync") == 1
    last = as_sentence(capsys.readouterr().err).splitlines()[-1]
    assert torrent in last
    assert words in last
    assert mirror.state == before
    mirror.site.fault = ""
    assert mirror.run("sync") == 0


@pytest.mark.parametrize(
    ("fault", "only"),
    [
        ("silent", ""),
        ("drips headers", ""),
        ("drips body", ""),
        ("503", ""),
        ("drips body", "torrents/tones-audio-00006.torrent"),
    ],
)
def test_a_slow_server_is_given_up_and_the_same_command_may_do_more_later(
    mirror: Mirror, fault: Fault, only: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(HttpClient.__init__.__kwdefaults__, "tries", 2)
    before = mirror.state
    mirror.archive.publish(6)
    mirror.site.fault, mirror.site.only = fault, only
    with pytest.raises(IncompleteError, match=r"no answer in|too slow|answers 503") as refused:
        api.mirror_sync(mirror.folder, api.RunOptions(listen=":0", timeout=0.1))
    assert (only or "release.json") in str(refused.value)
    assert refused.value.exit_code == 3
    assert mirror.state == before
    mirror.site.fault = ""
    assert mirror.run("sync") == 0


def test_after_every_refusal_the_true_release_is_followed(mirror: Mirror) -> None:
    tampered_body(mirror.archive)
    assert mirror.run("sync") == 1
    mirror.archive.lay(mirror.archive.publisher.head)
    assert mirror.run("sync") == 0
    assert b'"serial": 2' in mirror.state[".packager-mirror/mirror.json"]


@pytest.mark.parametrize("attack", [tampered_body, other_key, swapped_torrent, path_up, duplicate_shard])
def test_a_first_follow_that_is_refused_keeps_nothing(
    mirror: Mirror, attack: Callable[[Archive], None], tmp_path: Path
) -> None:
    attack(mirror.archive)
    new = Mirror(mirror.archive, mirror.site, tmp_path / "new")
    assert new.follow("--key", mirror.archive.key) == 1
    assert new.state == {}
