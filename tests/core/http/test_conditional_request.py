"""Conditional requests by entity tag alone, as RFC 9110 tells them in section 13."""

import pytest

from packager.core.http.conditional_request import ResponsePlan, evaluate_request

TAG = '"abc"'
WHOLE, PART = ResponsePlan(200), ResponsePlan(206, ((5, 10),))


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, WHOLE),
        ({"Range": "bytes=5-9"}, PART),
        ({"Range": "bytes=5-9", "If-Range": TAG}, PART),
        ({"Range": "bytes=5-9", "If-Range": '"abd"'}, WHOLE),
        ({"Range": "bytes=5-9", "If-Range": 'W/"abc"'}, WHOLE),
        ({"Range": "bytes=5-9", "If-Range": "Sat, 21 Nov 2026 00:00:00 GMT"}, WHOLE),
        ({"Range": "bytes=500-", "If-Range": '"abd"'}, WHOLE),
        ({"Range": "bytes=500-"}, ResponsePlan(416)),
        ({"Range": "lines=5-9"}, WHOLE),
        ({"If-None-Match": TAG}, ResponsePlan(304)),
        ({"If-None-Match": 'W/"abc"'}, ResponsePlan(304)),
        ({"If-None-Match": '"x", "abc"'}, ResponsePlan(304)),
        ({"If-None-Match": "*"}, ResponsePlan(304)),
        ({"If-None-Match": '"x"', "Range": "bytes=5-9"}, PART),
        ({"If-None-Match": TAG, "Range": "bytes=5-9"}, ResponsePlan(304)),
        ({"If-Match": TAG}, WHOLE),
        ({"If-Match": "*"}, WHOLE),
        ({"If-Match": 'W/"abc"'}, ResponsePlan(412)),
        ({"If-Match": '"x", "y"'}, ResponsePlan(412)),
        ({"If-Match": "abc"}, ResponsePlan(412)),
        ({"If-Match": '"x"', "If-None-Match": TAG}, ResponsePlan(412)),
        ({"If-Modified-Since": "Sat, 21 Nov 2026 00:00:00 GMT"}, WHOLE),
    ],
)
def test_a_get_is_answered_by_its_conditions_in_their_order(headers: dict[str, str], expected: ResponsePlan) -> None:
    assert evaluate_request("GET", headers, 100, TAG) == expected


def test_a_range_of_a_head_is_passed_over() -> None:
    assert evaluate_request("HEAD", {"Range": "bytes=5-9"}, 100, TAG) == WHOLE
    assert evaluate_request("HEAD", {"Range": "bytes=500-"}, 100, TAG) == WHOLE
    assert evaluate_request("HEAD", {"If-None-Match": TAG}, 100, TAG) == ResponsePlan(304)
