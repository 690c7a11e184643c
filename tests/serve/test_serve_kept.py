"""A kept shard with withdrawn records, from the server: the data of its other members, and nothing else of it."""

import tarfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from urllib.parse import quote

import pytest

from packager import api
from tests.end_to_end.test_growing import release
from tests.helpers.first_releases import first_release
from tests.helpers.projects import Project
from tests.helpers.serve_process import Served, released, serving
from tests.helpers.tagged_archive import get

Capture = pytest.CaptureFixture[str]
NAME = "tones-all-00001"
TAR = f"/shards/{NAME}.tar"
FILES = {
    "a first.txt": b"first" * 300,
    "b secret song.txt": b"private" * 200,
    "c Ærø.txt": b"island" * 250,
    "d empty secret.txt": b"",
    "e empty.txt": b"",
    "f block.txt": b"f" * 1024,
    "g last.txt": b"last" * 300,
}
RECORDS = """id,path,title,artist
X1,b secret song.txt,Hidden title,Hidden artist
X2,d empty secret.txt,Hidden title,Hidden artist
"""
SECRETS = (b"secret", b"private", b"Hidden", b"X1", b"X2")
OTHERS = {path: data for path, data in FILES.items() if "secret" not in path}
TAG_FILES = ("bagit.txt", "bag-info.txt", "records.jsonl", "manifest-sha256.txt", "tagmanifest-sha256.txt")


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def make(root: Path, *, virtual: bool = True, container: str = "tar") -> Project:
    return first_release(root, _release, virtual=virtual, container=container)


def _release(root: Path, *, virtual: bool, container: str) -> Project:
    project = Project(root)
    project.source.mkdir(parents=True)
    for path, data in FILES.items():
        (project.source / path).write_bytes(data)
    (root / "records.csv").write_text(RECORDS)
    phases = f'[[phases]]\nname = "all"\ntitle = "All"\norder = "path"\ncontainer = "{container}"\n'
    project.write_config(
        phases=phases, collection='[records]\nfiles = ["records.csv"]', torrent='piece_length = "16 KiB"'
    )
    return released(project, virtual=virtual)


def whole_tar(project: Project, tmp_path: Path) -> bytes:
    """Return the tar as it was published."""
    if not (project.root / "shards" / f"{NAME}.tar").exists():
        project = project.copy(tmp_path / "twin")
        api.export(project.root / "packager.toml", [NAME], workers=1)
    return (project.root / "shards" / f"{NAME}.tar").read_bytes()


def keep(project: Project, capsys: Capture, *more: str) -> None:
    for each in ("X1", "X2"):
        ran = project.run(capsys, "withdraw", "--yes", each, "--keep-shards", "--reason", "asked for", *more)
        assert ran.code == 0, ran.err
    release(project, capsys)


def places(tar: bytes) -> dict[str, tuple[int, int]]:
    """Return where the data of each file of the bag is, by its path below the shard's folder."""
    with tarfile.open(fileobj=BytesIO(tar)) as opened:
        return {
            each.name.partition("/")[2]: (each.offset_data, each.offset_data + each.size)
            for each in opened
            if each.isfile()
        }


def ranged(*ranges: tuple[int, int]) -> dict[str, str]:
    return {"Range": "bytes=" + ",".join(f"{start}-{stop - 1}" for start, stop in ranges)}


def sent(served: Served, size: int, step: int) -> Iterator[tuple[int, bytes]]:
    """Yield (start, bytes) of every range of `step` bytes that is sent."""
    for start in range(0, size, step):
        status, _, body = served.get(TAR, ranged((start, min(start + step, size))))
        assert status in (206, 451)
        if status == 206:
            yield start, body


