"""One vocabulary: each option has its name in every command that has it, and a name of before is refused."""

import re

import pytest

from packager.cli.app import main

Capture = pytest.CaptureFixture[str]
# Each command with the options that it has and, after "not", names that it does not have any more.
TABLE = """
init
    --name --title --licence --contact --records --url --tracker --shard-size --secret-key --overwrite --yes -y
    not --force
release
    --workers -w --cluster --worker-timeout --no-tars --count-seeds --allow-host --allow-unread --dry-run -n
    not --scheduler --patience --virtual --scrape --other-hosts --seed --mtimes
estimate
    --records --size --shard-size --budget --upload-rate --copies --years --disk-size --price
    not --bytes --upload --disk
scan
    --workers -w
    not --scheduler
pack
    --workers -w --cluster --worker-timeout --phase -p --no-tars --dry-run -n
    not --virtual --scheduler --patience
publish
    --phase -p --to -o --with-shards --delete-after --count-seeds --allow-host --allow-unread --dry-run -n
    not --grace --scrape --out
export
    --to -o --workers -w --cluster --worker-timeout --dry-run -n
    not --out --scheduler --patience
withdraw
    --path --where --reason --redact --keep-shards --undo --dry-run -n --yes -y
    not --id --supersede --lift
replace
    --reason --undo --dry-run -n --yes -y
    not --lift --force
prune
    --dry-run -n --yes -y
    not --force
keygen
    --secret-key --public-key --no-password
    not --secret --public --key
verify
    --release --key --manifest --torrent --sums --quick --sample --sample-seed --state --older-than --for
    --read-limit --workers -w --cluster --worker-timeout
    not --seed --max-time --rate --scheduler --patience
repair
    --from --no-web-seeds --allow-host --timeout --peer --tracker --dht --listen --release --key --manifest
    --torrent --report --workers -w --dry-run -n
    not --web-seed --swarm --port --other-hosts
rebuild
    --from --to -o --no-web-seeds --allow-host --timeout --peer --tracker --dht --listen --release --key
    --manifest --index --workers -w --dry-run -n
    not --web-seed --swarm --out --port
seed
    --release --key --listen --dht --upload-limit --allow-host --client --from --torrent --verify --for
    --allow-withdrawn --workers -w
    not --port --source --max-time --rate
serve
    --listen --check-pieces --access-log --cache-size --workers -w
    not --port --paranoid --memory
torrent
    --to -o --format --piece-length --tracker --web-seed --include --exclude --name --comment --source-tag
    --private --similar --collection --date --overwrite --workers -w --dry-run -n
    not --out --force --source --creation-date -t -i -x
get
    --release --key --path --where --rename --source-names --number --overwrite --from --no-web-seeds
    --allow-host --timeout --peer --tracker --dht --listen --to -o --shard --phase -p --metadata-limit --magnet
    --dry-run -n
    not --web-seed --swarm --layout --original-names --play-order --most --out --id --port --force
extract
    --release --key --path --where --rename --source-names --number --overwrite --to -o --manifest --dry-run -n
    not --layout --original-names --play-order --out --id --force
"""
COMMANDS: dict[str, tuple[list[str], list[str]]] = {}
for line in TABLE.strip().splitlines():
    if not line.startswith(" "):
        has, has_not = COMMANDS[line] = ([], [])
    elif line.split()[0] == "not":
        has_not += line.split()[1:]
    else:
        has += line.split()


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_has_the_options_of_the_vocabulary_and_no_other_names(command: str, capsys: Capture) -> None:
    names, before = COMMANDS[command]
    assert main([command, "--help"]) == 0
    shown = set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", capsys.readouterr().out))
    assert set(names) <= shown, set(names) - shown
    for name in before:
        assert main([command, name, "1"]) == 2, name
        printed = capsys.readouterr()
        assert (name in printed.err, printed.out) == (True, ""), printed.err


@pytest.mark.parametrize("command", ["materialise", "supersede", "oddities"])
def test_a_command_of_before_is_unknown(command: str, capsys: Capture) -> None:
    assert main([command, "x"]) == 2
    assert command in capsys.readouterr().err


OTHERS = ["status", "plan", "inspect", "mirror follow", "mirror sync", "mirror status", "mirror prune"]


@pytest.mark.parametrize("command", [*COMMANDS, *OTHERS])
def test_a_short_option_has_one_meaning_in_all_commands(command: str, capsys: Capture) -> None:
    meanings = {"-c": "--config", "-n": "--dry-run", "-o": "--to", "-p": "--phase", "-w": "--workers", "-y": "--yes"}
    assert main([*command.split(), "--help"]) == 0
    for short, long in re.findall(r"^ +(-\w), (--[\w-]+)", capsys.readouterr().out, re.MULTILINE):
        assert meanings[short] == long
