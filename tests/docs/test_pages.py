"""Pages are true: links lead somewhere, generated pages are those made today, tables are the code's."""

import re
import tomllib
from pathlib import Path

import pytest

from packager.cli.app import BUG, CLOSED_PIPE, INTERRUPTED
from packager.core.config.parse_config import parse_config
from packager.core.releases.release_lists import ListedTorrent
from packager.core.shards import records_jsonl
from packager.engine.tables.phase_sql import check_phases
from packager.errors import IncompleteError, InputError, TrustError
from packager.model import MEMBERS, CollectionFacts, Manifest, Release, ReleasePhase, ReleaseShard, Withdrawal
from tests.helpers.load_script import DOCS, PAGES, ROOT, load

LINK = re.compile(r"\[[^\]]*\]\(([^()\s]+)\)")
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
COLLECTION = '[collection]\nname = "songs"\ntitle = "Songs"\nsource = "songs"\n'
PHASE = '[[phases]]\nname = "all"\n'


def slug(heading: str) -> str:
    """The anchor that a heading gets on the common forges."""
    text = re.sub(r"[`*]|\[([^\]]*)\]\([^)]*\)", r"\1", heading).strip().lower()
    return re.sub(r"[^\w\- ]", "", text).replace(" ", "-")


def anchors(page: Path) -> set[str]:
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    return {slug(line.lstrip("#")) for line in text.split("\n") if line.startswith("#")}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_link_of_a_page_leads_to_a_file_and_a_heading(page: Path) -> None:
    broken = []
    for link in LINK.findall(FENCE.sub("", page.read_text(encoding="utf-8"))):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert broken == []


@pytest.mark.parametrize("name", ["commands.md", "api.md", "json.md"])
def test_a_generated_page_is_made_again_byte_for_byte(name: str) -> None:
    make = load(DOCS / "make_reference.py")
    assert make.PAGES[name]() == (DOCS / "reference" / name).read_text(encoding="utf-8")


def test_the_table_of_exit_codes_is_complete() -> None:
    text = (DOCS / "reference/exit-codes.md").read_text(encoding="utf-8")
    told = {int(code) for code in re.findall(r"^\| (\d+) \|", text, re.MULTILINE)}
    assert told == {
        0,
        BUG,
        INTERRUPTED,
        CLOSED_PIPE,
        InputError.exit_code,
        TrustError.exit_code,
        IncompleteError.exit_code,
    }


def test_every_field_of_a_document_stands_in_the_format() -> None:
    text = (ROOT / "manifests/FORMAT.md").read_text(encoding="utf-8")
    kinds = (Manifest, Release, ReleasePhase, ReleaseShard, CollectionFacts, Withdrawal, ListedTorrent)
    names = {name for kind in kinds for name in kind.__struct_fields__} | set(MEMBERS.names)
    assert {name for name in names if f"`{name}`" not in text} == set()
    assert ", ".join(f"`{name}`" for name in records_jsonl.FIELDS) in " ".join(text.split())


TOML = [
    pytest.param(block, id=f"{page.relative_to(ROOT)}:{number}")
    for page in PAGES
    for number, block in enumerate(
        re.findall(r"^ *```toml\n(.*?)^ *```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    )
]


@pytest.mark.parametrize("block", TOML)
def test_every_piece_of_config_in_a_page_is_accepted(block: str) -> None:
    given = tomllib.loads(block)
    check_phases(parse_config(block + COLLECTION * ("collection" not in given) + PHASE * ("phases" not in given)))


def test_every_condition_and_order_that_a_page_shows_is_sql_that_a_plan_can_repeat() -> None:
    text = (DOCS / "how-to/write-a-phase.md").read_text(encoding="utf-8")
    shown = re.findall(r"`((?:where|order) = \"[^\"]*\")`", text)
    assert len(shown) > 12
    check_phases(
        parse_config(COLLECTION + "".join(f'[[phases]]\nname = "p{at}"\n{key}\n' for at, key in enumerate(shown)))
    )
