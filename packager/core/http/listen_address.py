"""A network address to listen on: "[HOST]:PORT" -> host and port. Pure."""

from packager.errors import InputError
from packager.paths import display_text


def parse_listen(text: str, where: str = "--listen") -> tuple[str, int]:
    """Return the host and the port of "HOST:PORT"; an IPv6 address is in brackets, and ":PORT" means all addresses.

    Port 0 means any free port. Raises InputError.
    """
    host, colon, port = text.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        colon = ""
    if not colon or not port.isascii() or not port.isdigit() or int(port[:6]) > 65535:
        fix = 'write it as "127.0.0.1:8000", "[::1]:8000" or ":8000"'
        raise InputError(where, f'"{display_text(text)}" is not [HOST]:PORT', fix)
    return host, int(port)
