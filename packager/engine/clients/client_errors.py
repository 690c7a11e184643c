"""What stops a talk with a client, as sentences: it does not answer, it refuses us, it is another program."""

from packager.engine.clients.client_url import VARIABLE, ClientUrl
from packager.errors import IncompleteError, InputError
from packager.paths import display_text

SECONDS = 30  # that a client may take to answer
_DEPTH = 20  # of causes that are looked through


def no_answer(address: ClientUrl, error: BaseException) -> IncompleteError:
    """Return the error for a client that cannot be reached, with the system's words where there are any."""
    fix = f"start {address.kind} with its remote control on, or correct the address"
    return IncompleteError(address.spec, f"does not answer ({_reason(error)})", fix)


def wrong_password(address: ClientUrl) -> InputError:
    """Return the error for a user, password or token that the client does not take, or that is missing."""
    who = f' of user "{display_text(address.user, 80)}"' if address.user else ""
    what = "wants a password or token" if address.password is None else f"refuses the password{who}"
    return InputError(address.spec, what, f"put the right one into {VARIABLE} or netrc")


def another_program(address: ClientUrl) -> InputError:
    """Return the error for an address where something answers, and not as this client does."""
    what = f"what answers there is not {address.kind}, or one too old"
    return InputError(address.spec, what, "correct the address and its path")


def refusal(address: ClientUrl, what: str, words: object, fix: str = "") -> InputError:
    """Return the error for something that the client refuses, in its words."""
    told = display_text(" ".join(str(words).split()), 200).rstrip(".")
    return InputError(address.spec, f"refuses {what} ({told or 'without a reason'})", fix)


def _reason(error: BaseException) -> str:
    """Return the system's words from an error or what caused it: "Connection refused"."""
    first, cause = error, error
    for _ in range(_DEPTH):
        if isinstance(cause, TimeoutError):
            return "timed out"
        if isinstance(cause, OSError) and cause.strerror:
            return display_text(cause.strerror, 120)
        below = cause.__cause__ or cause.__context__
        if below is None:
            break
        cause = below
    return "timed out" if "imeout" in type(first).__name__ else "the connection failed"