@pytest.mark.parametrize(
    ("virtual", "redact", "options"),
    [
        (True, ["--redact"], []),
        (False, ["--redact"], []),
        (True, [], ["--check-pieces"]),
        (False, [], ["--check-pieces"]),
    ],
)
def test_of_a_kept_tar_only_the_data_of_other_members_is_sent(
    tmp_path: Path, capsys: Capture, virtual: bool, redact: list[str], options: list[str]
) -> None:
    project = make(tmp_path / "project", virtual=virtual)
    tar = whole_tar(project, tmp_path)
    keep(project, capsys, *redact)
    found = places(tar)
    data = [found[f"data/{path}"] for path in OTHERS]
    with serving(project, *options) as served:
        for step in (512, 200):
            given = list(sent(served, len(tar), step))
            assert given
            for start, body in given:
                assert body == tar[start : start + step]
                assert any(first <= start and start + len(body) <= stop for first, stop in data), start
                assert not any(secret in body for secret in SECRETS)
        for first, stop in data:
            if first < stop:
                assert served.get(TAR, ranged((first, stop)))[::2] == (206, tar[first:stop])
                assert served.get(TAR, ranged((first - 1, stop)))[0] == 451
        for path in (*TAG_FILES, "data/b secret song.txt"):
            first, stop = found[path]
            for wanted in ((first, stop), (first, first + 1), (stop - 1, stop), (first - 512, first)):
                assert served.get(TAR, ranged(wanted))[0] == 451, (path, wanted)


@pytest.mark.parametrize("virtual", [True, False])
def test_one_range_that_is_refused_refuses_them_all_and_a_head_too(
    tmp_path: Path, capsys: Capture, virtual: bool
) -> None:
    project = make(tmp_path / "project", virtual=virtual)
    tar = whole_tar(project, tmp_path)
    keep(project, capsys, "--redact")
    found = places(tar)
    first, island, last = (found[f"data/{path}"] for path in ("a first.txt", "c Ærø.txt", "g last.txt"))
    records = found["records.jsonl"]
    with serving(project) as served:
        status, headers, body = served.get(TAR, ranged(first, last))
        assert (status, headers["Content-Type"].partition(";")[0]) == (206, "multipart/byteranges")
        assert all(tar[start:stop] in body for start, stop in (first, last))
        for bad in (records, (island[0] - 512, island[0]), (first[1] - 1, first[1] + 1), (len(tar) - 1, len(tar))):
            assert served.get(TAR, ranged(first, bad))[0] == 451
            assert served.get(TAR, ranged(bad, last))[0] == 451
        assert served.get(TAR, {"Range": "bytes=-512"})[0] == 451
        for headers in ({}, ranged(first), ranged(records)):
            assert served.get(TAR, headers, "HEAD")[0] == 451


@pytest.mark.parametrize("options", [[], ["--check-pieces"]])
def test_of_a_kept_folder_only_other_members_are_sent(tmp_path: Path, capsys: Capture, options: list[str]) -> None:
    project = make(tmp_path / "project", container="folder")
    keep(project, capsys, "--redact")
    with serving(project, *options) as served:
        for method in ("GET", "HEAD"):
            for path, data in OTHERS.items():
                status, _, body = served.get(f"/shards/{NAME}/{quote(f'data/{path}')}", method=method)
                assert (status, body) == (200, data if method == "GET" else b""), path
            for path in (*TAG_FILES, *(f"data/{path}" for path in FILES.keys() - OTHERS.keys())):
                for headers in ({}, {"Range": "bytes=0-0"}, {"If-None-Match": "*"}):
                    assert served.get(f"/shards/{NAME}/{quote(path)}", headers, method)[0] == 451, path
        assert served.get(f"/shards/{NAME}/data/nothing")[0] == 404


@pytest.mark.parametrize("container", ["tar", "folder"])
def test_get_takes_other_members_of_a_kept_shard_from_the_server(
    tmp_path: Path, capsys: Capture, container: str
) -> None:
    project = make(tmp_path / "project", container=container)
    keep(project, capsys, "--redact")
    with serving(project) as served:
        of = ("--release", served.url, "--from", f"{served.url}shards/", "--to", tmp_path / "got")
        for path, data in OTHERS.items():
            code, report = get(capsys, path, *of)
            assert code == 0, report
            assert (tmp_path / "got" / path).read_bytes() == data
        assert get(capsys, "b secret song.txt", *of)[0] == 2


def test_a_shard_whose_withdrawal_was_lifted_is_sent_again(tmp_path: Path, capsys: Capture) -> None:
    project = make(tmp_path / "project")
    tar = whole_tar(project, tmp_path)
    keep(project, capsys)
    with serving(project) as served:
        assert served.get(TAR, ranged((0, 512)))[0] == 451
    for each in ("X1", "X2"):
        assert project.run(capsys, "withdraw", "--yes", "--undo", each).code == 0
    release(project, capsys)
    with serving(project) as served:
        assert served.get(TAR)[2] == tar
