"""Which record is which file's, and what becomes of those that have none."""

import hashlib
import unicodedata

import pytest

from packager.errors import InputError
from tests.helpers.catalogue_projects import CatalogueProject, told


def test_a_record_is_joined_by_path_and_overrides_the_tags(project: CatalogueProject) -> None:
    project.put_media("sine.flac", "album/sine.flac")
    project.write_records("r.csv", b"id,path,title,year,popularity,Label\nt1,album/sine.flac,Better,,7,Big\n")
    report = project.scan()
    row = project.rows()["t1"]
    assert (row["title"], row["artist"], row["year"], row["popularity"]) == ("Better", "Nobody", 1999, 7.0)
    assert (row["path"], row["member"], row["codec"]) == ("album/sine.flac", "album/sine.flac", "flac")
    assert row["extra"] == '{"Label":"Big"}'
    assert (report.records, report.without_file_count, report.warning_count) == (1, 0, 0)


def test_an_id_that_is_a_files_path_is_that_file(project: CatalogueProject) -> None:
    project.put("a.flac/notes")
    project.put("a.flac.txt")
    project.write_records("r.csv", b"id,title\na.flac/notes,Notes\na.flac.txt,Text\n")
    project.scan()
    assert {key: row["title"] for key, row in project.rows().items()} == {"a.flac/notes": "Notes", "a.flac.txt": "Text"}


def test_an_id_may_be_the_name_without_extension_and_audio_goes_first(project: CatalogueProject) -> None:
    for name in ("x/T1.flac", "x/T1.jpg", "x/T1.txt", "x/cover.jpg"):
        project.put(name)
    project.write_records("r.csv", b"id,title\nT1,Song\ncover,Cover\n")
    project.scan()
    rows = project.rows()
    assert rows["T1"]["path"] == "x/T1.flac"
    assert rows["cover"]["path"] == "x/cover.jpg"
    assert rows["cover"]["kind"] == "artwork"
    assert {"x/T1.jpg", "x/T1.txt"} < set(rows)


def test_a_record_with_no_file_is_metadata_only_audio_unless_it_says_otherwise(project: CatalogueProject) -> None:
    project.put("a.txt")
    project.write_records("r.csv", b"id,path,kind,title\nlost,,,Lost\npic,,Artwork,\n,gone/b.flac,,Gone\nc,c.flac,,\n")
    report = project.scan()
    rows = project.rows()
    assert rows["lost"] == {"id": "lost", "kind": "audio", "title": "Lost"}
    assert rows["pic"] == {"id": "pic", "kind": "artwork"}
    assert rows["gone/b.flac"] == {"id": "gone/b.flac", "kind": "audio", "title": "Gone"}
    assert (report.files, report.records, report.without_file_count) == (1, 5, 4)
    assert report.kinds == {"audio": 3, "artwork": 1, "metadata": 1, "other": 0}
    assert told(report) == {
        "r.csv:4": 'names a file that the scan did not find: "gone/b.flac"',
        "r.csv:5": 'names a file that the scan did not find: "c.flac"',
    }


def test_a_records_path_may_be_the_text_of_a_name_that_is_not_utf8(project: CatalogueProject) -> None:
    project.put(b"\xff.txt")
    project.write_records("r.csv", "path,title\n\ufffd.txt,Odd\n".encode())
    project.scan()
    (row,) = project.rows().values()
    assert (row["title"], row["path_b64"]) == ("Odd", "/y50eHQ=")
    assert row["id"] == "\ufffd.txt~365963acba3863622ba68f851c94ff4f"


