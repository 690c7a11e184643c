"""Which client fetches which kind of shard by what, tried on loopback.

A cell says "yes" if every byte of the shard came to be in the client's folder within a bounded time.
"""

import json
import os
import random
import re
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import libtorrent as lt

from packager import api
from packager.core.bittorrent import parse_torrent
from tests.helpers.client_programs import CLIENTS, Start, running, version
from tests.helpers.libtorrent_peer import local_session
from tests.helpers.projects import Project, whole_folder
from tests.helpers.serve_process import serving
from tests.helpers.waiting import free_port

PAGE = Path(__file__).parents[2] / "docs/reference/clients.md"
KINDS = {  # each with the options of its release; twins are of the release before them
    "hybrid": 'format = "hybrid"\nalso_v1 = true',
    "v1 twin": "",
    "v1": 'format = "v1"',
    "v2": 'format = "v2"',
    "folder": 'format = "hybrid"\nalso_v1 = true',
    "folder's v1 twin": "",
}
WAYS = (".torrent", "magnet", "serve", "nginx")
SECONDS = 45.0  # that a client gets; those that manage it need five to twenty-five
NAME = "tones-all-00001"
HEAD = """# Which client supports which torrent

Tried with the programs of Debian 12 on the loopback address, with one shard and one source: a seed that connects to the
client, or a web seed. "yes" means that the client fetched every byte. `packager inspect` shows this for one torrent or
link. `make clients` runs the tests again.

- **hybrid**: a tar with `format = "hybrid"`. **v1 twin**: its `NAME.v1.torrent` (`also_v1 = true`). **v1** and **v2**:
  a tar with only that version. **folder**: a hybrid with `container = "folder"`. **folder's v1 twin**: its
  `NAME.v1.torrent`.
- **.torrent** and **magnet**: only from a peer. **serve** and **nginx**: with the .torrent, only from that web seed
  ([settings for nginx](../how-to/serve.md)).

"""


@dataclass(frozen=True)
class Shard:
    """A shard of one kind. given: what a client gets, by the way; only torrents for web seeds name one."""

    given: dict[str, str]
    folder: Path  # that contains NAME.tar or NAME/
    files: dict[str, bytes]  # below that folder


def make(root: Path, kind: str, port: int) -> Project:
    """Release one shard of a kind; its torrent names a web seed at `port`."""
    project = Project(root)
    project.source.mkdir(parents=True)
    chance = random.Random(3)
    for number, size in enumerate((0, 1, 300_000, 70_000, 64_000, 511)):
        (project.source / f"{number} [b] é.flac").write_bytes(chance.randbytes(size))
    phase = '[[phases]]\nname = "all"\ntitle = "All"\norder = "path"\n'
    phase += 'container = "folder"\n' if kind.startswith("folder") else ""
    project.write_config(size="4 MiB", phases=phase, torrent=f'web_seeds = ["http://127.0.0.1:{port}/shards/"]')
    text = (project.root / "packager.toml").read_text()
    text = text.replace("udp://tracker.example.org:6969", f"http://127.0.0.1:{free_port()}")  # rtorrent needs one
    (project.root / "packager.toml").write_text(text.replace("[torrents]", f"[torrents]\n{KINDS[kind]}"))
    api.release(project.root / "packager.toml", workers=1)
    return project


def shard_of(project: Project, kind: str, scratch: Path, nginx_port: int) -> Shard:
    """Return the shard of a project, with torrents of it in `scratch`."""
    is_twin = kind.endswith("v1 twin")
    own = project.root / "site/torrents" / f"{NAME}{'.v1' if is_twin else ''}.torrent"
    decoded = lt.bdecode(own.read_bytes())
    [listed] = json.loads((project.root / "site/release.json").read_bytes())["shards"]
    magnet = listed["twin_magnet" if is_twin else "magnet"]
    given = {"magnet": "&".join(part for part in magnet.split("&") if not part.startswith("ws=")), "serve": str(own)}
    for way, web_seed in ((".torrent", b""), ("nginx", b"http://127.0.0.1:%d/shards/" % nginx_port)):
        torrent = scratch / f"{own.stem}.{way.strip('.')}.torrent"
        torrent.write_bytes(lt.bencode({**decoded, b"url-list": web_seed}))
        given[way] = str(torrent)
    whole = scratch / "whole"
    if kind == "folder":
        whole_folder(project, whole)
    folder = whole if whole.is_dir() else project.root / "shards"
    files = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    return Shard(given, folder, files)


