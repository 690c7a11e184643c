"""packager init: what it finds in a folder, and the packager.toml that it writes."""

import os
import sqlite3
from pathlib import Path

import pyarrow as pa
import pytest

from packager import api
from packager.engine.project.load_project import load_project
from packager.engine.tables import parquet
from packager.errors import InputError, PackagerError

NAME = "01 Song.flac"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with a folder of songs."""
    (tmp_path / "home" / "songs").mkdir(parents=True)
    (tmp_path / "home" / "songs" / NAME).write_bytes(b"fLaC")
    return tmp_path / "home"


def new(root: Path, folder: str = "songs", *, config: str = "packager.toml", overwrite: bool = False) -> Path:
    """Create a packager.toml for a folder and return its path."""
    return api.init(root / folder, config=root / config, overwrite=overwrite).config


def test_it_writes_a_config_that_loads(root: Path) -> None:
    config, project = load_project(new(root))
    assert (config.source, config.collection.name, config.collection.title) == ("songs", "songs", "Songs")
    assert project.source == root / "songs"
    assert config.phases[1].order == "path"
    assert config.shards.size == 1 << 30  # the folder is small
    assert config.release.secret_key is None


def test_it_keeps_a_config_that_exists_unless_told_to_overwrite_it(root: Path) -> None:
    path = root / "packager.toml"
    path.write_text("mine")
    with pytest.raises(InputError) as refused:
        new(root)
    assert str(refused.value) == f"{path}: already exists; edit it, or replace it with --overwrite"
    assert path.read_text() == "mine"
    new(root, overwrite=True)
    assert load_project(path)[0].source == "songs"


def test_a_sibling_is_relative_and_a_far_folder_absolute(root: Path) -> None:
    for folder in ("project", "a/b"):
        (root / folder).mkdir(parents=True)
    assert load_project(new(root, config="project/packager.toml"))[0].source == "../songs"
    assert load_project(new(root, config="a/b/packager.toml"))[0].source == str(root / "songs")


def write_records(path: Path, columns: dict[str, str]) -> None:
    """Write a records file of one record."""
    if path.suffix == ".csv":
        path.write_text(",".join(columns) + "\n" + ",".join(columns.values()) + "\n")
    elif path.suffix == ".jsonl":
        path.write_text("{" + ", ".join(f'"{key}": "{value}"' for key, value in columns.items()) + "}\n")
    elif path.suffix == ".parquet":
        table = pa.RecordBatch.from_pylist([columns])
        parquet.write_rows(path, table.schema, [table])
    else:
        with sqlite3.connect(path) as database:
            database.execute(f"CREATE TABLE records ({', '.join(columns)})")
            database.execute(f"INSERT INTO records VALUES ({', '.join('?' * len(columns))})", tuple(columns.values()))
        database.close()


@pytest.mark.parametrize("place", ["", "songs/"])
@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet", "sqlite"])
@pytest.mark.parametrize(
    ("columns", "order"),
    [
        ({"id": "01 Song", "popularity": "3"}, "popularity DESC NULLS LAST, path"),
        ({"path": NAME, "title": "A"}, "path"),
    ],
)
def test_the_records_file_is_found_and_audio_ordered_by_its_popularity(
    root: Path, place: str, suffix: str, columns: dict[str, str], order: str
) -> None:
    write_records(root / f"{place}records.{suffix}", columns)
    config, _ = load_project(new(root))
    assert config.records_file == f"{place}records.{suffix}"
    assert config.phases[1].order == order


@pytest.mark.parametrize(
    ("data", "warning"),
    [
        (b'{"id": "b-1"}\n{"id": "b-2"}\n', "records.jsonl is not used: none of its 2 records matches a file"),
        (b"[1, 2]\n", "records.jsonl is not used: records.jsonl:1: "),
        (b"\xff\xfe\x00", "records.jsonl is not used: records.jsonl:1: "),
        (b"", "records.jsonl is not used: none of its 0 records matches a file"),
    ],
)
def test_a_records_file_of_other_files_is_named_and_not_used(root: Path, data: bytes, warning: str) -> None:
    (root / "songs" / "records.jsonl").write_bytes(data)
    made = api.init(root / "songs", config=root / "packager.toml")
    assert [each[: len(warning)] for each in made.found.warnings] == [warning]
    assert load_project(made.config)[0].records_file is None


def test_an_option_that_names_the_records_of_other_files_stops(root: Path) -> None:
    other = root / "other.csv"
    other.write_text("id\nb-1\nb-2\n")
    with pytest.raises(InputError, match=r"other\.csv: none of its 2 records matches a file; name the records of"):
        api.init(root / "songs", api.InitOptions(records=str(other)), config=root / "packager.toml")
    assert not (root / "packager.toml").exists()


def test_an_unpacked_bag_is_the_files_in_its_data_folder(root: Path) -> None:
    bag = root / "shard-00001"
    (bag / "data").mkdir(parents=True)
    (bag / "bagit.txt").write_text("BagIt-Version: 1.0\n")
    (bag / "manifest-sha256.txt").write_text("")
    (bag / "records.jsonl").write_text('{"id": "x-1", "path": "data/a.flac"}\n')
    (bag / "data" / "a.flac").write_bytes(b"fLaC")
    made = api.init(bag, config=root / "packager.toml")
    config, _ = load_project(made.config)
    assert (config.source, config.collection.name, config.records_file) == ("shard-00001/data", "shard-00001", None)
    assert made.found.files == 1
    assert made.found.warnings[0].endswith("shard-00001 is an unpacked bag: its files are those in data/")


def test_it_does_not_choose_between_two_records_files(root: Path) -> None:
    for name in ("records.csv", "records.jsonl"):
        (root / name).touch()
    with pytest.raises(InputError, match=r"several records files \(records\.csv, records\.jsonl\); name one with"):
        new(root)


def test_the_options_are_in_the_file(root: Path) -> None:
    write_records(root / "facts.csv", {"id": "01 Song"})
    (root / "release.key").touch()
    options = api.InitOptions(
        name="harbour",
        title='Songs of the "harbour"',
        licence="CC0-1.0",
        contact="a@b.example",
        records=str(root / "facts.csv"),
        url="https://archive.example/",
        trackers=(("udp://a.example:1/announce", "https://b.example/announce"), ("https://c.example/announce",)),
        shard_size="384 KiB",
    )
    config, _ = load_project(api.init(root / "songs", options, config=root / "packager.toml").config)
    collection = config.collection
    assert (collection.name, collection.title) == ("harbour", 'Songs of the "harbour"')
    assert (collection.licence, collection.contact) == ("CC0-1.0", "a@b.example")
    assert (config.records_file, config.release.url) == ("facts.csv", "https://archive.example/")
    assert (config.torrents.trackers, config.shards.size) == (options.trackers, 384 << 10)
    assert config.release.secret_key == "release.key"  # it exists beside packager.toml


@pytest.mark.parametrize("name", ['So"ngs\\ [b]', "new\nline", "\u202eevil", "音楽", "CON", "-", "  "])
def test_it_accepts_a_folder_of_any_name(root: Path, name: str) -> None:
    folder = root / name
    folder.mkdir()
    config, project = load_project(new(root, name))
    assert project.source == folder
    assert config.collection.title.isprintable()


def test_a_folder_whose_name_is_not_utf_8_is_refused(root: Path) -> None:
    folder = os.fsdecode(b"caf\xe9")
    (root / folder).mkdir()
    with pytest.raises(PackagerError, match="not UTF-8") as refused:
        new(root, folder)
    assert str(refused.value).isprintable()
    assert not (root / "packager.toml").exists()


def test_in_the_folder_itself_it_says_to_start_above(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(root / "songs")
    with pytest.raises(InputError, match=r"cd \.\. && packager init songs$"):
        api.init(".")


def test_what_is_no_folder_is_refused(root: Path) -> None:
    with pytest.raises(InputError, match=r"nothere: not a folder; name the folder with the files to release$"):
        new(root, "nothere")
