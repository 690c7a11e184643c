"""A peer on loopback: libtorrent in a process of its own that seeds one file, told by nobody but its address."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import libtorrent as lt

ROOT = Path(__file__).parents[2]
LOCAL = {
    "listen_interfaces": "127.0.0.1:0",
    "enable_dht": False,
    "enable_lsd": False,
    "enable_upnp": False,
    "enable_natpmp": False,
    "stop_tracker_timeout": 1,  # seconds that its end may take
    "active_checking": 10,  # else one begins a second
}


@contextmanager
def seeding(torrent: Path, folder: Path) -> Iterator[str]:
    """Yield "127.0.0.1:PORT" of a peer that has the file of `torrent`, in `folder`, whatever its bytes are."""
    command = [sys.executable, "-m", "tests.helpers.libtorrent_peer", torrent, folder]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()


def local_session() -> lt.session:
    """A session that meets nobody beyond loopback."""
    return lt.session(LOCAL)


def _seed(torrent: str, folder: str) -> None:
    session = local_session()
    params = lt.load_torrent_file(torrent)
    params.save_path = folder
    params.trackers, params.url_seeds = [], []
    params.flags = lt.torrent_flags.seed_mode | lt.torrent_flags.upload_mode
    session.add_torrent(params)
    while not session.listen_port():
        session.wait_for_alert(50)
        session.pop_alerts()
    print(f"127.0.0.1:{session.listen_port()}", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    _seed(*sys.argv[1:])
