"""trust.py: honest chains are followed, and each attack is refused by its name with the state untouched."""

from collections.abc import Callable

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from packager.core.releases import documents
from packager.core.releases.document_checks import TABLE_LIMIT
from packager.core.releases.kept_entries import FollowedState, staleness_warning
from packager.core.releases.minisign_key import SecretKey
from packager.core.releases.minisign_signature import sign
from packager.core.releases.trust import MISSED, accept_release, missed_serials, pin
from packager.errors import TrustError
from packager.model import FileDigest, PublishedFile, Release, Withdrawal
from tests.helpers.simulated_publisher import (
    Change,
    Publisher,
    Signed,
    hex_of,
    make_shard,
    phase_of,
    secret_key,
    with_shard,
    with_shards,
    with_values,
)

EVIL = secret_key("attacker")


def follow(publisher: Publisher, upto: int | None = None) -> FollowedState:
    """The state of a mirror that followed every release so far."""
    first, *rest = publisher.signed[:upto]
    state = pin(first.body, first.minisig, secret_key("publisher").public).followed
    for signed in rest:
        state = accept_release(state, signed.body, signed.minisig).followed
    return state


@pytest.fixture
def publisher() -> Publisher:
    """Three releases: two shards, one more, then a shard obsolete and a record withdrawn."""
    made = Publisher()
    made.publish(2)
    made.publish(1)
    made.publish(1, withdraw=["record-7"], obsolete=["demo-audio-00001"])
    return made


def test_a_chain_is_followed_release_by_release(publisher: Publisher) -> None:
    state = follow(publisher)
    assert (state.serial, state.collection, len(state.shards)) == (3, "demo", 4)
    assert state.digest == documents.digest(publisher.head.body)
    assert [shard.obsolete for shard in state.shards] == [True, False, False, False]
    assert [each.id for each in state.withdrawals] == ["record-7"]
    assert state.keys == (publisher.key.public.line,)


def test_the_first_release_followed_may_have_any_serial(publisher: Publisher) -> None:
    head = publisher.head
    assert pin(head.body, head.minisig, publisher.key.public).followed == follow(publisher)


def test_a_release_followed_already_changes_nothing(publisher: Publisher) -> None:
    state = follow(publisher)
    assert accept_release(state, publisher.head.body, publisher.head.minisig).followed is state


def test_the_state_is_stored_and_read_back_in_few_bytes() -> None:
    publisher = Publisher()
    publisher.publish(500)
    state = follow(publisher)
    data = documents.to_bytes(state)
    assert documents.from_bytes(data, FollowedState, "state") == state
    assert len(data) < 650 * 500


def attack(change: Change) -> Callable[[Publisher], Signed]:
    """The publisher's own key over a next release that is changed so."""
    return lambda publisher: publisher.forge(publisher.next(), change=change)


def rename(name: str) -> Change:
    return with_shard(-1, name=name, file=f"{name}.tar")


def a_file(path: str = "torrents/x.torrent", size: int = 1000) -> PublishedFile:
    return PublishedFile(path=path, size=size, sha256=hex_of(path))


def tampered(signed: Signed, old: bytes, new: bytes) -> Signed:
    assert old in signed.body
    return Signed(signed.body.replace(old, new, 1), signed.minisig, signed.release)


def twice(publisher: Publisher) -> Signed:
    return publisher.forge(publisher.head.release, change=with_values(catalogue_records=1))


def other_branch(publisher: Publisher) -> Signed:
    branch = Publisher(signed=publisher.signed[:2])
    branch.publish(3)
    return branch.forge(branch.next())


def jump(publisher: Publisher) -> Signed:
    publisher.publish()
    return publisher.publish()


def without_first(publisher: Publisher) -> Signed:
    return attack(with_shards(lambda shards: shards[1:]))(publisher)


OLD_DATE = "2026-01-01T00:00:00Z"


def dated(date: str) -> Change:
    """A release of another date, its new shards, too."""

    def changed(release: Release) -> Release:
        shards = [msgspec.structs.replace(s, added=min(s.added, date)) for s in release.shards]
        return msgspec.structs.replace(release, date=date, shards=tuple(shards))

    return changed


