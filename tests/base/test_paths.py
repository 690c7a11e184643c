"""The one rule for names: what it keeps every checker reads alike, what it replaces stays apart."""

import unicodedata
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from packager import paths
from packager.core.shards import bag
from tests.helpers.bagit_programs import bagit_faults, sha256sum_faults
from tests.helpers.strategies import names, safe_names
from tests.second_implementation import names as second

KEPT = [
    "a[b].flac", "-rf", "--help.ogg", " leading space.flac", "~", "~home.flac", "a~b", "#1.flac", "!bang.ogg",
    "$HOME.flac", "`id`.ogg", "a;b&c.flac", "it's.flac", "(1) [2] {3}.mp3", "a=b,c@d+e.wav", ".hidden", "..x",
    "...x", "a..b", "no extension", "CONCERT.flac", "con-1.flac", "aux_.flac", "COM10.flac", "LPT.ogg",
    "COM.ogg", "nulle.mp3", "é.flac", "e\u0301clair.flac", "ß.ogg", "日本語.flac", "한국어.mp3", "עברית.ogg",
    "🎵.flac", "\ufeffbom.flac", "a\u00a0b.flac", "a\u3000b.flac", "zero\u200bwidth.flac",
    "zwj\u200djoin.flac", "\ufffd.flac", "a\ue000b.ogg", "0123456789" * 25 + ".flac", "é" * 127 + "a",
    "^caret^.flac", "a" * 64 + "  " + "b.flac", "  two", "\u00a0nbsp first", "sha256.txt",
    "manifest-sha256.txt", "bagit.txt", "data", "records.jsonl", "A" * 255,
]  # fmt: skip

REPLACED = [
    b"100%.flac", b"100%25.flac", b"%0A", b"back\\slash.flac", b"\\", b"new\nline.flac", b"cr\rlf.flac",
    b"tab\t.flac", b"\x1b[31mred.flac", b"del\x7f.flac", "next\u0085line.flac".encode(),
    "ls\u2028.flac".encode(), "ps\u2029.flac".encode(), b"vt\x0b.flac", b"ff\x0c.flac", b"fs\x1c.flac",
    b"trailing space ", "nbsp\u00a0".encode(), "wide\u3000".encode(), "em\u2003".encode(), b"dot.",
    b"dots...", b"...", b".", b"..", b" ", b"CON", b"con", b"aux.flac", b"Nul.tar.gz", b"PRN .txt",
    "COM\u00b9".encode(), "lpt\u00b3.ogg".encode(), b"com0", b"CONIN$", b"conout$.x", b"aux.foo bar",
    b"CON.a%b.flac", b"\xff.flac", b"caf\xe9.mp3", b"\xed\xa0\x80.ogg", b"\xc0\xaf", b"a" * 256,
    "é".encode() * 128, b"x" * 300 + b".flac", "right\u202eleft.flac".encode(), "mark\u200e.flac".encode(),
    "alm\u061c.flac".encode(), "iso\u2066late.flac".encode(), b"a<b.flac", b"a>b.flac", b"a:b.flac",
    b'a"b.flac', b"a|b.flac", b"what?.flac", b"*.flac",
]  # fmt: skip


WORDS = [
    "AUX",
    "aux",
    "Con",
    "con\u0131n$",
    "CONIN$",
    "conout$",
    "com\u00b9",
    "LPT0",
    "com\u2074",
    "COM\u0661",
    "nu\u029f",
]
SPACES = [
    "",
    " ",
    "  ",
    "\u2003",
    "\u00a0",
    "\u3000",
    "\u1680",
    "\u200b",
    "\u180e",
    "\ufeff",
    "\t",
    "\x1c",
    "\u2028",
    "\x85",
]


@pytest.mark.parametrize("word", WORDS, ids=ascii)
def test_names_near_those_that_windows_reserves_are_as_the_second_implementation_says(word: str) -> None:
    for space in SPACES:
        for end in ("", ".", ".x", "y", "y.x", ". ", ".x" + space):
            for name in (word + space + end, space + word + end, word + "." + space + end):
                if name:
                    assert paths.is_safe_name(name) == second.is_safe(name.encode()), ascii(name)
                    assert paths.safe_name(name.encode()) == (
                        name if second.is_safe(name.encode()) else second.replacement(name.encode())
                    ), ascii(name)


def test_every_white_space_of_unicode_ends_no_name() -> None:
    spaces = {code for code in range(0x110000) if chr(code).isspace()}
    for code in {*spaces, *range(0x3100)}:
        name = f"a{chr(code)}"
        assert paths.is_safe_name(name) == second.is_safe(name.encode()), hex(code)