@pytest.mark.parametrize(
    "name",
    [
        *(b"plain.txt", "Ærø é.txt".encode(), b"100%.txt", b"aux.txt", b"a~0123456789abcdef0123456789abcdef"),
        *(
            b"\xff\xfe.txt",
            b"a\xe6\x97.txt",
            b"line\nbreak",
            b"tab\there",
            b"\x7f",
            "\u0085".encode(),
            b"\xf4\x90\x80\x80",
        ),
    ],
)
def test_the_id_of_a_file_without_a_record_is_its_path(project: CatalogueProject, name: bytes) -> None:
    project.put(b"folder/" + name)
    project.scan()
    (row,) = project.rows().values()
    path = b"folder/" + name
    text = path.decode("utf-8", "replace")
    if text.encode() != path or any(unicodedata.category(letter) == "Cc" for letter in text):
        shown = "".join("\ufffd" if unicodedata.category(letter) == "Cc" else letter for letter in text)
        assert row["id"] == f"{shown}~{hashlib.sha256(path).hexdigest()[:32]}"
    else:
        assert row["id"] == text


def test_another_files_name_changes_no_id(project: CatalogueProject) -> None:
    project.put("a.txt", b"1")
    project.scan()
    before = set(project.rows())
    project.put("A.txt", b"2")
    project.put("á.txt", b"3")
    project.put("a\u0301.txt", b"4")
    project.scan()
    assert before < set(project.rows())


def test_the_catalogue_is_in_the_byte_order_of_ids(project: CatalogueProject) -> None:
    for name in ("b", "B", "é", "a/b", "a-b", "\U0001f600", "\uffee"):
        project.put(name)
    project.write_records("r.csv", b"id\nc!d\nc\nZ\n")
    project.scan()
    ids = list(project.rows())
    assert ids == sorted(ids, key=str.encode)
    assert len(ids) == 10


def test_the_claimed_digest_is_kept(project: CatalogueProject) -> None:
    project.put("a.txt")
    project.write_records("r.csv", b"path,sha256\na.txt," + b"aB" * 32 + b"\n")
    project.scan()
    assert project.rows()["a.txt"]["sha256"] == b"\xab" * 32


@pytest.mark.parametrize(
    ("records", "sentence"),
    [
        (
            "id\nT1\nsong\n",
            'r.csv:3: "song" is ambiguous: it matches "a/song.flac" or "b/song.mp3"; '
            'add a column "path" that names the file, or rename one of them',
        ),
        (
            "id\ncover\n",
            'r.csv:2: "cover" is ambiguous: it matches "a/cover.jpg" or "b/cover.png"; '
            'add a column "path" that names the file, or rename one of them',
        ),
        (
            "id,path\nx,a/one.txt\none,\n",
            'r.csv:3: the record matches the file "a/one.txt", like the record at r.csv:2; '
            "keep one record for each file",
        ),
        (
            "id,path\na/one.txt,a/song.flac\n",
            'r.csv:2: id "a/one.txt" is also the id of the file "a/one.txt", which has no record; '
            "give the record another id, or give the file a record",
        ),
        (
            "id,path\n,a/song.flac\na/song.flac,a/one.txt\n",
            'r.csv:3: id "a/song.flac" is used twice, here and at r.csv:2; keep one of them',
        ),
        ("id\nT1\nT2\nT1\n", 'r.csv:4: id "T1" is used twice, here and at r.csv:2; keep one of them'),
        (
            "path\na/one.txt\na/one.txt\n",
            'r.csv:3: path "a/one.txt" is used twice, here and at r.csv:2; keep one of them',
        ),
    ],
)
def test_records_that_cannot_be_told_apart_are_refused(project: CatalogueProject, records: str, sentence: str) -> None:
    for name in ("a/song.flac", "a/song.jpg", "b/song.mp3", "a/cover.jpg", "b/cover.png", "a/one.txt"):
        project.put(name)
    project.write_records("r.csv", records.encode())
    with pytest.raises(InputError) as refused:
        project.scan()
    assert str(refused.value) == sentence
    assert not project.project.catalogue.exists()


def test_two_files_of_one_approximate_text_are_ambiguous(project: CatalogueProject) -> None:
    project.put(b"\xff.txt")
    project.put(b"\xfe.txt")
    project.write_records("r.csv", "path\n\ufffd.txt\n".encode())
    with pytest.raises(InputError, match=r'^r\.csv:2: ".\.txt" is ambiguous'):
        project.scan()
