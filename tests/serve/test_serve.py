"""The server gives the site and every shard, with a tar or without, and says in order what it did."""

import json
import os
import random
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from packager import api
from packager.cli.app import main
from tests.helpers.error_lines import as_sentence
from tests.helpers.projects import Project, make_project
from tests.helpers.serve_process import Served, released, serving, tars
from tests.helpers.waiting import until

PHASES = """
[[phases]]
name = "audio"
title = "Audio"
where = "kind = 'audio'"
[[phases]]
name = "meta"
title = "Meta"
content = "catalogue"
"""


def big_project(root: Path) -> Project:
    """Make a project with members small and large, so that they are read and sent out of their files."""
    project = make_project(root, files=6)
    chance = random.Random(5)
    for number, size in enumerate((200_000, 5_000_000, 0, 70_000)):
        (project.source / f"{number} large.flac").write_bytes(chance.randbytes(size))
    project.write_config(size="16 MiB")
    return project


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The same project with its tars."""
    return released(big_project(tmp_path_factory.mktemp("real") / "p"), virtual=False)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A project without a tar, served."""
    project = released(big_project(tmp_path_factory.mktemp("virtual") / "p"), virtual=True)
    assert tars(project) == {}
    with serving(project, own_pid=True) as running:
        yield running


def largest(project: Project) -> tuple[str, bytes]:
    return max(tars(project).items(), key=lambda item: len(item[1]))


def test_every_shard_is_served_whole_without_a_tar(served: Served, real: Project) -> None:
    assert len(tars(real)) == 3
    for name, data in tars(real).items():
        status, headers, body = served.get(f"/shards/{name}")
        assert (status, body == data, headers["Content-Length"]) == (200, True, str(len(data)))
        assert headers["Accept-Ranges"] == "bytes"
        assert headers["Content-Type"] == "application/x-tar"
        assert "Last-Modified" not in headers
        status, headers, body = served.get(f"/shards/{name}", method="HEAD")
        assert (status, body, headers["Content-Length"]) == (200, b"", str(len(data)))


def test_the_entity_tag_is_the_pieces_root_and_conditions_go_by_it(served: Served, real: Project) -> None:
    name, data = largest(real)
    listed = json.loads((real.root / "site" / "release.json").read_bytes())["shards"]
    root = next(shard["pieces_root"] for shard in listed if shard["file"] == name)
    path = f"/shards/{name}"
    tag = served.get(path, method="HEAD")[1]["ETag"]
    assert tag == f'"{root}"'
    assert served.get(path, {"If-None-Match": tag})[0] == 304
    assert served.get(path, {"Range": "bytes=1-2", "If-Range": tag})[::2] == (206, data[1:3])
    assert served.get(path, {"Range": "bytes=1-2", "If-Range": '"other"'})[0] == 200
    assert served.get(path, {"If-Match": '"other"'})[0] == 412


@pytest.mark.interop
def test_curl_s_two_hundred_random_ranges_are_those_of_the_tar(
    served: Served, real: Project, program: Callable[[str], str], tmp_path: Path
) -> None:
    name, data = largest(real)
    chance = random.Random(20261121)
    size = len(data)
    asked: list[tuple[str, bytes]] = []
    while len(asked) < 200:
        start = chance.randrange(size)
        stop = min(size, start + chance.choice((1, 511, 4096, 70_000, 3_000_000)))
        asked.append(
            chance.choice(
                (
                    (f"{start}-{stop - 1}", data[start:stop]),
                    (f"{start}-", data[start:]),
                    (f"-{size - start}", data[start:]),
                    (f"{start}-{size + 500}", data[start:]),
                )
            )
        )
    config = tmp_path / "curl"
    config.write_text(
        "next\n".join(
            f'url = "{served.url}shards/{name}"\nrange = "{spec}"\noutput = "{tmp_path}/{number}"\n'
            for number, (spec, _) in enumerate(asked)
        )
    )
    command = [program("curl"), "--silent", "--show-error", "--fail", "--config", config]
    subprocess.run(command, check=True, timeout=250)
    for number, (spec, expected) in enumerate(asked):
        assert (tmp_path / str(number)).read_bytes() == expected, spec


def test_several_ranges_come_in_one_answer_overlapping_ones_too(served: Served, real: Project) -> None:
    name, data = largest(real)
    size = len(data)
    status, headers, body = served.get(f"/shards/{name}", {"Range": "bytes=0-1000,500-2500000,-7,999999999-"})
    assert status == 206
    boundary = headers["Content-Type"].removeprefix("multipart/byteranges; boundary=")
    parts = body.split(f"\r\n--{boundary}".encode())
    assert (parts[0], parts[-1]) == (b"", b"--\r\n")
    expected = [(0, 1001), (500, 2_500_001), (size - 7, size)]
    for part, (start, stop) in zip(parts[1:-1], expected, strict=True):
        head, _, content = part.partition(b"\r\n\r\n")
        assert f"Content-Range: bytes {start}-{stop - 1}/{size}".encode() in head
        assert content == data[start:stop]


@pytest.mark.parametrize("spec", ["999999999-", "5-3", "-0", "x", ",".join(["0-0"] * 65), "0-,0-"])
def test_ranges_that_are_none_or_too_many_are_refused(served: Served, real: Project, spec: str) -> None:
    name, data = largest(real)
    status, headers, _ = served.get(f"/shards/{name}", {"Range": f"bytes={spec}"})
    assert (status, headers["Content-Range"]) == (416, f"bytes */{len(data)}")


