"""The whole site: what is written, where its links lead, what of a stranger's text reaches a page."""

import hashlib
import html
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote, urlsplit

import msgspec
import pytest

from packager.cli.app import main
from packager.errors import IncompleteError, InputError
from packager.model import Release
from packager.publish.site import render
from tests.helpers.made_up_releases import hostile_release, hostile_rows, make_phase, make_release, make_shard, reader
from tests.helpers.projects import make_project
from tests.publish.site.test_hostile_pages import Page, pages

SIGNATURES = ("release.json.minisig", "SHA256SUMS.minisig", "minisign.pub")
TWINS = "aria2 before 1.37"


def build(folder: Path, release: Release, rows: list[dict[str, object]] | None = None, *, signed: bool = False) -> Path:
    """Render a release, and put empty files in the place of those that publish adds."""
    render.render_site(release, site=folder, read_members=reader(rows or []), signed=signed)
    shards = [file for shard in release.shards for file in shard.documents]
    added = ["release.json", "SHA256SUMS", *(f"releases/{serial + 1}.json" for serial in range(release.serial))]
    for path in [*added, *(file.path for file in shards), *(SIGNATURES if signed else ())]:
        (folder / path).parent.mkdir(exist_ok=True)
        (folder / path).touch()
    return folder


def dead_links(folder: Path) -> list[str]:
    """Return the links of a site's pages that lead to no file of it."""
    dead = []
    for path, page in pages(folder):
        for link in page.values("href", "src"):
            parts = urlsplit(link)
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            inside = target.is_relative_to(folder.resolve()) and target.is_file()
            if not parts.scheme and not (inside and (not parts.fragment or parts.fragment in page.values("id"))):
                dead.append(f"{path.relative_to(folder)}: {link}")
    return dead


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("hostile"), hostile_release(), hostile_rows(), signed=True)


def test_what_is_told_as_written_is_what_was_written_and_the_same_every_time(tmp_path: Path) -> None:
    release = make_release()
    told = render.render_site(release, site=tmp_path / "one", read_members=reader([{"title": "x"}]))
    again = render.render_site(release, site=tmp_path / "two", read_members=reader([{"title": "x"}]))
    assert told == again
    written = {
        path.relative_to(tmp_path / "one").as_posix(): path.read_bytes()
        for path in (tmp_path / "one").rglob("*")
        if path.is_file()
    }
    assert {file.path: (file.size, file.sha256) for file in told} == {
        path: (len(data), hashlib.sha256(data).hexdigest()) for path, data in written.items()
    }


