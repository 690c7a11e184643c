"""Which addresses a document may name: decided by one function, for every spelling of an address."""

from urllib.parse import quote

import msgspec
import pytest

from packager.core.config import url_values
from packager.core.http.allowed_hosts import (
    NO_HOSTS,
    allowed_hosts,
    host_and_port,
    is_permitted,
    redirected,
    special_kind,
)
from packager.core.releases.document_checks import check_release
from packager.core.reports.issues import IssueList
from packager.errors import InputError
from packager.model import ReleaseShard
from tests.helpers.made_up_releases import make_release, make_shard

PUBLIC = "93.184.216.34"


@pytest.mark.parametrize(
    ("kind", "found"),
    [
        ("a loopback", "127.0.0.1 127.255.0.9 ::1 ::ffff:127.0.0.1 ::127.0.0.1 64:ff9b::7f00:1 2002:7f00:1::5"),
        ("a link-local", "169.254.169.254 fe80::1 fe80::1%eth0 ::ffff:a9fe:a9fe"),
        ("a private", "10.0.0.5 172.16.0.1 172.31.255.255 192.168.1.1 fd00::1 fec0::1 64:ff9b::a00:5 64:ff9b:1::a00:5"),
        ("a carrier's private", "100.64.0.1 100.127.255.254"),
        ("a multicast", "224.0.0.1 239.255.255.250 ff02::1"),
        ("a reserved", "192.0.2.1 198.18.0.1 240.0.0.1 255.255.255.255 2001:db8::1 100::1 2001:0:1::1 4000::1"),
        ("an unspecified", "0.0.0.0 0.1.2.3 :: ::ffff:0.0.0.0"),
        ("", "93.184.216.34 172.32.0.1 100.128.0.1 2606:4700::1111 64:ff9b::5db8:d822 2002:5db8:d822::1"),
    ],
)
def test_every_address_that_is_not_public_is_known_for_what_it_is(kind: str, found: str) -> None:
    assert {each: special_kind(each) for each in found.split()} == dict.fromkeys(found.split(), kind)


@pytest.mark.parametrize("found", [["127.0.0.1"], ["10.0.0.7", "::1"], ["fe80::1%eth0"], ["::ffff:192.168.0.1"]])
def test_a_host_that_only_a_document_names_is_contacted_at_public_addresses_alone(found: list[str]) -> None:
    with pytest.raises(InputError, match=r"^name\.example:81: not contacted: .*--allow-host name.example:81$"):
        is_permitted("name.example", 81, found, NO_HOSTS, was_public=False)
    assert is_permitted("name.example", 81, [*found, PUBLIC], NO_HOSTS, was_public=False) == [PUBLIC]


@pytest.mark.parametrize(
    ("written", "host", "port", "found", "good"),
    [
        ("127.0.0.1", "127.0.0.1", 80, "127.0.0.1", True),
        ("127.0.0.1", "0x7f.1", 80, "127.0.0.1", True),
        ("127.0.0.1:8000", "127.0.0.1", 8000, "127.0.0.1", True),
        ("127.0.0.1:8000", "127.0.0.1", 8001, "127.0.0.1", False),
        ("127.0.0.1", "other.example", 80, "127.0.0.2", False),
        ("10.0.0.0/8", "nas.example", 80, "10.1.2.3", True),
        ("10.0.0.0/8", "nas.example", 80, "::ffff:10.1.2.3", True),
        ("[::1]", "localhost", 80, "::1", True),
        ("::1", "localhost", 80, "127.0.0.1", False),
        ("[::1]:90", "ip6-localhost", 90, "::1", True),
        ("[fd00::]/8", "nas.example", 90, "fd12::1", True),
        ("NAS.example.", "nas.example", 80, "192.168.1.5", True),
        ("nas.example", "evil.example", 80, "192.168.1.5", False),
        ("*", "evil.example", 80, "127.0.0.1", False),  # a pattern is for redirects
        ("*.example", "evil.example", 80, "10.0.0.1", False),
    ],
)
def test_the_option_allows_what_it_names_and_nothing_else(
    written: str, host: str, port: int, found: str, good: bool
) -> None:
    allowed = allowed_hosts([written])
    if good:
        assert is_permitted(host, port, [found], allowed, was_public=True) == [found]
    else:
        with pytest.raises(InputError, match="--allow-host"):
            is_permitted(host, port, [found], allowed, was_public=False)


