"""A wrong value or combination of options: what is wrong with which option, and what to write instead."""

import shlex

import pytest

from packager.cli.app import main

MESSAGES = [
    ("mirror follow x m --budget 2T", '--budget: "2T" is ambiguous', 'Write "2 TB" or "2 TiB".'),
    ("verify x --for 6", '--for: "6" has no unit', 'Write "6 s", "6 min", "6 h" or "6 d".'),
    (
        "verify x --read-limit 100Mb/s",
        '--read-limit: "100Mb/s" is ambiguous',
        'Write "100 MB/s" or "100 Mbit/s".',
    ),
    (
        "verify x --older-than 3d",
        "--older-than needs --state",
        "Add --state FILE, which records what was checked and when.",
    ),
    ("verify x --quick --sample 2%", "--sample cannot be used with --quick", "Remove one of them."),
    ("verify x --read-limit 1MB --cluster c", "--read-limit cannot be used with --cluster", "Remove one of them."),
    ("get", "get: no record named", "Name an id, path, ISRC or magnet link, or use --path or --where."),
    ("get x --where true", "--where cannot be used with RECORD", "Remove one of them."),
    ("get x --shard y", "--shard needs --path or --where", "Add one of them."),
    ("rebuild x", "no source is named", "Add --from DIR or --from swarm."),
    ("estimate --records 5", "--records needs --size", "Add --size."),
    ("init nothere -y", "nothere: not a folder", "Name the folder with the files to release."),
    ("serve --cache-size 1k", '--cache-size: "1k" is ambiguous', 'Write "1 kB" or "1 KiB".'),
    ("torrent x -t y", 'unknown option "-t"', 'Did you mean "--to"?'),
]  # fmt: skip


@pytest.mark.parametrize(("command", "what", "fix"), MESSAGES)
def test_a_wrong_option_is_named_with_what_to_write(
    command: str, what: str, fix: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(shlex.split(command)) == 2
    assert capsys.readouterr().err == f"error: {what}\nfix:   {fix}\n"
