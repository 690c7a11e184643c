"""`packager torrent` and other programs: 1,000 files of 4 MiB, and 20,000 of 16 KiB; v1 and hybrid.

torrent-models is installed into a virtual environment in the data folder, because nothing else needs it. If pip cannot
fetch it, it is left out and a line says so.
"""

import random
import subprocess
import sys
from pathlib import Path

from bench.pack import FILES, SIZE, collection
from bench.timing import Contender, measure, table

SMALL, SMALL_SIZE = 20_000, 16 << 10
PIECE = 20  # log2 of its bytes
LIBTORRENT = """
import sys, libtorrent as lt
flags = lt.create_torrent.v1_only if sys.argv[2] == "v1" else 0
torrent = lt.create_torrent(lt.list_files(sys.argv[1]), int(sys.argv[3]), flags)
lt.set_piece_hashes(torrent, sys.argv[1].rpartition("/")[0])
open(sys.argv[4], "wb").write(lt.bencode(torrent.generate()))
"""
TORF = """
import sys, torf
torrent = torf.Torrent(sys.argv[1], piece_size=int(sys.argv[2]), piece_size_max=1 << 30)
torrent.generate()
torrent.write(sys.argv[3])
"""


MODELS = """
import sys
from pathlib import Path
from torrent_models import TorrentCreate
root = Path(sys.argv[1])
paths = [path.relative_to(root) for path in sorted(root.rglob("*")) if path.is_file()]
wanted = TorrentCreate(path_root=root, paths=paths, piece_length=int(sys.argv[2]), info={"name": root.name})
wanted.generate("hybrid", n_processes=2).write(Path(sys.argv[3]))
"""


def torrent_models(data: Path) -> str:
    """Return the Python that has torrent-models; a missing program if it cannot be installed."""
    python = data / "torrent-models" / "bin" / "python"
    if not python.exists():
        make = [sys.executable, "-m", "venv", str(data / "torrent-models")]
        install = [str(python), "-m", "pip", "install", "--quiet", "torrent-models==0.3.4"]
        if any(subprocess.run(command, check=False).returncode for command in (make, install)):
            print("torrent-models could not be installed, and is left out.\n")
            return "torrent-models"
    return str(python)


def small_files(data: Path) -> Path:
    """Make the small files once and return their folder."""
    folder = data / "small"
    if not folder.exists():
        folder.mkdir()
        block = random.Random(2).randbytes(SMALL_SIZE - 8)
        for number in range(SMALL):
            (folder / f"{number:05d}").write_bytes(number.to_bytes(8, "big") + block)
    return folder


def contenders(data: Path, folder: Path, exponent: int) -> list[Contender]:
    """Return the ways to make a torrent of a folder in pieces of 2**exponent bytes."""
    length, python = 1 << exponent, sys.executable
    (data / "by_libtorrent.py").write_text(LIBTORRENT)
    (data / "by_torf.py").write_text(TORF)
    (data / "by_models.py").write_text(MODELS)
    models = torrent_models(data)
    out = data / "bench.torrent"
    ours = f"{python} -m packager torrent {folder} --to {out} --piece-length '{length >> 10} KiB' --format"

    def undo() -> None:
        out.unlink(missing_ok=True)

    return [
        Contender("packager torrent --format v1", f"{ours} v1", undo),
        Contender("mktorrent -t 2", f"mktorrent -t 2 -l {exponent} -o {out} {folder}", undo, "mktorrent"),
        Contender("torf", f"{python} {data}/by_torf.py {folder} {length} {out}", undo),
        Contender(
            "transmission-create",
            f"transmission-create -s {length >> 10} -o {out} {folder}",
            undo,
            "transmission-create",
        ),
        Contender("libtorrent v1_only", f"{python} {data}/by_libtorrent.py {folder} v1 {length} {out}", undo),
        Contender("packager torrent (hybrid)", f"{ours} hybrid", undo),
        Contender(
            "torrent-models, 2 processes (hybrid)",
            f"{models} {data}/by_models.py {folder} {length} {out}",
            undo,
            models,
        ),
        Contender(
            "libtorrent set_piece_hashes (hybrid)",
            f"{python} {data}/by_libtorrent.py {folder} hybrid {length} {out}",
            undo,
        ),
    ]


def main(data: Path) -> None:
    """Measure and print."""
    large = measure(contenders(data, collection(data), PIECE), rounds=3)
    print(table(f"Torrent: {FILES:,} files of 4 MiB, page cache warm", large, FILES * SIZE))
    small = measure(contenders(data, small_files(data), 15), rounds=3)
    print(table(f"Torrent: {SMALL:,} files of 16 KiB, page cache warm", small, SMALL * SMALL_SIZE))
