"""What a busy server says about when to ask again."""

import datetime as dt
from email.utils import parsedate_to_datetime


def seconds_asked(header: str, now: float) -> float:
    """Return the seconds that a Retry-After header asks to wait: a number or a date (RFC 9110, 10.2.3).

    now: Unix seconds. 0 if the header is empty, wrong, or of a date that has passed.
    """
    written = header.strip()
    if written.isascii() and written.isdecimal():
        return float(written[:9])
    try:
        date = parsedate_to_datetime(written)
    except (ValueError, TypeError, IndexError, OverflowError):
        return 0.0
    date = date if date.tzinfo else date.replace(tzinfo=dt.UTC)
    return max(0.0, date.timestamp() - now)