def with_withdrawal(at: int, **values: object) -> Change:
    def changed(release: Release) -> Release:
        withdrawals = list(release.withdrawals)
        withdrawals[at] = msgspec.structs.replace(withdrawals[at], **values)
        return msgspec.structs.replace(release, withdrawals=tuple(withdrawals))

    return changed


def old_withdrawal(release: Release) -> Withdrawal:
    return Withdrawal(id="record-8", reason="x", date=release.date, since=2)


ATTACKS: dict[str, tuple[Callable[[Publisher], Signed], str]] = {
    "tampered body": (lambda p: tampered(p.publish(), b'"Demo"', b'"Dema"'), "wrong signature"),
    "tampered signature": (
        lambda p: Signed(p.publish().body, p.signed[0].minisig, p.head.release),
        "wrong signature",
    ),
    "tampered trusted comment": (
        lambda p: Signed(p.publish().body, p.head.minisig.replace(b"release 4", b"release 9"), p.head.release),
        "trusted comment forged",
    ),
    "signature cut short": (lambda p: Signed(p.publish().body, p.head.minisig[:90], p.head.release), "malformed"),
    "endless signature": (lambda p: Signed(p.publish().body, b"x" * 10_000, p.head.release), "over the limit"),
    "other key": (lambda p: p.forge(p.next(), key=EVIL), "wrong key id"),
    "other key under the same id": (
        lambda p: p.forge(p.next(), key=SecretKey(p.key.key_id, EVIL.seed)),
        "wrong signature",
    ),
    "rollback": (lambda p: p.signed[1], "rollback: release 2 is older than release 3"),
    "equivocation": (twice, "equivocation: serial 3 was signed twice with different contents"),
    "fork": (other_branch, "fork: serial 4 was not made from the serial 3"),
    "chain cut": (attack(with_values(previous=hex_of("other"))), "fork: serial 4"),
    "gap": (jump, "gap: serial 5 does not follow 3"),
    "fast-forward": (attack(with_values(serial=10**9)), "gap: serial 1000000000"),
    "changed v1 infohash": (
        attack(with_shard(1, infohash_v1=hex_of("evil", 40))),
        "changed shard: infohash_v1 of demo-audio-00002",
    ),
    "changed v2 infohash": (
        attack(with_shard(1, infohash_v2=hex_of("evil"))),
        "changed shard: infohash_v2 of demo-audio-00002",
    ),
    "infohash taken away": (attack(with_shard(1, infohash_v1=None)), "changed shard: infohash_v1"),
    "changed size": (attack(with_shard(1, size=1 << 21)), "changed shard: size of demo-audio-00002"),
    "vanished shard": (without_first, "vanished shard: demo-audio-00001"),
    "renamed shard": (
        attack(with_shard(-2, name="demo-audio-00009", file="demo-audio-00009.tar", number=9)),
        "is out of order",
    ),
    "shards in another order": (attack(with_shards(lambda s: [s[1], s[0], *s[2:]])), "is out of order"),
    "withdrawn shard offered again": (
        attack(with_shard(0, obsolete=False, obsolete_since=0, reason="")),
        "withdrawn shard offered again: demo-audio-00001",
    ),
    "withdrawn record offered again": (
        attack(with_values(withdrawals=())),
        'withdrawn record offered again: "record-7"',
    ),
    "new shard without since": (attack(with_shard(-1, since=1)), "backdated shard: since of the new shard"),
    "new shard of an older serial": (attack(with_shard(-1, since=2)), "backdated shard: since of the new shard"),
    "new shard of a later serial": (attack(with_shard(-1, since=9)), "is listed since serial 9, in serial 4"),
    "new shard of another date": (attack(with_shard(-1, added=OLD_DATE)), "and was added 2026-01-01"),
    "changed since": (attack(with_shard(1, since=2)), "changed shard: since of demo-audio-00002"),
    "changed added": (attack(with_shard(1, added=OLD_DATE)), "changed shard: added of demo-audio-00002"),
    "changed piece length": (attack(with_shard(1, piece_length=1 << 16)), "changed shard: piece_length of"),
    "changed pieces root": (attack(with_shard(1, pieces_root=hex_of("x"))), "changed shard: pieces_root of"),
    "changed sha256": (attack(with_shard(1, sha256=hex_of("x"))), "changed shard: sha256 of demo-audio-00002"),
    "changed payload": (attack(with_shard(1, payload=512)), "changed shard: payload of demo-audio-00002"),
    "changed members": (attack(with_shard(1, members=11)), "changed shard: members of demo-audio-00002"),
    "changed withdrawn": (attack(with_shard(1, withdrawn=1)), "has 1 withdrawn members, and 0 withdrawals in force"),
    "changed reason": (attack(with_shard(0, reason="x")), "changed shard: reason of demo-audio-00001"),
    "changed obsolete_since": (attack(with_shard(0, obsolete_since=4)), "changed shard: obsolete_since of"),
    "changed superseded_by": (
        attack(with_shard(0, superseded_by=("demo-audio-00002",))),
        "changed shard: superseded_by of demo-audio-00001",
    ),
    "obsolete since an older serial": (
        attack(with_shard(1, obsolete=True, obsolete_since=2, reason="x")),
        "changed shard: obsolete_since of demo-audio-00002",
    ),
    "obsolete without a serial": (
        attack(with_shard(1, obsolete=True)),
        "is obsolete since serial 0, which is not possible",
    ),
    "reason of a live shard": (
        attack(with_shard(1, reason="x")),
        "is not obsolete, but has obsolete_since, superseded_by or reason",
    ),
    "changed links of an obsolete shard": (
        attack(with_shard(0, torrent=a_file("torrents/demo-audio-00001.torrent", size=999))),
        "changed shard: the links of demo-audio-00001",
    ),
    "links that change as it becomes obsolete": (
        attack(with_shard(1, obsolete=True, obsolete_since=4, torrent=a_file("torrents/x.torrent", size=999))),
        "changed shard: the links of demo-audio-00002",
    ),
    "earlier date": (attack(dated(OLD_DATE)), "earlier date: it is of 2026-01-01"),
    "changed withdrawal": (attack(with_withdrawal(0, date=OLD_DATE)), 'changed withdrawal: the date of "record-7"'),
    "withdrawal of another serial": (attack(with_withdrawal(0, since=2)), 'withdrawn record offered again: "record-7"'),
    "withdrawal lifted in an older release": (
        attack(with_withdrawal(0, since=3, lifted=9)),
        "is withdrawn since serial 3 and lifted in serial 9",
    ),
    "title of a withdrawal that had none": (
        attack(with_withdrawal(0, title="x")),
        'changed withdrawal: title of "record-7" changed',
    ),
    "new withdrawal of an older serial": (
        attack(lambda r: msgspec.structs.replace(r, withdrawals=(*r.withdrawals, old_withdrawal(r)))),
        'backdated withdrawal: "record-8"',
    ),
    "duplicate shard": (attack(with_shards(lambda s: [*s, s[1]])), 'the shard "demo-audio-00002" is listed twice'),
    "duplicate v1 infohash": (
        attack(with_shard(-1, infohash_v1=hex_of("v1 demo-audio-00002", 40))),
        "the v1 infohash",
    ),
    "duplicate v2 infohash": (
        attack(with_shard(-1, infohash_v2=hex_of("v2 demo-audio-00002"))),
        "the v2 infohash",
    ),
    "duplicate file": (
        attack(with_shard(-1, torrent=a_file("torrents/demo-audio-00002.torrent"))),
        'the file "torrents/demo-audio-00002.torrent" is listed twice',
    ),
    "case twin": (
        attack(with_shard(-1, torrent=a_file("Torrents/demo-audio-00002.TORRENT"))),
        "differs from another path only by case",
    ),
    "file that is a folder": (attack(with_shard(-1, members_table=a_file("torrents"))), "both a file and a folder"),
    "climbing path": (attack(with_shard(-1, torrent=a_file("../../.ssh/authorized_keys"))), "is outside the release"),
    "absolute path": (attack(with_shard(-1, manifest=a_file("/etc/passwd"))), "is outside the release"),
    "path with a backslash": (attack(with_shard(-1, members_table=a_file("..\\x"))), "is outside the release"),
    "path with a control character": (attack(with_shard(-1, members_table=a_file("a\x1b[2Jb"))), "a\\x1b[2Jb"),
    "shard's name that climbs": (attack(rename("../../x")), "cannot be the name of a shard"),
    "shard's name of another rule": (attack(rename("audio")), "not named by its collection, phase and number"),
    "phase's name that climbs": (
        attack(
            lambda r: msgspec.structs.replace(
                r, phases=(*r.phases, msgspec.structs.replace(r.phases[0], name="../x", state="next"))
            )
        ),
        '"../x" is not the name of a phase',
    ),
    "magnet of another torrent": (
        attack(with_shard(-1, magnet=make_shard("demo", "audio", 9, "").magnet)),
        "its magnet link is of another torrent",
    ),
    "oversized torrent": (attack(with_shard(-1, torrent=a_file(size=10**12))), "is oversized: 1000000000000 bytes"),
    "oversized table": (attack(with_shard(-1, members_table=a_file(size=TABLE_LIMIT + 1))), "is oversized"),
    "number of 70 bits": (attack(with_shard(-1, members_table=a_file(size=1 << 70))), "not a valid release"),
    "negative size": (attack(with_shard(-1, members_table=a_file(size=-1))), "not a valid release"),
    "totals that contradict": (
        attack(lambda r: msgspec.structs.replace(r, shards=r.shards[:-1])),
        "has 4 shards, but its shards have 3",
    ),
    "phase that is not there": (attack(with_shard(-1, phase="x")), 'in the phase "x", which the release does not have'),
    "another collection": (
        lambda _: Publisher(collection="other").publish(),
        'another collection: it is of "other", not of "demo"',
    ),
    "key rotation forged by another key": (
        lambda p: p.forge(p.next(next_key=EVIL), key=EVIL),
        "wrong key id",
    ),
    "key rotation to no key": (attack(with_values(next_key="RWQ")), 'next_key: "RWQ" is no public key'),
    "key rotation to the same id": (
        attack(with_values(next_key=SecretKey(secret_key("publisher").key_id, EVIL.seed).public.line)),
        "key rotation: next_key",
    ),
    "field of ours twice": (
        lambda p: signed_bytes(p, p.forge(p.next()).body.replace(b'"serial": 4', b'"serial": 4, "serial": 4')),
        'has the key "serial" twice',
    ),
    "unknown field": (
        lambda p: signed_bytes(p, p.forge(p.next()).body.replace(b'"serial": 4', b'"serial": 4, "run": "x"')),
        "unknown field",
    ),
    "not JSON": (lambda p: signed_bytes(p, b"<html>404</html>"), "not a valid release"),
    "newer format": (attack(with_values(format=2)), "format 2 is newer than 1; update packager"),
}


