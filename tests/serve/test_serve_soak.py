"""What takes minutes: memory under many connections, and clients that stall or drip."""

import random
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.helpers.projects import Project
from tests.helpers.serve_process import Served, released, serving

pytestmark = [pytest.mark.soak, pytest.mark.timeout(900)]
NAME = "tones-all-00001.tar"
PHASES = '[[phases]]\nname = "all"\ntitle = "All"\n'
MIB = 1 << 20


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    project = Project(tmp_path_factory.mktemp("soak") / "p")
    project.source.mkdir(parents=True)
    chance = random.Random(1)
    for number in range(2000):
        (project.source / f"{number:04d}.flac").write_bytes(chance.randbytes(chance.choice((100, 60_000, 400_000))))
    project.write_config(size="4 GiB", phases=PHASES)
    released(project, virtual=True)
    with serving(project, own_pid=True) as running:
        yield running


def load(served: Served, length: int, total: int) -> None:
    """Ask for `total` bytes in random ranges of `length` on 64 connections."""
    size = int(served.get(f"/shards/{NAME}", method="HEAD")[1]["Content-Length"])
    numbers = map(str, (size, length, total, 64))
    command = [sys.executable, "-m", "bench.ranges_client", "127.0.0.1", str(served.port), f"/shards/{NAME}", *numbers]
    subprocess.run(command, cwd=Path(__file__).parents[2], check=True, timeout=600, stdout=subprocess.DEVNULL)


def test_memory_stays_flat_under_sixty_four_connections(served: Served) -> None:
    load(served, MIB, 512 * MIB)
    warm = served.resident()
    seen = []
    for length in (MIB, 64 << 10, 8 * MIB, 100):
        load(served, length, min(1024 * MIB, length * 20_000))
        seen.append(served.resident())
    print("resident, MiB:", warm // MIB, [each // MIB for each in seen])
    assert max(seen) < warm + 64 * MIB
    assert max(seen) < 400 * MIB
    assert served.metric("packager_open_files") < 700


def test_a_head_that_drips_in_is_cut_off_after_a_minute(served: Served) -> None:
    with socket.create_connection(("127.0.0.1", served.port), timeout=1) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n")
        began = time.monotonic()
        closed = False
        while not closed and time.monotonic() - began < 120:
            try:
                connection.sendall(b"X: y\r\n")
                closed = connection.recv(1000) == b""
            except TimeoutError:
                continue
            except ConnectionError:
                closed = True
        assert closed
        assert 30 < time.monotonic() - began < 100


def test_a_client_that_takes_nothing_is_cut_off_after_two_minutes_and_one_that_is_slow_is_not(served: Served) -> None:
    request = f"GET /shards/{NAME} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
    with (
        socket.create_connection(("127.0.0.1", served.port), timeout=30) as slow,
        socket.create_connection(("127.0.0.1", served.port), timeout=30) as idle,
    ):
        slow.sendall(request)
        idle.sendall(request)
        before = served.metric('packager_errors_total{kind="stalled"}')
        began = time.monotonic()
        while served.metric('packager_errors_total{kind="stalled"}') == before:
            assert time.monotonic() - began < 200
            assert slow.recv(100_000)
            time.sleep(1)
        assert time.monotonic() - began > 100
        assert served.metric('packager_errors_total{kind="stalled"}') == before + 1
        assert slow.recv(100_000)
