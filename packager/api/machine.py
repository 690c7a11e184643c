"""What commands take from the machine that they run on: its cores and clock."""

import datetime as dt

from packager import units
from packager.engine import workers
from packager.errors import InputError


def processes_of(asked: int | None) -> int:
    """Return how many processes to use. Raises InputError for none or fewer."""
    if asked is not None and asked < 1:
        raise InputError("--workers", f"{asked} is less than 1", 'write a number from 1 on, or "auto"')
    return asked or workers.usable_cores()


def now() -> str:
    """Return this moment, RFC 3339 in UTC."""
    return units.parse_date(dt.datetime.now(dt.UTC).isoformat())
