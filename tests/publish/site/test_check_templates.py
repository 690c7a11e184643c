"""An archivist's own templates: each stands before ours alone, and a wrong one is told by file and line."""

import shutil
from pathlib import Path

import pytest

from packager.errors import InputError
from packager.publish.site import render
from tests.helpers.made_up_releases import make_release, reader


@pytest.mark.parametrize(
    ("name", "page"),
    [
        ("index.html", "index.html"),
        ("phase.html", "phases/audio/index.html"),
        ("shard.html", "shards/audio-0001/index.html"),
        ("base.html", "index.html"),
        ("style.css", "style.css"),
    ],
)
def test_one_own_template_stands_before_ours_and_the_others_stay(name: str, page: str, tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    (own / name).write_text("/* mine */\n")
    for folder, templates in (("ours", None), ("mixed", own)):
        render.render_site(make_release(), site=tmp_path / folder, read_members=reader(), templates=templates)
    changed = {
        path.relative_to(tmp_path / "mixed").as_posix()
        for path in (tmp_path / "mixed").rglob("*.*")
        if path.read_bytes() != (tmp_path / "ours" / path.relative_to(tmp_path / "mixed")).read_bytes()
    }
    assert (tmp_path / "mixed" / page).read_text() == "/* mine */\n"
    expected = (
        {"index.html", "phases/audio/index.html", "shards/audio-0001/index.html", "releases/1.html"}
        if name == "base.html"
        else set()
    )
    assert changed == expected | {page}


def test_an_own_template_that_comes_later_is_taken(tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    render.render_site(make_release(), site=tmp_path / "before", read_members=reader(), templates=own)
    (own / "index.html").write_text("mine\n")
    render.render_site(make_release(), site=tmp_path / "after", read_members=reader(), templates=own)
    assert (tmp_path / "after" / "index.html").read_text() == "mine\n"


def test_an_own_copy_of_the_macros_serves_our_pages(tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    shutil.copy(render.default_templates() / "macros.html", own)
    text = (own / "macros.html").read_text()
    (own / "macros.html").write_text(text.replace('"published": "Published"', '"published": "Here now"'))
    render.render_site(make_release(), site=tmp_path / "out", read_members=reader(), templates=own)
    assert "Here now" in (tmp_path / "out" / "index.html").read_text()


@pytest.mark.parametrize(
    ("template", "said"),
    [
        (b"\n{% if %}", "shard.html:2: Expected an expression"),
        (b"\n\n{{ shrad }}", "shard.html:3: 'shrad' is undefined; did you mean \"shard\"?"),
        (b"{{ shard.nmae }}", "shard.html:1: "),
        (b"{{ shard.name | shwon }}", "shard.html:1: No filter named 'shwon'."),
        (b"\n{{ shard.__class__.__mro__ }}", "shard.html:2: access to attribute '__class__'"),
        (b"\n{% for at in range(10 ** 9) %}{% endfor %}", "shard.html:2: "),
        (b"{{ 1 // 0 }}", "shard.html:1: "),
        (b"{{ shard.size + shard.name }}", "shard.html:1: "),
        (b"\n{% include 'gone.html' %}", 'shard.html:2: there is no template "gone.html"'),
        (b"\n{% include 'parts/one.html' %}", "parts/one.html:2: 'missing' is undefined"),
        (b"{% extends 'shard.html' %}", "shard.html:1: "),
        (b"a\nb\nna\xefve", "shard.html:3: "),
    ],
)
def test_a_wrong_template_is_named_with_its_line(template: bytes, said: str, tmp_path: Path) -> None:
    own = tmp_path / "own"
    (own / "parts").mkdir(parents=True)
    (own / "parts" / "one.html").write_text("\n{{ missing }}")
    (own / "shard.html").write_bytes(template)
    with pytest.raises(InputError) as caught:
        render.render_site(make_release(), site=tmp_path / "out", read_members=reader(), templates=own)
    assert str(caught.value).startswith(f"{own}/{said}")
    assert caught.value.fix


def test_a_folder_of_templates_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such folder of templates"):
        render.render_site(make_release(), site=tmp_path / "out", read_members=reader(), templates=tmp_path / "gone")
