"""Serving: random ranges of one shard to 64 connections, by `packager serve` without a tar and by nginx with it.

The page cache is warm. The two are measured in turn, and both write an access log. The client discards the bytes in
the kernel, so that it uses little of the processors that it shares with the server.
"""

import os
import random
import shutil
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

ROUNDS = 5
CONNECTIONS = 64
TOTAL = 8 << 30  # bytes of one measurement
SETS = {"tracks": (256, 4 << 20), "covers": (8192, 60_000)}  # members and bytes of each
RANGES = {"4 MiB": 4 << 20, "256 KiB": 256 << 10}
CONFIG = """
[collection]
name = "bench"
title = "Bench"
source = "source"
[shards]
size = "8 GiB"
[[phases]]
name = "all"
title = "All"
order = "path"
"""
NGINX = """
daemon off;
worker_processes {workers};
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 1024; }}
http {{
  access_log {folder}/access.log;
  sendfile on;
  tcp_nopush on;
  client_body_temp_path {folder}/tmp;
  proxy_temp_path {folder}/tmp;
  fastcgi_temp_path {folder}/tmp;
  uwsgi_temp_path {folder}/tmp;
  scgi_temp_path {folder}/tmp;
  server {{ listen 127.0.0.1:{port}; root {root}; }}
}}
"""


@dataclass
class Server:
    """A running server and its results for each round: bytes per second, and peak memory in bytes."""

    name: str
    port: int
    pid: int
    rates: list[float] = field(default_factory=list)
    memory: list[int] = field(default_factory=list)


def released(data: Path, name: str) -> tuple[Path, Path]:
    """Release a set of files without a tar, once, and return its project and, elsewhere, its tar."""
    root = data / f"serve-{name}"
    tar = root / "tar" / "shards" / "bench-all-00001.tar"
    if not tar.exists():
        count, size = SETS[name]
        shutil.rmtree(root, ignore_errors=True)
        (root / "source").mkdir(parents=True)
        block = random.Random(1).randbytes(size - 8)
        for number in range(count):
            (root / "source" / f"{number:05d}.bin").write_bytes(number.to_bytes(8, "big") + block)
        (root / "packager.toml").write_text(CONFIG)
        packager = [sys.executable, "-m", "packager"]
        subprocess.run([*packager, "release", "--no-tars"], cwd=root, check=True, stdout=subprocess.DEVNULL)
        subprocess.run([*packager, "export", "bench-all-00001"], cwd=root, check=True, stdout=subprocess.DEVNULL)
        tar.parent.mkdir(parents=True)
        (root / "shards" / tar.name).rename(tar)
    return root, tar


def free_port() -> int:
    """Return a free port."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextmanager
def running(name: str, command: list[str], port: int, folder: Path) -> Iterator[Server]:
    """Run a server until the block ends."""
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until = time.monotonic() + 60
        while True:
            with socket.socket() as asking:
                if asking.connect_ex(("127.0.0.1", port)) == 0:
                    break
            assert process.poll() is None, f"{name} ended"
            assert time.monotonic() < until, f"{name} does not answer"
            time.sleep(0.05)
        yield Server(name, port, process.pid)
    finally:
        process.terminate()
        process.wait(30)


def nginx(tar: Path, folder: Path, workers: int) -> tuple[list[str], int]:
    """Return nginx's command and port."""
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    config = folder / "nginx.conf"
    config.write_text(NGINX.format(workers=workers, folder=folder, port=port, root=tar.parent.parent))
    return ["nginx", "-e", str(folder / "error.log"), "-c", str(config)], port


def ours(folder: Path, workers: int, *options: str) -> tuple[list[str], int]:
    """Return our command and port."""
    port = free_port()
    command = [sys.executable, "-m", "packager", "serve", "--listen", f"127.0.0.1:{port}", "--workers", str(workers)]
    return [*command, "--access-log", str(folder / f"serve-{port}.log"), *options], port


def resident(pid: int) -> int:
    """Return the memory in bytes of a process and its children (Pss)."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    total = 0
    for each in (str(pid), *children):
        for line in Path(f"/proc/{each}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1]) << 10
    return total


def measure(server: Server, size: int, length: int) -> None:
    """Request ranges from a server; store its rate and its memory."""
    arguments = [server.port, "/shards/bench-all-00001.tar", size, length, TOTAL, CONNECTIONS]
    command = [sys.executable, "-m", "bench.ranges_client", "127.0.0.1", *map(str, arguments)]
    most = 0
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as client:
        while client.poll() is None:
            most = max(most, resident(server.pid))
            time.sleep(0.5)
        assert client.stdout
        received, seconds = client.stdout.read().split()
    server.rates.append(int(received) / float(seconds))
    server.memory.append(most)


def table(title: str, rows: list[Server]) -> str:
    """Return the servers as a Markdown table. The ratio is the median of the ratios of each round."""
    lines = [
        f"### {title}\n",
        "| server | MB/s, median | min to max | of nginx | memory, MiB |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for each in rows:
        ratio = statistics.median(a / b for a, b in zip(each.rates, rows[0].rates, strict=True))
        lines.append(
            f"| {each.name} | {statistics.median(each.rates) / 1e6:,.0f} "
            f"| {min(each.rates) / 1e6:,.0f} to {max(each.rates) / 1e6:,.0f} | {ratio:.2f} "
            f"| {max(each.memory) / (1 << 20):.0f} |"
        )
    return "\n".join(lines) + "\n"


def main(data: Path) -> None:
    """Measure and print."""
    if shutil.which("nginx") is None:
        print("serve: nginx is not installed, so there is nothing to compare with\n")
        return
    for name, (count, member) in SETS.items():
        root, tar = released(data, name)
        size = tar.stat().st_size
        for workers in (1, len(os.sched_getaffinity(0))):
            for label, length in RANGES.items():
                with ExitStack() as stack:
                    commands = {
                        "nginx, the tar": nginx(tar, root / f"nginx-{workers}", workers),
                        "packager serve, no tar": ours(root, workers),
                        "packager serve, no tar, --check-pieces": ours(root, workers, "--check-pieces"),
                    }
                    rows = [
                        stack.enter_context(running(each, command, port, root))
                        for each, (command, port) in commands.items()
                    ]
                    for _ in range(ROUNDS):
                        for row in rows:
                            measure(row, size, length)
                members = f"{count:,} members of {member / (1 << 20):.2f} MiB"
                print(table(f"Serve: ranges of {label}, {members}, {workers} processes each", rows))
