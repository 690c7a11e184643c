"""What may be handed out now: the rule over all states of a shard, and each command that asks it."""

import msgspec
import pytest

from packager.core.releases import release_lists
from packager.core.releases.withheld_shards import SharingRule, why_withheld
from packager.model import Release, Withdrawal
from tests.helpers.made_up_releases import make_phase, make_release, make_shard

DATE, LATER = "2026-11-21T00:00:00Z", "2030-01-01T00:00:00Z"


@pytest.mark.parametrize("obsolete", [False, True])
@pytest.mark.parametrize("withdrawn", [0, 1, 7])
@pytest.mark.parametrize("embargo", [None, DATE, LATER])
@pytest.mark.parametrize("catalogue_since", [0, 3, 4])
@pytest.mark.parametrize("listed", [False, True])
def test_the_rule_over_all_states(
    *, listed: bool, obsolete: bool, withdrawn: int, embargo: str | None, catalogue_since: int
) -> None:
    shard = msgspec.structs.replace(make_shard(), obsolete=obsolete, withdrawn=withdrawn, since=3)
    found = why_withheld(
        shard.name,
        shard if listed else None,
        phase="audio",
        embargo=embargo,
        catalogue_since=catalogue_since,
        now=DATE,
    )
    if embargo == LATER:
        expected = "embargoed"
    elif not listed:
        expected = "unpublished"
    elif withdrawn or (obsolete and catalogue_since == 4):
        expected = "withdrawn"
    else:
        expected = None
    assert (found.cause if found else None) == expected
    if found:
        assert found.reason
        assert bool(found.fix) == (expected != "withdrawn" or obsolete)


def release_with(*, obsolete: bool = True, content: str = "catalogue", **withdrawal: object) -> Release:
    """A release of serial 3 with a shard of serial 1, one of serial 3, and a withdrawal."""
    old = msgspec.structs.replace(make_shard("meta", 1), obsolete=obsolete)
    shards = [old, msgspec.structs.replace(make_shard("meta", 2), since=3)]
    phase = msgspec.structs.replace(make_phase("meta", shards), content=content)
    release = make_release([phase], shards, serial=3)
    each = Withdrawal(id="x", reason="x", date=DATE, **{"since": 2, **withdrawal})  # type: ignore[arg-type]
    return msgspec.structs.replace(release, withdrawals=(each,))


@pytest.mark.parametrize(
    ("values", "names"),
    [
        ({}, ["meta-0001"]),
        ({"obsolete": False}, []),
        ({"content": "files"}, []),
        ({"since": 1}, []),
        ({"since": 3}, ["meta-0001"]),
    ],
)
def test_an_earlier_catalogue_is_withheld_after_a_withdrawal(values: dict[str, object], names: list[str]) -> None:
    release = release_with(**values)  # type: ignore[arg-type]
    assert [each.name for each in SharingRule(release).all_withheld()] == names


def test_a_shard_of_a_project_without_a_release_is_unpublished_and_a_strangers_is_unknown() -> None:
    hand_out = SharingRule(None, now=DATE, planned={"audio-0001": "audio"})
    assert hand_out.withheld_file("audio-0001").cause == "unpublished"  # type: ignore[union-attr]
    assert hand_out.withheld_file("audio-0001", "ab" * 20).cause == "unpublished"  # type: ignore[union-attr]
    assert hand_out.withheld_file("video-0001") is None


def test_a_renamed_tar_is_known_by_its_torrent_and_another_collections_is_not_by_its_name() -> None:
    shard = msgspec.structs.replace(make_shard(), withdrawn=1)
    hand_out = SharingRule(make_release(shards=[shard]))
    assert hand_out.withheld_file("other-name", str(shard.infohash_v2))
    assert hand_out.withheld_file(shard.name)
    assert hand_out.withheld_file(shard.name, "ab" * 20) is None
    assert hand_out.withheld_file(shard.name, "ab" * 20, size=shard.size + 1) is None


def test_another_torrent_of_a_withheld_tar_is_known_by_the_pieces_root_or_by_name_and_size() -> None:
    shard = msgspec.structs.replace(make_shard(), withdrawn=1)
    hand_out = SharingRule(make_release(shards=[shard]))
    assert hand_out.withheld_file("other-name", "ab" * 20, str(shard.pieces_root))
    assert hand_out.withheld_file(shard.name, "ab" * 20, size=shard.size)
    assert hand_out.withheld_file("other-name", "ab" * 20, size=shard.size) is None


def test_no_list_has_a_withheld_shard() -> None:
    shards = [make_shard(number=1, also_v1=True), make_shard(number=2, also_v1=True)]
    shards[0] = msgspec.structs.replace(shards[0], withdrawn=1)
    release = make_release(shards=shards)
    texts = [release_lists.magnets(release), release_lists.magnets(release, "audio"), release_lists.magnets_v1(release)]
    texts += [release_lists.torrents_json(release).decode(), release_lists.feed(release).decode()]
    for text in texts:
        assert "audio-0001" not in text
        assert "audio-0002" in text
