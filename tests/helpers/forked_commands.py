"""The command `packager` as a process of its own that is forked from one which has imported what commands load.

A new interpreter takes half a second of CPU time until its command does something; this takes a tenth of that. All else
is a process's own: session, signals, environment, current folder, streams, exit code. Three processes work together:

- the server, one for each process of the tests: it imports and forks; it ends when its stdin is closed.
- the client, which tests start in the place of the command: it hands over its streams, forwards signals to the command
  and ends with its exit code. If it is killed, so is the command.
- the command's parent, forked by the server for each client.
"""

import atexit
import marshal
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
from functools import cache
from typing import NoReturn

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
RUN = "from packager.__main__ import run; run()"
_REQUEST_BYTES = 1 << 20


def forked(program: str = RUN) -> list[str]:
    """Return what starts a command: append the command's arguments. program: the code that runs it."""
    return [sys.executable, "-SIE", __file__, _server(), program]


@cache
def _server() -> str:
    """Start this process's server; return its address."""
    folder = tempfile.TemporaryDirectory(prefix="forked-")
    address = f"{folder.name}/socket"
    server = subprocess.Popen(
        [sys.executable, __file__, "serve", address], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert server.stdout
    assert server.stdout.readline() == b"ready\n"

    def end() -> None:
        server.communicate()
        folder.cleanup()

    atexit.register(end)
    return address


def serve(address: str) -> None:
    """Fork a command for each client, until stdin is closed."""
    import gc
    import importlib
    import pkgutil

    from packager import cli

    for command in pkgutil.iter_modules(cli.__path__, "packager.cli."):
        importlib.import_module(command.name)
    gc.collect()
    gc.freeze()
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listener.bind(address)
    listener.listen()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of the terminal in which the tests run
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    os.write(1, b"ready\n")
    while listener in select.select([listener, sys.stdin], [], [])[0]:
        client, _ = listener.accept()
        if not os.fork():
            listener.close()
            _start(client)
        client.close()
    os._exit(0)  # there is nothing to write


def _start(client: socket.socket) -> NoReturn:
    """Run a client's command in a child; send what signal is received on, and the exit code."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    request, streams, _, _ = socket.recv_fds(client, _REQUEST_BYTES, 3)
    command = os.fork()
    if not command:
        client.close()
        _run(*marshal.loads(request), streams)
    for stream in (*streams, 0, 1, 2):  # the command's alone, that pipes end with it
        os.close(stream)
    ended = os.pidfd_open(command)
    while ended not in select.select([client, ended], [], [])[0]:
        asked = client.recv(1)
        os.kill(command, asked[0] if asked else signal.SIGKILL)
        if not asked:
            break
    status = os.waitstatus_to_exitcode(os.waitpid(command, 0)[1])
    try:
        client.send(str(status).encode())
    finally:
        os._exit(0)


def _run(program: str, arguments: list[str], folder: str, environment: dict[str, str], streams: list[int]) -> NoReturn:
    """Run a command as the interpreter would: until its threads and exit handlers have ended."""
    import threading
    import time
    import traceback

    os.setsid()
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.argv = ["packager", *arguments]
    sys.stdin, sys.stdout = os.fdopen(0, encoding="utf-8"), os.fdopen(1, "w", encoding="utf-8")
    sys.stderr = os.fdopen(2, "w", 1, encoding="utf-8", errors="backslashreplace")
    code = 1
    try:
        exec(program, {"__name__": "__main__"})
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else bool(end.code)
    except BaseException:  # noqa: BLE001 - as the interpreter shows it
        traceback.print_exc()
    finally:
        threading._shutdown()
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def call(address: str, program: str, *arguments: str) -> int:
    """Run a command on this process's streams and return its exit code; this is the client."""
    server = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    server.connect(address)
    for number in SIGNALS:
        signal.signal(number, lambda got, _: server.send(bytes([got])))
    request = marshal.dumps((program, arguments, os.getcwd(), dict(os.environ)))
    socket.send_fds(server, [request], [0, 1, 2])
    return int(server.recv(16))


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve(sys.argv[2])
    else:
        sys.exit(call(*sys.argv[1:]) & 0xFF)
