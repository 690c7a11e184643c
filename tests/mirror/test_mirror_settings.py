"""mirror.toml: each key is read, a wrong value is named with its fix, and `follow` changes only what is named."""

import msgspec
import pytest

from packager.errors import InputError
from packager.mirror.mirror_settings import KEYS, Settings, parse_mirror_settings
from packager.mirror.mirror_toml import change_mirror_toml, format_time, new_mirror_toml

PLAIN = Settings(source="https://archive.example/", budget=2 * 10**12, mirror_id="attic")
FULL = msgspec.structs.replace(
    PLAIN,
    reserve=0,
    client="watch:/srv/watched",
    listen="[::1]:7000",
    upload_limit=5 << 20,
    download_limit=12_500_000,
    dht=True,
    web_seeds=False,
    allow_hosts=("nas.example", "10.0.0.0/8"),
    timeout=1.5,
    check_every=90.0,
    key="release.pub",
    strategy="rarest",
    phases=("audio", "rest"),
    where="name LIKE '%#\"3'",
    seed_counts="list",
    warn_age=86_400,
)
OWN = """\
# my mirror
[mirror]
id = "attic"
budget = "1 TB"    # half of the disk
# reserve = "1 GB"
allow_hosts = [    # at home
    "nas.example", # the NAS
]
[[follow]]
phases = ["audio"]
source = "https://archive.example/" # the # is no comment here
where = '''seeders < 3
AND size > 1'''
"""


@pytest.mark.parametrize("settings", [PLAIN, FULL])
def test_what_is_written_is_read_again_and_each_key_has_a_line(settings: Settings) -> None:
    text = new_mirror_toml(settings)
    assert parse_mirror_settings(text) == settings
    lines = [line.removeprefix("# ") for line in text.splitlines()]
    for keys in KEYS.values():
        assert [key for key in keys if not any(line.startswith(f"{key} = ") for line in lines)] == []


def test_only_keys_that_differ_change_and_comments_stay() -> None:
    old = parse_mirror_settings(OWN)
    assert change_mirror_toml(OWN, old) == OWN
    new = msgspec.structs.replace(old, budget=3 * 10**12, reserve=10**9, allow_hosts=(), dht=True, where=None)
    changed = change_mirror_toml(OWN, new)
    assert parse_mirror_settings(changed) == new
    kept = ["# my mirror", 'id = "attic"', 'source = "https://archive.example/" # the # is no comment here']
    assert [line for line in kept if line not in changed.splitlines()] == []
    assert 'budget = "3 TB"             # half of the disk' in changed.splitlines()
    assert 'reserve = "1 GB"' in changed.splitlines()


@pytest.mark.parametrize("start", [PLAIN, FULL, parse_mirror_settings(OWN)])
@pytest.mark.parametrize("end", [PLAIN, FULL])
def test_settings_can_change_to_any_others(start: Settings, end: Settings) -> None:
    end = msgspec.structs.replace(end, key=end.key or start.key)  # a key is never removed
    assert parse_mirror_settings(change_mirror_toml(new_mirror_toml(start), end)) == end


def test_a_key_that_cannot_be_changed_is_named_with_what_to_write() -> None:
    text = 'mirror = { budget = "1 TB", id = "x" }\nfollow = [{ source = "https://archive.example/" }]\n'
    old = parse_mirror_settings(text)
    with pytest.raises(InputError) as refused:
        change_mirror_toml(text, msgspec.structs.replace(old, budget=10**6))
    assert (refused.value.where, refused.value.fix) == (
        "mirror.toml: budget",
        'write budget = "1 MB" below [mirror] yourself',
    )


WRONG = {
    'budget = "2T"': ("mirror.budget", '"2T" is ambiguous', 'write "2 TB" or "2 TiB"'),
    "budget = true": ("mirror.budget", "true is not a string", 'write it in quotes: "true"'),
    "budget = -1": ("mirror.budget", '"-1" is not a size', 'write it as "64 GiB", "500 MB" or a number of bytes'),
    'bugdet = "1 TB"': ("mirror.bugdet", "unknown key", 'did you mean "budget"?'),
    'strategy = "spread"': ("mirror.strategy", "unknown key", "it belongs below [[follow]]"),
    'id = ""': ("mirror.id", '"" is not 1 to 200 printable characters', ""),
    'listen = "6881"': (
        "mirror.listen",
        '"6881" is not [HOST]:PORT',
        'write it as "127.0.0.1:8000", "[::1]:8000" or ":8000"',
    ),
    'check_every = "6"': ("mirror.check_every", '"6" has no unit', 'write "6 s", "6 min", "6 h" or "6 d"'),
    'check_every = "0 s"': ("mirror.check_every", '"0 s" is less than 1 s', "write a longer time"),
    'allow_hosts = "nas"': ("mirror.allow_hosts", '"nas" is not a list', 'write ["nas"]'),
    "[[follow]]": (
        "follow",
        "2 sources; there can be only one",
        "remove the others; another release can be followed in another folder",
    ),
    "[folow]": ("folow", "unknown table", 'did you mean "follow"?'),
}  # fmt: skip


@pytest.mark.parametrize("line", WRONG)
def test_a_wrong_value_is_named_with_its_key_and_fix(line: str) -> None:
    text = f'[[follow]]\nsource = "https://archive.example/"\n[mirror]\n{line}\n'
    with pytest.raises(InputError) as refused:
        parse_mirror_settings(text)
    where, what, fix = WRONG[line]
    assert (refused.value.where, refused.value.what, refused.value.fix) == (f"mirror.toml: {where}", what, fix)


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("", "mirror.budget"),
        ('[mirror]\nbudget = "1 TB"\nid = "x"\n', "follow[0].source"),
        ('follow = "x"\n', "follow"),
        ('mirror = "x"\n', "mirror"),
        ("[mirror\n", None),
        ("a = " + "[" * 100_000, None),
        ('[mirror]\nbudget = 1\nid = "x"\n[[follow]]\nsource = "/x"\nkey = "RW"\nallow_unsigned = true\n',
         "follow[0].allow_unsigned"),
    ],
)  # fmt: skip
def test_what_is_missing_damaged_or_cannot_be_combined_is_one_sentence(text: str, where: str | None) -> None:
    with pytest.raises(InputError) as refused:
        parse_mirror_settings(text)
    assert refused.value.where == ("mirror.toml" if where is None else f"mirror.toml: {where}")


def test_times_are_written_in_the_largest_whole_unit() -> None:
    written = [format_time(seconds) for seconds in (0, 1.5, 90, 600, 21_600, 15_552_000)]
    assert written == ["0 s", "1.5 s", "90 s", "10 min", "6 h", "180 d"]