@given(st.text(st.sampled_from("aAuUxXcCoOnNmM13$. \u00a0\u2003\u3000\u0131\u00b9%~_"), min_size=1, max_size=12))
def test_a_name_is_safe_or_replaced_as_the_second_implementation_says(name: str) -> None:
    data = name.encode()
    assert paths.is_safe_name(name) == second.is_safe(data)
    assert paths.safe_name(data) == (name if second.is_safe(data) else second.replacement(data))


@pytest.mark.parametrize("name", KEPT, ids=ascii)
def test_a_name_that_every_checker_reads_alike_is_kept(name: str) -> None:
    assert paths.is_safe_name(name)
    assert paths.safe_name(name.encode()) == name


@pytest.mark.parametrize("name", REPLACED, ids=ascii)
def test_a_name_that_some_checker_reads_otherwise_is_replaced(name: bytes) -> None:
    safe = paths.safe_name(name)
    assert safe.encode() != name
    assert paths.is_safe_name(safe)
    assert f"~{sha256(name).hexdigest()[:8]}" in safe


@pytest.mark.parametrize(
    ("name", "safe"),  # the hashes are what coreutils' sha256sum says of the names
    [
        (b"100%.flac", "100_~3fd13fcd.flac"),
        (b"aux.flac", "aux~8ae7b45c.flac"),
        (b"aux.tar.gz", "_aux.tar~a305d1af.gz"),
        (b"caf\xe9.mp3", "caf_~c523dac6.mp3"),
        (b"..", "_~5ec1f7e7"),
        (b"a" * 300 + b".flac", "a" * 180 + "~626c0eaf.flac"),
        (b"name.with a long tail%", "name.with a long tail_~017523e1"),
    ],
)
def test_a_replaced_name_keeps_its_stem_and_extension_around_its_hash(name: bytes, safe: str) -> None:
    assert paths.safe_name(name) == safe


@given(names())
def test_a_member_name_is_always_safe_and_fits_every_file_system(name: bytes) -> None:
    for collides in (False, True):
        safe = paths.safe_name(name, collides=collides)
        assert paths.is_safe_name(safe)
        assert len(safe.encode()) <= paths.NAME_MAX
        assert safe == paths.safe_name(name, collides=collides)


@given(names())
def test_a_safe_name_is_kept_and_any_other_is_changed(name: bytes) -> None:
    safe = paths.safe_name(name)
    assert paths.safe_name(safe.encode()) == safe
    try:
        kept = paths.is_safe_name(name.decode())
    except UnicodeDecodeError:
        kept = False
    assert (safe.encode() == name) == kept


@given(st.sets(names(), min_size=2, max_size=6))
def test_different_names_stay_different_to_every_file_system_when_all_are_replaced(several: set[bytes]) -> None:
    safe = {paths.collision_key(paths.safe_name(name, collides=True)) for name in several}
    assert len(safe) == len(several)


@given(st.text(max_size=20))
def test_the_cheap_match_for_ascii_agrees_with_the_written_rule(text: str) -> None:
    name = text.encode("utf-8", "surrogatepass").replace(b"/", b"_") or b"x"
    kept = paths.safe_name(name).encode() == name
    assert kept == (name.decode("utf-8", "replace").encode() == name and paths.is_safe_name(name.decode()))


@given(st.lists(names(), min_size=1, max_size=8))
def test_a_member_path_is_safe_and_its_folders_are_kept_while_it_is_short_enough(parts: list[bytes]) -> None:
    safe = [paths.safe_name(part) for part in parts]
    path = paths.member_path(safe, b"/".join(parts))
    assert paths.is_safe_path(path)
    assert len(path.encode()) <= paths.PATH_MAX
    assert (path == "/".join(safe)) == (len("/".join(safe).encode()) <= paths.PATH_MAX)


@pytest.mark.parametrize(
    ("last", "extension"),
    [("track.flac", ".flac"), ("track", ""), ("a.b c", ""), (".flac", ""), ("x.abcdefghijk", ""), ("a.tar.gz", ".gz")],
)
def test_a_path_that_is_too_long_becomes_its_hash_and_its_own_extension(last: str, extension: str) -> None:
    folders = ["folder.dir" + "x" * 200] * 6
    path = paths.member_path([*folders, last], b"source")
    assert path == f"long-paths~/{sha256(b'source').hexdigest()[:32]}{extension}"
    assert path != paths.member_path([*folders, last], b"other source")


def test_a_path_of_just_the_limit_is_kept() -> None:
    parts = ["é" * 100, "b" * 255, "c" * 255, "d" * 255, "e" * 55]
    assert len("/".join(parts).encode()) == paths.PATH_MAX
    assert paths.member_path(parts, b"") == "/".join(parts)
    assert paths.member_path([*parts[:-1], "e" * 56], b"").startswith("long-paths~/")


