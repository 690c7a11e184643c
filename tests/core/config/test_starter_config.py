"""The config that `packager init` writes is the defaults, explained."""

import re
import tomllib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from packager.core.config.parse_config import OPTIONS, parse_config
from packager.core.config.starter_config import Starter, quoted, starter_config, starter_title
from packager.options import CollectionOptions, Config, PhaseOptions, RecordsOptions, SourceOptions
from packager.slug import SLUG_MAX, is_slug, slug


def expected(records: str | None, audio: PhaseOptions) -> Config:
    return Config(
        collection=CollectionOptions(name="songs", title="Songs"),
        sources=(SourceOptions(path="songs"),),
        records=RecordsOptions(files=() if records is None else (records,)),
        phases=(
            PhaseOptions(name="metadata", title="Metadata", content="catalogue"),
            audio,
            PhaseOptions(name="artwork", title="Artwork", where="kind = 'artwork'", order="path"),
            PhaseOptions(name="rest", title="Everything else", where="true", order="path"),
        ),
    )


def test_a_new_config_is_the_defaults() -> None:
    audio = PhaseOptions(name="audio", title="Audio", where="kind = 'audio'", order="path")
    assert parse_config(starter_config(Starter("songs", "Songs", "songs"))) == expected(None, audio)


def test_with_popularity_the_most_popular_audio_comes_first() -> None:
    audio = PhaseOptions(
        name="audio",
        title="Audio, most popular first",
        where="kind = 'audio'",
        order="popularity DESC NULLS LAST, path",
    )
    text = starter_config(Starter("songs", "Songs", "songs", "songs/records.csv", popularity=True))
    assert parse_config(text) == expected("songs/records.csv", audio)


def test_every_key_is_in_a_new_config_with_a_comment() -> None:
    text = starter_config(Starter("songs", "Songs", "songs"))
    tables = dict(re.findall(r"^\[+(\w+)\]+.*\n((?:(?!\[).*\n)*)", text, re.M))  # of phases the last
    tables["phases"] = text.partition("[[phases]]")[2].partition("[release]")[0]
    for table, kind in OPTIONS.items():
        for field in msgspec.structs.fields(kind):
            if (table, field.name) != ("collection", "source"):  # the short form of [[sources]]
                assert re.search(rf"^(# )?{field.name} = ", tables[table], re.M), (table, field.name)
    for line in text.partition("[[phases]]")[0].splitlines():
        assert "#" in line or line.startswith(("[", "path = ")), line
    assert max(map(len, text.splitlines())) <= 120


@pytest.mark.parametrize("is_on", [False, True])
def test_a_new_config_says_what_it_was_asked(is_on: bool) -> None:
    starter = Starter(
        "songs", "Songs", "songs", licence="CC0-1.0", contact="a@b.example", url="https://a.example/",
        trackers=(("udp://a.example:1/announce", "https://b.example/announce"), ("https://c.example/announce",)),
        shard_size="384 KiB", secret_key="release.key" if is_on else None,
    )  # fmt: skip
    config = parse_config(starter_config(starter))
    assert (config.collection.licence, config.collection.contact) == ("CC0-1.0", "a@b.example")
    assert (config.release.url, config.release.secret_key) == ("https://a.example/", starter.secret_key)
    assert config.torrents.trackers == starter.trackers
    assert config.shards.size == 384 << 10


@given(st.text())
def test_any_folder_name_comes_back_from_its_quotes(name: str) -> None:
    assert tomllib.loads(f"x = {quoted(name)}") == {"x": name}


@given(st.text())
def test_any_folder_name_gives_a_slug_and_a_title(name: str) -> None:
    assert is_slug(slug(name))
    assert starter_title(name).isprintable()
    source = name.replace("\0", "") or "x"
    assert parse_config(starter_config(Starter(slug(name), starter_title(name), source))).source == source


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