def test_one_connection_takes_many_requests_and_http_1_0_is_closed(served: Served, real: Project) -> None:
    name, data = largest(real)
    request = f"GET /shards/{name} HTTP/1.1\r\nHost: x\r\nRange: bytes=0-9\r\n"
    answer = served.raw((f"{request}\r\n" * 3 + f"{request}Connection: close\r\n\r\n").encode())
    assert answer.count(b"HTTP/1.1 206 ") == 4
    assert answer.count(b"\r\n\r\n" + data[:10]) == 4
    old = served.raw(f"GET /shards/{name} HTTP/1.0\r\nRange: bytes=0-9\r\n\r\n".encode())
    assert b" 206 " in old.splitlines()[0]
    assert old.endswith(data[:10])


def test_the_site_is_served_with_types_and_ranges(served: Served) -> None:
    site = served.project.root / "site"
    for path in sorted(path for path in site.rglob("*") if path.is_file()):
        name = "/" + str(path.relative_to(site))
        status, headers, body = served.get(name)
        assert (status, body) == (200, path.read_bytes()), name
        if body:
            assert served.get(name, {"Range": "bytes=-1", "If-Range": headers["ETag"]})[::2] == (206, body[-1:])
    assert served.get("/")[2] == (site / "index.html").read_bytes()
    assert served.get("/")[1]["Content-Type"] == "text/html; charset=utf-8"
    status, headers, _ = served.get("/shards?x=1")
    assert (status, headers["Location"]) == (301, "./shards/")
    assert served.get("/nothing")[0] == served.get("/manifests/")[0] == served.get("/index.html/")[0] == 404


def test_the_server_logs_counts_and_reports(real: Project) -> None:
    name, data = largest(real)
    with serving(real, "--json") as running:  # with its tars
        assert running.get(f"/shards/{name}")[2] == data
        agent = 'a "b" \\ \x9b31m'
        running.get(f"/shards/{name}?q=%22", {"Range": "bytes=0-9", "User-Agent": agent})
        assert running.metric('packager_requests_total{code="206"}') == 1
        assert running.metric('packager_sent_bytes_total{what="shard"}') == len(data) + 10
        assert running.metric("packager_ranges_total") == 1
        assert running.metric("packager_shards_opened_total") == 0
        assert running.metric("packager_answers") == 1
        lines = running.logged().splitlines()
        assert lines[0].endswith(f'] "GET /shards/{name} HTTP/1.1" 200 {len(data)} "-" "-"')
        assert lines[1].endswith('206 10 "-" "a \\"b\\" \\\\ \\x9b31m"')
    assert running.report["sent_bytes"] == len(data) + 10
    assert running.report["requests"] == 7
    assert running.report["errors"] == 0


def test_several_processes_share_one_port_and_their_counts(real: Project) -> None:
    name, data = largest(real)
    with serving(real, "--workers", "2", own_pid=True) as running:
        for _ in range(12):
            assert running.get(f"/shards/{name}", {"Range": "bytes=100-199"})[2] == data[100:200]
        until(lambda: running.metric('packager_requests_total{code="206"}') == 12)
        listed = Path(f"/proc/{running.process.pid}/task/{running.process.pid}/children").read_text().split()
        until(lambda: any("serving" in line for line in running.said))
        children = [int(each) for each in listed if running.log in opened(int(each))]
        assert len(children) == 2
        rotate(running, children)


def rotate(running: Served, processes: list[int]) -> None:
    """Move the log away, send SIGHUP, and see that every process goes on in a new one."""
    old = running.log.rename(running.log.with_suffix(".1"))
    running.process.send_signal(signal.SIGHUP)
    until(lambda: running.log.exists() and all(running.log in opened(pid) for pid in processes))
    before = old.read_text()
    assert running.get("/release.json?after")[0] == 200
    until(lambda: "GET /release.json?after" in running.log.read_text())
    assert old.read_text() == before


def opened(pid: int) -> list[Path]:
    """Return the files that a process has open."""
    return [each.readlink() for each in Path(f"/proc/{pid}/fd").iterdir() if each.is_symlink()]


def test_a_log_that_was_moved_away_is_opened_again_at_sighup(served: Served) -> None:
    rotate(served, [served.process.pid])


def test_a_new_release_is_served_without_a_restart(tmp_path: Path) -> None:
    project = make_project(tmp_path / "p", files=2)
    project.write_config(phases=PHASES)
    config = project.root / "packager.toml"
    api.scan(config, workers=1)
    api.plan(config)
    api.pack(config, no_tars=True, workers=1)
    api.publish(config, api.PublishOptions(phases=["audio"]))
    with serving(project) as running:
        assert running.get("/shards/tones-meta-00001.tar")[0] == 404
        api.publish(config)
        until(lambda: running.get("/shards/tones-meta-00001.tar", method="HEAD")[0] == 200)
        status, _, body = running.get("/shards/tones-meta-00001.tar")
        assert (status, body[:12]) == (200, b"tones-meta-0")


def test_what_is_not_published_or_cannot_be_listened_at_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], real: Project
) -> None:
    project = make_project(tmp_path / "p", files=1)
    ran = project.run(capsys, "serve")
    assert (ran.code, ran.out) == (2, "")
    assert as_sentence(ran.err).endswith("release.json: nothing is published yet; run: packager release\n")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        for options in ((), ("--workers", "2")):
            ran = real.run(capsys, "serve", "--listen", f"127.0.0.1:{port}", *options)
            assert ran.code == 2
            assert "cannot listen here (Address already in use)" in ran.err
    assert main(["serve", "--listen", "8000"]) == 2
    assert '--listen: "8000" is not [HOST]:PORT' in capsys.readouterr().err
    assert os.path.exists(real.root / "shards")