@pytest.mark.parametrize(
    "path",
    ["", "/", "/a", "a/", "a//b", "..", "../a", "a/../b", "a/./b", "C:", "a\\b", "a\nb", "a/CON/b", "\ud800",
     "x/" * 512 + "xy", "é/" * 400 + "x"],
    ids=ascii,
)  # fmt: skip
def test_a_path_from_a_document_that_leaves_its_folder_or_breaks_the_rule_is_not_safe(path: str) -> None:
    assert not paths.is_safe_path(path)


@given(st.lists(safe_names(), min_size=1, max_size=4))
def test_a_path_of_safe_names_from_a_document_is_safe(parts: list[str]) -> None:
    assert paths.is_safe_path("/".join(parts))


@pytest.mark.parametrize(
    ("group", "twins"),
    [
        (["A.flac", "a.flac", "b.flac"], ["A.flac", "a.flac"]),
        (["\u00e9", "e\u0301", "e"], ["\u00e9", "e\u0301"]),
        (["Straße", "STRASSE", "Strase"], ["Straße", "STRASSE"]),
        (["\ufb01n", "fin"], ["\ufb01n", "fin"]),
        (["K", "k", "\u212a"], ["K", "k", "\u212a"]),
        (["ΣΑΣ", "σας", "σασ"], ["ΣΑΣ", "σας", "σασ"]),
        (["a", "b"], []),
        ([], []),
    ],
)
def test_names_that_differ_only_by_case_or_normalisation_all_collide(group: list[str], twins: list[str]) -> None:
    assert paths.colliding(name.encode() for name in group) == {name.encode() for name in twins}


def test_names_that_are_not_utf8_collide_by_their_ascii_letters_only() -> None:
    assert paths.colliding([b"\xffA", b"\xffa", b"\xfea"]) == {b"\xffA", b"\xffa"}


@given(st.text(min_size=1, max_size=10))
def test_every_form_of_a_name_that_a_file_system_may_make_of_it_collides_with_it(text: str) -> None:
    forms = [unicodedata.normalize(form, text) for form in ("NFC", "NFD", "NFKC", "NFKD")]
    for form in [*forms, text.lower(), text.casefold(), forms[1].casefold()]:
        assert paths.collision_key(form) == paths.collision_key(text)


@given(names())
def test_a_path_that_is_not_utf8_is_kept_exactly_beside_its_text(path: bytes) -> None:
    text, b64 = paths.encode_path(path)
    assert paths.decode_path(text, b64) == path
    assert (b64 is None) == (text.encode() == path)


@given(st.text(st.characters(), max_size=400) | names() | st.binary(max_size=400), st.integers(3, 300))
def test_what_is_shown_holds_no_character_that_a_terminal_acts_on(text: str | bytes, limit: int) -> None:
    shown = paths.display_text(text, limit)
    assert all(unicodedata.category(c) not in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp") for c in shown)
    shown.encode()
    assert len(shown) <= 10 * limit


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a[b].flac", "a[b].flac"),
        ("日本　語 é 🎵", "日本　語 é 🎵"),
        ("\x1b[31m\r\n", "\\x1b[31m\\x0d\\x0a"),
        ("a\u202eb\u2028", "a\\u202eb\\u2028"),
        (b"caf\xe9", "caf\\xe9"),
        (b"\xed\xa0\x80", "\\xed\\xa0\\x80"),
        ("\ud800", "\\ud800"),
        ("\U000e0001", "\\U000e0001"),
        ("x" * 301, "x" * 297 + "..."),
        ("x" * 300, "x" * 300),
        ("", ""),
    ],
    ids=ascii,
)
def test_a_name_is_shown_as_it_is_but_for_escapes(text: str | bytes, shown: str) -> None:
    assert paths.display_text(text) == shown


@pytest.fixture
def odd_bag(tmp_path: Path) -> Path:
    """A real bag on disk of every name the rule keeps and what it makes of every other."""
    root = tmp_path / "bag"
    files = [*KEPT, *(paths.safe_name(name) for name in REPLACED)]
    lines = []
    for number, name in enumerate(files):
        # A folder of that name too: a name ends a path, or stands within it.
        for path in (f"data/{number}/{name}", f"data/folders/{number}/{name}/file"):
            data = path.encode()
            (root / path).parent.mkdir(parents=True)
            (root / path).write_bytes(data)
            lines.append(bag.manifest_line(sha256(data).digest(), path))
    (root / "bagit.txt").write_bytes(bag.BAGIT_TXT)
    (root / bag.MANIFEST).write_bytes(b"".join(lines))
    return root


def test_bagit_py_validates_a_bag_of_every_odd_name(odd_bag: Path) -> None:
    assert bagit_faults(odd_bag) == ""


@pytest.mark.interop
def test_sha256sum_checks_a_bag_of_every_odd_name(odd_bag: Path, program: Callable[[str], str]) -> None:
    assert sha256sum_faults(program("sha256sum"), odd_bag, bag.MANIFEST) == ""
