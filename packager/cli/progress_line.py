"""The progress line, for terminals from 60 columns on. No I/O."""

_LABEL = 10  # columns
_BAR, _WIDE_BAR = 21, 40  # columns, brackets included
_WITH_BAR, _WITH_ELAPSED = 70, 100  # minimum columns of a terminal for each
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")


def progress_line(what: str, done: int, total: int | None, *, seconds: float, unit: str, width: int) -> str:
    """Return label, bar, percent, amount, rate and times, in fewer than `width` columns.

    unit: "B" for bytes, else a noun. A rate is shown after a second.
    """
    share = min(done / total, 1.0) if total else None
    cells = [_amount(done, total, unit)]
    if seconds >= 1 and done:
        cells.append(_rate(done / seconds, unit))
    if width >= _WITH_ELAPSED:
        cells.append(f"{clock(seconds)} elapsed")
    if share and seconds >= 1:
        cells.append(f"{clock(seconds * (1 - share) / share)} left")
    label = f"{what[:_LABEL]:<{_LABEL}} "
    if share is None:
        return f"{label}{'  '.join(cells)}"[: width - 1]
    tail = "  ".join([f"{int(share * 100):>3} %", *cells])
    room = width - 1 - len(label) - len(tail) - 2
    bar = min(_WIDE_BAR if width >= _WITH_ELAPSED else _BAR, room)
    if width < _WITH_BAR or bar < 10:
        return f"{label}{tail}"[: width - 1]
    filled = int(share * (bar - 2))
    return f"{label}[{'#' * filled}{'-' * (bar - 2 - filled)}]  {tail}"


def clock(seconds: float) -> str:
    """Return a duration as "0:04", "1:19" or "2:05:10"."""
    whole = max(0, round(seconds))
    hours, rest = divmod(whole, 3600)
    return f"{hours}:{rest // 60:02d}:{rest % 60:02d}" if hours else f"{rest // 60}:{rest % 60:02d}"


def _amount(done: int, total: int | None, unit: str) -> str:
    """Return "24.3 of 64.0 GiB", or "1,200 of 4,000 files"."""
    if unit != "B":
        count = done if total is None else total
        return f"{done:,}{'' if total is None else f' of {total:,}'} {unit}{'' if count == 1 else 's'}"
    name, factor = _scale(done if total is None else total)
    first = _digits(done / factor, name)
    return f"{first} {name}" if total is None else f"{first} of {_digits(total / factor, name)} {name}"


def _rate(rate: float, unit: str) -> str:
    """Return "512 MiB/s", or "300/s"."""
    if unit != "B":
        return f"{rate:,.0f}/s"
    name, factor = _scale(rate)
    return f"{_digits(rate / factor, name)} {name}/s"


def _scale(size: float) -> tuple[str, int]:
    """Return the unit for a size, so that it has at most four digits, and the bytes of the unit."""
    power = 0
    while power < len(_UNITS) - 1 and size / 1024**power >= 1000:
        power += 1
    return _UNITS[power], 1024**power


def _digits(value: float, unit: str) -> str:
    """Return a number with one decimal; without it from 100 on and for bytes."""
    return f"{value:.0f}" if unit == "B" or value >= 99.95 else f"{value:.1f}"