def test_a_document_may_name_the_host_that_it_came_from_at_any_port() -> None:
    for origin, host, found in (
        ("http://127.0.0.1:8000/release/", "127.0.0.1", "127.0.0.1"),
        ("http://nas.example/release/", "nas.example", "10.0.0.5"),
        ("https://[fd00::5]/", "fd00::5", "fd00::5"),
    ):
        assert is_permitted(host, 9, [found], NO_HOSTS.with_origin(origin), was_public=False) == [found]
    for folder in ("/srv/release", "release", "file:///srv/127.0.0.1"):
        with pytest.raises(InputError):
            is_permitted("127.0.0.1", 80, ["127.0.0.1"], NO_HOSTS.with_origin(folder), was_public=False)


def test_an_address_that_the_user_wrote_names_its_host_and_port() -> None:
    allowed = NO_HOSTS.with_addresses(["http://127.0.0.1:8000/x", "udp://10.0.0.5:6969", "s3://bucket/x"])
    assert is_permitted("127.0.0.1", 8000, ["127.0.0.1"], allowed, was_public=False) == ["127.0.0.1"]
    assert is_permitted("10.0.0.5", 6969, ["10.0.0.5"], allowed, was_public=False) == ["10.0.0.5"]
    for host, port in (("127.0.0.1", 22), ("10.0.0.5", 80), ("10.0.0.6", 6969)):
        with pytest.raises(InputError):
            is_permitted(host, port, [host], allowed, was_public=False)


@pytest.mark.parametrize(("found", "was_public"), [(["127.0.0.1"], True), (["127.0.0.1", PUBLIC], False)])
def test_whoever_controls_a_name_cannot_turn_it_into_an_address_of_ours(found: list[str], was_public: bool) -> None:
    for typed in (NO_HOSTS.with_origin("http://evil.example/"), NO_HOSTS.with_addresses(["http://evil.example/"])):
        if was_public:
            with pytest.raises(InputError, match="a loopback address"):
                is_permitted("evil.example", 80, found, typed, was_public=was_public)
        else:
            assert is_permitted("evil.example", 80, found, typed, was_public=was_public) == [PUBLIC]


@pytest.mark.parametrize(
    "written",
    ["", "http://127.0.0.1/", "a b", "user:hunter2@nas", "nas:0", "nas:70000", "nas/x", "[::1", "10.0.0.0/9x"],
)
def test_what_is_no_host_is_refused_with_the_right_spelling(written: str) -> None:
    with pytest.raises(InputError, match=r'--allow-host: .* is not a host; write it as "nas\.example"') as refused:
        allowed_hosts([written])
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    ("asked", "location", "sentence"),
    [
        ("https://a.example/x", "http://a.example/x", "redirects from https"),
        ("HTTPS://a.example/x", "HTTP://a.example:443/x", "redirects from https"),
        ("https://a.example/x", "http://b.example/x", "redirects from https"),
        ("http://a.example/x", "http://a.example:22/x", "redirects to http"),
        ("http://a.example/x", "//b.example/x", "redirects to http"),
        ("http://a.example/x", "https://a.example:8443/x", "redirects to http"),
        ("http://a.example/x", "file:///etc/passwd", "no web address"),
        ("http://a.example/x", "http://user:hunter2@a.example/", "which is no web address without a user name"),
        ("http://a.example/x", "http://[::1", "no web address"),
    ],
)
def test_a_redirect_to_somewhere_else_is_refused(asked: str, location: str, sentence: str) -> None:
    for allowed in (NO_HOSTS, NO_HOSTS.with_addresses(["http://b.example/"])):
        with pytest.raises(InputError, match=sentence) as refused:
            redirected(asked, location, allowed)
        assert "hunter2" not in str(refused.value)


