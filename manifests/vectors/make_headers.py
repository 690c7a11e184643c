"""Write the worked tar headers of FORMAT.md, section 3, again (`python manifests/vectors/make_headers.py`).

Each dump follows a comment `<!-- header SIZE PATH -->`. The second source is tests/second_implementation/tar.py,
which a test compares with the dumps.
"""

import re
from pathlib import Path

from packager.core.shards.build_tar_header import build_tar_header

FORMAT = Path(__file__).parents[1] / "FORMAT.md"
WIDTH = 16
_EXAMPLE = re.compile(r"^(<!-- header ([0-9]+) (.*) -->\n)(?:\n(?: {4}.*\n)+)?", re.M)


def dump(data: bytes) -> str:
    """Return bytes as lines of offset, hex and ASCII, each indented by four spaces; lines of zeros are left out."""
    lines = []
    for at in range(0, len(data), WIDTH):
        row = data[at : at + WIDTH]
        if any(row):
            shown = "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in row)
            lines.append(f"    {at:04x}  {row.hex(' ')}  {shown}\n")
    return "".join(lines)


def text(written: str) -> str:
    """Return FORMAT.md's text with every worked header written again."""
    return _EXAMPLE.sub(lambda found: f"{found[1]}\n{dump(build_tar_header(found[3], int(found[2])))}", written)


def main() -> None:
    """Write them."""
    FORMAT.write_text(text(FORMAT.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
