"""Verifying: a shard of 1,000 files of 4 MiB, as a tar and as a bag, with a warm page cache and two workers or threads.

Each program checks the same bytes: libtorrent's force_recheck with two hashing threads, torf, sha256sum, openssl,
bagit.py with two processes. Libraries are also timed inside a
running process, so that the start of an interpreter is not counted.
"""

import json
import shutil
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import libtorrent as lt

from bench.pack import FILES, SIZE, collection
from bench.timing import Contender, measure, table

ROUNDS = 7
NAME = "bench-all-00001"
CONFIG = """
[collection]
name = "bench"
title = "Bench"
source = "{source}"
[shards]
size = "8 GiB"
[[phases]]
name = "all"
title = "All"
order = "path"
"""
OURS = """
from pathlib import Path
from packager import api
def check():
    report = api.verify([Path(sys.argv[2])], api.VerifyOptions(torrent=Path(sys.argv[1])), workers=2)
    assert report.ok and report.complete
"""
LIBTORRENT = """
import libtorrent as lt
threads = {"hashing_threads": 2, "aio_threads": 2, "checking_mem_usage": 4096}
quiet = {"listen_interfaces": "127.0.0.1:0", "enable_dht": False, "enable_lsd": False, "enable_upnp": False,
         "enable_natpmp": False, "alert_mask": lt.alert.category_t.status_notification}
session = lt.session({**threads, **quiet})
wanted = lt.load_torrent_file(sys.argv[1])
wanted.save_path = sys.argv[2].rpartition("/")[0]
wanted.flags &= ~(lt.torrent_flags.auto_managed | lt.torrent_flags.paused)
handle = session.add_torrent(wanted)
def checked():
    while True:
        session.wait_for_alert(60000)
        if any(isinstance(alert, lt.torrent_checked_alert) for alert in session.pop_alerts()):
            assert handle.status().is_seeding
            return
checked()
def check():
    handle.force_recheck()
    checked()
"""
TORF = """
import torf
torrent = torf.Torrent.read(sys.argv[1])
def check():
    assert torrent.verify(sys.argv[2], threads=2)
"""
INSIDE = """
import resource, sys, time
{program}
def spent():
    usage = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in usage), max(each.ru_maxrss for each in usage) / 1024
for line in sys.stdin:
    before, began = spent()[0], time.monotonic()
    check()
    seconds, (after, peak) = time.monotonic() - began, spent()
    print(seconds, after - before, peak, flush=True)
"""


def released(data: Path) -> tuple[Path, Path]:
    """Release the collection as one shard, once; return its tar and its extracted bag."""
    root = data / "verify"
    tar = root / "shards" / f"{NAME}.tar"
    made_last = root / "hybrid.torrent"
    if not made_last.exists():
        root.mkdir(exist_ok=True)
        (root / "packager.toml").write_text(CONFIG.format(source=collection(data)))
        subprocess.run([sys.executable, "-m", "packager", "release"], cwd=root, check=True, stdout=subprocess.DEVNULL)
        subprocess.run(["tar", "xf", tar, "-C", root], check=True)
        for version, flags in (("v1", lt.create_torrent.v1_only), ("v2", lt.create_torrent.v2_only)):
            _write_torrent(tar, root / f"{version}.torrent", flags)
        shutil.copyfile(root / "site" / "torrents" / f"{NAME}.torrent", made_last)
    return tar, root / NAME


def _write_torrent(tar: Path, torrent: Path, flags: int) -> None:
    """Write libtorrent's .torrent of the tar."""
    creator = lt.create_torrent([lt.create_file_entry(tar.name, tar.stat().st_size)], 4 << 20, flags)
    lt.set_piece_hashes(creator, str(tar.parent))
    torrent.write_bytes(lt.bencode(creator.generate()))


def inside(programs: dict[str, tuple[str, Path, Path]]) -> dict[str, Contender]:
    """Time programs from inside, in turn. All of them run all the time, and each checks once to warm up.

    Each round begins with another program, so that the order changes.
    """
    rows = {name: Contender(name, "") for name in programs}
    with ExitStack() as running:
        servers = {name: running.enter_context(_server(*program)) for name, program in programs.items()}
        names = list(programs)
        for turn in range(ROUNDS + 1):
            first = turn % len(names)
            for name in names[first:] + names[:first]:
                row, server = rows[name], servers[name]
                assert server.stdin
                assert server.stdout
                server.stdin.write("check\n")
                server.stdin.flush()
                seconds, cpu, peak = map(float, server.stdout.readline().split())
                if turn:
                    row.seconds.append(seconds)
                    row.cpu.append(cpu)
                    row.peak_mib.append(peak)
    return rows


def _server(program: str, torrent: Path, tar: Path) -> "subprocess.Popen[str]":
    """Start a process that checks once for each line it reads."""
    command = [sys.executable, "-W", "ignore", "-c", INSIDE.format(program=program)]
    command += [str(torrent), str(tar)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def main(data: Path) -> None:
    """Measure and print."""
    tar, bag = released(data)
    size = tar.stat().st_size
    hybrid, v1, v2 = (tar.parent.parent / f"{version}.torrent" for version in ("hybrid", "v1", "v2"))
    by_torrent = {  # others are beside ours of the same torrent; all are timed in the same rounds
        "a v2 torrent": {
            "api.verify, v2": (OURS, v2, tar),
            "libtorrent force_recheck, 2 hashing threads, v2": (LIBTORRENT, v2, tar),
        },
        "a hybrid torrent, of which libtorrent takes both hashes and verify the v2 ones": {
            "api.verify, hybrid": (OURS, hybrid, tar),
            "libtorrent force_recheck, 2 hashing threads, hybrid": (LIBTORRENT, hybrid, tar),
        },
        "a v1 torrent": {
            "api.verify, v1": (OURS, v1, tar),
            "libtorrent force_recheck, 2 hashing threads, v1": (LIBTORRENT, v1, tar),
            "torf verify, 2 threads, v1": (TORF, v1, tar),
        },
    }
    rows = inside({name: program for programs in by_torrent.values() for name, program in programs.items()})
    for torrent, programs in by_torrent.items():
        title = f"Verify: a tar of {size / 1e9:.2f} GB by {torrent}, inside a running process"
        print(table(title, [rows[name] for name in programs], size))
    packager = f"{sys.executable} -m packager verify --workers 2"
    commands = [
        Contender("packager verify TAR", f"{packager} {tar}"),
        Contender("packager verify BAG", f"{packager} {bag}"),
        Contender("sha256sum TAR", f"sha256sum {tar}"),
        Contender("openssl dgst -sha256 TAR", f"openssl dgst -sha256 {tar}", needs="openssl"),
        Contender("bagit.py --validate --processes 2 BAG", f"{sys.executable} -m bagit --validate --processes 2 {bag}"),
        Contender("sha256sum -c of the bag's manifest", f"cd {bag} && sha256sum -c --quiet manifest-sha256.txt"),
    ]
    print(table("Verify: complete commands, from start to end", measure(commands, ROUNDS), size))
    report = subprocess.run([*packager.split(), "--json", tar], check=True, capture_output=True, text=True)
    print(f"Members: {FILES:,} of {SIZE >> 20} MiB; read: {json.loads(report.stdout)['read_bytes']:,} bytes.\n")