def test_a_phase_that_is_published_stays_so(publisher: Publisher) -> None:
    notes = phase_of("notes", [])
    publisher.publish(change=lambda release: msgspec.structs.replace(release, phases=(*release.phases, notes)))
    state = follow(publisher)
    for change in (
        lambda release: release,  # it is gone
        lambda release: msgspec.structs.replace(
            release, phases=(*release.phases, msgspec.structs.replace(notes, state="next"))
        ),
    ):
        forged = publisher.forge(publisher.next(), change=change)
        with pytest.raises(TrustError, match='closed phase: "notes" was published and is not any more'):
            accept_release(state, forged.body, forged.minisig)


def test_a_withdrawal_is_lifted_once_and_may_follow_again(publisher: Publisher) -> None:
    def lift(serial: int) -> Change:
        return with_withdrawal(0, lifted=serial)

    again = publisher.forge(publisher.next(), change=lift(3))
    with pytest.raises(TrustError, match="is withdrawn since serial 3 and lifted in serial 3"):
        accept_release(follow(publisher), again.body, again.minisig)
    publisher.publish(change=lift(4))
    state = follow(publisher)
    assert [each.lifted for each in state.withdrawals] == [4]
    for change in (lift(5), lift(0)):
        forged = publisher.forge(publisher.next(), change=change)
        with pytest.raises(TrustError, match='changed withdrawal: "record-7" is lifted in serial'):
            accept_release(state, forged.body, forged.minisig)
    publisher.publish(withdraw=["record-7"])
    assert [(each.id, each.since, each.lifted) for each in follow(publisher).withdrawals] == [
        ("record-7", 3, 4),
        ("record-7", 5, 0),
    ]


