"""Pages of a release whose every text is hostile: nothing runs, every link resolves, all stays readable."""

import json
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import msgspec
import pytest

from packager.errors import InputError
from packager.model import Release
from packager.publish.site import render
from tests.helpers.made_up_releases import make_phase, make_release, make_shard, reader

RTL, NUL, ESC = chr(0x202E), chr(0), chr(0x1B)
HOSTILE = (
    "<script>document.title='ran'</script>",
    "<img src=x onerror=\"document.title='ran'\">",
    "\"'><svg onload=document.title='ran'>",
    "{{ 7 * 7 }}{% raw %}",
    f"one\nline\r\n{RTL}backwards{NUL}{ESC}[31m",
    "wide" * 2500,
    "unbroken" + "x" * 9992,
    "javascript:document.title='ran'",
)


def hostile_release() -> Release:
    phases, shards = [], []
    for at, text in enumerate(HOSTILE):
        own = [make_shard(f"phase{at}", number, also_v1=bool(at % 2)) for number in (1, 2)]
        phases.append(make_phase(f"phase{at}", own, title=text))
        shards += own
    phases += [make_phase("later", state="next", title="Next"), make_phase("last", state="planned", title="Planned")]
    release = make_release(
        phases, shards, title=HOSTILE[0], description="\n\n".join(HOSTILE), contact=HOSTILE[1], homepage=HOSTILE[-1]
    )
    return msgspec.structs.replace(release, collection=msgspec.structs.replace(release.collection, licence=HOSTILE[2]))


MEMBERS = [
    {"path": f"{at}.flac", "title": text, "artist": text, "album": text, "source_path": text}
    for at, text in enumerate(HOSTILE)
]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    release = hostile_release()
    render.render_site(release, site=folder, read_members=reader(MEMBERS), signed=True)
    published = [
        *(file.path for shard in release.shards for file in shard.documents),
        *(
            "release.json",
            "releases/1.json",
            "SHA256SUMS",
            "release.json.minisig",
            "SHA256SUMS.minisig",
            "minisign.pub",
        ),
    ]
    for path in published:
        (folder / path).parent.mkdir(exist_ok=True)
        (folder / path).touch()
    return folder


