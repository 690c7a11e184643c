"""Mirrors as processes of their own, looked at from outside, killed and started again."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from packager.mirror.state import MirrorFolder
from tests.helpers.libtorrent_peer import ROOT
from tests.helpers.waiting import PATIENCE, until

# The built-in client tells every half second what it does, not every ten, so that nobody waits for it.
PROGRAM = (
    "from packager.mirror import fetch_shards; fetch_shards.LIVE_SECONDS = 0.5; from packager.cli.app import run; run()"
)


@dataclass
class Running:
    """A `packager mirror` process, and how to start it again."""

    arguments: Sequence[str]
    folder: Path
    log: Path
    process: "subprocess.Popen[bytes]" = field(init=False)

    def start(self) -> None:
        environ = {key: value for key, value in os.environ.items() if not key.lower().endswith("_proxy")}
        command = [sys.executable, "-c", PROGRAM, "mirror", *self.arguments]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environ
            )

    def kill(self) -> None:
        """End it as a power cut would."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def end(self) -> int:
        """End it in order and return its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE)

    def proved(self) -> set[str]:
        """The shards that it found right in full."""
        return {name for name, proof in MirrorFolder(self.folder).proofs().items() if proof.verified}

    def until(self, done: Callable[[], bool]) -> None:
        """Wait while it runs; fail with what it said."""

        def is_done() -> bool:
            assert self.process.poll() in (None, 0), self.log.read_text()
            return done()

        until(is_done, self.log.read_text)


@contextmanager
def running(folder: Path, *arguments: str) -> Iterator[Running]:
    """Run `packager mirror ARGUMENTS FOLDER` until the block ends."""
    mirror = Running([*arguments, str(folder)], folder, folder.with_suffix(".log"))
    with ExitStack() as ends:
        mirror.start()
        ends.callback(lambda: (mirror.process.kill(), mirror.process.wait()))
        yield mirror
