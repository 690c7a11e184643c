"""A real SFTP server on loopback (paramiko's), over a folder; it can break connections off."""

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import paramiko

# ruff: noqa: ARG002 (the arguments are the protocol's)


@dataclass
class Host:
    """The server: its folder, its port, its key; after so many requests it breaks the connection, once each.

    closed: paths that it refuses to list and to open.
    """

    root: Path
    key: paramiko.PKey
    client_key: paramiko.PKey
    port: int = 0
    break_at: set[int] = field(default_factory=set)
    closed: set[str] = field(default_factory=set)
    requests: int = 0
    transports: list[paramiko.Transport] = field(default_factory=list)

    def count(self) -> None:
        """Count a request, and break off where that is planned."""
        self.requests += 1
        if self.requests in self.break_at:
            for transport in self.transports:
                transport.close()
            raise EOFError


class _Server(paramiko.ServerInterface):
    def __init__(self, host: Host) -> None:
        self.host = host

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        known = username == "archivist" and key == self.host.client_key
        return paramiko.AUTH_SUCCESSFUL if known else paramiko.AUTH_FAILED

    def get_allowed_auths(self, username: str) -> str:
        return "publickey"

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return paramiko.OPEN_SUCCEEDED


def _told(action):
    """Return what a call returns, or the SFTP code of what the system refuses."""
    try:
        return action()
    except OSError as error:
        return paramiko.SFTPServer.convert_errno(error.errno)


class _Handle(paramiko.SFTPHandle):
    def __init__(self, flags: int, file, host: Host) -> None:
        super().__init__(flags)
        self.file, self.host = file, host

    def close(self) -> None:
        self.file.close()

    def read(self, offset: int, length: int):
        self.host.count()
        return _told(lambda: os.pread(self.file.fileno(), length, offset))

    def write(self, offset: int, data: bytes) -> int:
        self.host.count()
        os.pwrite(self.file.fileno(), data, offset)
        return paramiko.SFTP_OK

    def stat(self):
        return paramiko.SFTPAttributes.from_stat(os.fstat(self.file.fileno()))


class _Files(paramiko.SFTPServerInterface):
    def __init__(self, server: _Server, *args, **kwargs) -> None:
        super().__init__(server, *args, **kwargs)
        self.host = server.host

    def _path(self, path: str) -> Path:
        self.host.count()
        return self.host.root / path.lstrip("/")

    def list_folder(self, path: str):
        found = self._path(path)
        if path.lstrip("/") in self.host.closed:
            return paramiko.SFTP_PERMISSION_DENIED
        return _told(
            lambda: [paramiko.SFTPAttributes.from_stat(each.lstat(), each.name) for each in sorted(found.iterdir())]
        )

    def stat(self, path: str):
        found = self._path(path)
        return _told(lambda: paramiko.SFTPAttributes.from_stat(found.stat()))

    def lstat(self, path: str):
        found = self._path(path)
        return _told(lambda: paramiko.SFTPAttributes.from_stat(found.lstat()))

    def open(self, path: str, flags: int, attr):
        found = self._path(path)
        if path.lstrip("/") in self.host.closed:
            return paramiko.SFTP_PERMISSION_DENIED
        if flags & os.O_EXCL:
            return _told(lambda: _Handle(flags, open(found, "xb"), self.host))
        mode = "rb" if not flags & (os.O_WRONLY | os.O_RDWR) else "w+b" if flags & os.O_TRUNC else "r+b"
        return _told(lambda: _Handle(flags, open(found, mode), self.host))

    def _done(self, action) -> int:
        failed = _told(action)
        return failed if isinstance(failed, int) else paramiko.SFTP_OK

    def remove(self, path: str) -> int:
        return self._done(self._path(path).unlink)

    def posix_rename(self, old: str, new: str) -> int:
        to = self._path(new)
        return self._done(lambda: (self._path(old).replace(to), None)[1])

    def mkdir(self, path: str, attr) -> int:
        return self._done(self._path(path).mkdir)


@contextmanager
def sftp_server(root: Path) -> Iterator[Host]:
    """Serve a folder while the block runs."""
    host = Host(root, paramiko.ECDSAKey.generate(), paramiko.ECDSAKey.generate())
    listening = socket.create_server(("127.0.0.1", 0))
    host.port = listening.getsockname()[1]

    def accept() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listening.accept()
                transport = paramiko.Transport(connection)
                transport.add_server_key(host.key)
                transport.set_subsystem_handler("sftp", paramiko.SFTPServer, _Files)
                host.transports.append(transport)
                with suppress(paramiko.SSHException, EOFError):
                    transport.start_server(server=_Server(host))

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield host
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join()
        for transport in host.transports:
            transport.close()


def know(host: Host, key: str) -> None:
    """Write the known host's key."""
    known = Path("~/.ssh/known_hosts").expanduser()
    known.write_text(f"[127.0.0.1]:{host.port} ecdsa-sha2-nistp256 {key}\n")


def address(host: Host, path: str = "site") -> str:
    return f"sftp://archivist@127.0.0.1:{host.port}/{path}"