class Page(HTMLParser):
    """What matters of a page's markup."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def values(self, *names: str) -> list[str]:
        return [value or "" for name, value in self.attributes if name in names]


def pages(folder: Path) -> Iterator[tuple[Path, Page]]:
    for path in sorted(folder.rglob("*.html")):
        yield path, Page(path.read_text())


def test_no_page_has_a_script_or_a_handler_or_a_strange_link(built: Path) -> None:
    for path, page in pages(built):
        assert not {"script", "iframe", "object", "embed", "form", "base"} & set(page.tags), path
        assert not [name for name, _ in page.attributes if name.startswith("on")], path
        for link in page.values("href", "src"):
            assert urlsplit(link).scheme in ("", "magnet", "data"), (path, link)
            assert not link.startswith("data:") or link.startswith("data:image/svg+xml,"), (path, link)


def test_every_page_forbids_scripts_forms_and_whatever_is_on_other_hosts(built: Path) -> None:
    for page in sorted(built.rglob("*.html")):
        head = page.read_text().partition("<title>")[0]
        policy = head.partition('<meta http-equiv="Content-Security-Policy" content="')[2].partition('"')[0]
        rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
        assert (rules["default-src"], rules["base-uri"], rules["form-action"]) == ("'none'",) * 3, page
        assert {source for each in rules.values() for source in each.split()} <= {"'none'", "'self'", "file:", "data:"}


def test_every_link_of_every_page_leads_to_a_file(built: Path) -> None:
    for path, page in pages(built):
        for link in page.values("href", "src"):
            parts = urlsplit(link)
            if not parts.scheme and parts.path:
                assert (path.parent / unquote(parts.path)).is_file(), (path, link)


def test_every_page_has_a_language_a_title_and_ids_of_its_own(built: Path) -> None:
    for path, page in pages(built):
        assert page.values("lang")[0] == "en"
        assert {"title", "main", "h1", "header" if path.parent != built else "main"} <= set(page.tags), path
        ids = page.values("id")
        assert len(ids) == len(set(ids)), path


def test_templates_are_not_read_in_texts_and_control_characters_are_shown(built: Path) -> None:
    text = (built / "shards" / "phase0-0001" / "index.html").read_text()
    assert "{{ 7 * 7 }}" in text
    assert RTL not in text
    assert NUL not in text
    assert ESC not in text


def test_no_page_grows_with_a_text(built: Path) -> None:
    assert max(path.stat().st_size for path in built.rglob("*.html")) < 200_000


def test_many_shards_are_parted_into_pages_under_200_kb(tmp_path: Path) -> None:
    shards = [make_shard("audio", number, also_v1=True) for number in range(1, 451)]
    render.render_site(make_release([make_phase("audio", shards)], shards), site=tmp_path, read_members=reader())
    listing = sorted((tmp_path / "phases" / "audio").glob("*.html"))
    assert len(listing) >= 2
    assert max(path.stat().st_size for path in tmp_path.rglob("*.html")) < 200_000
    named = "".join(path.read_text() for path in listing)
    assert all(f"shards/{shard.name}/index.html" in named for shard in shards)
    assert all((tmp_path / "shards" / shard.name / "index.html").is_file() for shard in shards)


@pytest.mark.parametrize("base", ["", "https://archive.example.org/release/"])
def test_a_release_with_nothing_published_has_its_pages(base: str, tmp_path: Path) -> None:
    phases = [
        make_phase("audio", state="next", count=3, size=100),
        make_phase("rest", state="planned", files=0, size=0),
    ]
    render.render_site(make_release(phases, [], base_url=base), site=tmp_path, read_members=reader())
    text = (tmp_path / "index.html").read_text()
    assert "Next" in text
    assert (tmp_path / "phases" / "audio" / "index.html").is_file()
    assert not (tmp_path / "phases" / "rest").exists()
    assert "phases/rest/" not in text
    assert json.loads((tmp_path / "torrents.json").read_text()) == []


def test_an_own_template_stands_before_ours_and_a_wrong_one_names_its_line(tmp_path: Path) -> None:
    own, out = tmp_path / "own", tmp_path / "out"
    own.mkdir()
    out.mkdir()
    (own / "shard.html").write_text("own {{ shard.name }}\n")
    render.render_site(make_release(), site=out, read_members=reader(), templates=own)
    assert (out / "shards" / "audio-0001" / "index.html").read_text() == "own audio-0001\n"
    assert "Example archive" in (out / "index.html").read_text()
    for wrong in ("\n{% if %}", "\n{{ shrad }}", "\n{{ shard.__class__.__mro__ }}", "\n{% include 'gone.html' %}"):
        (own / "shard.html").write_text(wrong)
        with pytest.raises(InputError, match=r"shard\.html:2|gone\.html|own"):
            render.render_site(make_release(), site=out, read_members=reader(), templates=own)


@pytest.mark.interop
def test_in_a_browser_no_script_runs_and_every_page_fits_its_window(built: Path, program: Callable[[str], str]) -> None:
    from playwright.sync_api import sync_playwright

    arguments = ["--no-sandbox", "--disable-background-networking", "--disable-component-update", "--disable-sync"]
    wanted = [
        "index.html",
        "phases/phase5/index.html",
        "shards/phase0-0001/index.html",
        "shards/phase6-0002/index.html",
    ]
    trouble: list[str] = []
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=program("chromium"), args=[*arguments, "--no-first-run"])
        for width in (390, 1280):
            for scheme in ("light", "dark"):
                context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
                page = context.new_page()
                page.on("console", lambda message: trouble.append(message.text))
                page.on("pageerror", lambda error: trouble.append(str(error)))
                page.on("dialog", lambda dialog: trouble.append(dialog.message))
                page.on(
                    "request",
                    lambda asked: None if asked.url.startswith(("file:", "data:")) else trouble.append(asked.url),
                )
                for path in wanted:
                    page.goto((built / path).as_uri())
                    assert page.title() != "ran", path
                    assert page.evaluate("document.scripts.length") == 0
                    assert page.evaluate("document.documentElement.scrollWidth") <= width, (path, width)
                context.close()
        browser.close()
    assert trouble == []