@contextmanager
def nginx(shard: Shard, scratch: Path, port: int) -> Iterator[None]:
    """Serve a shard by nginx as docs/how-to/serve.md says: its tar or files, and a file of zeros for each pad file."""
    root, pads = scratch / "root", scratch / "pads"
    for folder in (root, pads):
        folder.mkdir()
    (root / "shards").symlink_to(shard.folder)
    metainfo = parse_torrent.parse_torrent(Path(shard.given["serve"]).read_bytes(), "served")
    for size in {file.length for file in metainfo.files if file.pad}:
        (pads / str(size)).write_bytes(bytes(size))
    config = scratch / "nginx.conf"
    config.write_text(f"""daemon off; master_process off; pid {scratch}/pid; error_log {scratch}/error.log;
events {{}}
http {{
    access_log off; client_body_temp_path {scratch}; proxy_temp_path {scratch}; fastcgi_temp_path {scratch};
    uwsgi_temp_path {scratch}; scgi_temp_path {scratch};
    server {{
        listen 127.0.0.1:{port}; root {root};
        location ~ "^/shards/[^/]+/[.]pad/([1-9][0-9]*)$" {{ alias {pads}/$1; }}
    }}
}}
""")
    path = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    with subprocess.Popen([str(path), "-c", config, "-e", scratch / "error.log"]) as server:
        try:
            yield
        finally:
            server.terminate()


@contextmanager
def seed(shard: Shard, port: int) -> Iterator[None]:
    """Seed a shard, and connect to the client at a port, again and again, until the block ends.

    Without a peer the seed is made anew each time, for libtorrent keeps away from a client that hung up on it.
    Transmission hangs up when it has a magnet link's metadata.
    """
    session, over = local_session(), threading.Event()
    session.apply_settings({"enable_outgoing_utp": False, "unchoke_interval": 1})
    params = lt.load_torrent_file(shard.given[".torrent"])
    params.save_path = str(shard.folder)
    params.flags = lt.torrent_flags.seed_mode | lt.torrent_flags.upload_mode

    def connect() -> None:
        handle = session.add_torrent(params)
        while not over.wait(1):
            if not handle.status().num_peers:
                session.remove_torrent(handle)
                handle = session.add_torrent(params)
                handle.connect_peer(("127.0.0.1", port))

    thread = threading.Thread(target=connect)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def has_all(save: Path, shard: Shard) -> bool:
    """Say whether every byte of a shard is in a folder; Transmission makes no file that has none."""
    try:
        return all((save / path).read_bytes() == data for path, data in shard.files.items() if data)
    except OSError:
        return False


def fetched(client: str, shard: Shard, way: str, scratch: Path) -> bool:
    """Say whether a client fetches a shard in a way."""
    start = Start(shard.given[way], scratch / "home", scratch / "save", free_port())
    with running(client, start) as process, seed(shard, start.port) if way in WAYS[:2] else nullcontext():
        end = time.monotonic() + SECONDS
        while time.monotonic() < end and not has_all(start.save, shard):
            if process.poll() not in (None, 0):  # it refuses
                break
            time.sleep(0.2)
        return has_all(start.save, shard)


def tried(root: Path) -> dict[tuple[str, str, str], bool]:
    """Return by client, kind and way whether the client fetched the shard. The clients run beside one another."""
    with ExitStack() as servers:
        shards: dict[str, Shard] = {}
        for kind, options in KINDS.items():
            if options:  # else it is a twin
                port, nginx_port, scratch = free_port(), free_port(), root / kind
                project = make(scratch / "project", kind, port)
                servers.enter_context(serving(project, port=port))
                shards[kind] = shard_of(project, kind, scratch, nginx_port)
                servers.enter_context(nginx(shards[kind], scratch, nginx_port))
            else:
                shards[kind] = shard_of(project, kind, scratch, nginx_port)

        def cells(client: str) -> dict[tuple[str, str, str], bool]:
            found = {}
            for (kind, shard), way in product(shards.items(), WAYS):
                folder = root / re.sub(r"\W+", "-", f"{client} {kind} {way}")
                folder.mkdir()
                found[client, kind, way] = fetched(client, shard, way, folder)
            return found

        with ThreadPoolExecutor(len(CLIENTS)) as together:
            return {cell: done for found in together.map(cells, CLIENTS) for cell, done in found.items()}


def page(found: Mapping[tuple[str, str, str], bool]) -> str:
    """Return the page of what was found."""
    columns = [f"{kind}: {way}" for kind, way in product(KINDS, WAYS)]
    rows = [["client", *columns], ["---"] * (1 + len(columns))]
    for client in CLIENTS:
        cells = ("yes" if found[client, kind, way] else "no" for kind, way in product(KINDS, WAYS))
        rows.append([f"{client} {version(client)}", *cells])
    return HEAD + "".join(f"| {' | '.join(row)} |\n" for row in rows)


def cells_of(text: str) -> dict[tuple[str, str, str], bool]:
    """Return what a page says, by client (without its version), kind and way."""
    lines = [line.strip("| \n").split(" | ") for line in text.splitlines() if line.startswith("| ")]
    columns = [tuple(column.split(": ")) for column in lines[0][1:]]
    return {
        (row[0].split()[0], kind, way): cell == "yes"
        for row in lines[2:]
        for (kind, way), cell in zip(columns, row[1:], strict=True)
    }