def test_what_is_said_of_a_withdrawn_record_may_be_left_out_and_not_become_another(publisher: Publisher) -> None:
    told = {"title": "T", "artist": "A", "files": (FileDigest(size=1, sha256=hex_of("x")),)}
    publisher.publish(change=lambda r: msgspec.structs.replace(r, withdrawals=(*r.withdrawals, said(r, **told))))
    state = follow(publisher)
    for field, other in (("title", "x"), ("artist", "x"), ("files", (FileDigest(size=2, sha256=hex_of("x")),))):
        forged = publisher.forge(publisher.next(), change=with_withdrawal(1, **{field: other}))
        with pytest.raises(TrustError, match=f'changed withdrawal: {field} of "record-8" changed'):
            accept_release(state, forged.body, forged.minisig)
    publisher.publish(change=with_withdrawal(1, title="", artist="", files=()))
    assert follow(publisher).serial == 5


def test_a_withdrawal_keeps_its_reason_and_names_no_shard_less(publisher: Publisher) -> None:
    names = ("demo-audio-00001", "demo-audio-00002")

    def counted(release: Release) -> Release:
        """Its shards say how many withdrawals name them."""
        named = [name for each in release.withdrawals for name in each.shards]
        shards = [msgspec.structs.replace(each, withdrawn=named.count(each.name)) for each in release.shards]
        return msgspec.structs.replace(release, shards=tuple(shards))

    def withdraw(release: Release) -> Release:
        return msgspec.structs.replace(release, withdrawals=(*release.withdrawals, said(release, shards=names)))

    publisher.publish(change=lambda release: counted(withdraw(release)))
    state = follow(publisher)
    for change, sentence in (
        ({"reason": "y"}, 'changed withdrawal: the reason of "record-8" was x and is y'),
        ({"shards": names[:1]}, f'"record-8" does not name {names[1]} any more, which contains it'),
        ({"shards": ()}, f'"record-8" does not name {names[0]} any more'),
    ):
        forged = publisher.forge(publisher.next(), change=lambda r, c=change: counted(with_withdrawal(1, **c)(r)))
        with pytest.raises(TrustError, match=sentence):
            accept_release(state, forged.body, forged.minisig)


