"""A project on disk: its paths are checked before anything is read or written by them."""

import os
import sqlite3
from pathlib import Path

import pyarrow as pa
import pytest

from packager.engine.project.load_project import init_project, load_project
from packager.engine.tables import parquet
from packager.errors import InputError, PackagerError
from packager.options import Config

LEAST = '[collection]\nname = "songs"\ntitle = "Songs"\nsource = "songs"\n{collection}\n[[phases]]\nname = "audio"\n'


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a folder with a source beside packager.toml."""
    folder = Path(os.path.realpath(tmp_path)) / "archive"
    (folder / "songs").mkdir(parents=True)
    return folder


def write(root: Path, collection: str = "", rest: str = "", *, source: str = "songs") -> Path:
    """Write a packager.toml and return its path."""
    path = root / "packager.toml"
    text = LEAST.format(collection=collection).replace('source = "songs"', f'source = "{source}"')
    path.write_text(f"{text}\n{rest}\n")
    return path


def refusal(path: Path) -> tuple[str, str]:
    """Return the key and the rest of the sentence that a project is refused with."""
    with pytest.raises(InputError) as refused:
        load_project(path)
    assert refused.value.where.startswith(str(path))
    return refused.value.where.removeprefix(f"{path}: "), f"{refused.value.what}; {refused.value.fix}"


def test_paths_are_absolute_and_relative_ones_start_at_the_config(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (root / "songs.csv").write_text("id\n")
    path = write(root, '[records]\nfiles = ["songs.csv"]', '[shards]\nfolder = "../shards"')
    monkeypatch.chdir(root)
    config, project = load_project(Path(path.name))
    assert isinstance(config, Config)
    assert (project.config, project.source, project.records) == (path, root / "songs", root / "songs.csv")
    assert (project.shards, project.site) == (root.parent / "shards", root / "site")


def test_a_missing_config_tells_how_to_make_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError) as refused:
        load_project(Path("packager.toml"))
    assert str(refused.value) == "packager.toml: not found; make one with: packager init DIR"


def test_a_config_that_is_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot be read \(Is a directory\)"):
        load_project(tmp_path)


def test_a_config_that_is_not_utf_8_is_refused_by_its_line(root: Path) -> None:
    path = root / "packager.toml"
    path.write_bytes(b'[collection]\ntitle = "Caf\xe9"\n')
    assert refusal(path) == (str(path), "line 2 is not UTF-8; save the file as UTF-8")


def test_a_config_over_a_mebibyte_is_refused(root: Path) -> None:
    path = root / "packager.toml"
    path.write_bytes(b"#" * ((1 << 20) + 1))
    assert refusal(path) == (str(path), "larger than 1 MiB; is it the right file?")


def test_a_byte_order_mark_is_passed_over(root: Path) -> None:
    path = write(root)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert load_project(path)[0].collection.name == "songs"


@pytest.mark.parametrize(
    ("collection", "rest", "key", "what"),
    [
        ('[records]\nfiles = ["no.csv"]', "", "records.files[0]", '"no.csv": not found ({root}/no.csv); fix the path'),
        ('[records]\nfiles = ["songs"]', "", "records.files[0]", '"songs" is not a file; fix the path'),
        (
            "",
            '[release]\nsecret_key = "no.key"',
            "release.secret_key",
            '"no.key": not found ({root}/no.key); fix the path',
        ),
        ("", '[site]\ntemplates = "a.txt"\n[release]', "site.templates", '"a.txt" is not a folder; fix the path'),
        (
            "",
            '[shards]\nfolder = "songs/shards"',
            "shards.folder",
            '"{root}/songs/shards" is inside collection.source, "{root}/songs"; use separate folders',
        ),
        (
            "",
            '[site]\nfolder = "songs"\n[release]',
            "site.folder",
            '"{root}/songs" is the same folder as collection.source, "{root}/songs"; use separate folders',
        ),
        (
            "",
            '[site]\nfolder = "."\n[release]',
            "site.folder",
            '"{root}" contains collection.source, "{root}/songs"; use separate folders',
        ),
        (
            "",
            '[site]\nfolder = ".packager"\n[release]',
            "site.folder",
            '"{root}/.packager" is the same folder as the state folder, "{root}/.packager"; use separate folders',
        ),
        (
            "",
            '[site]\nfolder = "shards/site"\n[release]',
            "site.folder",
            '"{root}/shards/site" is inside shards.folder, "{root}/shards"; use separate folders',
        ),
        (
            "",
            '[shards]\nfolder = "site/shards"',
            "site.folder",
            '"{root}/site" contains shards.folder, "{root}/site/shards"; use separate folders',
        ),
        (
            "",
            '[release]\nsecret_key = "songs/my.key"',
            "release.secret_key",
            '"{root}/songs/my.key" is in "{root}/songs", which is published or replaced; '
            "move it to the folder of packager.toml",
        ),
    ],
)
def test_a_path_that_cannot_be_is_named_with_its_key(
    root: Path, collection: str, rest: str, key: str, what: str
) -> None:
    (root / "a.txt").touch()
    (root / "songs" / "my.key").touch()
    assert refusal(write(root, collection, rest)) == (key, what.replace("{root}", str(root)))


def test_a_missing_source_is_named(root: Path) -> None:
    path = write(root, source="sogns")
    assert refusal(path) == ("collection.source", f'"sogns": not found ({root}/sogns); fix the path')


@pytest.mark.parametrize("source", [".", "..", "link"])
def test_a_source_around_the_config_tells_to_start_beside_it(root: Path, source: str) -> None:
    (root / "link").symlink_to(root)
    name = root.parent.name if source == ".." else root.name
    key, what = refusal(write(root, source=source))
    assert key == "collection.source"
    assert what == (
        f'"{source}" contains the folder of packager.toml itself; '
        f"run packager init in the folder above: cd .. && packager init {name}"
    )


def test_a_link_does_not_hide_that_the_output_lies_in_the_source(root: Path) -> None:
    (root / "songs" / "site").mkdir()
    (root / "site").symlink_to(root / "songs" / "site")
    key, what = refusal(write(root))
    assert key == "site.folder"
    assert "is inside collection.source" in what


def test_a_link_to_itself_is_refused(root: Path) -> None:
    (root / "loop").symlink_to("loop")
    key, what = refusal(write(root, source="loop"))
    assert key == "collection.source"
    assert "fix the path" in what


def test_init_writes_a_config_that_loads(root: Path) -> None:
    path = init_project(root / "songs", root / "packager.toml")
    config, project = load_project(path)
    assert (config.source, config.collection.name, config.collection.title) == ("songs", "songs", "songs")
    assert project.source == root / "songs"
    assert config.phases[1].order == "path"


def test_init_keeps_a_config_that_is_there_unless_forced(root: Path) -> None:
    path = write(root)
    before = path.read_bytes()
    with pytest.raises(InputError) as refused:
        init_project(root / "songs", path)
    assert str(refused.value) == f"{path}: already there; edit it, or write it anew with --force"
    assert path.read_bytes() == before
    init_project(root / "songs", path, force=True)
    assert path.read_bytes() != before


def test_init_writes_a_sibling_relative_and_a_far_folder_absolute(root: Path) -> None:
    beside = root / "project"
    beside.mkdir()
    assert load_project(init_project(root / "songs", beside / "packager.toml"))[0].source == "../songs"
    deep = root / "a" / "b"
    deep.mkdir(parents=True)
    assert load_project(init_project(root / "songs", deep / "packager.toml"))[0].source == str(root / "songs")


def records(path: Path, columns: list[str]) -> None:
    """Write a records file with these columns."""
    if path.suffix == ".csv":
        path.write_text(",".join(columns) + "\n")
    elif path.suffix == ".jsonl":
        path.write_text("{" + ", ".join(f'"{column}": 1' for column in columns) + "}\n")
    elif path.suffix == ".parquet":
        parquet.write_rows(path, pa.schema([(column, pa.string()) for column in columns]), [])
    else:
        with sqlite3.connect(path) as database:
            database.execute(f"CREATE TABLE records ({', '.join(columns)})")
        database.close()


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet", "sqlite"])
@pytest.mark.parametrize(
    ("columns", "order"), [(["id", "popularity"], "popularity DESC NULLS LAST, path"), (["id", "title"], "path")]
)
def test_init_enters_a_records_file_and_orders_by_its_popularity(
    root: Path, suffix: str, columns: list[str], order: str
) -> None:
    records(root / "songs" / f"records.{suffix}", columns)
    config, project = load_project(init_project(root / "songs", root / "packager.toml"))
    assert config.records_file == f"songs/records.{suffix}"
    assert project.records == root / "songs" / f"records.{suffix}"
    assert config.phases[1].order == order


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet", "sqlite"])
@pytest.mark.parametrize("data", [b"", b"\xff\xfe\x00", b"[1, 2]\n", b"null\n", b'"' * 200_000])
def test_init_leaves_a_records_file_that_cannot_be_read_to_the_scan(root: Path, suffix: str, data: bytes) -> None:
    (root / "songs" / f"records.{suffix}").write_bytes(data)
    assert load_project(init_project(root / "songs", root / "packager.toml"))[0].phases[1].order == "path"


def test_init_does_not_choose_between_two_records_files(root: Path) -> None:
    for name in ("records.csv", "records.jsonl"):
        (root / "songs" / name).touch()
    with pytest.raises(InputError, match=r"several records files \(records\.csv, records\.jsonl\)"):
        init_project(root / "songs", root / "packager.toml")


@pytest.mark.parametrize("name", ['So"ngs\\ [b]', "new\nline", "\u202eevil", "音楽", "CON", "-", "  "])
def test_init_takes_a_folder_of_any_name(root: Path, name: str) -> None:
    folder = root / name
    folder.mkdir()
    config, project = load_project(init_project(folder, root / "packager.toml"))
    assert project.source == folder
    assert config.collection.title.isprintable()


def test_init_refuses_a_folder_whose_name_is_not_utf_8(root: Path) -> None:
    folder = Path(os.fsdecode(os.fsencode(root) + b"/caf\xe9"))
    folder.mkdir()
    with pytest.raises(PackagerError, match="not UTF-8") as refused:
        init_project(folder, root / "packager.toml")
    assert str(refused.value).isprintable()
    assert not (root / "packager.toml").exists()


def test_init_in_the_folder_itself_tells_to_start_beside_it(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(root / "songs")
    with pytest.raises(InputError, match=r"cd \.\. && packager init songs$"):
        init_project(Path(), Path("packager.toml"))
    assert list((root / "songs").iterdir()) == []


def test_init_of_a_file_is_refused(root: Path) -> None:
    (root / "a.flac").touch()
    with pytest.raises(InputError, match="not a folder; give the folder that holds the files to release"):
        init_project(root / "a.flac", root / "packager.toml")
