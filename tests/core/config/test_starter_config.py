"""The config that `packager init` writes is the defaults, explained."""

import re
import tomllib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from packager.core.config.parse_config import OPTIONS, parse_config
from packager.core.config.starter_config import quoted, starter_config, starter_title
from packager.options import CollectionOptions, Config, PhaseOptions
from packager.slug import SLUG_MAX, is_slug, slug


def expected(records: str | None, audio: PhaseOptions) -> Config:
    return Config(
        collection=CollectionOptions(name="songs", title="Songs", source="songs", records=records),
        phases=(
            PhaseOptions(name="metadata", title="Metadata", content="catalogue"),
            audio,
            PhaseOptions(name="artwork", title="Artwork", where="kind = 'artwork'", order="path"),
            PhaseOptions(name="rest", title="Everything else", where="true", order="path"),
        ),
    )


def test_a_new_config_is_the_defaults() -> None:
    audio = PhaseOptions(name="audio", title="Audio", where="kind = 'audio'", order="path")
    assert parse_config(starter_config("songs", "Songs", "songs", None)) == expected(None, audio)


def test_with_popularity_the_most_popular_audio_comes_first() -> None:
    audio = PhaseOptions(
        name="audio",
        title="Audio, most popular first",
        where="kind = 'audio'",
        order="popularity DESC NULLS LAST, path",
    )
    text = starter_config("songs", "Songs", "songs", "songs/records.csv", popularity=True)
    assert parse_config(text) == expected("songs/records.csv", audio)


def test_every_key_stands_in_a_new_config_below_a_line_that_explains_it() -> None:
    lines = starter_config("songs", "Songs", "songs", None).splitlines()
    for table, kind in OPTIONS.items():
        for field in msgspec.structs.fields(kind):
            places = [at for at, line in enumerate(lines) if re.match(rf"(# )?{field.name} = ", line)]
            assert places, field.name
            if table != "phases":
                assert any(lines[at - 1].startswith("# ") for at in places), field.name


@given(st.text())
def test_any_folder_name_comes_back_from_its_quotes(name: str) -> None:
    assert tomllib.loads(f"x = {quoted(name)}") == {"x": name}


@given(st.text())
def test_any_folder_name_gives_a_slug_and_a_title(name: str) -> None:
    assert is_slug(slug(name))
    assert starter_title(name).isprintable()
    source = name.replace("\0", "") or "x"
    assert parse_config(starter_config(slug(name), starter_title(name), source, None)).collection.source == source


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Wesnoth Music", "wesnoth-music"),
        ("Café del Mar (1994)", "cafe-del-mar-1994"),
        ("music.v2", "music.v2"),
        ("NUL", "the-nul"),
        ("...", "collection"),
        ("音楽", "collection"),
        ("a" * 40, "a" * SLUG_MAX),
        ("a..b", "a.b"),
    ],
)
def test_a_slug_is_the_nearest_name_that_may_stand(text: str, name: str) -> None:
    assert slug(text) == name
