"""Names that programs give to a file until its download is complete, such as NAME.tar.part. Pure."""

import re

# suffix: who writes it; "" for several programs
SUFFIXES = {
    ".!qB": "qBittorrent",
    ".!ut": "uTorrent",
    ".!bt": "BitTorrent",
    ".bc!": "BitComet",
    ".az!": "Vuze",
    ".!sync": "Resilio Sync",
    ".aria2": "aria2",
    ".crdownload": "Chrome",
    ".opdownload": "Opera",
    ".download": "Safari",
    ".fdmdownload": "Free Download Manager",
    ".dtapart": "DownThemAll",
    ".xltd": "Thunder",
    ".ucdownload": "UC Browser",
    ".incomplete": "",
    ".filepart": "WinSCP",
    ".partial": "",
    ".part": "",
}
_PROGRAM = {suffix.lower(): program for suffix, program in SUFFIXES.items()}
_NAME = re.compile(rf"(.+?)(?:\.[0-9a-f]{{8}})?({'|'.join(map(re.escape, SUFFIXES))})", re.I | re.S)


def final_name(name: str) -> str | None:
    """Return the name that an unfinished download gets when it is complete; None for any other file."""
    match = _NAME.fullmatch(name)
    return match[1] if match else None


def unfinished_sentence(name: str, final: str) -> str:
    """Return what the file `name` is, and how to go on."""
    program = _PROGRAM["." + name.rpartition(".")[2].lower()]
    let = f"let {program} finish it" if program else "let the program that downloads it finish"
    return f"an unfinished download of {final}: {let}; or stop that program, {_rename(name, final)}"


def _rename(name: str, final: str) -> str:
    if name.lower().endswith(".aria2"):  # a list of what is missing, beside the file
        return f"delete this file and run: packager repair {final}"
    return f"rename it to {final} and run: packager repair {final}"