def said(release: Release, **told: object) -> Withdrawal:
    return Withdrawal(id="record-8", reason="x", date=release.date, since=release.serial, **told)


def test_links_of_a_live_shard_may_change_and_stay_when_it_becomes_obsolete(publisher: Publisher) -> None:
    other = a_file("torrents/demo-audio-00002.torrent", size=999)
    publisher.publish(change=with_shard(1, torrent=other))
    publisher.publish(obsolete=["demo-audio-00002"])
    assert follow(publisher).serial == 5


def signed_bytes(publisher: Publisher, body: bytes) -> Signed:
    return Signed(body, sign(body, publisher.key, "x"), publisher.head.release)


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_is_refused_by_its_name(publisher: Publisher, name: str) -> None:
    make, told = ATTACKS[name]
    state = follow(publisher)
    before = documents.to_bytes(state)
    honest = Publisher(signed=publisher.signed[:3])
    forged = make(publisher)
    with pytest.raises(TrustError) as error:
        accept_release(state, forged.body, forged.minisig)
    assert told in str(error.value)
    assert str(error.value).startswith("release.json")
    assert documents.to_bytes(state) == before
    following = honest.publish()
    assert accept_release(state, following.body, following.minisig).followed.serial == 4


@pytest.mark.parametrize(
    "name",
    [name for name, (_, told) in ATTACKS.items() if "is listed twice" in told or "path" in name or "climb" in name],
)
def test_the_first_release_followed_is_checked_as_much(publisher: Publisher, name: str) -> None:
    make, told = ATTACKS[name]
    forged = make(publisher)
    with pytest.raises(TrustError) as error:
        pin(forged.body, forged.minisig, publisher.key.public)
    assert told in str(error.value)


