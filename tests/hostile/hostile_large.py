"""Files too large to keep, or that only say so: each is written when its test runs."""

from collections.abc import Callable
from pathlib import Path

import hostile_documents
import hostile_frames
import hostile_tars
import hostile_torrents
from hostile_torrents import V1, ben

MIB, GIB = 1 << 20, 1 << 30


def sparse(start: bytes, size: int) -> Callable[[Path], None]:
    """A file of `size` bytes that begins with `start`; the rest are zeros that take no room."""

    def write(path: Path) -> None:
        path.write_bytes(start)
        with open(path, "r+b") as file:
            file.truncate(size)

    return write


def data(make: Callable[[], bytes]) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        path.write_bytes(make())

    return write


def many_files() -> bytes:
    """A torrent of 50,000 files and one that climbs."""
    files = [{b"length": 0, b"path": [b"%d" % at]} for at in range(50_000)]
    files.append({b"length": 0, b"path": [b".."]})
    return hostile_torrents.v1(info_length=None, info_files=files, info_name=b"x", info_pieces=b"")


def many_twins() -> bytes:
    """A torrent of 50,000 files, of which the last is the first in capitals."""
    files = [{b"length": 0, b"path": [b"a%d" % at]} for at in range(50_000)] + [{b"length": 1, b"path": [b"A0"]}]
    return hostile_torrents.v1(info_length=None, info_files=files, info_name=b"x")


def withdrawals() -> bytes:
    """A release of 50 MB of withdrawals, one record's."""
    line = b'{"id":"a","reason":"","date":"2026-11-21T00:00:00Z"},'
    return hostile_documents.release().replace(
        b'"withdrawals": []', b'"withdrawals": [' + (line * (50_000_000 // len(line)))[:-1] + b"]"
    )


def doubled_keys() -> bytes:
    """A manifest of 50 MB: one key over and over."""
    return hostile_documents.replaced(
        hostile_documents.manifest(), b'"number": 1', b'"number": 1' + b',"number":1' * 4_500_000
    )


def entries() -> bytes:
    """A tar of 40,000 empty files, of which the last is the first again."""
    made = [hostile_tars.block(b"%d" % (at % 39_999)) for at in range(40_000)]
    return b"".join(made) + hostile_tars.END


def deep_pax() -> bytes:
    """A tar whose path has 250,000 folders."""
    return hostile_tars.pax(b"path", b"abc/" * 250_000 + b"x") + hostile_tars.file(b"x") + hostile_tars.END


def deep_line() -> bytes:
    line = b'{"x":' + b"[" * 60_000 + b"]" * 60_000 + b"}\n"
    return hostile_frames.seekable(hostile_frames.frame(line), len(line))


RECORDS: dict[str, Callable[[Path], None]] = {
    "records-nested-400000-deep.jsonl": data(
        lambda: b'{"id":"1","path":"a.txt","x":' + b"[" * 400_000 + b"]" * 400_000 + b"}\n"
    ),
    "records-line-of-10-gib.csv": sparse(b"id,path\n1,a.txt", 10 * GIB),
    "records-line-of-10-gib.jsonl": sparse(b'{"id":"1","path":"a.txt","title":"', 10 * GIB),
    "records-rows-end-and-10-gib-of-zeros-follow.sqlite": sparse(b"SQLite format 3\0", 10 * GIB),
}
MADE: dict[str, Callable[[Path], None]] = RECORDS | {
    "catalogue-line-nested-60000-deep.jsonl.zst": data(deep_line),
    "catalogue-of-10-gib-of-nothing.jsonl.zst": sparse(b"\x28\xb5\x2f\xfd", 10 * GIB),
    "magnet-of-5000-trackers.txt": data(lambda: V1.encode() + b"&tr=udp%3A%2F%2Fx%3A1" * 5000),
    "magnet-of-60-mib.txt": data(lambda: V1.encode() + b"&dn=" + b"a" * (60 * MIB)),
    "magnets-100000-lines-of-nothing.txt": data(lambda: V1.encode() + b"\n" + b"magnet:?\n" * 100_000),
    "magnets-of-10-gib.txt": sparse(V1.encode(), 10 * GIB),
    "manifest-keys-doubled-50-mb.manifest.json": data(doubled_keys),
    "manifest-nested-50-mb-deep.manifest.json": data(lambda: b'{"format":1,"x":' + b"[" * 50_000_000),
    "manifest-of-10-gib.manifest.json": sparse(b'{"format":1,"type":"manifest",', 10 * GIB),
    "manifest-of-50-mb-of-digits.manifest.json": data(lambda: b'{"format":' + b"9" * 50_000_000 + b"}"),
    "members-of-10-gib-of-nothing.members.parquet": sparse(b"PAR1", 10 * GIB),
    "release-50-mb-of-withdrawals.release.json": data(withdrawals),
    "release-50-mb-of-strings.release.json": data(
        lambda: b'{"format":1,"type":"release","x":[' + b'"ab",' * 10_000_000 + b"1]}"
    ),
    "tar-ends-and-10-gib-of-zeros-follow.tar": sparse(hostile_tars.GOOD + hostile_tars.END, 10 * GIB),
    "tar-member-of-10-gib-that-is-cut-short.tar": sparse(
        hostile_tars.block(b"a", b"\x80" + (10 * GIB).to_bytes(11, "big")), 9 * GIB
    ),
    "tar-of-40000-entries-one-doubled.tar": data(entries),
    "tar-path-of-250000-folders.tar": data(deep_pax),
    "torrent-depth-of-a-million.torrent": data(lambda: b"d4:info" + b"l" * 1_000_000 + b"e" * 1_000_001),
    "torrent-dictionaries-2-million.torrent": data(lambda: b"d4:infol" + b"de" * 4_900_000 + b"ee"),
    "torrent-empty-strings-5-million.torrent": data(lambda: b"d4:infol" + b"0:" * 4_900_000 + b"ee"),
    "torrent-integers-a-million.torrent": data(lambda: b"d4:infol" + b"i999e" * 1_000_000 + b"ee"),
    "torrent-of-20-mb.torrent": data(lambda: hostile_torrents.v1(top_pad=bytes(20_000_000))),
    "torrent-of-50000-files-one-climbs.torrent": data(many_files),
    "torrent-of-50000-files-two-twins.torrent": data(many_twins),
    "torrent-trackers-50000.torrent": data(
        lambda: ben(
            {
                b"announce-list": [[b"javascript:%d" % at] for at in range(50_000)],
                b"info": {b"length": 4, b"name": b"a", b"piece length": 16384, b"pieces": bytes(20)},
            }
        )
    ),
}
