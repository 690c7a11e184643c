"""A project that is served by the command itself, on a free port of loopback, and its twin that has the tars."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from packager import api
from tests.helpers.forked_commands import forked
from tests.helpers.projects import Project
from tests.helpers.waiting import PATIENCE, free_port, until


@dataclass
class Served:
    """A server that runs: its port and process, what it said, and at its end its report and exit code."""

    project: Project
    port: int
    process: "subprocess.Popen[str]"
    log: Path
    said: list[str] = field(default_factory=list)
    report: dict[str, object] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    def get(
        self, path: str, headers: Mapping[str, str] | None = None, method: str = "GET"
    ) -> tuple[int, dict[str, str], bytes]:
        """Return status, headers and body of one request on a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            connection.request(method, path, headers=dict(headers or {}))
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()
        finally:
            connection.close()

    def raw(self, data: bytes) -> bytes:
        """Return what the server says to these bytes until it closes."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE) as connection:
            connection.sendall(data)
            return b"".join(iter(lambda: connection.recv(65536), b""))

    def metric(self, line: str) -> int:
        """Return a number of /metrics."""
        lines = self.get("/metrics")[2].decode().splitlines()
        return int(next(each.rpartition(" ")[2] for each in lines if each.startswith(f"{line} ")))

    def logged(self) -> str:
        return self.log.read_text()

    def resident(self) -> int:
        """Return the bytes of memory of its process."""
        pages = Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")


def released(project: Project, *, virtual: bool) -> Project:
    """Release a project, with tars or without."""
    api.release(project.root / "packager.toml", no_tars=virtual, workers=1)
    return project


def tars(project: Project) -> dict[str, bytes]:
    """Return the tars of a project by their names."""
    return {path.name: path.read_bytes() for path in sorted((project.root / "shards").glob("*.tar"))}


def _answers(port: int) -> bool:
    with socket.socket() as asking:
        return asking.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def serving(project: Project, *options: str, port: int = 0, own_pid: bool = False) -> Iterator[Served]:
    """Serve a released project until the block ends; then it must end well at SIGTERM.

    own_pid: start an interpreter, so that the process's number is that of the command.
    """
    log = project.root.parent / f"{project.root.name}.access.log"
    config = str(project.root / "packager.toml")
    port = port or free_port()
    start = [sys.executable, "-m", "packager"] if own_pid else forked()
    command = [*start, "serve", "--config", config, "--listen", f"127.0.0.1:{port}"]
    process = subprocess.Popen(
        [*command, "--access-log", str(log), *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    said: list[str] = []
    served = Served(project, port, process, log, said)
    reader = threading.Thread(target=lambda: said.extend(process.stderr or ()))
    reader.start()
    try:
        until(lambda: process.poll() is not None or _answers(port), lambda: said)
        assert process.poll() is None, said
        yield served
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
        finally:
            reader.join()
            assert process.stdout
            out = process.stdout.read()
            process.stdout.close()
            assert process.stderr
            process.stderr.close()
        assert process.returncode == 0, said
        assert "Traceback" not in "".join(said) + log.read_text()
        served.report |= json.loads(out) if "--json" in options else {"text": out}