def test_the_first_release_must_be_signed_by_the_key_that_is_pinned(publisher: Publisher) -> None:
    with pytest.raises(TrustError, match="wrong key id"):
        pin(publisher.head.body, publisher.head.minisig, EVIL.public)


def test_an_extra_torrent_may_come_and_go_but_not_change(publisher: Publisher) -> None:
    def twin(name: str) -> Change:
        infohash = hex_of(name, 40)
        shard = publisher.head.release.shards[1]
        magnet = shard.magnet.replace(
            f"btih:{shard.infohash_v1}&xt=urn:btmh:1220{shard.infohash_v2}", f"btih:{infohash}"
        )
        path = f"torrents/{shard.name}.v1.torrent"
        return with_shard(1, twin_infohash=infohash, twin_magnet=magnet, twin_torrent=a_file(path))

    publisher.publish(change=twin("a"))
    publisher.publish(change=with_shard(1, twin_infohash=None, twin_magnet=None, twin_torrent=None))
    publisher.publish(change=twin("a"))
    state = follow(publisher)
    assert state.shards[1].twin_infohash == hex_of("a", 40)
    forged = publisher.forge(publisher.next(), change=twin("b"))
    with pytest.raises(TrustError, match="changed shard: twin_infohash"):
        accept_release(state, forged.body, forged.minisig)


def test_an_extra_torrent_with_an_infohash_of_another_shard_is_refused(publisher: Publisher) -> None:
    shards = publisher.head.release.shards
    infohash = shards[2].infohash_v1
    magnet = f"magnet:?xt=urn:btih:{infohash}&dn={shards[1].file}&xl={shards[1].size}"
    change = with_shard(1, twin_infohash=infohash, twin_magnet=magnet, twin_torrent=a_file())
    forged = publisher.forge(publisher.next(), change=change)
    with pytest.raises(TrustError, match=r"the v1 infohash .* is listed twice"):
        accept_release(follow(publisher), forged.body, forged.minisig)


def test_an_old_key_vouches_for_the_new_one_which_alone_signs_from_then_on(publisher: Publisher) -> None:
    old, new, newer = publisher.key, secret_key("new"), secret_key("newer")
    publisher.publish(next_key=new)
    state = follow(publisher)
    stolen = publisher.forge(publisher.next(), key=old)
    publisher.publish()
    with pytest.raises(TrustError, match="replaced key: made with key") as error:
        accept_release(state, stolen.body, stolen.minisig)
    assert new.public.name in str(error.value)
    publisher.publish(next_key=newer)
    publisher.publish()
    state = follow(publisher)
    assert state.keys == (old.public.line, new.public.line, newer.public.line)
    assert accept_release(state, publisher.head.body, publisher.head.minisig).followed is state


def test_a_release_that_names_a_new_key_holds_signed_by_either(publisher: Publisher) -> None:
    new = secret_key("new")
    announced = publisher.publish(next_key=new)
    state = follow(publisher)
    again = publisher.forge(announced.release, key=new)
    assert again.body == announced.body
    assert accept_release(state, announced.body, announced.minisig).followed is state
    assert accept_release(state, again.body, again.minisig).followed is state


def test_a_release_that_names_its_own_key_rotates_nothing(publisher: Publisher) -> None:
    publisher.publish(next_key=publisher.key)
    assert follow(publisher).keys == (publisher.key.public.line,)


def test_a_mirror_that_was_away_steps_through_what_it_missed(publisher: Publisher) -> None:
    state = follow(publisher, 1)
    publisher.publish(next_key=secret_key("new"))
    publisher.publish()
    steps = missed_serials(state, publisher.head.body)
    assert steps == range(2, 5)
    for serial in [*steps, 5]:
        signed = publisher.signed[serial - 1]
        state = accept_release(state, signed.body, signed.minisig).followed
    assert state == follow(publisher)
    assert not missed_serials(state, publisher.head.body)
    assert not missed_serials(state, publisher.signed[0].body)


