"""metalink.py: documents of RFC 5854, and aria2 fetching and checking by them."""

import hashlib
import subprocess
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

import libtorrent as lt
import msgspec
import pytest

from packager.core.releases.metalink import LIMIT, NAMESPACE, has_metalink, metalink
from packager.errors import InputError
from packager.model import ReleaseShard
from tests.helpers.http_server import Site, serving
from tests.helpers.libtorrent_torrents import made_of_data
from tests.helpers.simulated_publisher import Publisher, make_shard

PIECE = 1 << 18
DATA = hashlib.shake_256(b"a tar").digest(5 * PIECE + 777)
NAME = "demo-audio-00001.tar"
SEED = "https://files.example/shards/" + NAME


def shard(**values: Any) -> ReleaseShard:
    made = make_shard("demo", "audio", 1, "2026-01-01T00:00:00Z")
    return msgspec.structs.replace(made, **{"size": len(DATA), "piece_length": PIECE, **values})


def pieces(data: bytes = DATA) -> bytes:
    return b"".join(hashlib.sha1(data[at : at + PIECE]).digest() for at in range(0, len(data), PIECE))


def read(document: bytes) -> ET.Element:
    root = ET.fromstring(document)
    assert root.tag == f"{{{NAMESPACE}}}metalink"
    (file,) = root
    return file


def texts(file: ET.Element, path: str) -> list[str | None]:
    return [each.text for each in file.findall(path, {"": NAMESPACE})]


def test_a_document_names_the_tar_its_size_its_pieces_and_where_it_is() -> None:
    torrent = "https://archive.example/torrents/x.torrent"
    mirror = "http://mirror.example/a?b=1&c=%3C2%3E"
    document = metalink(shard(sha256="ab" * 32), web_seeds=[SEED, mirror], torrent=torrent, pieces=pieces())
    file = read(document)
    assert file.attrib == {"name": NAME}
    assert texts(file, "size") == [str(len(DATA))]
    assert texts(file, "hash") == ["ab" * 32]
    listed = file.find("pieces", {"": NAMESPACE})
    assert listed is not None
    assert listed.attrib == {"length": str(PIECE), "type": "sha-1"}
    assert bytes.fromhex("".join(each.text or "" for each in listed)) == pieces()
    assert texts(file, "metaurl") == [torrent]
    assert texts(file, "url") == [SEED, mirror]
    assert b"a?b=1&amp;c=%3C2%3E" in document
    assert document.endswith(b"</metalink>\n")
    assert document == metalink(shard(sha256="ab" * 32), web_seeds=[SEED, mirror], torrent=torrent, pieces=pieces())


def test_what_is_not_known_is_left_out() -> None:
    file = read(metalink(shard(), web_seeds=[SEED]))
    assert [each.tag.rpartition("}")[2] for each in file] == ["size", "url"]


def test_a_shard_with_no_address_has_no_document() -> None:
    assert metalink(shard(), web_seeds=[], pieces=pieces()) == b""


@pytest.mark.parametrize(
    ("values", "has"),
    [
        ({}, True),
        ({"container": "folder"}, False),
        ({"infohash_v1": None}, False),
        ({"infohash_v1": None, "sha256": "ab" * 32}, True),
    ],
)
def test_a_shard_has_one_where_it_is_a_tar_to_hold_that_can_be_had_and_checked(
    values: dict[str, Any], has: bool
) -> None:
    release = msgspec.structs.replace(Publisher().next(), base_url="https://archive.example/")
    assert has_metalink(release, shard(**values)) is has
    assert not has_metalink(Publisher().next(), shard(**values))


@pytest.mark.parametrize("address", ["file:///etc/passwd", "//x/y", "javascript:alert(1)", "https://x/\n<url>", ""])
def test_an_address_that_is_not_of_the_web_is_refused(address: str) -> None:
    with pytest.raises(InputError):
        metalink(shard(), web_seeds=[SEED, address])
    with pytest.raises(InputError):
        metalink(shard(), web_seeds=[SEED], torrent=address)


