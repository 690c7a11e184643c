"""The filters of templates: any text becomes one bounded line, and only an address becomes a link."""

import pytest

from packager.publish.site.filters import clock, file_url, magnet_url, one_line, web_url
from tests.helpers.made_up_releases import HOSTILE


def test_only_what_is_a_web_address_a_magnet_or_a_path_becomes_a_link() -> None:
    assert web_url("https://example.org/a?b=c") == "https://example.org/a?b=c"
    assert magnet_url("magnet:?xt=urn:btih:00") == "magnet:?xt=urn:btih:00"
    assert file_url("phases/a b/index.html") == "phases/a%20b/index.html"
    assert {web_url(text) for text in (*HOSTILE, "//example.org", "https:", "ftp://example.org")} <= {
        "",
        'https://example.org/"onmouseover=alert(1)',  # an address still; the page escapes its quote
    }
    assert {magnet_url(text) for text in (*HOSTILE, "magnet:?dn=a\nb")} == {""}
    assert {file_url(path) for path in ("../up", "/root", "a//b", "javascript:alert(1)")} == {""}


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_any_text_is_shown_as_one_printable_line_of_bounded_length(text: str) -> None:
    line = one_line(text, 300)
    assert len(line) <= 300
    assert "\n" not in line
    assert line.isprintable()


def test_lengths_of_recordings() -> None:
    known = {185.0: "3:05", 3723.0: "1:02:03", 0.4: "0:00"}
    unknown = dict.fromkeys((None, -1.0, float("inf"), 1e300), "")
    for seconds, written in {**known, **unknown}.items():
        assert clock(seconds) == written
    assert clock(float("nan")) == ""
