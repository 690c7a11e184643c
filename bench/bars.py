"""A plot as SVG: a bar for the median of each contender, and a line from its fastest to its slowest round."""

from collections.abc import Sequence
from xml.sax.saxutils import escape

from bench.timing import Contender

WIDTH, ROW, LABEL, EDGE = 420, 26, 380, 12


def plot(panels: Sequence[tuple[str, Sequence[Contender]]]) -> str:
    """Return panels (title, contenders), one below the other. The unit is seconds; each panel has its own scale."""
    parts, top = [], EDGE
    for title, contenders in panels:
        parts.append(f'<text x="{EDGE}" y="{top + 16}" font-weight="bold">{escape(title)}, seconds</text>')
        top += 28
        most = max(max(each.seconds) for each in contenders)
        for each in contenders:
            parts.append(_bar(each, top, WIDTH / most))
            top += ROW
        top += EDGE
    width = LABEL + WIDTH + 80
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {top}" font-family="sans-serif"'
    return "\n".join(
        [f'{head} font-size="12">', f'<rect width="{width}" height="{top}" fill="white"/>', *parts, "</svg>\n"]
    )


def _bar(each: Contender, top: int, scale: float) -> str:
    """Return the bar of a contender; bars of packager are darker."""
    ours = each.name.startswith("packager")
    middle, length = top + ROW // 2, each.median * scale
    colour = "#0b6e4f" if ours else "#9aa5b1"
    least, most = LABEL + min(each.seconds) * scale, LABEL + max(each.seconds) * scale
    return (
        f'<text x="{LABEL - 8}" y="{middle + 4}" text-anchor="end">{escape(each.name)}</text>'
        f'<rect x="{LABEL}" y="{top + 4}" width="{length:.1f}" height="{ROW - 8}" fill="{colour}"/>'
        f'<path d="M{least:.1f} {middle}H{most:.1f}" stroke="black"/>'
        f'<text x="{most + 6:.1f}" y="{middle + 4}">{each.median:.1f}</text>'
    )