def test_pieces_that_are_not_the_shards_are_refused() -> None:
    for wrong in (pieces()[20:], pieces() + bytes(20), b"x"):
        with pytest.raises(InputError, match=f"has 6 pieces, but {len(wrong)} bytes"):
            metalink(shard(), web_seeds=[SEED], pieces=wrong)


@pytest.mark.parametrize(("count", "kept"), [(16_384, True), (65_536, True), (80_000, False)])
def test_pieces_are_left_out_where_the_document_would_be_too_large_for_aria2(count: int, kept: bool) -> None:
    document = metalink(shard(size=count * PIECE), web_seeds=[SEED], pieces=bytes(20 * count))
    assert (b"<pieces" in document) == kept
    assert len(document) <= LIMIT


@pytest.fixture(scope="module")
def torrent(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A hybrid torrent of DATA, made by libtorrent, whose pieces are ours."""
    metainfo = made_of_data(tmp_path_factory.mktemp("torrent"), NAME, DATA, PIECE, "hybrid")
    assert metainfo[b"info"][b"pieces"] == pieces()
    return bytes(lt.bencode(metainfo))


def fetch(aria2c: str, folder: Path, document: bytes) -> subprocess.CompletedProcess[str]:
    """Run aria2c on a document; no peer is looked for."""
    (folder / "x.meta4").write_bytes(document)
    quiet = ["--enable-dht=false", "--bt-enable-lpd=false", "--enable-peer-exchange=false", "--seed-time=0"]
    bounds = ["--no-conf", "--timeout=5", "--max-tries=2", "--retry-wait=0", "--bt-stop-timeout=5"]
    return subprocess.run(
        [aria2c, "--dir", folder, *quiet, *bounds, folder / "x.meta4"],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.interop
@pytest.mark.parametrize("kinds", ["pieces", "sha256", "pieces and sha256", "pieces and torrent", "torrent"])
def test_aria2_fetches_a_tar_by_its_document(
    kinds: str, tmp_path: Path, torrent: bytes, program: Callable[[str], str]
) -> None:
    with serving({"shards/a.tar": DATA, "x.torrent": torrent}) as site:
        ran = fetch(program("aria2c"), tmp_path, document_for(site, kinds))
    assert ran.returncode == 0, ran.stdout
    assert (tmp_path / NAME).read_bytes() == DATA


def document_for(site: Site, kinds: str, seeds: tuple[str, ...] = ("shards/a.tar",)) -> bytes:
    return metalink(
        shard(sha256=hashlib.sha256(DATA).hexdigest() if "sha256" in kinds else None),
        web_seeds=[site.address + each for each in seeds],
        torrent=f"{site.address}x.torrent" if "torrent" in kinds else None,
        pieces=pieces() if "pieces" in kinds else b"",
    )


@pytest.mark.interop
@pytest.mark.parametrize("kinds", ["pieces", "sha256"])
def test_aria2_refuses_a_tar_with_one_bit_flipped(kinds: str, tmp_path: Path, program: Callable[[str], str]) -> None:
    bad = bytearray(DATA)
    bad[PIECE + 5] ^= 1
    with serving({"shards/a.tar": bytes(bad)}) as site:
        ran = fetch(program("aria2c"), tmp_path, document_for(site, kinds))
    assert ran.returncode != 0
    assert "hecksum" in ran.stdout
    assert (tmp_path / f"{NAME}.aria2").exists()  # aria2's mark of a download that is not whole


@pytest.mark.interop
def test_aria2_goes_on_with_another_web_seed_and_without_the_torrent(
    tmp_path: Path, program: Callable[[str], str]
) -> None:
    with serving({"shards/a.tar": DATA}) as site:
        document = document_for(site, "pieces and torrent", ("gone/a.tar", "shards/a.tar"))
        ran = fetch(program("aria2c"), tmp_path, document)
    assert ran.returncode == 0, ran.stdout
    assert (tmp_path / NAME).read_bytes() == DATA
