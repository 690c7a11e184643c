"""Packing: one pass of ours against the steps that people chain today, on 1,000 files of 4 MiB.

The typical pipeline: GNU tar, sha256sum of the members and of the tar, libtorrent's hybrid hashes. The
expert's: tar in large writes, openssl on both cores, libtorrent and openssl over the tar at once.
"""

import random
import shutil
import sys
from pathlib import Path

from bench.timing import Contender, measure, table

FILES, SIZE = 1000, 4 << 20
CONFIG = """
[collection]
name = "bench"
title = "Bench"
source = "{source}"
[shards]
size = "2200 MB"
[[phases]]
name = "all"
title = "All"
order = "path"
"""
HYBRID = """
import sys, libtorrent as lt
storage = lt.file_storage(); lt.add_files(storage, sys.argv[1])
torrent = lt.create_torrent(storage, 4 << 20)
lt.set_piece_hashes(torrent, sys.argv[1].rpartition("/")[0])
open(sys.argv[1] + ".torrent", "wb").write(lt.bencode(torrent.generate()))
"""


def collection(data: Path) -> Path:
    """Make the files once and return their folder."""
    folder = data / "files"
    if not folder.exists():
        folder.mkdir()
        block = random.Random(1).randbytes(SIZE - 8)
        for number in range(FILES):
            (folder / f"{number:04d}.bin").write_bytes(number.to_bytes(8, "big") + block)
    return folder


def main(data: Path) -> None:
    """Measure and print."""
    files = collection(data)
    ours = data / "pack"
    ours.mkdir(exist_ok=True)
    (ours / "packager.toml").write_text(CONFIG.format(source=files))
    (data / "hybrid.py").write_text(HYBRID)
    python, tar = sys.executable, data / "pack.tar"
    packager = f"{python} -m packager"
    prepare = f"cd {ours} && {packager} scan && {packager} plan"
    rules = "--sort=name --owner=0 --group=0 --numeric-owner --mtime=@0"
    sums = f"find {files} -type f -print0 | xargs -0 -P2 -n 50"

    def undo() -> None:
        shutil.rmtree(ours / "shards", ignore_errors=True)
        shutil.rmtree(ours / ".packager", ignore_errors=True)
        tar.unlink(missing_ok=True)
        for left in data.glob("*.torrent"):
            left.unlink()

    contenders = [
        Contender("packager scan, plan, pack (all in one pass)", f"{prepare} && {packager} pack", undo),
        Contender("packager scan, plan alone", prepare, undo),
        Contender(
            "typical: tar, sha256sum of members and tar, libtorrent hybrid",
            f"tar {rules} -cf {tar} -C {data} files && {sums} sha256sum && sha256sum {tar} "
            f"&& {python} {data}/hybrid.py {tar}",
            undo,
        ),
        Contender(
            "expert: tar -b 2048, openssl on two cores, libtorrent and openssl of the tar at once",
            f"tar {rules} -b 2048 -cf {tar} -C {data} files && {sums} openssl dgst -sha256 "
            f"&& (openssl dgst -sha256 {tar} & {python} {data}/hybrid.py {tar} && wait)",
            undo,
        ),
        Contender("tar alone", f"tar {rules} -cf {tar} -C {data} files", undo),
        Contender(
            "mktorrent -t 2 of the files (v1 alone)",
            f"mktorrent -t 2 -l 22 -o {data}/m.torrent {files}",
            undo,
            "mktorrent",
        ),
    ]
    able = measure(contenders, rounds=3)
    print(table("Pack: 1,000 files of 4 MiB, page cache warm", able, FILES * SIZE))
    shutil.rmtree(ours)