def test_a_fast_forward_is_refused_before_anything_is_fetched(publisher: Publisher) -> None:
    state = follow(publisher)
    for serial in (3 + MISSED + 1, 10**9, 10**30):
        body = publisher.head.body.replace(b'"serial": 3', f'"serial": {serial}'.encode())
        with pytest.raises(TrustError, match=r"fast-forward|malformed"):
            missed_serials(state, body)
    assert len(missed_serials(state, publisher.head.body.replace(b'"serial": 3', b'"serial": 1003'))) == MISSED - 1


@pytest.mark.parametrize("body", [b"", b"{}", b'{"serial": "4"}', b"\xff", b"[" * 100_000, b'{"serial": 1e400}'])
def test_what_has_no_serial_is_refused(publisher: Publisher, body: bytes) -> None:
    with pytest.raises(TrustError, match="malformed"):
        missed_serials(follow(publisher), body)


def test_an_old_release_warns_and_a_new_one_does_not(publisher: Publisher) -> None:
    state = follow(publisher)
    assert state.date == "2026-01-04T00:00:00Z"
    day = 86_400
    assert staleness_warning(state, now="2026-02-03T00:00:00Z", max_age=30 * day) is None
    warning = staleness_warning(state, now="2026-02-04T00:00:00Z", max_age=30 * day)
    assert warning == (
        "serial 3 of demo is 31 d old, more than 30 d: there may be a newer one that this mirror cannot see"
    )
    assert "a clock is wrong" in str(staleness_warning(state, now="2026-01-01T00:00:00Z", max_age=30 * day))


steps = st.tuples(st.integers(0, 3), st.booleans(), st.booleans(), st.booleans())


@settings(max_examples=30)
@given(st.lists(steps, min_size=1, max_size=6))
def test_any_honest_chain_is_accepted_in_its_order_and_in_no_other(plan: list[tuple[int, bool, bool, bool]]) -> None:
    publisher = Publisher()
    for at, (add, withdraws, drops, rotates) in enumerate(plan):
        publisher.publish(
            add + (at == 0),
            withdraw=[f"record-{at}"] * withdraws,
            obsolete=[f"demo-audio-{at + 1:05d}"] * drops,
            next_key=secret_key(f"key {at}") if rotates else None,
        )
    states = [follow(publisher, serial) for serial in range(1, len(plan) + 1)]
    assert [state.serial for state in states] == list(range(1, len(plan) + 1))
    for held in states:
        for signed in publisher.signed:
            if signed.release.serial not in (held.serial, held.serial + 1):
                with pytest.raises(TrustError, match=r"rollback|gap|replaced key|wrong key id"):
                    accept_release(held, signed.body, signed.minisig)


@settings(max_examples=200)
@given(st.data())
def test_a_document_with_any_byte_changed_is_refused(data: st.DataObject) -> None:
    publisher = Publisher()
    publisher.publish()
    state = follow(publisher)
    signed = publisher.publish()
    at = data.draw(st.integers(0, len(signed.body) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda byte: byte != signed.body[at]))
    body = signed.body[:at] + bytes([byte]) + signed.body[at + 1 :]
    with pytest.raises(TrustError):
        accept_release(state, body, signed.minisig)


@settings(max_examples=200)
@given(st.data())
def test_a_signature_with_any_signed_byte_changed_is_refused(data: st.DataObject) -> None:
    publisher = Publisher()
    publisher.publish()
    state = follow(publisher)
    signed = publisher.publish()
    # the first line is a comment that nobody signs; CR for the last LF is another line end
    start = signed.minisig.index(b"\n") + 1
    at = data.draw(st.integers(start, len(signed.minisig) - 2))
    byte = data.draw(st.integers(0, 255).filter(lambda byte: byte != signed.minisig[at]))
    minisig = signed.minisig[:at] + bytes([byte]) + signed.minisig[at + 1 :]
    with pytest.raises(TrustError):
        accept_release(state, signed.body, minisig)
