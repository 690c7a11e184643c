"""A project on disk: its paths are checked before anything is read or written by them."""

import os
from pathlib import Path

import pytest

from packager.engine.project.load_project import load_project
from packager.errors import InputError
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