def test_a_redirect_from_https_to_http_is_refused_whatever_the_user_allows() -> None:
    for allowed in (allowed_hosts(["*"]), allowed_hosts(["a.example"]), NO_HOSTS.with_origin("http://a.example/")):
        with pytest.raises(InputError, match="redirects from https"):
            redirected("https://a.example/x", "http://a.example/y", allowed)


@pytest.mark.parametrize(
    ("location", "written", "target"),
    [
        ("/y", "", "http://a.example/y"),
        ("https://a.example/y", "", "https://a.example/y"),
        ("http://b.example:81/y", "b.example", "http://b.example:81/y"),
        ("http://n7.store.example/y", "*.store.example", "http://n7.store.example/y"),
        ("http://127.0.0.1/y", "127.0.0.0/8", "http://127.0.0.1/y"),
    ],
)
def test_a_redirect_on_the_host_or_to_an_allowed_one_is_followed(location: str, written: str, target: str) -> None:
    assert redirected("http://a.example/x", location, allowed_hosts([written] if written else [])) == target


@pytest.mark.parametrize(
    "written",
    [
        "http://user:hunter2@host.example/",
        "https://hunter2@host.example/x",
        "udp://user:hunter2@host.example:6969",
        "http://user:hun/hunter2@host.example/",
        "http://user:hunter2#@host.example/",
        "http://:hunter2@[2001:db8::1]:80/",
        "htp://user:hunter2@host.example/",
        "user:hunter2@host.example/",
    ],
)
def test_an_address_with_a_user_name_or_password_is_refused_and_not_repeated(written: str) -> None:
    readers = (
        lambda: url_values.url(written, "tracker", url_values.TRACKERS),
        lambda: url_values.base_url(written, "release.url"),
        lambda: url_values.web_seeds([written], "torrents.web_seeds"),
        lambda: url_values.trackers([[written]], "torrents.trackers"),
    )
    for read in readers:
        with pytest.raises(InputError, match="holds a user name or a password") as refused:
            read()
        assert "hunter2" not in str(refused.value)
    assert "hunter2" not in url_values.without_credentials(written)


def test_an_at_sign_in_a_path_is_no_user_name() -> None:
    for written in ("https://host.example/@user/x", "http://host.example:80/a@b", "http://[::1]:80/x?y=z@w"):
        assert url_values.without_credentials(written) == url_values.url(written, "page", url_values.WEB) == written


def test_the_port_of_an_address_is_that_of_its_scheme() -> None:
    assert host_and_port("http://A.example/") == ("a.example", 80)
    assert host_and_port("wss://a.example/x") == ("a.example", 443)
    assert host_and_port("udp://[::1]:7") == ("::1", 7)
    assert host_and_port("/srv/x") == host_and_port("s3://b/x") == host_and_port("http://[::1") == ("", 0)


@pytest.mark.parametrize(
    ("address", "is_right"),
    [
        ("http://user:hunter2@host.example/", False),
        ("http://user@host.example/", False),
        ("https://host.example/@x", True),
    ],
)
def test_a_release_with_a_password_in_an_address_contradicts_the_rules(address: str, is_right: bool) -> None:
    shard = make_shard()
    release = make_release(shards=[shard])
    for changed in (
        msgspec.structs.replace(release, base_url=address),
        msgspec.structs.replace(release, shards=(with_web_seed(shard, address),)),
    ):
        faults = IssueList()
        check_release(changed, faults)
        assert any("a user name or a password" in each.what for each in faults.kept) != is_right
        assert not any("hunter2" in each.what for each in faults.kept)


def with_web_seed(shard: ReleaseShard, address: str) -> ReleaseShard:
    return msgspec.structs.replace(shard, magnet=f"{shard.magnet}&ws={quote(address, safe='')}")
