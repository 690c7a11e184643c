"""release_templates/README.md tells every variable and filter that templates get, and no other."""

import re
from dataclasses import fields

from packager.publish.site import pages, render
from packager.publish.site.filters import FILTERS

README = (render.default_templates() / "README.md").read_text()


def told(heading: str) -> set[str]:
    """Return the names in the first column of the table that follows a line."""
    table = README.partition(f"{heading}\n")[2].lstrip("\n").partition("\n\n")[0]
    return set(re.findall(r"^\| `(\w+)", table, re.M))


def test_every_variable_is_told() -> None:
    common = {field.name for field in fields(pages.Page)}
    assert told("Every page:") == common
    for kind in (pages.IndexPage, pages.PhasePage, pages.ShardPage):
        assert told(f"`{kind.template}`:") == {field.name for field in fields(kind)} - common


def test_every_filter_and_template_is_told() -> None:
    assert told("## Filters") == set(FILTERS)
    there = {path.name for path in render.default_templates().glob("*.html")}
    assert set(re.findall(r"^\| `(\w+\.html)`", README, re.M)) == there