@pytest.mark.parametrize("also_v1", [False, True])
def test_every_link_of_a_published_site_leads_to_a_file_of_it(
    also_v1: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    project = make_project(tmp_path / "project", files=3)
    secret, public = (str(tmp_path / name) for name in ("release.key", "release.pub"))
    assert main(["keygen", "--no-password", "--secret-key", secret, "--public-key", public]) == 0
    project.write_config(torrent=f"also_v1 = {str(also_v1).lower()}")
    config = project.root / "packager.toml"
    config.write_text(config.read_text().replace("[release]", f"[release]\nsecret_key = '{secret}'"))
    assert project.run(capsys, "release").code == 0
    site = project.root / "site"
    assert dead_links(site) == []
    index = (site / "index.html").read_text()
    linked = Page(index).values("href")
    assert set(SIGNATURES) <= set(linked)
    assert ("magnets-v1.txt" in linked) is also_v1
    assert (TWINS in index) is also_v1


def test_the_front_page_shows_commands_that_mirror_the_release(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    project = make_project(tmp_path / "project", files=1)
    assert project.run(capsys, "release").code == 0
    index = html.unescape((project.root / "site/index.html").read_text())
    here = {"https://archive.example.org/": str(project.root / "site"), "mirror": str(tmp_path / "mirror")}
    found = re.findall(r"packager mirror ((?:follow|run) [^<\n]*)", index)
    assert [command.split()[0] for command in found] == ["follow", "run"]
    for command in found:
        name, *words = shlex.split(command)
        options = ["--yes", "--reserve", "0", "--client", "none"] if name == "follow" else ["--for", "0 s"]
        arguments = [here.get(word, word) for word in words]
        assert main(["mirror", name, *arguments, *options]) in (0, 3), capsys.readouterr().err


@pytest.mark.parametrize("signed", [False, True])
def test_the_front_page_says_how_to_check_a_signature_only_where_there_is_one(signed: bool, tmp_path: Path) -> None:
    index = (build(tmp_path, make_release(serial=3), signed=signed) / "index.html").read_text()
    assert ("minisign -Vm release.json -p minisign.pub" in index) is signed
    assert ("minisig" in index) is signed
    assert dead_links(tmp_path) == []


def test_pages_of_450_shards_are_linked_and_hold_each_shard_once(tmp_path: Path) -> None:
    trackers = "&tr=https%3A%2F%2Ftracker-of-some-length.example.org%3A443%2Fannounce" * 5
    shards = [make_shard(number=number + 1, also_v1=True) for number in range(450)]
    shards = [msgspec.structs.replace(shard, magnet=shard.magnet + trackers) for shard in shards]
    phases = [
        make_phase("audio", shards),
        make_phase("none", files=0, size=0),
        make_phase("next", state="next", size=5, count=1),
        make_phase("planned", state="planned", size=0, count=0),
    ]
    build(tmp_path, make_release(phases, shards))
    assert dead_links(tmp_path) == []
    assert max(path.stat().st_size for path in tmp_path.rglob("*.html")) < 200_000
    folder = tmp_path / "phases" / "audio"
    assert sorted(path.name for path in folder.glob("*.html")) == ["index.html", "page-2.html", "page-3.html"]
    rows_of = [link for name in sorted(folder.glob("*.html")) for link in Page(name.read_text()).values("href")]
    listed = [link for link in rows_of if link.startswith("../../shards/")]
    assert listed == [f"../../shards/{shard.name}/index.html" for shard in shards]
    pages = {path.parent.name for path in tmp_path.glob("phases/*/index.html")}
    assert pages == {"audio", "none", "next"}  # and none of a phase that has nothing and never had


def test_a_page_of_many_members_shows_the_first_of_them(tmp_path: Path) -> None:
    row = {"title": "A song of some length", "artist": "The Harbour Quartet", "album": "Live", "duration": 200.0}
    build(tmp_path, make_release(), [dict[str, object](row)] * 250)
    page = tmp_path / "shards" / "audio-0001" / "index.html"
    assert page.stat().st_size < 200_000
    assert "This page lists the first 200 of 1,234 members." in page.read_text()
    assert page.read_text().count(".flac</bdi>") == 200


def test_a_release_of_nothing_has_a_front_page_whose_links_resolve(tmp_path: Path) -> None:
    build(tmp_path, make_release([], []))
    assert dead_links(tmp_path) == []


def test_hostile_texts_make_no_markup_and_no_link(hostile: Path) -> None:
    assert dead_links(hostile) == []
    for path, page in pages(hostile):
        assert not {"script", "iframe", "object", "embed", "form", "base", "img", "textarea"} & set(page.tags), path
        assert not [name for name, _ in page.attributes if name.startswith("on")], path
        links = [link for link in page.values("href", "src") if not link.startswith("data:image/svg+xml,%3Csvg")]
        assert {urlsplit(link).scheme for link in links} <= {"", "magnet"}, path
        assert not any("alert(1)" in link and not link.startswith("magnet:?xt=") for link in links), path
        assert len(page.values("id")) == len(set(page.values("id"))), path
        assert path.stat().st_size < 200_000, path


def test_hostile_texts_are_shown_as_they_are(hostile: Path) -> None:
    index = (hostile / "index.html").read_text()
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in index
    assert "javascript:alert(1)</bdi>" in index
    assert "{{7*7}}{% raw %}" in index
    assert "\\u202e\\u2066" in index
    assert "\u202e" not in index


def test_no_page_is_written_outside_the_site(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be a path of the site"):
        render.render_site(make_release([make_phase("../../up")], []), site=tmp_path / "out", read_members=reader())
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_page_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "shards").write_bytes(b"")
    with pytest.raises(IncompleteError, match=r"shards/audio-0001.*; move away what is in its place"):
        render.render_site(make_release(), site=tmp_path, read_members=reader())


@pytest.mark.interop
def test_hostile_texts_do_nothing_in_a_browser_and_stay_readable(hostile: Path, program: Callable[[str], str]) -> None:
    from playwright.sync_api import sync_playwright

    arguments = ["--no-sandbox", "--disable-background-networking", "--disable-component-update", "--disable-sync"]
    # each kind of page; one title of 10,000 letters, one of stacked accents
    wanted = [
        "index.html",
        "phases/phase-13/index.html",
        "phases/phase-10/index.html",
        "shards/phase-2-0001/index.html",
    ]
    trouble: list[str] = []
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=program("chromium"), args=[*arguments, "--no-first-run"])
        for width, scheme in ((390, "dark"), (1280, "light")):
            page = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
            page.on("console", lambda message: trouble.append(message.text))
            page.on("pageerror", lambda error: trouble.append(str(error)))
            page.on("dialog", lambda dialog: trouble.append(dialog.message))
            page.on(
                "request", lambda asked: trouble.append(asked.url) if asked.url[:5] not in ("file:", "data:") else None
            )
            for path in wanted:
                page.goto((hostile / path).as_uri())
                assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), (path, width)
                assert page.evaluate("document.querySelectorAll('script, img').length") == 0, path
            page.close()
        browser.close()
    assert trouble == []
